// Small scenarios of a few hosts that run alike on every tier, and what each came to: what the tiers are held against
// each other with (docs/agreement.md).
//
//   host 0 ──up──▶ one way ──▶ down── host 1          all hosts alike; host 2 is a second receiver
#pragma once

#include <cstdint>
#include <vector>

#include "stack/base/time.h"

namespace mesocosm::agreement {

enum class Tier : std::uint8_t {
  flow,
  packet,
  real,          // the loopback interface, whatever the way says
  shaped_linux,  // Linux's TCP over the way's links, in real time (shaped_linux.h)
};
bool linux_possible();  // it takes rights to make network namespaces

struct Way {
  Duration rtt = 50ms;
  double bps = 100e6;      // of every link, both directions
  double loss = 0;         // of each packet, both directions
  Duration queue = 50ms;   // the longest wait for a link
  std::uint64_t seed = 1;  // what is lost
};

struct Outcome {
  std::vector<Duration> taken;  // empty: it did not end within ten minutes
  std::uint64_t sent =
      0;  // IP bytes out of host 0 for it; on real, and where it says so, bytes on TCP's stream
  std::uint64_t answered = 0;    // the same out of host 1
  std::uint64_t lost = 0;        // packets of host 0; byte streams only
  std::uint64_t most_ahead = 0;  // the most bytes that were ever written and not yet read
};

// A byte stream that is open already carries `bytes` from host 0 to 1: from the first write to the last byte read.
Outcome bulk(Tier tier, const Way& way, std::uint64_t bytes);

// Two such streams at once, from host 0 to 1 and 2: the time of each.
Outcome shared_uplink(Tier tier, const Way& way, std::uint64_t bytes);

// A stream that a gossiping node could have: `bytes` at once every 4 s, ten times, and 100 bytes every 700 ms; the time of
// each of the ten.
Outcome blocks(Tier tier, const Way& way, std::uint64_t bytes);

// As bulk, but the reader takes `piece` bytes at each `interval`.
Outcome slow_reader(Tier tier, const Way& way, std::uint64_t bytes, std::uint64_t piece, Duration interval);

// Nodes with the full stack: from dialing until the dialer has the connection (TCP, Noise, Yamux). Bytes on the stream.
Outcome setup(Tier tier, const Way& way);

// The same nodes, connected: a request of one byte and an answer of `bytes` over perf, from opening its stream to the
// end of the answer.
Outcome exchange(Tier tier, const Way& way, std::uint64_t bytes);

}  // namespace mesocosm::agreement
