#include "sim/flow/tcp.h"

#include <algorithm>

#include "sim/flow/segments.h"
#include "stack/base/assert.h"

namespace mesocosm::flow {
namespace {

using M = TcpModel;

constexpr std::uint32_t kRstWire = 40;

// Sequences wrap around; a is before b if it is at most half the circle behind.
bool before(std::uint32_t a, std::uint32_t b) { return static_cast<std::int32_t>(a - b) < 0; }

std::uint32_t segments(std::uint32_t payload) { return std::max(1u, (payload + M::kMss - 1) / M::kMss); }

}  // namespace

void ChunkList::push(Chunk* chunk) {
  chunk->next = nullptr;
  (head == nullptr ? head : tail->next) = chunk;
  tail = chunk;
}

void ChunkList::append(ChunkList& other) {
  if (other.empty()) return;
  (head == nullptr ? head : tail->next) = other.head;
  tail = other.tail;
  other.head = other.tail = nullptr;
}

Chunk* ChunkList::pop() {
  Chunk* const chunk = head;
  head = chunk->next;
  if (head == nullptr) tail = nullptr;
  return chunk;
}

void Burst::on_timer() {
  Connection& guarded = *connection;
  Tcp& tcp = *guarded.tcp_;
  ++guarded.references_;
  switch (state) {
    case State::idle:
      MC_ASSERT(false);
    case State::arriving:
      tcp.arrived(*this);
      break;
    case State::delivering:
      tcp.delivered(*this);
      break;
    case State::acknowledging:
      tcp.acknowledged(*this);
      break;
    case State::waiting:
      tcp.timed_out(*this);
      break;
    case State::retry_syn:
      tcp.retry_syn(*this);
      break;
    case State::wake:
      tcp.woken(*this);
      break;
    case State::notify:
      tcp.notified(*this);
      break;
  }
  tcp.release(guarded);
}

void Burst::on_soon(bool near) const {
  if (connection == nullptr) return;
  const char* const memory = reinterpret_cast<const char*>(connection);
  if (!near) {
    for (std::size_t line = 0; line < sizeof(Connection); line += 64) __builtin_prefetch(memory + line, 1);
  } else if (state == State::arriving) {
    connection->tcp_->links_.prefetch(connection->host_[1 - side]);
  } else if (state == State::delivering) {
    if (const void* user = connection->ends_[1 - side].events) {
      __builtin_prefetch(user, 1);
      __builtin_prefetch(static_cast<const char*>(user) + 64, 1);
    }
    __builtin_prefetch(chunks.head, 1);
  }
}

// ---- What users do ----

void Connection::attach(int side, ByteStream::Events& events) {
  MC_ASSERT(!ends_[side].attached);
  ends_[side].attached = true;
  ends_[side].events = &events;
  ++references_;
}

void Connection::set_events(int side, ByteStream::Events& events) {
  ends_[side].events = &events;
  const Pipe& in = pipes_[1 - side];
  if (!in.received.empty() || in.fin_received) tcp_->notify(*this, side, Tcp::Notice::readable);
}

void Connection::detach(int side) {
  End& end = ends_[side];
  Pipe& out = pipes_[side];
  Pipe& in = pipes_[1 - side];
  end.attached = false;
  end.events = nullptr;
  if (!end.closed) {
    end.closed = true;
    const bool finished =
        out.finishing && end.connected && in.received.empty() && !tcp_->links_.off(host_[side]);
    if (!finished) {
      tcp_->drop_sending(out);
      if (end.connected) tcp_->send_control(*this, side, false, false, true);
    }
    tcp_->drop_received(in);
  }
  tcp_->release(*this);
}

void Connection::redirect(int side, HostIndex host, std::uint16_t port) {
  host_[side] = host;
  port_[side] = port;
  tcp_->set_paths(*this);
}

std::size_t Connection::writable(int side) const {
  const Pipe& out = pipes_[side];
  if (!ends_[side].connected || ends_[side].closed || out.finishing) return 0;
  return M::kUnsentLimit - std::min(out.unsent_bytes, M::kUnsentLimit);
}

void Connection::write(int side, Bytes data) {
  if (data.empty() || ends_[side].closed || pipes_[side].finishing) return;
  Chunk& chunk = *tcp_->chunks_.take();
  MC_ASSERT(data.size() <= UINT32_MAX);
  chunk.wire = static_cast<std::uint32_t>(data.size());
  chunk.data = std::move(data);
  chunk.tag = chunk.value = 0;
  chunk.solid = false;
  tcp_->enqueue(*this, side, chunk);
}

void Connection::write_message(int side, Bytes data, std::uint32_t wire, std::uint32_t tag,
                               std::uint32_t value) {
  if (ends_[side].closed || pipes_[side].finishing) return;
  Chunk& chunk = *tcp_->chunks_.take();
  chunk.data = std::move(data);
  chunk.wire = wire;
  chunk.tag = tag;
  chunk.value = value;
  chunk.solid = true;
  tcp_->enqueue(*this, side, chunk);
}

void Connection::finish(int side) {
  Pipe& out = pipes_[side];
  if (out.finishing || ends_[side].closed) return;
  out.finishing = true;
  tcp_->mark_dirty(*this, side);
}

bool Connection::read(int side, std::size_t max, Chunk& into) {
  Pipe& in = pipes_[1 - side];
  Chunk* const first = in.received.head;
  if (first == nullptr) return false;
  const std::uint32_t before_read = in.unread_bytes;
  into.tag = first->tag;
  into.value = first->value;
  if (first->solid || first->data.size() <= max) {
    into.data = std::move(first->data);
    into.wire = first->wire;
    into.whole = first->whole;
    first->data = Bytes();
    tcp_->chunks_.give(in.received.pop());
    if (in.received.empty() && in.fin_received) tcp_->check_done(*this, side);
  } else {
    into.data = first->data.take_front(max);
    into.wire = static_cast<std::uint32_t>(max);
    into.whole = false;
    first->wire -= into.wire;
  }
  in.unread_bytes -= into.wire;
  // Window updates travel only when the sender waits for one.
  if (in.blocked && !in.wake_armed && before_read + in.in_flight + M::kMss > M::kReceiveBuffer) {
    tcp_->wake_at(*this, 1 - side, tcp_->now() + tcp_->way_back(*this, 1 - side));
  }
  return true;
}

bool Connection::ended(int side) const {
  const Pipe& in = pipes_[1 - side];
  return in.fin_received && in.received.empty();
}

// ---- Opening and closing ----

Connection& Tcp::connect(HostIndex from, std::uint16_t from_port, HostIndex to, std::uint16_t to_port,
                         bool v6, const Endpoint* dialed) {
  Connection& connection = *connections_.take();
  connection = Connection();
  connection.tcp_ = this;
  connection.host_ = {from, to};
  connection.port_ = {from_port, to_port};
  connection.v6_ = v6;
  set_paths(connection);
  connection.gated_ = dialed != nullptr;
  if (connection.gated_) gates_->on_connect(connection, *dialed);
  send_control(connection, 0, true, false, false);
  return connection;
}

void Tcp::set_paths(Connection& connection) {
  for (int side = 0; side < 2; ++side) {
    const Path path = links_.model().path(connection.host_[side], connection.host_[1 - side]);
    const Duration longest(~std::uint32_t{0});
    connection.pipes_[side].one_way_ns = static_cast<std::uint32_t>(std::min(path.one_way, longest).count());
    connection.pipes_[side].loss = static_cast<float>(path.loss);
  }
}

bool Tcp::listen(HostIndex host, std::uint16_t port, bool v6, Acceptor& acceptor) {
  return acceptors_.emplace(key(host, port, v6), &acceptor).second;
}

void Tcp::unlisten(HostIndex host, std::uint16_t port, bool v6) { acceptors_.erase(key(host, port, v6)); }

// Sends a segment without data: SYN, SYN-ACK, the handshake's last ACK, or RST.
void Tcp::send_control(Connection& connection, int side, bool syn, bool ack, bool rst) {
  Burst& burst = new_burst(connection, side);
  Pipe& pipe = connection.pipes_[side];
  burst.syn = syn;
  burst.ack = ack;
  burst.rst = rst;
  burst.sent = pipe.last_sent = now();
  if (connection.gated_ && !passes_out(connection, burst)) {
    if (segments_ != nullptr) segments_->departed(burst, 0, {now(), now(), 0, 1, 0});
    return control_lost(burst);
  }
  const std::uint32_t wire = syn ? M::kControl : rst ? kRstWire : M::kHeaders;
  const Path path{Duration(pipe.one_way_ns), pipe.loss};
  const Departure departure =
      links_.depart(connection.host_[side], connection.host_[1 - side], wire, 1, path, pipe.fifo);
  if (segments_ != nullptr) segments_->departed(burst, 0, departure);
  if (departure.refused && !rst) bounce(connection, side);
  if (departure.lost > 0) return control_lost(burst);
  burst.packets = 1;
  burst.wire = wire;
  burst.last_in = departure.last_in;
  burst.state = Burst::State::arriving;
  links_.kernel().arm(burst, departure.first_in);
}

// What the side sent was refused on its way: a reset comes back, as though the other side had sent it.
void Tcp::bounce(Connection& connection, int side) {
  Burst& burst = new_burst(connection, 1 - side);
  burst.rst = 1;
  burst.wire = kRstWire;
  if (segments_ != nullptr) segments_->bounced(burst);
  burst.state = Burst::State::delivering;
  links_.kernel().arm_after(burst, way(connection, side) + way_back(connection, side));
}

// Whichever segment of the opening was lost, it is the connecting side's next SYN that mends it.
void Tcp::control_lost(Burst& burst) {
  if (burst.rst) return free_burst(burst);
  const Connection& connection = *burst.connection;
  const Duration delay = Duration(1s) * (1 << connection.syn_tries_);
  burst.state = Burst::State::retry_syn;
  links_.kernel().arm(burst, connection.pipes_[0].last_sent + delay);
}

void Tcp::retry_syn(Burst& burst) {
  Connection& connection = *burst.connection;
  const bool last_ack = burst.side == 0 && burst.ack != 0;
  free_burst(burst);
  const Connection::End& end = connection.ends_[0];
  if (end.closed) return;
  if (last_ack) {
    if (!connection.accepted_) send_control(connection, 0, false, true, false);
    return;
  }
  if (end.connected) return;
  if (++connection.syn_tries_ > M::kSynRetries) return close(connection, 0, ErrorCode::timeout);
  send_control(connection, 0, true, false, false);
}

void Tcp::control_delivered(Burst& burst) {
  Connection& connection = *burst.connection;
  const int side = 1 - burst.side;
  const bool syn = burst.syn != 0, ack = burst.ack != 0, rst = burst.rst != 0;
  free_burst(burst);
  Connection::End& end = connection.ends_[side];
  if (rst) {
    if (side == 1 && !connection.accepted_) return;  // nobody knows of it yet: the next SYN begins anew
    drop_sending(connection.pipes_[side]);
    return close(connection, side, end.connected ? ErrorCode::reset : ErrorCode::refused);
  }
  if (syn && !ack) {
    const bool open =
        !connection.rejected_ && listening(connection.host_[1], connection.port_[1], connection.v6_);
    return send_control(connection, 1, open, open, !open);
  }
  if (!syn) {
    if (!connection.accepted_) accept(connection);
    return;
  }
  if (end.closed) return;
  const bool first = !end.connected;
  end.connected = true;
  send_control(connection, 0, false, true, false);
  if (!first) return;
  const Duration round_trip = way(connection, 0) + way(connection, 1);
  const auto round_trip_us = static_cast<std::uint32_t>(round_trip / 1us);
  connection.pipes_[0].srtt_us = connection.pipes_[1].srtt_us = round_trip_us;
  mark_dirty(connection, 0);
  if (end.attached) end.events->on_writable();
}

void Tcp::accept(Connection& connection) {
  connection.accepted_ = true;
  Connection::End& end = connection.ends_[1];
  end.connected = true;
  const auto found = acceptors_.find(key(connection.host_[1], connection.port_[1], connection.v6_));
  if (found != acceptors_.end()) found->second->on_accept(connection);
  if (end.attached || end.closed) return;
  end.closed = true;
  send_control(connection, 1, false, false, true);
}

void Tcp::close(Connection& connection, int side, ErrorCode code) {
  Connection::End& end = connection.ends_[side];
  if (end.closed) return;
  end.closed = true;
  if (code != ErrorCode::none) {
    drop_sending(connection.pipes_[side]);
    drop_received(connection.pipes_[1 - side]);
  }
  if (!end.attached || end.events == nullptr) return;
  const std::string with = name_(connection, 1 - side);
  end.events->on_closed(code == ErrorCode::none ? Error{} : Error{code, "the connection with " + with});
}

// Both directions ended, as far as the user can tell: tells so in a turn of its own. What is on its way goes
// on.
void Tcp::check_done(Connection& connection, int side) {
  const Pipe& in = connection.pipes_[1 - side];
  if (connection.ends_[side].closed || !connection.pipes_[side].fin_sent) return;
  if (in.fin_received && in.received.empty()) notify(connection, side, Notice::done);
}

// ---- Sending ----

void Tcp::enqueue(Connection& connection, int side, Chunk& chunk) {
  Pipe& pipe = connection.pipes_[side];
  chunk.whole = true;
  pipe.unsent.push(&chunk);
  pipe.unsent_bytes += chunk.wire;
  if (pipe.unsent_bytes >= M::kUnsentLimit) pipe.starved = true;
  mark_dirty(connection, side);
}

void Tcp::mark_dirty(Connection& connection, int side) {
  if (connection.ends_[side].dirty) return;
  const bool queued = connection.ends_[1 - side].dirty;
  connection.ends_[side].dirty = true;
  if (queued) return;
  ++connection.references_;
  connection.next = nullptr;
  (dirty_head_ == nullptr ? dirty_head_ : dirty_tail_->next) = &connection;
  dirty_tail_ = &connection;
  links_.kernel().defer(flush_);
}

void Tcp::flush() {
  while (dirty_head_ != nullptr) {
    Connection& connection = *dirty_head_;
    dirty_head_ = connection.next;
    for (int side = 0; side < 2; ++side) {
      if (!connection.ends_[side].dirty) continue;
      connection.ends_[side].dirty = false;
      transmit(connection, side);
      const Pipe& pipe = connection.pipes_[side];
      if (pipe.starved && pipe.unsent_bytes <= M::kUnsentLimit / 2)
        notify(connection, side, Notice::writable);
    }
    release(connection);
  }
}

// Sends what the windows allow: first what was lost, then what is new.
void Tcp::transmit(Connection& connection, int side) {
  Pipe& pipe = connection.pipes_[side];
  if (!connection.ends_[side].connected) return;
  settle(pipe);
  decay_after_idle(pipe);
  pipe.blocked = !retransmit(connection, side);
  while (!pipe.blocked && (pipe.unsent_bytes > 0 || (pipe.finishing && !pipe.fin_sent))) {
    const std::uint32_t free_buffer = M::kReceiveBuffer - std::min(pipe.unread_bytes, M::kReceiveBuffer);
    const std::uint32_t window = std::min(pipe.cwnd, free_buffer);
    const std::uint32_t room = window - std::min(window, pipe.in_flight);
    std::uint32_t bytes = pipe.unsent_bytes;
    if (bytes > M::kShortBurst) bytes = std::min(bytes, longest_burst(connection, side));
    if (bytes > room) bytes = room;
    if (bytes < pipe.unsent_bytes) bytes -= bytes % M::kMss;  // full segments, unless it is all there is
    if (bytes == 0 && pipe.unsent_bytes > 0) {
      pipe.blocked = true;
    } else {
      send_new(connection, side, bytes);
    }
  }
  if (pipe.blocked && pipe.acknowledgements[0].bytes > 0)
    wake_at(connection, side, pipe.acknowledgements[0].at);
}

// False: more would be sent again if the window allowed it.
bool Tcp::retransmit(Connection& connection, int side) {
  Pipe& pipe = connection.pipes_[side];
  for (Burst* burst = pipe.lost; burst != nullptr; burst = burst->next) {
    if (burst->state != Burst::State::waiting || !burst->due) continue;
    std::uint32_t room = pipe.cwnd - std::min(pipe.cwnd, pipe.in_flight);
    if (pipe.in_flight == 0) room = std::max(room, M::kMss);
    std::uint32_t bytes = std::min({burst->missing, room, longest_burst(connection, side)});
    if (bytes < burst->missing) bytes -= bytes % M::kMss;
    if (bytes == 0) return false;
    links_.kernel().disarm(*burst);
    burst->missing -= bytes;
    burst->due = burst->missing > 0;
    burst->again = burst->limited = 1;
    depart(*burst, bytes);
  }
  return true;
}

void Tcp::send_new(Connection& connection, int side, std::uint32_t bytes) {
  Pipe& pipe = connection.pipes_[side];
  Burst& burst = new_burst(connection, side);
  burst.sequence = pipe.next_sequence++;
  cut(pipe, burst, bytes);
  if (pipe.finishing && pipe.unsent.empty()) {
    burst.fin = 1;
    pipe.fin_sent = true;
    if (bytes == 0) bytes = 1;  // a FIN takes one place in the sequence
    check_done(connection, side);
  }
  const std::uint32_t in_flight = pipe.in_flight + bytes;
  burst.limited = pipe.cwnd < pipe.ssthresh ? 2 * in_flight >= pipe.cwnd : in_flight + M::kMss > pipe.cwnd;
  depart(burst, bytes);
}

// Moves the next `bytes` of what is unsent into the burst.
void Tcp::cut(Pipe& pipe, Burst& burst, std::uint32_t bytes) {
  pipe.unsent_bytes -= bytes;
  while (bytes > 0) {
    Chunk* const first = pipe.unsent.head;
    if (first->wire <= bytes) {
      bytes -= first->wire;
      burst.chunks.push(pipe.unsent.pop());
      continue;
    }
    Chunk* const piece = chunks_.take();
    if (!first->solid) piece->data = first->data.take_front(bytes);
    piece->wire = bytes;
    piece->tag = first->tag;
    piece->whole = false;
    piece->solid = first->solid;
    first->wire -= bytes;
    burst.chunks.push(piece);
    bytes = 0;
  }
}

// Sends `payload` bytes of the burst, or sends them again.
void Tcp::depart(Burst& burst, std::uint32_t payload) {
  Connection& connection = *burst.connection;
  const int side = burst.side;
  Pipe& pipe = connection.pipes_[side];
  const std::uint32_t packets = segments(payload);
  const std::uint32_t wire = packets * M::kHeaders + (burst.chunks.empty() && !burst.taken ? 0 : payload);
  const Path path{Duration(pipe.one_way_ns), pipe.loss};
  Departure departure{now(), now(), 0, packets, 0};
  if (!connection.gated_ || passes_out(connection, burst)) {
    departure =
        links_.depart(connection.host_[side], connection.host_[1 - side], wire, packets, path, pipe.fifo);
  }
  if (segments_ != nullptr) segments_->departed(burst, payload, departure);
  if (departure.refused) bounce(connection, side);
  const std::uint32_t lost =
      departure.lost >= packets ? payload : std::min(payload, departure.lost * M::kMss);
  burst.sent = pipe.last_sent = now();
  burst.flying = payload;
  burst.missing += lost;
  burst.arriving = payload - lost;
  burst.wire = departure.wire;
  burst.packets = static_cast<std::uint8_t>(packets - std::min(packets, departure.lost));
  burst.last_in = departure.last_in;
  burst.duplicates = static_cast<std::uint8_t>(departure.after_first_loss);
  pipe.in_flight += payload;
  if (departure.lost > 0) burst.due = 0;
  if (burst.packets == 0 || burst.arriving == 0) return lose(burst);
  if (departure.lost > 0) {
    burst.state = Burst::State::arriving;
    lose(burst);
  }
  burst.state = Burst::State::arriving;
  links_.kernel().arm(burst, departure.first_in);
}

// Whether the middleboxes on its side let the burst out. What they refuse, they answer when it has come to them.
bool Tcp::passes_out(Connection& connection, const Burst& burst) {
  if (connection.rejected_ && burst.side == 1) return true;  // the refusal itself
  const NatAction action = gates_->leaves(connection, burst);
  if (burst.side == 0) connection.rejected_ = action == NatAction::refuse;
  return action != NatAction::drop;
}

bool Tcp::passes_in(Connection& connection, const Burst& burst) {
  const NatAction action = gates_->arrives(connection, burst);
  if (action == NatAction::refuse) connection.rejected_ = true;
  return action != NatAction::drop;
}

std::uint32_t Tcp::longest_burst(const Connection& connection, int side) const {
  const HostIndex from = connection.host_[side], to = connection.host_[1 - side];
  if (links_.passing_time(from, to, M::kLongBurst) <= M::kBurstTime) return M::kLongBurst;
  const Duration round_trip = way_back(connection, 0) + way_back(connection, 1);
  const Duration each = links_.passing_time(from, to, Links::kPacket);
  const auto segments = static_cast<std::uint32_t>(std::max(M::kBurstTime, round_trip / 32) / each);
  return std::clamp(segments * M::kMss, M::kShortBurst, M::kBurst);
}

// RFC 2861 as Linux does it: an idle sender's window halves with every retransmission timeout, down to the
// initial one.
void Tcp::decay_after_idle(Pipe& pipe) {
  if (pipe.in_flight > 0 || pipe.unsent_bytes == 0 || pipe.lost != nullptr) return;
  if (pipe.growth != nullptr) pipe.growth->cubic.skip(now() - pipe.last_sent);
  if (pipe.cwnd <= M::kInitialWindow) return;
  const Duration timeout = rto(pipe);
  Duration idle = now() - pipe.last_sent - timeout;
  if (idle <= Duration::zero()) return;
  pipe.ssthresh = std::max(pipe.ssthresh, pipe.cwnd / 4 * 3);
  for (; idle > Duration::zero() && pipe.cwnd > M::kInitialWindow; idle -= timeout) pipe.cwnd /= 2;
  pipe.cwnd = std::max(pipe.cwnd, M::kInitialWindow);
}

// ---- The bursts' events ----

void Tcp::arrived(Burst& burst) {
  Connection& connection = *burst.connection;
  const int to = 1 - burst.side;
  Landing landing =
      links_.land(connection.host_[1 - to], connection.host_[to], burst.wire, burst.packets, burst.last_in);
  if (connection.gated_ && landing.lost == 0 && !passes_in(connection, burst)) landing.lost = burst.packets;
  if (landing.lost > 0) {
    if (burst.syn || burst.ack || burst.rst) return control_lost(burst);
    const bool all = landing.lost >= burst.packets;
    const std::uint32_t lost = all ? burst.arriving : std::min(burst.arriving, landing.lost * M::kMss);
    burst.missing += lost;
    burst.arriving -= lost;
    burst.packets = static_cast<std::uint8_t>(burst.packets - landing.lost);
    burst.due = 0;
    burst.duplicates = 0;
    if (burst.arriving == 0) return lose(burst);
    lose(burst);
  }
  burst.state = Burst::State::delivering;
  burst.last_in = landing.first;
  links_.kernel().arm(burst, landing.at);
}

void Tcp::delivered(Burst& burst) {
  Connection& connection = *burst.connection;
  const int side = burst.side, to = 1 - side;
  links_.kernel().absorb(std::uint64_t{connection.host_[to]} << 32 | burst.wire);
  if (segments_ != nullptr) segments_->delivered(burst);
  if (burst.syn || burst.ack || burst.rst) return control_delivered(burst);
  const bool opens = !connection.accepted_;  // the handshake's last segment was lost
  if (opens) accept(connection);
  Pipe& pipe = connection.pipes_[side];
  Connection::End& end = connection.ends_[to];
  if (end.closed && !burst.chunks.empty()) return refuse(burst);
  const std::uint32_t expected = pipe.next_expected;
  const PathState back = links_.state(connection.host_[to], connection.host_[side]);
  if (segments_ != nullptr) segments_->acknowledged(burst, !back.lost);
  if (back.refused) bounce(connection, to);
  if (back.lost) {
    take_unheard(burst);
  } else {
    take_heard(burst);
  }
  const bool readable = pipe.next_expected != expected && (!pipe.received.empty() || pipe.fin_received);
  if (!readable || end.closed || !end.attached || end.events == nullptr) return;
  check_done(connection, to);
  if (opens) {
    notify(connection, to, Notice::readable);
  } else {
    end.events->on_readable();
  }
}

void Tcp::take_heard(Burst& burst) {
  Connection& connection = *burst.connection;
  const int side = burst.side;
  Pipe& pipe = connection.pipes_[side];
  if (burst.taken) burst.missing = 0;
  if (burst.missing > 0) {
    burst.state = Burst::State::acknowledging;
    links_.kernel().arm(burst, now() + way_back(connection, side));
    return;
  }
  if (burst.listed) unlist(pipe, burst);
  if (!burst.again) {
    const Duration sample = now() - burst.sent + way_back(connection, side);
    const auto sample_us = static_cast<std::int64_t>(sample / 1us);
    pipe.srtt_us = static_cast<std::uint32_t>((7 * std::int64_t{pipe.srtt_us} + sample_us) / 8);
  }
  if (burst.sequence == pipe.next_expected) {
    take_in(pipe, burst);
  } else if (!burst.taken) {
    hold(pipe, burst);
  }
  if (pipe.blocked || pipe.lost != nullptr || burst.again || burst.held) {
    burst.state = Burst::State::acknowledging;
    links_.kernel().arm(burst, now() + way_back(connection, side));
  } else {
    note_acknowledgement(pipe, burst);
    free_burst(burst);
  }
}

// The acknowledgement is lost to a fault: the sender sends again what the receiver perhaps has. What it cannot use
// yet it does not keep.
void Tcp::take_unheard(Burst& burst) {
  Pipe& pipe = burst.connection->pipes_[burst.side];
  if (burst.missing == 0 && burst.sequence == pipe.next_expected) {
    take_in(pipe, burst);
    burst.taken = 1;
  }
  burst.missing += std::exchange(burst.arriving, 0);
  lose(burst);
}

// Data for an end that is closed: answered with a reset, and lost until that has come through.
void Tcp::refuse(Burst& burst) {
  send_control(*burst.connection, 1 - burst.side, false, false, true);
  burst.missing += std::exchange(burst.arriving, 0);
  lose(burst);
}

void Tcp::acknowledged(Burst& burst) {
  Connection& connection = *burst.connection;
  const int side = burst.side;
  Pipe& pipe = connection.pipes_[side];
  settle(pipe);
  pipe.in_flight -= std::min(pipe.in_flight, burst.flying);
  pipe.backoff = 0;
  const std::uint32_t delivered = std::min(burst.flying, burst.arriving);
  if (pipe.recovering) {
    reduce_in_proportion(pipe, delivered);
  } else if (burst.limited) {
    look_for_delay(pipe, burst);
    widen(pipe, delivered);
  }
  burst.flying = 0;
  forget_taken(pipe);
  count_duplicates(pipe, burst);
  if (burst.missing > 0) {
    burst.state = Burst::State::waiting;
    if (burst.duplicates >= 3 && !burst.due) mark_due(pipe, burst);
    if (!burst.listed) {  // the sender has closed meanwhile
      return free_burst(burst);
    }
  } else {
    burst.state = Burst::State::idle;
    if (!burst.held) free_burst(burst);
  }
  if (pipe.recovering && (pipe.lost == nullptr || !before(pipe.lost->sequence, pipe.recovery_end))) {
    pipe.recovering = false;
    pipe.cwnd = pipe.ssthresh;
  }
  transmit(connection, side);
  watch(pipe);
  offer_space(connection, side);
}

// An acknowledgement speaks of everything that the receiver has.
void Tcp::forget_taken(Pipe& pipe) {
  for (Burst *burst = pipe.lost, *next = nullptr; burst != nullptr; burst = next) {
    next = burst->next;
    if (!burst->taken || burst->state != Burst::State::waiting) continue;
    pipe.in_flight -= std::min(pipe.in_flight, burst->flying);
    unlist(pipe, *burst);
    free_burst(*burst);
  }
}

// The retransmission timeout of the first incomplete burst (RFC 6298, section 5).
void Tcp::timed_out(Burst& burst) {
  Connection& connection = *burst.connection;
  const int side = burst.side;
  Pipe& pipe = connection.pipes_[side];
  settle(pipe);
  if (pipe.backoff == 0) {
    pipe.trouble_since = burst.sent;
    pipe.ssthresh = cubic(pipe).reduce(pipe.cwnd);
    cubic(pipe).forget();
  }
  pipe.recovering = false;
  if (now() - pipe.trouble_since >= M::kGiveUp || links_.off(connection.host_[side])) {
    drop_sending(pipe);
    send_control(connection, side, false, false, true);
    return close(connection, side, ErrorCode::timeout);
  }
  if (pipe.backoff < 16) ++pipe.backoff;
  pipe.cwnd = M::kMss;
  pipe.recovery_end = pipe.next_sequence;
  for (Burst* other = pipe.lost; other != nullptr; other = other->next) {
    if (other->state != Burst::State::waiting) continue;
    pipe.in_flight -= std::min(pipe.in_flight, std::exchange(other->flying, 0));
    other->due = 1;
  }
  const std::uint32_t bytes = std::min(burst.missing, M::kMss);
  burst.missing -= bytes;
  burst.due = burst.missing > 0;
  burst.again = burst.limited = 1;
  depart(burst, bytes);
  transmit(connection, side);
  watch(pipe);
}

void Tcp::woken(Burst& burst) {
  Connection& connection = *burst.connection;
  const int side = burst.side;
  connection.pipes_[side].wake_armed = false;
  free_burst(burst);
  transmit(connection, side);
  offer_space(connection, side);
}

void Tcp::notified(Burst& burst) {
  Connection& connection = *burst.connection;
  const int side = burst.side;
  const auto notice = static_cast<Notice>(burst.sequence);
  free_burst(burst);
  Connection::End& end = connection.ends_[side];
  end.notices &= static_cast<std::uint8_t>(~(1u << static_cast<int>(notice)));
  if (end.closed || !end.attached || end.events == nullptr) return;
  const Pipe& in = connection.pipes_[1 - side];
  switch (notice) {
    case Notice::readable:
      if (!in.received.empty() || in.fin_received) end.events->on_readable();
      return;
    case Notice::writable:
      return offer_space(connection, side);
    case Notice::done:
      return close(connection, side, ErrorCode::none);
  }
}

// ---- Loss ----

// Notes that the burst is incomplete. If nothing of it is on the way, it waits.
void Tcp::lose(Burst& burst) {
  Connection& connection = *burst.connection;
  Pipe& pipe = connection.pipes_[burst.side];
  if (connection.ends_[burst.side].closed && !pipe.finishing) {  // the sender will not send it again
    if (burst.arriving == 0) free_burst(burst);
    return;
  }
  if (!burst.listed) {
    burst.listed = 1;
    Burst** place = &pipe.lost;
    while (*place != nullptr && before((*place)->sequence, burst.sequence)) place = &(*place)->next;
    burst.next = *place;
    *place = &burst;
  }
  if (burst.arriving > 0) return;
  burst.state = Burst::State::waiting;
  watch(pipe);
}

void Tcp::unlist(Pipe& pipe, Burst& burst) {
  Burst** place = &pipe.lost;
  while (*place != &burst) place = &(*place)->next;
  *place = burst.next;
  burst.next = nullptr;
  burst.listed = 0;
}

// Segments of `newer` came through: three of them after a lost burst was sent prove its loss (RFC 5681, 3.2,
// in the order of sending as in RFC 8985).
void Tcp::count_duplicates(Pipe& pipe, const Burst& newer) {
  for (Burst* burst = pipe.lost; burst != nullptr; burst = burst->next) {
    if (burst == &newer || burst->state != Burst::State::waiting || burst->due || burst->sent >= newer.sent)
      continue;
    burst->duplicates = static_cast<std::uint8_t>(std::min(255, burst->duplicates + newer.packets));
    if (burst->duplicates >= 3) mark_due(pipe, *burst);
  }
}

void Tcp::mark_due(Pipe& pipe, Burst& burst) {
  if (!before(burst.sequence, pipe.recovery_end)) {  // once for each window
    // In recovery the window follows what is in flight; what it comes to is the threshold.
    pipe.ssthresh = cubic(pipe).reduce(pipe.recovering ? pipe.ssthresh : pipe.cwnd);
    pipe.cwnd = pipe.in_flight + M::kMss;
    pipe.recovering = true;
    pipe.recovery_end = pipe.next_sequence;
  }
  const std::uint32_t lost = std::min(pipe.in_flight, std::exchange(burst.flying, 0));
  pipe.in_flight -= lost;
  if (pipe.recovering) pipe.cwnd -= std::min(pipe.cwnd, lost);
  burst.due = 1;
  links_.kernel().disarm(burst);
}

// Makes sure that the first incomplete burst is on its way or has its timeout armed.
void Tcp::watch(Pipe& pipe) {
  Burst* const first = pipe.lost;
  if (first == nullptr || first->state != Burst::State::waiting || first->armed()) return;
  links_.kernel().arm(*first, std::max(now(), first->sent + rto(pipe)));
}

Duration Tcp::rto(const Pipe& pipe) const {
  const Duration base = Duration(std::int64_t{pipe.srtt_us} * 1000) + M::kRtoFloor;
  return std::min(M::kMaxRto, base * (std::int64_t{1} << pipe.backoff));
}

// ---- Receiving and acknowledgements ----

// Gives the burst, and those held for it, to the receiver.
void Tcp::take_in(Pipe& pipe, Burst& first) {
  Burst* burst = &first;
  while (true) {
    while (!burst->chunks.empty()) {
      Chunk* const chunk = burst->chunks.pop();
      Chunk* const last = pipe.received.tail;
      if (chunk->solid && !chunk->whole) {
        chunks_.give(chunk);
        continue;
      }
      pipe.unread_bytes += chunk->wire;
      if (last != nullptr && !last->whole && last->data.join(chunk->data)) {
        last->wire += chunk->wire;
        last->whole = chunk->whole;
        chunk->data = Bytes();
        chunks_.give(chunk);
      } else {
        pipe.received.push(chunk);
      }
    }
    if (burst->fin) pipe.fin_received = true;
    ++pipe.next_expected;
    if (burst != &first) {
      burst->held = 0;
      burst->next = nullptr;
      if (burst->state == Burst::State::idle) free_burst(*burst);
    }
    burst = pipe.held;
    if (burst == nullptr || burst->sequence != pipe.next_expected) return;
    pipe.held = burst->next;
  }
}

void Tcp::hold(Pipe& pipe, Burst& burst) {
  Burst** place = &pipe.held;
  while (*place != nullptr && before((*place)->sequence, burst.sequence)) place = &(*place)->next;
  burst.held = 1;
  burst.next = *place;
  *place = &burst;
}

// Takes into account the acknowledgements that have come by now.
void Tcp::settle(Pipe& pipe) {
  auto& [first, second] = pipe.acknowledgements;
  while (first.bytes > 0 && first.at <= now()) {
    pipe.in_flight -= std::min(pipe.in_flight, first.bytes);
    pipe.backoff = 0;
    if (first.widening > 0 && !pipe.recovering) widen(pipe, first.widening);
    first = std::exchange(second, {});
  }
}

void Tcp::note_acknowledgement(Pipe& pipe, const Burst& burst) {
  settle(pipe);
  auto& [first, second] = pipe.acknowledgements;
  Pipe::Acknowledgement& slot = first.bytes == 0 ? first : second;
  slot.at = now() + way_back(*burst.connection, burst.side);
  slot.bytes += burst.flying;
  if (burst.limited) slot.widening += burst.flying;
}

// `bytes` were acknowledged while the window was in use.
void Tcp::widen(Pipe& pipe, std::uint32_t bytes) {
  pipe.cwnd = std::min(cubic(pipe).grow(now(), bytes, pipe.cwnd, pipe.ssthresh), M::kReceiveBuffer);
}

// Proportional rate reduction (RFC 6937): in recovery, seven bytes leave for ten that were delivered, until no more than the
// new window is in flight; then as many as were delivered and a segment more, up to that. `bytes` have left the flight.
void Tcp::reduce_in_proportion(Pipe& pipe, std::uint32_t bytes) {
  const std::uint32_t before_it = pipe.in_flight + bytes;
  const std::uint32_t unspent = pipe.cwnd - std::min(pipe.cwnd, before_it);
  if (before_it > pipe.ssthresh) {
    pipe.cwnd = pipe.in_flight + unspent + static_cast<std::uint32_t>(bytes * std::uint64_t{7} / 10);
  } else {
    pipe.cwnd = std::min(pipe.ssthresh, pipe.in_flight + unspent + bytes + M::kMss);
  }
}

// Receivers acknowledge every second segment of a burst; here one event, at the time of the last, stands for all of them.
void Tcp::look_for_delay(Pipe& pipe, const Burst& burst) {
  if (burst.again || pipe.cwnd >= pipe.ssthresh) return;
  const Time first_segment = burst.last_in + way_back(*burst.connection, burst.side);
  Cubic::Acknowledgement seen;
  seen.first = first_segment + (now() - first_segment) / std::max(1, burst.packets - 1);
  seen.last = now();
  seen.count = (burst.packets + 1u) / 2;
  seen.rtt = seen.first - burst.sent;
  seen.acked_to = burst.sequence + 1;
  seen.sent_to = pipe.next_sequence;
  if (cubic(pipe).ends_slow_start(seen, pipe.cwnd, pipe.ssthresh)) pipe.ssthresh = pipe.cwnd;
}

Cubic& Tcp::cubic(Pipe& pipe) {
  if (pipe.growth == nullptr) {
    pipe.growth = growths_.take();
    pipe.growth->cubic = Cubic();
  }
  return pipe.growth->cubic;
}

void Tcp::wake_at(Connection& connection, int side, Time at) {
  Pipe& pipe = connection.pipes_[side];
  if (pipe.wake_armed) return;
  pipe.wake_armed = true;
  Burst& burst = new_burst(connection, side);
  burst.state = Burst::State::wake;
  links_.kernel().arm(burst, at);
}

// Calls the user if there is room again; the last thing that a turn does.
void Tcp::offer_space(Connection& connection, int side) {
  Pipe& pipe = connection.pipes_[side];
  Connection::End& end = connection.ends_[side];
  if (!pipe.starved || pipe.unsent_bytes >= M::kUnsentLimit || pipe.finishing) return;
  pipe.starved = false;
  if (end.attached && !end.closed && end.events != nullptr) end.events->on_writable();
}

// ---- Housekeeping ----

void Tcp::notify(Connection& connection, int side, Notice notice) {
  std::uint8_t& notices = connection.ends_[side].notices;
  const auto bit = static_cast<std::uint8_t>(1u << static_cast<int>(notice));
  if ((notices & bit) != 0) return;
  notices |= bit;
  Burst& burst = new_burst(connection, side);
  burst.state = Burst::State::notify;
  burst.sequence = static_cast<std::uint32_t>(notice);
  links_.kernel().arm(burst, now());
}

Burst& Tcp::new_burst(Connection& connection, int side) {
  Burst& burst = *bursts_.take();
  burst.connection = &connection;
  burst.side = static_cast<std::uint8_t>(side & 1);
  ++connection.references_;
  return burst;
}

void Tcp::free_burst(Burst& burst) {
  if (segments_ != nullptr) segments_->forget(burst);
  free_chunks(burst.chunks);
  links_.kernel().disarm(burst);
  Connection& connection = *std::exchange(burst.connection, nullptr);
  burst.sequence = burst.flying = burst.missing = burst.arriving = burst.wire = 0;
  burst.packets = burst.duplicates = 0;
  burst.state = Burst::State::idle;
  burst.syn = burst.ack = burst.fin = burst.rst = 0;
  burst.limited = burst.again = burst.due = burst.held = burst.listed = burst.taken = 0;
  bursts_.give(&burst);
  release(connection);
}

void Tcp::free_chunks(ChunkList& chunks) {
  while (!chunks.empty()) {
    Chunk* const chunk = chunks.pop();
    chunk->data = Bytes();
    chunks_.give(chunk);
  }
}

// The sender has closed: forgets what is not on its way.
void Tcp::drop_sending(Pipe& pipe) {
  free_chunks(pipe.unsent);
  pipe.unsent_bytes = 0;
  pipe.finishing = pipe.starved = pipe.blocked = false;
  while (pipe.lost != nullptr) {
    Burst& burst = *pipe.lost;
    unlist(pipe, burst);
    if (burst.state == Burst::State::waiting) free_burst(burst);
  }
}

// The receiver has closed.
void Tcp::drop_received(Pipe& pipe) {
  free_chunks(pipe.received);
  pipe.unread_bytes = 0;
  while (pipe.held != nullptr) {
    Burst& burst = *pipe.held;
    pipe.held = burst.next;
    burst.next = nullptr;
    burst.held = 0;
    if (burst.state == Burst::State::idle) free_burst(burst);
  }
}

void Tcp::release(Connection& connection) {
  if (--connection.references_ > 0) return;
  if (segments_ != nullptr) segments_->forget(connection);
  if (connection.gated_) gates_->on_gone(connection);
  for (Pipe& pipe : connection.pipes_) {
    free_chunks(pipe.unsent);
    free_chunks(pipe.received);
    if (pipe.growth != nullptr) growths_.give(std::exchange(pipe.growth, nullptr));
  }
  connections_.give(&connection);
}

}  // namespace mesocosm::flow
