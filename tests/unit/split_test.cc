// Dividing an Internet among processes: all hosts have a rank, no link between ranks is shorter than the lookahead.
#include "sim/net/split.h"

#include <algorithm>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/source_path.h"

using namespace mesocosm;
using mesocosm::testing::source_path;

namespace {

Internet with_hosts(const InternetConfig& config, HostIndex hosts) {
  auto internet = Internet::make(config, source_path("data"), Rng(1));
  REQUIRE(internet.has_value());
  for (HostIndex i = 0; i < hosts; ++i) internet->add_host();
  return std::move(*internet);
}

// The shortest path between hosts of different ranks.
Duration shortest_cut(const Internet& internet, const Split& split) {
  Duration shortest = Duration::max();
  for (HostIndex a = 0; a < internet.hosts(); ++a) {
    for (HostIndex b = 0; b < internet.hosts(); ++b) {
      if (split.rank_of[a] != split.rank_of[b]) shortest = std::min(shortest, internet.path(a, b).one_way);
    }
  }
  return shortest;
}

std::vector<std::size_t> sizes(const Split& split, std::uint32_t ranks) {
  std::vector<std::size_t> sizes(ranks);
  for (const std::uint16_t rank : split.rank_of) ++sizes.at(rank);
  return sizes;
}

}  // namespace

TEST_CASE("an Internet is split evenly, along links no shorter than the lookahead", "[net][split]") {
  const HostLink link;
  const auto [name, config, least] = GENERATE_COPY(table<std::string, InternetConfig, Duration>({
      {"ethereum", MeasuredMix{"ethereum_2025"}, 1ms},
      {"ipfs", MeasuredMix{"ipfs_2023"}, 1ms},
      {"uniform", UniformLatency{20ms, 90ms, link}, 20ms},
      {"star", StarLatency{{10ms, 20ms, 30ms}, link}, 10ms},
  }));
  const std::uint32_t ranks = GENERATE(2u, 3u, 4u);
  INFO(name << " over " << ranks);
  const Internet internet = with_hosts(config, 400);
  const auto divided = split(internet, ranks);
  REQUIRE(divided.has_value());
  CHECK(divided->lookahead >= least);
  CHECK(shortest_cut(internet, *divided) >= divided->lookahead);
  for (const std::size_t size : sizes(*divided, ranks)) {
    CHECK(size > 0);
    CHECK(static_cast<double>(size) <= 1.1 * 400 / ranks);
  }
}

TEST_CASE("of two even splits the one along the longer links is taken", "[net][split]") {
  // Two continents of two cities each: 5 ms within, 80 ms and more between; 50 hosts a city.
  const auto ms = [](int value) { return Duration(value * 1ms); };
  LatencyMatrix matrix;
  matrix.size = 4;
  for (const int latency : {1, 5, 80, 90, 5, 1, 85, 95, 80, 85, 1, 5, 90, 99, 5, 1}) {
    matrix.one_way.push_back(ms(latency));
  }
  const Internet internet = with_hosts(matrix, 200);
  const auto divided = split(internet, 2);
  REQUIRE(divided.has_value());
  CHECK(divided->lookahead == 80ms);
  for (HostIndex host = 0; host < 200; ++host) {
    CHECK((divided->rank_of[host] == divided->rank_of[0]) == (host % 4 < 2));
  }
  const auto quarters = split(internet, 4);
  REQUIRE(quarters.has_value());
  CHECK(quarters->lookahead == 5ms);
  CHECK(sizes(*quarters, 4) == std::vector<std::size_t>(4, 50));
}

TEST_CASE("hosts without latency between them cannot be split", "[net][split]") {
  const Internet internet = with_hosts(UniformLatency{0ms, 0ms, HostLink{}}, 10);
  const auto divided = split(internet, 2);
  REQUIRE_FALSE(divided.has_value());
  CHECK(divided.error().detail ==
        "the Internet model has no 2 groups of hosts with a latency between them, so that 2 processes cannot "
        "share it");
}
