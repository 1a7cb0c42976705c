#include "sim/packet/access_device.h"

#include <algorithm>

#include <ns3/ipv4-header.h>
#include <ns3/ipv4-l3-protocol.h>
#include <ns3/mac48-address.h>
#include <ns3/tcp-header.h>
#include <ns3/tcp-l4-protocol.h>

#include "sim/capture/ip_packet.h"
#include "sim/packet/ns3.h"
#include "stack/base/assert.h"

namespace mesocosm::packet {
namespace {

// The packet as others see it; ns-3 leaves checksums out.
Bytes bytes_of(const ns3::Packet& packet) {
  return Bytes::build(packet.GetSize(), [&](MutableByteView out) {
    packet.CopyData(out.data(), packet.GetSize());
    capture::fill_checksums(out);
  });
}

// In its SYN-ACK, ns-3 echoes the timestamp of the listener's connection before this one, for which Linux resets it.
// Zero is what who has none to echo sends.
void forget_echo(MutableByteView ip_packet) {
  constexpr std::size_t kTcp = 20, kLeast = kTcp + 20;
  constexpr std::uint8_t kSynAck = 0x12, kTimestamps = 8, kEnd = 0, kNothing = 1;
  if (ip_packet.size() < kLeast || ip_packet[9] != 6 || ip_packet[0] != 0x45) return;
  const MutableByteView segment = ip_packet.subspan(kTcp);
  if ((segment[13] & kSynAck) != kSynAck) return;
  const std::size_t end = std::min<std::size_t>(segment.size(), segment[12] / 16 * 4u);
  for (std::size_t at = 20; at + 10 <= end && segment[at] != kEnd;) {
    if (segment[at] == kTimestamps) std::fill_n(segment.begin() + static_cast<std::ptrdiff_t>(at) + 6, 4, 0);
    at += segment[at] == kNothing ? 1u : std::max<std::size_t>(segment[at + 1], 2);
  }
}

}  // namespace

void Flight::done() {
  packet = nullptr;
  landing = false;
  fabric->flights_.give(this);
}

Fabric::Fabric(hosts::Links& links, hosts::Border* border, Locate locate, const void* context)
    : links_(links), border_(border), locate_(locate), context_(context), devices_(links.hosts()) {}
Fabric::~Fabric() = default;

void Fabric::send(HostIndex from, ns3::Ptr<ns3::Packet> packet) {
  if (captures_ != nullptr) record(from, capture::PacketDirection::out, *packet);
  HostIndex to = kNoHost;
  if (gates_ == nullptr) {
    ns3::Ipv4Header header;
    packet->PeekHeader(header);
    to = locate_(context_, header.GetDestination().Get());
  } else if (!gates_->leave(links_.kernel().now(), from, packet, to)) {
    return;
  }
  if (to == kNoHost) return;
  const std::uint32_t wire = packet->GetSize();
  const hosts::Departure departure =
      links_.depart(from, to, wire, 1, links_.model().path(from, to), devices_[from]->fifo(to));
  if (departure.refused) return refuse(from, to, packet);
  if (departure.lost > 0) return;
  const std::uint64_t order = devices_[from]->next_order();
  if (border_ == nullptr || border_->ours(to)) {
    return fly(from, to, wire, departure.first_in, departure.last_in, order, packet);
  }
  hosts::Crossing crossing{from, to, wire, order, departure.first_in, departure.last_in, {}};
  crossing.packet.resize(packet->GetSerializedSize());
  packet->Serialize(crossing.packet.data(), static_cast<std::uint32_t>(crossing.packet.size()));
  border_->send(std::move(crossing));
}

void Fabric::arrive(const hosts::Crossing& c) {
  const auto size = static_cast<std::uint32_t>(c.packet.size());
  fly(c.from, c.to, c.wire, c.first_in, c.last_in, c.order,
      ns3::Create<ns3::Packet>(c.packet.data(), size, true));
}

void Fabric::fly(HostIndex from, HostIndex to, std::uint32_t wire, Time first_in, Time last_in,
                 std::uint64_t order, ns3::Ptr<ns3::Packet> packet) {
  Flight& flight = *flights_.take();
  flight.fabric = this;
  flight.packet = packet;
  flight.from = from;
  flight.to = to;
  flight.wire = wire;
  flight.last_in = last_in;
  links_.kernel().arm_arrival(flight, first_in, order);
}

// Answers a segment with a reset, as though the far host had. Without ACK, which ns-3 ignores where it comes without
// the timestamp that they agreed on.
void Fabric::refuse(HostIndex from, HostIndex to, ns3::Ptr<ns3::Packet> packet) {
  const ns3::Ptr<ns3::Packet> segment = packet->Copy();
  ns3::Ipv4Header ip;
  ns3::TcpHeader tcp;
  segment->RemoveHeader(ip);
  if (ip.GetProtocol() != ns3::TcpL4Protocol::PROT_NUMBER || ip.GetFragmentOffset() > 0) return;
  segment->RemoveHeader(tcp);
  if ((tcp.GetFlags() & ns3::TcpHeader::RST) != 0) return;

  ns3::TcpHeader reset;
  reset.SetSourcePort(tcp.GetDestinationPort());
  reset.SetDestinationPort(tcp.GetSourcePort());
  reset.SetSequenceNumber(tcp.GetAckNumber());
  reset.SetFlags(ns3::TcpHeader::RST);
  ns3::Ipv4Header back;
  back.SetSource(ip.GetDestination());
  back.SetDestination(ip.GetSource());
  back.SetProtocol(ns3::TcpL4Protocol::PROT_NUMBER);
  back.SetTtl(ip.GetTtl());
  back.SetPayloadSize(static_cast<std::uint16_t>(reset.GetSerializedSize()));
  Flight& flight = *flights_.take();
  flight.fabric = this;
  flight.packet = ns3::Create<ns3::Packet>();
  flight.packet->AddHeader(reset);
  flight.packet->AddHeader(back);
  flight.from = to;
  flight.to = from;
  flight.wire = flight.packet->GetSize();
  flight.landing = true;
  links_.kernel().arm_after(flight, links_.round_trip(from, to));
}

bool Fabric::outside(HostIndex host) const { return devices_[host] != nullptr && devices_[host]->outside(); }

void Fabric::inject(HostIndex from, ByteView ip_packet) {
  send(from, ns3::Create<ns3::Packet>(ip_packet.data(), static_cast<std::uint32_t>(ip_packet.size())));
}

void Fabric::record(HostIndex host, capture::PacketDirection direction, const ns3::Packet& packet) {
  if (captures_->wants(host)) captures_->packet(host, captures_->now(), direction, bytes_of(packet));
}

void Flight::on_timer() {
  hosts::Links& links = fabric->links_;
  if (!landing) {
    landing = true;
    const hosts::Landing place = links.land(from, to, wire, 1, last_in);
    if (place.lost > 0) return done();
    return links.kernel().arm(*this, place.at);
  }
  links.kernel().absorb(std::uint64_t{to} << 32 | wire);
  Gates* const gates = fabric->gates_;
  if (gates != nullptr && !gates->arrive(links.kernel().now(), from, packet, to)) return done();
  const ns3::Ptr<ns3::Packet> arrived = packet;
  AccessDevice& device = *fabric->devices_[to];
  if (fabric->captures_ != nullptr) fabric->record(to, capture::PacketDirection::in, *packet);
  done();
  device.receive(arrived);
}

bool AccessDevice::Send(ns3::Ptr<ns3::Packet> packet, const ns3::Address&, std::uint16_t protocol) {
  if (protocol != ns3::Ipv4L3Protocol::PROT_NUMBER) return false;
  fabric_.send(host_, packet);
  return true;
}

void AccessDevice::receive(ns3::Ptr<ns3::Packet> packet) {
  if (outside_ != nullptr) {
    return outside_->on_packet(Bytes::build(packet->GetSize(), [&](MutableByteView out) {
      packet->CopyData(out.data(), packet->GetSize());
      forget_echo(out);
      capture::fill_checksums(out);
    }));
  }
  receive_(this, packet, ns3::Ipv4L3Protocol::PROT_NUMBER, GetAddress());
}

ns3::Address AccessDevice::GetAddress() const {
  static const ns3::Mac48Address kAddress("00:00:00:00:00:01");  // nobody asks for it: there is no ARP
  return kAddress;
}

void AccessDevice::DoDispose() {
  node_ = nullptr;
  receive_.Nullify();
  NetDevice::DoDispose();
}

}  // namespace mesocosm::packet
