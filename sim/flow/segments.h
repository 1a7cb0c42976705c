// The TCP segments that the flow model's bursts stand for, for captures. The model has no segments: what is made up
// here, and what is not, says docs/captures.md.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <unordered_map>

#include "sim/capture/captures.h"
#include "sim/capture/ip_packet.h"
#include "sim/flow/tcp.h"

namespace mesocosm {
class FlowNetwork;
}

namespace mesocosm::flow {

// Told what happens to bursts; writes the segments of captured hosts. Changes nothing.
class Segments {
 public:
  // `network` knows how each end sees the other.
  Segments(capture::Captures& captures, const FlowNetwork& network)
      : captures_(captures), network_(network) {}

  // Told before what is lost is added to what is missing.
  void departed(const Burst& burst, std::uint32_t payload, const Departure& departure);
  void delivered(const Burst& burst);  // before its chunks are taken out
  // With data, by the receiver, in the same turn; whether the sender will hear of it.
  void acknowledged(const Burst& burst, bool heard);
  void bounced(const Burst& burst);  // a reset that is not its sender's, but the network's
  void forget(const Burst& burst) { flights_.erase(&burst); }
  void forget(const Connection& connection) { ways_.erase(&connection); }

 private:
  // What a burst is in its connection's stream of bytes, and the latest departure of its segments.
  struct Flight {
    std::uint64_t start = 0;    // offset of its first byte
    Bytes data;                 // all of it: what was taken in is still sent again, if nobody heard so
    int count = 0;              // segments
    std::uint64_t arrived = 0;  // segments, a bit each
    std::uint64_t on_way = 0;
    capture::TcpHeader header;  // of the first segment
  };
  // An acknowledgement on its way, behind what was sent before it.
  struct Reply {
    std::uint64_t behind = 0;  // offset
    Time earliest{};
    capture::TcpHeader header;
  };
  // One direction of a connection.
  struct Way {
    std::uint32_t first_sequence = 0;
    std::uint64_t next = 0;                        // offset of the next new byte; FIN counts as one
    std::uint64_t received = 0;                    // all before it was
    std::map<std::uint64_t, std::uint64_t> early;  // [offset, end) that came before its turn
    std::deque<Reply> replies;
    std::uint32_t latest_ms = 0;  // timestamp of what came last
    std::uint16_t id = 0;         // of the next IPv4 packet

    void receive(std::uint64_t offset, std::uint64_t end);
  };

  bool wanted(const Connection& connection) const;
  std::array<Way, 2>& ways(const Connection& connection);
  static std::uint32_t first_sequence(const Connection& connection, int side);
  Bytes packet(const Connection& connection, int from, int seen_by, capture::TcpHeader header,
               ByteView data) const;
  std::uint32_t milliseconds() const;
  capture::TcpHeader header(const Connection& connection, int side);
  Flight& data_flight(const Burst& burst);
  Flight& control_flight(const Burst& burst);
  void release_replies(const Connection& connection, int from);
  void write(const Burst& burst, const Flight& flight, std::uint64_t which,
             capture::PacketDirection direction);
  void write_segment(const Burst& burst, const Flight& flight, int index, HostIndex host,
                     capture::PacketDirection direction);
  static Bytes data_of(const Burst& burst);

  capture::Captures& captures_;
  const FlowNetwork& network_;
  std::unordered_map<const Connection*, std::array<Way, 2>> ways_;  // by sender; looked up, never iterated
  std::unordered_map<const Burst*, Flight> flights_;                // looked up, never iterated
};

}  // namespace mesocosm::flow
