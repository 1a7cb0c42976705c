#include "sim/flow/segments.h"

#include <algorithm>

#include "sim/flow/flow_network.h"
#include "stack/base/byte_writer.h"
#include "stack/base/hash.h"

namespace mesocosm::flow {
namespace {

using capture::PacketDirection;
using capture::TcpHeader;
using M = TcpModel;

constexpr std::uint64_t bit(int index) { return std::uint64_t{1} << index; }
constexpr std::uint64_t first_bits(int count) { return count >= 64 ? ~std::uint64_t{0} : bit(count) - 1; }

// The lowest `count` of the bits that are set.
std::uint64_t lowest(std::uint64_t bits, std::uint32_t count) {
  std::uint64_t chosen = 0;
  for (; count > 0 && bits != 0; --count) {
    const std::uint64_t one = bits & (~bits + 1);
    chosen |= one;
    bits &= ~one;
  }
  return chosen;
}

// Of the segments sent, those that survive: `after` of them behind the lost ones, the others before.
std::uint64_t survivors(std::uint64_t sent, const Departure& departure, std::uint32_t packets) {
  if (departure.lost >= packets) return 0;
  const std::uint32_t before = packets - departure.lost - departure.after_first_loss;
  return lowest(sent, before) | (sent & ~lowest(sent, before + departure.lost));
}

bool is_control(const Burst& burst) { return burst.syn || burst.ack || burst.rst; }

}  // namespace

void Segments::Way::receive(std::uint64_t offset, std::uint64_t end) {
  std::uint64_t& stored = early[offset];
  stored = std::max(stored, end);
  for (auto at = early.begin(); at != early.end() && at->first <= received; at = early.erase(at)) {
    received = std::max(received, at->second);
  }
}

// ---- What Tcp tells ----

void Segments::departed(const Burst& burst, std::uint32_t payload, const Departure& departure) {
  const Connection& connection = *burst.connection;
  if (!wanted(connection)) return;
  if (is_control(burst)) return write(burst, control_flight(burst), 1, PacketDirection::out);
  Flight& flight = data_flight(burst);
  const std::uint32_t packets = std::max(1u, (payload + M::kMss - 1) / M::kMss);
  const std::uint64_t all = first_bits(flight.count);
  const std::uint64_t open = flight.arrived == all ? all : all & ~flight.arrived;
  const std::uint64_t sent = burst.missing == 0 ? open : lowest(open, packets);
  flight.on_way = survivors(sent, departure, packets);
  flight.header = header(connection, burst.side);
  ways(connection)[burst.side].id =
      static_cast<std::uint16_t>(flight.header.id + static_cast<std::uint16_t>(flight.count));
  write(burst, flight, sent, PacketDirection::out);
}

void Segments::delivered(const Burst& burst) {
  const auto found = flights_.find(&burst);
  if (found == flights_.end()) return;
  Flight& flight = found->second;
  Way& way = ways(*burst.connection)[burst.side];
  way.latest_ms = flight.header.sent_ms;
  if (is_control(burst)) return write(burst, flight, 1, PacketDirection::in);
  std::uint64_t now = lowest(flight.on_way, burst.packets);
  if (burst.missing == 0) now |= first_bits(flight.count) & ~flight.arrived;
  flight.arrived |= now;
  write(burst, flight, now, PacketDirection::in);
  for (int i = 0; i < flight.count; ++i) {
    if ((now & bit(i)) == 0) continue;
    const std::uint64_t offset = std::uint64_t{M::kMss} * static_cast<std::uint32_t>(i);
    const bool last = i + 1 == flight.count;
    const std::uint64_t end = last ? flight.data.size() + std::uint64_t{burst.fin} : offset + M::kMss;
    way.receive(flight.start + offset, flight.start + end);
  }
  release_replies(*burst.connection, burst.side);
}

void Segments::acknowledged(const Burst& burst, bool heard) {
  const Connection& connection = *burst.connection;
  if (flights_.find(&burst) == flights_.end()) return;
  const int from = 1 - burst.side;
  TcpHeader reply = header(connection, from);
  Way& way = ways(connection)[from];
  ++way.id;
  reply.ack = true;
  const Duration way_back(connection.pipes_[from].one_way_ns);
  if (captures_.wants(connection.host(from))) {
    captures_.packet(connection.host(from), captures_.now(), PacketDirection::out,
                     packet(connection, from, from, reply, {}));
  }
  if (!heard) return;
  way.replies.push_back({way.next, captures_.now() + way_back, reply});
  release_replies(connection, from);
}

void Segments::bounced(const Burst& burst) {
  if (wanted(*burst.connection)) control_flight(burst);
}

// Packets of one path never overtake each other.
void Segments::release_replies(const Connection& connection, int from) {
  Way& way = ways(connection)[from];
  while (!way.replies.empty() && way.replies.front().behind <= way.received) {
    const Reply& reply = way.replies.front();
    if (captures_.wants(connection.host(1 - from))) {
      captures_.packet(connection.host(1 - from), std::max(captures_.now(), reply.earliest),
                       PacketDirection::in, packet(connection, from, 1 - from, reply.header, {}));
    }
    way.replies.pop_front();
  }
}

// ---- Segments ----

Segments::Flight& Segments::control_flight(const Burst& burst) {
  const Connection& connection = *burst.connection;
  Flight& flight = flights_[&burst];
  flight.count = 1;
  flight.header = header(connection, burst.side);
  ++ways(connection)[burst.side].id;
  TcpHeader& header = flight.header;
  header.syn = burst.syn != 0;
  header.rst = burst.rst != 0;
  header.ack = !(burst.syn && !burst.ack);
  if (header.syn) header.sequence = ways(connection)[burst.side].first_sequence;
  if (!header.ack) header.acknowledgement = 0;
  if (header.rst && !connection.ends_[burst.side].connected) header.sequence = 0;  // nobody listens
  return flight;
}

// The burst's flight; at its first departure it takes its place in the stream.
Segments::Flight& Segments::data_flight(const Burst& burst) {
  const auto [at, first] = flights_.try_emplace(&burst);
  Flight& flight = at->second;
  if (!first) return flight;
  Way& way = ways(*burst.connection)[burst.side];
  flight.start = way.next;
  flight.data = data_of(burst);
  flight.count = static_cast<int>(std::max<std::size_t>(1, (flight.data.size() + M::kMss - 1) / M::kMss));
  way.next += flight.data.size() + burst.fin;
  return flight;
}

// Of a segment that the side would send now: new data would begin at its sequence.
TcpHeader Segments::header(const Connection& connection, int side) {
  const Way& out = ways(connection)[side];
  const Way& in = ways(connection)[1 - side];
  const std::uint32_t unread = connection.pipes_[1 - side].unread_bytes;
  TcpHeader header;
  header.sequence = out.first_sequence + 1 + static_cast<std::uint32_t>(out.next);
  header.acknowledgement = in.first_sequence + 1 + static_cast<std::uint32_t>(in.received);
  header.window = M::kReceiveBuffer - std::min(unread, M::kReceiveBuffer);
  header.sent_ms = milliseconds();
  header.echo_ms = in.latest_ms;
  header.id = out.id;
  return header;
}

void Segments::write(const Burst& burst, const Flight& flight, std::uint64_t which,
                     PacketDirection direction) {
  const Connection& connection = *burst.connection;
  const HostIndex host = connection.host(direction == PacketDirection::out ? burst.side : 1 - burst.side);
  if (!captures_.wants(host)) return;
  for (int i = 0; i < flight.count; ++i) {
    if ((which & bit(i)) != 0) write_segment(burst, flight, i, host, direction);
  }
}

void Segments::write_segment(const Burst& burst, const Flight& flight, int index, HostIndex host,
                             PacketDirection direction) {
  TcpHeader header = flight.header;
  Bytes data;
  header.id = static_cast<std::uint16_t>(header.id + index);
  if (!is_control(burst)) {
    const std::uint32_t offset = M::kMss * static_cast<std::uint32_t>(index);
    const bool last = index + 1 == flight.count;
    header.sequence = ways(*burst.connection)[burst.side].first_sequence + 1 +
                      static_cast<std::uint32_t>(flight.start + offset);
    header.ack = true;
    header.push = last && !flight.data.empty();
    header.fin = last && burst.fin;
    data = flight.data.slice(offset, M::kMss);
  }
  const int seen_by = direction == PacketDirection::out ? burst.side : 1 - burst.side;
  captures_.packet(host, captures_.now(), direction,
                   packet(*burst.connection, burst.side, seen_by, header, data));
}

Bytes Segments::data_of(const Burst& burst) {
  ByteWriter data;
  for (const Chunk* chunk = burst.chunks.head; chunk != nullptr; chunk = chunk->next)
    data.put(chunk->data.view());
  return data.take();
}

// ---- Connections ----

bool Segments::wanted(const Connection& connection) const {
  const HostIndex one = connection.host(0), other = connection.host(1);
  return one != other && (captures_.wants(one) || captures_.wants(other));
}

std::array<Segments::Way, 2>& Segments::ways(const Connection& connection) {
  const auto [at, is_new] = ways_.try_emplace(&connection);
  if (is_new) {
    for (int side = 0; side < 2; ++side)
      at->second[static_cast<std::size_t>(side)].first_sequence = first_sequence(connection, side);
  }
  return at->second;
}

// As hosts choose it from the addresses and a secret (RFC 6528); the model needs none.
std::uint32_t Segments::first_sequence(const Connection& connection, int side) {
  const std::uint64_t hosts = std::uint64_t{connection.host(side)} << 32 | connection.host(1 - side);
  const std::uint64_t ports = std::uint64_t{connection.port(side)} << 16 | connection.port(1 - side);
  return static_cast<std::uint32_t>(mix64(mix64(hosts) ^ ports));
}

// Middleboxes make the two ends see different addresses.
Bytes Segments::packet(const Connection& connection, int from, int seen_by, TcpHeader header,
                       ByteView data) const {
  const Endpoint own = network_.local(connection, seen_by), other = network_.remote(connection, seen_by);
  header.from = seen_by == from ? own : other;
  header.to = seen_by == from ? other : own;
  return capture::tcp_packet(header, data);
}

std::uint32_t Segments::milliseconds() const {
  return static_cast<std::uint32_t>(captures_.now().time_since_epoch() / 1ms);
}

}  // namespace mesocosm::flow
