// Whole worlds: everybody gets everything, the same seed gives the same fingerprint, in every build.
//
//   publisher ──▶ 40 nodes, each dialing 5 others, on the Ethereum 2025 model ──▶ 6 messages of 20,000 B
#include "sim/run/world.h"

#include <fstream>
#include <map>

#include <catch2/catch.hpp>

using namespace mesocosm;

namespace {

constexpr NodeIndex kNodes = 40;

std::string source(const std::string& path) { return std::string(MESOCOSM_SOURCE_DIR) + "/" + path; }

struct Outcome {
  std::uint64_t fingerprint;
  std::uint64_t delivered;
};

Outcome run(std::unique_ptr<World> world) {
  NodeKind kind;
  kind.gossipsub.emplace();
  std::vector<NodeIndex> all;
  for (NodeIndex i = 0; i < kNodes; ++i) all.push_back(world->add_node(kind));
  world->start("", "{}");
  for (NodeIndex node : all) world->subscribe(node, "blocks");
  world->bootstrap(world->overlay(all, 5), 1s);
  for (int message = 0; message < 6; ++message) {
    world->call_at(Time(5s + message * 1s),
                   [&] { world->publish_random(world->sample(all, 1).front(), "blocks", 20'000); });
  }
  REQUIRE(world->advance(Time(14s), 3600s));
  Outcome outcome{};
  for (NodeIndex node : all) outcome.delivered += world->node(node).gossipsub()->counters().delivered;
  outcome.fingerprint = world->finish("complete", 0);
  return outcome;
}

Outcome run(std::uint64_t seed, StackKind stack) {
  return run(World::flow(seed, stack, MeasuredMix{"ethereum_2025"}, source("data")));
}

#ifdef MESOCOSM_NS3
Outcome run_packets(std::uint64_t seed) {
  return run(World::packet(seed, MeasuredMix{"ethereum_2025"}, source("data")));
}
#endif

// tests/golden/fingerprints.txt: "name fingerprint" a line.
std::map<std::string, std::uint64_t> golden() {
  std::map<std::string, std::uint64_t> values;
  std::ifstream file(source("tests/golden/fingerprints.txt"));
  std::string name;
  std::string hex;
  while (file >> name >> hex) values[name] = std::stoull(hex, nullptr, 16);
  return values;
}

}  // namespace

TEST_CASE("every message reaches every subscriber and the fingerprint is the golden one", "[world]") {
  const auto [name, stack] = GENERATE(table<std::string, StackKind>(
      {{"world-full", StackKind::full}, {"world-collapsed", StackKind::collapsed}}));
  INFO(name);
  const Outcome outcome = run(1, stack);
  CHECK(outcome.delivered == 6 * (kNodes - 1));
  INFO("fingerprint " << std::hex << outcome.fingerprint);
  CHECK(golden().at(name) == outcome.fingerprint);
}

TEST_CASE("the same seed gives the same fingerprint, another seed another", "[world]") {
  const Outcome first = run(7, StackKind::full);
  CHECK(run(7, StackKind::full).fingerprint == first.fingerprint);
  CHECK(run(8, StackKind::full).fingerprint != first.fingerprint);
}

#ifdef MESOCOSM_NS3
TEST_CASE("packet worlds one after another: everything arrives, and a seed gives one fingerprint",
          "[world][packet]") {
  const Outcome first = run_packets(7);
  CHECK(first.delivered == 6 * (kNodes - 1));
  CHECK(run_packets(7).fingerprint == first.fingerprint);
  CHECK(run_packets(8).fingerprint != first.fingerprint);
  CHECK(golden().at("world-packet") == first.fingerprint);
}

TEST_CASE("two packet worlds at once are refused", "[world][packet]") {
  const auto start = [](World& world) {
    world.add_node({});
    world.start("", "{}");
  };
  const auto first = World::packet(1, UniformLatency{}, source("data"));
  start(*first);
  const auto second = World::packet(2, UniformLatency{}, source("data"));
  CHECK_THROWS_WITH(start(*second), Catch::Contains("only one World on the packet backend"));
}
#else
TEST_CASE("a build without ns-3 says so", "[world][packet]") {
  CHECK_THROWS_WITH(World::packet(1, UniformLatency{}, source("data")), Catch::Contains("MESOCOSM_NS3=OFF"));
}
#endif
