// Time as the stack knows it: integer nanoseconds since the environment's start, never the wall clock.
#pragma once

#include <chrono>
#include <cstdint>

namespace mesocosm {

using namespace std::chrono_literals;

using Duration = std::chrono::nanoseconds;

// A tag for time points: the environment supplies `now`, so this clock has no now() of its own.
struct Timeline {
  using rep = Duration::rep;
  using period = Duration::period;
  using duration = Duration;
  using time_point = std::chrono::time_point<Timeline, Duration>;
  static constexpr bool is_steady = true;
};

using Time = Timeline::time_point;

inline constexpr Time kNever = Time::max();

constexpr double to_seconds(Duration d) { return static_cast<double>(d.count()) * 1e-9; }
constexpr Duration from_seconds(double s) { return Duration(static_cast<std::int64_t>(s * 1e9 + 0.5)); }

}  // namespace mesocosm
