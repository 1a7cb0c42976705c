// SkewedClock: what one node takes for the time: a clock that runs fast or slow, and a calendar that is off.
#pragma once

#include <cstdint>

#include "stack/env/clock.h"

namespace mesocosm {

// Timers fire when the node's own time has come to where they were armed; their deadline() is in true time.
class SkewedClock final : public Clock {
 public:
  // Seconds in a million that it gains; at least -kMost, at most kMost.
  static constexpr std::int64_t kMost = 500'000;

  SkewedClock(Clock& truth, std::int64_t drift_ppm, Duration offset)
      : truth_(truth), rate_(kMillion + drift_ppm), offset_(offset) {}

  Time now() const override { return own(truth_.now()); }
  std::int64_t unix_nanoseconds() const override {
    return truth_.unix_nanoseconds() + (now() - truth_.now() + offset_).count();
  }
  void arm(Timer& timer, Time at) override { truth_.arm(timer, when(at)); }
  void disarm(Timer& timer) noexcept override { truth_.disarm(timer); }
  void defer(Task& task) override { truth_.defer(task); }

 private:
  static constexpr std::int64_t kMillion = 1'000'000;

  // time * numerator / denominator, rounded down, without overflow.
  static std::int64_t scaled(std::int64_t time, std::int64_t numerator, std::int64_t denominator) {
    return time / denominator * numerator + time % denominator * numerator / denominator;
  }
  Time own(Time truth) const {
    return Time(Duration(scaled(truth.time_since_epoch().count(), rate_, kMillion)));
  }
  // The first moment at which own() is no earlier.
  Time when(Time own_time) const {
    if (own_time == kNever) return kNever;
    Time at(Duration(scaled(own_time.time_since_epoch().count(), kMillion, rate_)));
    while (own(at) < own_time) at += Duration(1);
    return at;
  }

  Clock& truth_;
  std::int64_t rate_;  // own seconds in a million true ones
  Duration offset_;
};

}  // namespace mesocosm
