#include "sim/packet/access_device.h"

#include <algorithm>

#include <ns3/ipv4-l3-protocol.h>
#include <ns3/ipv6-l3-protocol.h>
#include <ns3/mac48-address.h>

#include "sim/capture/ip_packet.h"
#include "sim/packet/ns3.h"

namespace mesocosm::packet {
namespace {

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

bool AccessDevice::Send(ns3::Ptr<ns3::Packet> packet, const ns3::Address&, std::uint16_t protocol) {
  if (protocol != ns3::Ipv4L3Protocol::PROT_NUMBER && protocol != ns3::Ipv6L3Protocol::PROT_NUMBER)
    return false;
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
  std::uint8_t first = 0;
  packet->CopyData(&first, 1);
  const bool v4 = first >> 4 == 4;
  const std::uint16_t protocol = v4 ? ns3::Ipv4L3Protocol::PROT_NUMBER : ns3::Ipv6L3Protocol::PROT_NUMBER;
  receive_(this, packet, protocol, GetAddress());
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
