#include "sim/packet/fabric.h"

#include <algorithm>
#include <array>
#include <utility>

#include <ns3/ipv4-header.h>
#include <ns3/ipv6-header.h>
#include <ns3/tcp-header.h>
#include <ns3/tcp-l4-protocol.h>

#include "sim/capture/ip_packet.h"
#include "sim/packet/access_device.h"
#include "sim/packet/ns3.h"
#include "stack/base/assert.h"
#include "stack/base/hash.h"

namespace mesocosm::packet {
namespace {

// The part of an IP packet that says where it goes.
struct Addressing {
  explicit Addressing(const ns3::Packet& packet) { size_ = packet.CopyData(octets_.data(), octets_.size()); }

  bool v4() const { return octets_[0] >> 4 == 4; }
  IpAddress destination() const {
    if (v4()) return IpAddress::v4(word(16));
    std::array<std::uint8_t, 16> octets{};
    std::copy_n(octets_.begin() + 24, 16, octets.begin());
    return IpAddress::v6(octets);
  }
  // Of addresses, protocol and ports; what has none, as a fragment, is a flow of its own pair of addresses.
  std::uint64_t flow(std::uint64_t seed) const {
    const std::size_t first = v4() ? 12 : 8;
    const std::size_t ports = v4() ? 4 * (octets_[0] & 15) : 40;
    const std::uint8_t protocol = octets_[v4() ? 9 : 6];
    std::uint64_t hash = mix64(seed ^ protocol);
    for (std::size_t at = first; at < (v4() ? 20 : 40); at += 4) hash = mix64(hash ^ word(at));
    const bool fragment = v4() && (octets_[6] & 0x3f) + octets_[7] != 0;
    const bool has_ports = (protocol == kTcp || protocol == kUdp) && !fragment && ports + 4 <= size_;
    return has_ports ? mix64(hash ^ word(ports)) : hash;
  }

 private:
  static constexpr std::uint8_t kTcp = 6, kUdp = 17;
  std::uint32_t word(std::size_t at) const {
    return std::uint32_t{octets_[at]} << 24 | std::uint32_t{octets_[at + 1]} << 16 |
           std::uint32_t{octets_[at + 2]} << 8 | octets_[at + 3];
  }

