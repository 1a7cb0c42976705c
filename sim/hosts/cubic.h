// CUBIC with HyStart, as Linux's tcp_cubic.c has it (RFC 9438; Ha and Rhee, "Taming the elephants", 2008): how a TCP
// sender's congestion window grows, and to what a loss reduces it. A pure state machine, shared by both simulated
// networks; windows and data in bytes.
#pragma once

#include <cstdint>

#include "stack/base/time.h"

namespace mesocosm::hosts {

class Cubic {
 public:
  static constexpr std::uint32_t kSegment = 1448;
  static constexpr std::uint32_t kUnlimited = ~std::uint32_t{0};  // a slow start threshold that was never set

  // An acknowledgement, or several of one train: the first came at `first`, the last at `last`.
  struct Acknowledgement {
    Time first{}, last{};
    std::uint32_t count = 1;
    Duration rtt{};              // of the first
    std::uint32_t acked_to = 0;  // sequence numbers of any unit; they may wrap around
    std::uint32_t sent_to = 0;
  };

  // HyStart: whether slow start is to end, because acknowledgements come later than they did, or their train has
  // become half a round trip long. Call for each acknowledgement, before grow().
  bool ends_slow_start(const Acknowledgement& acknowledgement, std::uint32_t cwnd, std::uint32_t ssthresh);

  // `bytes` were acknowledged while the window was in use. Returns the new window.
  std::uint32_t grow(Time now, std::uint32_t bytes, std::uint32_t cwnd, std::uint32_t ssthresh);

  // A loss: the new window and slow start threshold.
  std::uint32_t reduce(std::uint32_t cwnd);
  // A retransmission timeout, after reduce(): what was learned is forgotten.
  void forget() { *this = Cubic(); }
  // Nothing was sent for so long: the window's growth goes on where it was.
  void skip(Duration idle);

 private:
  void update(Time now, std::uint32_t cwnd);

  std::uint32_t last_max_ = 0;     // segments: the window before the last reduction
  std::uint32_t origin_ = 0;       // segments: where the cubic function is flat
  std::uint32_t k_ms_ = 0;         // and when, after the epoch's beginning
  std::uint32_t per_segment_ = 0;  // bytes to be acknowledged for each segment that the window grows
  std::uint32_t counted_ = 0;      // bytes acknowledged towards that
  std::uint32_t reno_ = 0;         // bytes: the window that Reno would have
  std::uint32_t reno_counted_ = 0;
  std::uint32_t delay_min_us_ = 0;  // 0: unknown
  Time epoch_{};                    // the last reduction's first acknowledgement; zero: none yet
  Time updated_{};
  std::uint32_t updated_at_ = 0;  // the window then
  // HyStart's round: what was under way when it began.
  std::uint32_t round_end_ = 0;
  std::uint32_t round_rtt_us_ = 0;  // the least of its first samples
  Time round_begin_{};
  Time train_end_{};
  std::uint8_t samples_ = 0;
  bool in_round_ = false;
  bool found_ = false;
};

}  // namespace mesocosm::hosts
