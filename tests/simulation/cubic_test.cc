// CUBIC and HyStart against figures computed by hand from RFC 9438 and Linux's constants.
#include "sim/hosts/cubic.h"

#include <catch2/catch.hpp>

using namespace mesocosm;
using hosts::Cubic;

namespace {

constexpr std::uint32_t kMss = Cubic::kSegment;

// Acknowledges a window of segments one by one, over a round trip; returns the window after it.
std::uint32_t round_trip(Cubic& cubic, Time& now, Duration rtt, std::uint32_t cwnd, std::uint32_t ssthresh) {
  const std::uint32_t segments = cwnd / kMss;
  for (std::uint32_t i = 0; i < segments; ++i) {
    now += rtt / segments;
    cwnd = cubic.grow(now, kMss, cwnd, ssthresh);
  }
  return cwnd;
}

Cubic::Acknowledgement at(Time when, Duration rtt, std::uint32_t acked_to, std::uint32_t sent_to) {
  Cubic::Acknowledgement ack;
  ack.first = ack.last = when;
  ack.rtt = rtt;
  ack.acked_to = acked_to;
  ack.sent_to = sent_to;
  return ack;
}

}  // namespace

TEST_CASE("slow start adds what was acknowledged, and no more than to its threshold", "[cubic]") {
  Cubic cubic;
  CHECK(cubic.grow(Time(1s), 10 * kMss, 10 * kMss, Cubic::kUnlimited) == 20 * kMss);
  CHECK(cubic.grow(Time(1s), 10 * kMss, 10 * kMss, 15 * kMss) == 15 * kMss);
}

TEST_CASE("a loss leaves 717/1024 of the window, never less than two segments", "[cubic]") {
  Cubic cubic;
  CHECK(cubic.reduce(1024 * kMss) == 717 * kMss);
  CHECK(cubic.reduce(2 * kMss) == 2 * kMss);
}

TEST_CASE("with long round trips the window comes back after the cube root of W (1 - beta) / C seconds",
          "[cubic]") {
  Cubic cubic;
  const std::uint32_t before = 1000 * kMss;
  std::uint32_t cwnd = cubic.reduce(before);
  const std::uint32_t threshold = cwnd;
  CHECK(cwnd / kMss == 700);
  // K = cbrt(300 / 0.4) = 9.09 s. At K / 2 only an eighth of the difference is left: 1000 - 300 / 8 = 962.
  Time now(100s);
  const Time begin = now;
  while (now - begin < 4545ms) cwnd = round_trip(cubic, now, 200ms, cwnd, threshold);
  CHECK(cwnd / kMss > 945);
  CHECK(cwnd / kMss < 970);
  while (now - begin < 9090ms) cwnd = round_trip(cubic, now, 200ms, cwnd, threshold);
  CHECK(cwnd / kMss > 990);
  CHECK(cwnd / kMss < 1005);
  // Beyond K it grows ever faster: C * 5^3 = 50 segments more after 5 s.
  while (now - begin < 14090ms) cwnd = round_trip(cubic, now, 200ms, cwnd, threshold);
  CHECK(cwnd / kMss > 1030);
  CHECK(cwnd / kMss < 1060);
}

TEST_CASE("with short round trips it grows like Reno with the same reduction: 8/15 of a segment a round trip",
          "[cubic]") {
  Cubic cubic;
  std::uint32_t cwnd = cubic.reduce(30 * kMss);
  const std::uint32_t threshold = cwnd;
  REQUIRE(cwnd / kMss == 21);
  Time now(100s);
  for (int i = 0; i < 60; ++i)
    cwnd = round_trip(cubic, now, 5ms, cwnd, threshold);  // 300 ms: the cubic is flat
  CHECK(cwnd / kMss >= 21 + 60 * 8 / 15 - 4);
  CHECK(cwnd / kMss <= 21 + 60 * 8 / 15 + 1);
}

TEST_CASE("HyStart ends slow start when a round's first acknowledgements come later by an eighth",
          "[cubic]") {
  const auto ends = [](Duration later) {
    Cubic cubic;
    // Apart by more than 2 ms, so that they are no train.
    bool ended = false;
    for (std::uint32_t i = 0; i < 20; ++i)
      ended |= cubic.ends_slow_start(at(Time(1s + i * 3ms), 80ms, i, 20), 20 * kMss, Cubic::kUnlimited);
    for (std::uint32_t i = 20; i < 40; ++i)
      ended |= cubic.ends_slow_start(at(Time(1s + i * 3ms), 80ms + later, i + 1, 60), 40 * kMss,
                                     Cubic::kUnlimited);
    return ended;
  };
  CHECK_FALSE(ends(9ms));
  CHECK(ends(11ms));
}

TEST_CASE("HyStart ends slow start when a train of acknowledgements is half a round trip long", "[cubic]") {
  const auto ends = [](int acknowledgements, std::uint32_t cwnd) {
    Cubic cubic;
    bool ended = false;
    for (int i = 0; i < acknowledgements; ++i)
      ended |= cubic.ends_slow_start(at(Time(1s + i * 1ms), 40ms, 1, 100), cwnd, Cubic::kUnlimited);
    return ended;
  };
  CHECK_FALSE(ends(20, 100 * kMss));
  CHECK(ends(22, 100 * kMss));
  CHECK_FALSE(ends(22, 15 * kMss));  // too small a window
}