  std::array<std::uint8_t, 64> octets_{};
  std::size_t size_;
};

// The packet as others see it; ns-3 leaves checksums out.
Bytes bytes_of(const ns3::Packet& packet) {
  return Bytes::build(packet.GetSize(), [&](MutableByteView out) {
    packet.CopyData(out.data(), packet.GetSize());
    capture::fill_checksums(out);
  });
}

}  // namespace

// --- A link with a queue

QueuedLink::QueuedLink(Fabric& fabric, double bps, Duration delay, Duration queue, QueueDiscipline discipline)
    : fabric_(fabric),
      ns_per_byte_(8e9 / bps),
      delay_(delay),
      queue_(PacketQueue::make(
          discipline, static_cast<std::uint64_t>(static_cast<double>(queue.count()) / ns_per_byte_))) {}

void QueuedLink::put(Flight& flight) {
  PacketQueue::Dropped dropped;
  QueuedPacket packet{&flight, flight.wire, fabric_.flow_of(*flight.packet), fabric_.links_.kernel().now()};
  queue_->put(packet, dropped);
  drop(dropped);
  if (sending_ == nullptr) send_next();
}

void QueuedLink::send_next() {
  PacketQueue::Dropped dropped;
  Kernel& kernel = fabric_.links_.kernel();
  const auto packet = queue_->take(kernel.now(), dropped);
  drop(dropped);
  sending_ = packet ? static_cast<Flight*>(packet->item) : nullptr;
  if (packet) kernel.arm_after(*this, Duration(static_cast<std::int64_t>(packet->size * ns_per_byte_ + 0.5)));
}

void QueuedLink::on_timer() {
  Flight& sent = *sending_;
  send_next();
  if (delay_ > Duration::zero()) {
    fabric_.links_.kernel().arm_after(sent, delay_);
  } else {
    sent.on_timer();
  }
}

void QueuedLink::drop(const PacketQueue::Dropped& dropped) {
  for (const QueuedPacket& packet : dropped) fabric_.lose(*static_cast<Flight*>(packet.item));
}

// --- The fabric: a packet's life, in order

Fabric::Fabric(hosts::Links& links, hosts::Border* border, std::uint64_t seed, Locate locate,
               const void* context)
    : links_(links),
      border_(border),
      seed_(seed),
      locate_(locate),
      context_(context),
      routers_(links.model().routers()),
      devices_(links.hosts()) {
  const PathModel& model = links.model();
  if (model.discipline() != QueueDiscipline::drop_tail) {
    for (HostIndex host = 0; host < model.hosts(); ++host) {
      const AccessLink& link = model.access(host);
      const auto queued = [&](double bps, Duration queue) {
        return std::make_unique<QueuedLink>(*this, bps, Duration::zero(), queue, model.discipline());
      };
      access_.push_back({queued(link.up_bps, link.up_queue), queued(link.down_bps, link.down_queue)});
    }
  }
  if (routers_ == nullptr) return;
  for (const RouterLink& link : routers_->links()) {
    for (int direction = 0; direction < 2; ++direction) {
      router_links_.push_back(
          std::make_unique<QueuedLink>(*this, link.bps, link.delay, link.queue, link.discipline));
    }
  }
}

Fabric::~Fabric() = default;

std::uint64_t Fabric::flow_of(const ns3::Packet& packet) const { return Addressing(packet).flow(seed_); }

void Fabric::send(HostIndex from, ns3::Ptr<ns3::Packet> packet) {
  if (captures_ != nullptr) record(from, capture::PacketDirection::out, *packet);
  HostIndex to = kNoHost;
  if (gates_ == nullptr) {
    to = locate_(context_, Addressing(*packet).destination());
  } else if (!gates_->leave(links_.kernel().now(), from, packet, to)) {
    return;
  }
  if (to == kNoHost) return;
  Flight& flight = new_flight(from, to, packet->GetSize(), packet);
  if (access_.empty() || stays(flight)) return depart(flight);
  flight.stage = Flight::Stage::uplink;
  access_[links_.model().premises(from)].up->put(flight);
}

Flight& Fabric::new_flight(HostIndex from, HostIndex to, std::uint32_t wire, ns3::Ptr<ns3::Packet> packet) {
  Flight& flight = *flights_.take();
  flight.fabric = this;
  flight.packet = packet;
  flight.from = from;
  flight.to = to;
  flight.wire = wire;
  return flight;
}

void Flight::on_timer() {
  switch (stage) {
    case Stage::uplink:
      return fabric->depart(*this);
    case Stage::path:
      return fabric->reach_router(*this);
    case Stage::last_wire:
      return fabric->reach_downlink(*this);
    case Stage::queued_downlink:
      return fabric->land(*this);
    case Stage::downlink:
      return fabric->deliver(*this);
  }
}

// Leaves the sender: for the receiver's downlink, or for the first router.
void Fabric::depart(Flight& flight) {
  Path path = links_.model().path(flight.from, flight.to);
  const bool routed = routers_ != nullptr && !stays(flight);
  if (routed) {
    const PathModel::Attachment attachment = links_.model().attachment(flight.from);
    flight.router = attachment.router;
    path.one_way = attachment.latency;
  }
  const hosts::Departure departure =
      links_.depart(flight.from, flight.to, flight.wire, 1, path, devices_[flight.from]->fifo(flight.to));
  if (departure.refused) return refuse(flight);
  if (departure.lost > 0) return forget(flight);
  flight.last_in = departure.last_in;
  flight.stage = routed ? Flight::Stage::path : Flight::Stage::last_wire;
  const std::uint64_t order = devices_[flight.from]->next_order();
  if (border_ != nullptr && !border_->ours(flight.to)) return cross(flight, departure.first_in, order);
  links_.kernel().arm_arrival(flight, departure.first_in, order);
}

// To a host of another process.
void Fabric::cross(Flight& flight, Time first_in, std::uint64_t order) {
  hosts::Crossing crossing{flight.from, flight.to, flight.wire, order, first_in, flight.last_in, {}};
  crossing.packet.resize(flight.packet->GetSerializedSize());
  flight.packet->Serialize(crossing.packet.data(), static_cast<std::uint32_t>(crossing.packet.size()));
  forget(flight);
  border_->send(std::move(crossing));
}

void Fabric::arrive(const hosts::Crossing& c) {
  const auto size = static_cast<std::uint32_t>(c.packet.size());
  Flight& flight = new_flight(c.from, c.to, c.wire, ns3::Create<ns3::Packet>(c.packet.data(), size, true));
  flight.last_in = c.last_in;
  flight.stage = Flight::Stage::last_wire;
  links_.kernel().arm_arrival(flight, c.first_in, c.order);
}

void Fabric::reach_router(Flight& flight) {
  const PathModel::Attachment end = links_.model().attachment(flight.to);
  if (flight.router != end.router) {
    const Routers::Hop hop = routers_->towards(flight.router, end.router);
    flight.router = hop.to;
    return router_links_[2 * hop.link + (hop.forward ? 0 : 1)]->put(flight);
  }
  flight.stage = Flight::Stage::last_wire;
  flight.last_in = links_.kernel().now() + end.latency;
  links_.kernel().arm(flight, flight.last_in);
}

void Fabric::reach_downlink(Flight& flight) {
  if (access_.empty() || stays(flight)) return land(flight);
  flight.stage = Flight::Stage::queued_downlink;
  access_[links_.model().premises(flight.to)].down->put(flight);
}

void Fabric::land(Flight& flight) {
  const bool queued = flight.stage == Flight::Stage::queued_downlink;
  if (queued) flight.last_in = links_.kernel().now();
  const hosts::Landing place = links_.land(flight.from, flight.to, flight.wire, 1, flight.last_in);
  if (place.lost > 0) return forget(flight);
  flight.stage = Flight::Stage::downlink;
  if (queued && place.at <= links_.kernel().now()) return deliver(flight);
  links_.kernel().arm(flight, place.at);
}

void Fabric::deliver(Flight& flight) {
  links_.kernel().absorb(std::uint64_t{flight.to} << 32 | flight.wire);
  if (gates_ != nullptr && !gates_->arrive(links_.kernel().now(), flight.from, flight.packet, flight.to)) {
    return forget(flight);
  }
  const ns3::Ptr<ns3::Packet> arrived = flight.packet;
  AccessDevice& device = *devices_[flight.to];
  if (captures_ != nullptr) record(flight.to, capture::PacketDirection::in, *arrived);
  forget(flight);
  device.receive(arrived);
}

// Answers a segment with a reset, as though the far host had. Without ACK, which ns-3 ignores where it comes without
// the timestamp that they agreed on.
void Fabric::refuse(Flight& flight) {
  const ns3::Ptr<ns3::Packet> segment = flight.packet->Copy();
  const bool v4 = Addressing(*segment).v4();
  ns3::Ipv4Header ip4, back4;
  ns3::Ipv6Header ip6, back6;
  v4 ? segment->RemoveHeader(ip4) : segment->RemoveHeader(ip6);
  const std::uint8_t protocol = v4 ? ip4.GetProtocol() : ip6.GetNextHeader();
  if (protocol != ns3::TcpL4Protocol::PROT_NUMBER || (v4 && ip4.GetFragmentOffset() > 0))
    return forget(flight);
  ns3::TcpHeader tcp;
  segment->RemoveHeader(tcp);
  if ((tcp.GetFlags() & ns3::TcpHeader::RST) != 0) return forget(flight);

  ns3::TcpHeader reset;
  reset.SetSourcePort(tcp.GetDestinationPort());
  reset.SetDestinationPort(tcp.GetSourcePort());
  reset.SetSequenceNumber(tcp.GetAckNumber());
  reset.SetFlags(ns3::TcpHeader::RST);
  flight.packet = ns3::Create<ns3::Packet>();
  flight.packet->AddHeader(reset);
  const auto size = static_cast<std::uint16_t>(reset.GetSerializedSize());
  if (v4) {
    back4.SetSource(ip4.GetDestination());
    back4.SetDestination(ip4.GetSource());
    back4.SetProtocol(protocol);
    back4.SetTtl(ip4.GetTtl());
    back4.SetPayloadSize(size);
    flight.packet->AddHeader(back4);
  } else {
    back6.SetSource(ip6.GetDestination());
    back6.SetDestination(ip6.GetSource());
    back6.SetNextHeader(protocol);
    back6.SetHopLimit(ip6.GetHopLimit());
    back6.SetPayloadLength(size);
    flight.packet->AddHeader(back6);
  }
  const Duration round_trip = links_.round_trip(flight.from, flight.to);
  std::swap(flight.from, flight.to);
  flight.wire = flight.packet->GetSize();
  flight.stage = Flight::Stage::downlink;
  links_.kernel().arm_after(flight, round_trip);
}

bool Fabric::outside(HostIndex host) const { return devices_[host] != nullptr && devices_[host]->outside(); }

void Fabric::inject(HostIndex from, ByteView ip_packet) {
  send(from, ns3::Create<ns3::Packet>(ip_packet.data(), static_cast<std::uint32_t>(ip_packet.size())));
}

void Fabric::record(HostIndex host, capture::PacketDirection direction, const ns3::Packet& packet) {
  if (captures_->wants(host)) captures_->packet(host, captures_->now(), direction, bytes_of(packet));
}

void Fabric::lose(Flight& flight) {
  links_.lost(flight.from);
  forget(flight);
}

void Fabric::forget(Flight& flight) {
  flight.packet = nullptr;
  flights_.give(&flight);
}

}  // namespace mesocosm::packet
