#include "sim/packet/gates.h"

#include <array>
#include <optional>

#include <ns3/node.h>

#include "sim/packet/ns3.h"

namespace mesocosm::packet {
namespace {

constexpr std::size_t kSource = 12, kDestination = 16;  // in the IPv4 header

// The start of an IPv4 packet, to be read and written in place.
class Start {
 public:
  explicit Start(const ns3::Packet& packet) { size_ = packet.CopyData(bytes_.data(), bytes_.size()); }

  std::uint16_t word(std::size_t at) const {
    return static_cast<std::uint16_t>(bytes_[at] << 8 | bytes_[at + 1]);
  }
  std::uint32_t address(std::size_t at) const { return std::uint32_t{word(at)} << 16 | word(at + 2); }
  std::size_t header() const { return std::size_t{bytes_[0] & 0x0fu} * 4; }
  std::uint16_t identification() const { return word(4); }
  bool first_fragment() const { return (word(6) & 0x1fff) == 0; }
  bool last_fragment() const { return (word(6) & 0x2000) == 0; }

  // None for what middleboxes do not know.
  std::optional<NatPacket> packet() const {
    const std::uint8_t protocol = bytes_[9];
    const bool tcp = protocol == 6;
    if ((!tcp && protocol != 17) || size_ < header() + (tcp ? 20 : 8)) return std::nullopt;
    const std::uint8_t flags = tcp ? bytes_[header() + 13] : 0;
    return NatPacket{tcp ? IpProtocol::tcp : IpProtocol::udp,
                     {IpAddress::v4(address(kSource)), word(header())},
                     {IpAddress::v4(address(kDestination)), word(header() + 2)},
                     (flags & 0x02) != 0,
                     (flags & 0x10) != 0,
                     (flags & 0x01) != 0,
                     (flags & 0x04) != 0};
  }

  void translate(const NatPacket& as) {
    write_address(kSource, as.source.ip);
    write_address(kDestination, as.destination.ip);
    if (!first_fragment()) return;
    write(header(), as.source.port, transport_checksum());
    write(header() + 2, as.destination.port, transport_checksum());
  }

  // The packet with this start.
  ns3::Ptr<ns3::Packet> replace(const ns3::Packet& packet) const {
    const auto size = static_cast<std::uint32_t>(size_);
    const ns3::Ptr<ns3::Packet> made = ns3::Create<ns3::Packet>(bytes_.data(), size);
    if (packet.GetSize() > size) made->AddAtEnd(packet.CreateFragment(size, packet.GetSize() - size));
    return made;
  }

 private:
  static constexpr std::size_t kNone = 0;
  static constexpr std::size_t kHeaderChecksum = 10;

  std::size_t transport_checksum() const {
    if (!first_fragment()) return kNone;
    const std::size_t at = header() + (bytes_[9] == 6 ? 16 : 6);
    return bytes_[9] != 6 && word(at) == 0 ? kNone : at;  // a UDP checksum of zero means that there is none
  }
  void write_address(std::size_t at, const IpAddress& ip) {
    const std::uint32_t value = ip.v4_host_order();
    for (const std::size_t half : {0u, 2u}) {
      const auto part = static_cast<std::uint16_t>(value >> (16 - 8 * half));
      mend(kHeaderChecksum, word(at + half), part);
      write(at + half, part, transport_checksum());
    }
  }
  void write(std::size_t at, std::uint16_t value, std::size_t checksum) {
    mend(checksum, word(at), value);
    put(at, value);
  }
  // RFC 1624, equation 3. Simulated packets have no checksums, unless they are also to be real ones.
  void mend(std::size_t checksum, std::uint16_t before, std::uint16_t after) {
    if (checksum == kNone || !ns3::Node::ChecksumEnabled()) return;
    std::uint32_t sum =
        static_cast<std::uint16_t>(~word(checksum)) + static_cast<std::uint16_t>(~before) + after;
    while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
    put(checksum, static_cast<std::uint16_t>(~sum));
  }
  void put(std::size_t at, std::uint16_t value) {
    bytes_[at] = static_cast<std::uint8_t>(value >> 8);
    bytes_[at + 1] = static_cast<std::uint8_t>(value);
  }

  std::array<std::uint8_t, 80> bytes_{};  // IPv4's longest header and TCP's without options
  std::size_t size_;
};

}  // namespace

bool Gates::leave(Time now, HostIndex from, ns3::Ptr<ns3::Packet>& packet, HostIndex& to) {
  const auto through = [&](const NatPacket& as) {
    last_ = as;
    return last_passage_ = boxes_.leave(now, from, as);
  };
  return pass(through, from, packet, to);
}

bool Gates::arrive(Time now, HostIndex from, ns3::Ptr<ns3::Packet>& packet, HostIndex& to) {
  const HostIndex at = to;
  return pass([&](const NatPacket& as) { return boxes_.arrive(now, from, at, as); }, at, packet, to);
}

template <class Pass>
bool Gates::pass(const Pass& through, HostIndex at, ns3::Ptr<ns3::Packet>& packet, HostIndex& to) {
  Start start(*packet);
  const Fragment fragment{at, start.address(kSource), start.address(kDestination), start.identification()};
  Passage passage;
  if (start.first_fragment()) {
    const auto as = start.packet();
    if (!as) return false;
    passage = through(*as);
    if (!start.last_fragment()) fragments_[fragment] = passage;
  } else {
    const auto first = fragments_.find(fragment);
    if (first == fragments_.end()) return false;
    passage = first->second;
    if (start.last_fragment()) fragments_.erase(first);
  }
  // What is refused is only dropped here: HostNetwork::connect knows, and ns-3 would not heed the reset.
  if (passage.action != NatAction::forward) return false;
  to = passage.host;
  start.translate(passage.packet);
  packet = start.replace(*packet);
  return true;
}

}  // namespace mesocosm::packet
