#include "sim/capture/ip_packet.h"

#include <algorithm>

#include "stack/base/assert.h"
#include "stack/base/byte_writer.h"

namespace mesocosm::capture {
namespace {

constexpr std::size_t kIpv4 = 20, kIpv6 = 40, kTcp = 20, kUdp = 8;
constexpr std::uint8_t kTcpNumber = 6, kUdpNumber = 17;
constexpr std::uint8_t kHops = 64;
constexpr std::uint16_t kDontFragment = 0x4000;
constexpr std::uint16_t kLargestSegment = 1460;

// --- The Internet checksum (RFC 1071)

class Checksum {
 public:
  void add(ByteView bytes) {
    for (std::size_t i = 0; i < bytes.size(); ++i)
      sum_ += i % 2 == 0 ? static_cast<std::uint32_t>(bytes[i]) << 8 : bytes[i];
    while (sum_ >> 16 != 0) sum_ = (sum_ & 0xffff) + (sum_ >> 16);
  }
  void add(std::uint16_t word) { sum_ += word; }
  std::uint16_t value() const {
    std::uint32_t sum = sum_;
    while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<std::uint16_t>(~sum);
  }

 private:
  std::uint32_t sum_ = 0;
};

void put_u16(MutableByteView at, std::uint16_t value) {
  at[0] = static_cast<std::uint8_t>(value >> 8);
  at[1] = static_cast<std::uint8_t>(value);
}
std::uint16_t get_u16(ByteView at) { return static_cast<std::uint16_t>(at[0] << 8 | at[1]); }

// `addresses`: source and destination, side by side as IP's headers have them.
void fill_transport(std::uint8_t protocol, ByteView addresses, MutableByteView segment) {
  const std::size_t place = protocol == kTcpNumber ? 16 : 6;
  if (segment.size() < (protocol == kTcpNumber ? kTcp : kUdp)) return;
  put_u16(segment.subspan(place), 0);
  Checksum sum;
  sum.add(addresses);
  sum.add(static_cast<std::uint16_t>(protocol));
  sum.add(static_cast<std::uint16_t>(segment.size()));
  sum.add(segment);
  // A UDP checksum of zero would say that there is none.
  const std::uint16_t value = sum.value();
  put_u16(segment.subspan(place), value == 0 && protocol == kUdpNumber ? 0xffff : value);
}

void put_ip(ByteWriter& out, const IpAddress& ip) {
  out.put(ByteView(ip.octets()).first(ip.is_v4() ? 4 : 16));
}

void put_ip_header(ByteWriter& out, const IpAddress& from, const IpAddress& to, std::uint8_t protocol,
                   std::size_t payload, std::uint16_t id) {
  MC_ASSERT(from.is_v4() == to.is_v4());
  if (from.is_v4()) {
    out.put(std::uint8_t{0x45});
    out.put(std::uint8_t{0});
    out.put_u16_be(static_cast<std::uint16_t>(kIpv4 + payload));
    out.put_u16_be(id);
    out.put_u16_be(kDontFragment);
    out.put(kHops);
    out.put(protocol);
    out.put_u16_be(0);
  } else {
    out.put_u32_be(0x60000000);
    out.put_u16_be(static_cast<std::uint16_t>(payload));
    out.put(protocol);
    out.put(kHops);
  }
  put_ip(out, from);
  put_ip(out, to);
}

void put_timestamps(ByteWriter& out, const TcpHeader& header) {
  out.put(std::uint8_t{8});
  out.put(std::uint8_t{10});
  out.put_u32_be(header.sent_ms);
  out.put_u32_be(header.echo_ms);
}

std::size_t options_size(const TcpHeader& header) { return header.syn ? 20 : header.rst ? 0 : 12; }

void put_options(ByteWriter& out, const TcpHeader& header) {
  if (header.syn) {
    out.put(std::uint8_t{2});  // the largest segment
    out.put(std::uint8_t{4});
    out.put_u16_be(kLargestSegment);
    out.put_u16_be(0x0402);  // SACK permitted
    put_timestamps(out, header);
    out.put(std::uint8_t{1});
    out.put(std::uint8_t{3});  // the window scale
    out.put(std::uint8_t{3});
    out.put(std::uint8_t{TcpHeader::kWindowScale});
  } else if (!header.rst) {
    out.put_u16_be(0x0101);
    put_timestamps(out, header);
  }
}

std::uint16_t flags_of(const TcpHeader& header) {
  return static_cast<std::uint16_t>(header.fin | header.syn << 1 | header.rst << 2 | header.push << 3 |
                                    header.ack << 4);
}

}  // namespace

Bytes tcp_packet(const TcpHeader& header, ByteView payload) {
  const std::size_t own = kTcp + options_size(header);
  ByteWriter out;
  put_ip_header(out, header.from.ip, header.to.ip, kTcpNumber, own + payload.size(), header.id);
  out.put_u16_be(header.from.port);
  out.put_u16_be(header.to.port);
  out.put_u32_be(header.sequence);
  out.put_u32_be(header.acknowledgement);
  out.put_u16_be(static_cast<std::uint16_t>(own / 4 << 12 | flags_of(header)));
  const std::uint32_t window = header.syn ? header.window : header.window >> TcpHeader::kWindowScale;
  out.put_u16_be(static_cast<std::uint16_t>(std::min<std::uint32_t>(window, 0xffff)));
  out.put_u32_be(0);  // checksum, urgent pointer
  put_options(out, header);
  out.put(payload);
  fill_checksums(out.mutable_view());
  return out.take();
}

Bytes udp_packet(const Endpoint& from, const Endpoint& to, ByteView payload) {
  ByteWriter out;
  put_ip_header(out, from.ip, to.ip, kUdpNumber, kUdp + payload.size(), 0);
  out.put_u16_be(from.port);
  out.put_u16_be(to.port);
  out.put_u16_be(static_cast<std::uint16_t>(kUdp + payload.size()));
  out.put_u16_be(0);
  out.put(payload);
  fill_checksums(out.mutable_view());
  return out.take();
}

void fill_checksums(MutableByteView packet) {
  if (packet.empty()) return;
  if (packet[0] >> 4 == 6) {
    if (packet.size() < kIpv6 || packet.size() != kIpv6 + get_u16(packet.subspan(4))) return;
    if (packet[6] == kTcpNumber || packet[6] == kUdpNumber)
      fill_transport(packet[6], packet.subspan(8, 32), packet.subspan(kIpv6));
    return;
  }
  const std::size_t header = static_cast<std::size_t>(packet[0] & 15) * 4;
  if (packet[0] >> 4 != 4 || header < kIpv4 || packet.size() < header ||
      packet.size() != get_u16(packet.subspan(2)))
    return;
  put_u16(packet.subspan(10), 0);
  Checksum sum;
  sum.add(packet.first(header));
  put_u16(packet.subspan(10), sum.value());
  const bool fragment = (get_u16(packet.subspan(6)) & 0x3fff) != 0;
  if (!fragment && (packet[9] == kTcpNumber || packet[9] == kUdpNumber))
    fill_transport(packet[9], packet.subspan(12, 8), packet.subspan(header));
}

}  // namespace mesocosm::capture
