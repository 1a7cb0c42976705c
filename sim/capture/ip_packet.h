// IP packets as bytes: what a capture shows of a network that has no packets, and checksums for packets whose network
// does without. Pure functions.
#pragma once

#include <cstddef>
#include <cstdint>

#include "stack/base/bytes.h"
#include "stack/base/ip.h"

namespace mesocosm::capture {

// A TCP segment's header, with the options that Linux's have: timestamps in every segment but RST; in SYN also the
// largest segment, SACK and a window scale.
struct TcpHeader {
  static constexpr int kWindowScale = 7;

  Endpoint from, to;
  std::uint32_t sequence = 0;
  std::uint32_t acknowledgement = 0;
  std::uint32_t window = 0;   // in bytes
  std::uint32_t sent_ms = 0;  // the timestamp's value
  std::uint32_t echo_ms = 0;  // the latest of the peer's
  std::uint16_t id = 0;       // of the IPv4 packet
  bool syn = false, ack = false, push = false, fin = false, rst = false;
};

// Both endpoints of one version; checksums and all.
Bytes tcp_packet(const TcpHeader& header, ByteView payload);
// In one packet, whatever the size.
Bytes udp_packet(const Endpoint& from, const Endpoint& to, ByteView payload);

// Puts the right checksums into an IP packet: IPv4's header's, and TCP's or UDP's unless it is a fragment. Leaves alone
// what is not whole.
void fill_checksums(MutableByteView packet);

}  // namespace mesocosm::capture
