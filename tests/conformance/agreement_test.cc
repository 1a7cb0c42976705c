// The flow network against the packet network, on a few of the transfers that ./dev agreement runs (docs/agreement.md),
// with the same bounds.
#ifdef MESOCOSM_NS3

#include <algorithm>

#include <catch2/catch.hpp>

#include "tests/agreement/transfers.h"

using namespace mesocosm;
using namespace mesocosm::agreement;

namespace {

Duration median(Tier tier, Way way, std::uint64_t bytes, std::uint64_t runs) {
  std::vector<Duration> taken;
  for (way.seed = 1; way.seed <= runs; ++way.seed) {
    const Outcome outcome = bulk(tier, way, bytes);
    REQUIRE(outcome.taken.size() == 1);
    taken.push_back(outcome.taken.front());
  }
  std::sort(taken.begin(), taken.end());
  return taken[taken.size() / 2];
}

double difference(Duration flow, Duration packet) { return to_seconds(flow) / to_seconds(packet) - 1; }

}  // namespace

TEST_CASE("flow and packet open a connection in the same time, with the same bytes", "[agreement]") {
  const Outcome flow = setup(Tier::flow, {}), packet = setup(Tier::packet, {});
  REQUIRE(flow.taken.size() == 1);
  REQUIRE(packet.taken.size() == 1);
  CHECK(std::abs(difference(flow.taken[0], packet.taken[0])) < 0.001);
  CHECK(flow.sent == packet.sent);
  CHECK(flow.answered == packet.answered);
}

TEST_CASE("loss-free bulk transfers take the same time within 15 % on flow and packet", "[agreement]") {
  const auto [rtt, bps, bytes] = GENERATE(table<Duration, double, std::uint64_t>({{10ms, 10e6, 64 << 10},
                                                                                  {10ms, 1e9, 10 << 20},
                                                                                  {50ms, 100e6, 1 << 20},
                                                                                  {50ms, 100e6, 10 << 20},
                                                                                  {150ms, 10e6, 256 << 10},
                                                                                  {150ms, 10e6, 1 << 20},
                                                                                  {150ms, 100e6, 10 << 20}}));
  CAPTURE(rtt / 1ms, bps, bytes);
  Way way;
  way.rtt = rtt;
  way.bps = bps;
  CHECK(std::abs(difference(median(Tier::flow, way, bytes, 1), median(Tier::packet, way, bytes, 1))) < 0.15);
}

TEST_CASE("bulk transfers under 1 % loss take the same time within 25 % on flow and packet", "[agreement]") {
  const auto [rtt, bytes, runs] = GENERATE(table<Duration, std::uint64_t, std::uint64_t>(
      {{10ms, 64 << 10, 40}, {50ms, 1 << 20, 60}, {50ms, 10 << 20, 4}}));
  CAPTURE(rtt / 1ms, bytes);
  Way way;
  way.rtt = rtt;
  way.loss = 0.01;
  CHECK(std::abs(difference(median(Tier::flow, way, bytes, runs), median(Tier::packet, way, bytes, runs))) <
        0.25);
}

// Seeds whose last repeated segment follows a retransmission timeout.
TEST_CASE("transfers under loss end on packet", "[agreement]") {
  Way way;
  way.bps = 10e6;
  way.loss = 0.01;
  for (const std::uint64_t seed : {12, 148, 159}) {
    way.seed = seed;
    CAPTURE(seed);
    CHECK(bulk(Tier::packet, way, 1 << 20).taken.size() == 1);
  }
}

#endif
