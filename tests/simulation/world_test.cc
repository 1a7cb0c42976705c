// Whole worlds: everybody gets everything, the same seed gives the same fingerprint, in every build.
//
//   publisher ──▶ 40 nodes, each dialing 5 others, on the Ethereum 2025 model ──▶ 6 messages of 20,000 B
#include "sim/run/world.h"

#include <algorithm>
#include <fstream>
#include <map>
#include <sstream>

#include <catch2/catch.hpp>
#include <unistd.h>

#include "stack/observe/prometheus.h"
#include "tests/source_path.h"

using namespace mesocosm;
using mesocosm::testing::source_path;

namespace {

constexpr NodeIndex kNodes = 40;

struct Outcome {
  std::uint64_t fingerprint;
  std::uint64_t delivered;
};

Outcome run(std::unique_ptr<World> world, NodeKind kind = {}) {
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
  return run(World::flow(seed, stack, MeasuredMix{"ethereum_2025"}, source_path("data")));
}

#ifdef MESOCOSM_NS3
Outcome run_packets(std::uint64_t seed) {
  return run(World::packet(seed, MeasuredMix{"ethereum_2025"}, source_path("data")));
}
#endif

// tests/golden/fingerprints.txt: "name fingerprint" a line.
std::map<std::string, std::uint64_t> golden() {
  std::map<std::string, std::uint64_t> values;
  std::ifstream file(source_path("tests/golden/fingerprints.txt"));
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

TEST_CASE("nodes over WebSocket gossip, with a fingerprint of their own", "[world]") {
  NodeKind kind;
  kind.transport = TransportKind::websocket;
  const auto internet = MeasuredMix{"ethereum_2025"};
  const Outcome outcome = run(World::flow(1, StackKind::full, internet, source_path("data")), kind);
  CHECK(outcome.delivered == 6 * (kNodes - 1));
  INFO("fingerprint " << std::hex << outcome.fingerprint);
  CHECK(golden().at("world-websocket") == outcome.fingerprint);
  auto collapsed = World::flow(1, StackKind::collapsed, internet, source_path("data"));
  collapsed->add_node(kind);
  CHECK_THROWS_AS(collapsed->start("", "{}"), ConfigError);
}

TEST_CASE("logs are of virtual time: the same run logs the same lines, and is the same as without",
          "[world][observe]") {
  const auto logged = [](const std::string& log, const std::string& format) {
    const std::string path = "/tmp/mesocosm_world_test_" + std::to_string(::getpid()) + ".log";
    auto world = World::flow(1, StackKind::full, MeasuredMix{"ethereum_2025"}, source_path("data"));
    world->observe({.log = log, .log_file = path, .log_format = format});
    const Outcome outcome = run(std::move(world));
    CHECK(outcome.fingerprint == golden().at("world-full"));
    std::ifstream file(path);
    std::vector<std::string> lines;
    for (std::string line; std::getline(file, line);) lines.push_back(line);
    std::remove(path.c_str());
    return lines;
  };
  const auto lines = logged("swarm=debug,gossipsub=info", "text");
  CHECK(lines == logged("swarm=debug,gossipsub=info", "text"));
  const auto having = [&](const std::string& part) {
    return std::count_if(lines.begin(), lines.end(),
                         [&](const std::string& line) { return line.find(part) != std::string::npos; });
  };
  CHECK(having("level=info component=gossipsub node=") == kNodes);  // subscriptions
  CHECK(having(" msg=\"connection opened\" ") == 2 * 5 * kNodes);
  CHECK(having("node=39 ") > 0);
  REQUIRE_FALSE(lines.empty());
  CHECK(lines.front().rfind("time=0.000000000 level=info component=swarm node=0 msg=listening address=/ip4/",
                            0) == 0);
  CHECK(logged("gossipsub=info", "json").at(0) ==
        "{\"time\":\"0.000000000\",\"level\":\"info\",\"component\":\"gossipsub\",\"node\":\"0\","
        "\"msg\":\"subscribed\",\"topic\":\"blocks\"}");
}

TEST_CASE("what cannot be logged is refused by name", "[world][observe]") {
  const auto world = World::flow(1, StackKind::full, UniformLatency{}, source_path("data"));
  CHECK_THROWS_WITH(world->observe({.log = "swam=debug"}), Catch::Contains("log: no log component 'swam'"));
  CHECK_THROWS_WITH(world->observe({.log_format = "xml"}), Catch::Contains("log: no log format 'xml'"));
  CHECK_THROWS_WITH(world->observe({.log = "info", .log_file = "/no/such/file"}),
                    Catch::Contains("cannot log to /no/such/file"));
}

TEST_CASE("the metrics of a world are those of all its nodes", "[world][observe]") {
  auto world = World::flow(1, StackKind::collapsed, MeasuredMix{"ethereum_2025"}, source_path("data"));
  const World& kept = *world;
  const auto value = [&](const std::string& name) {
    std::istringstream page(prometheus_text(kept.metrics()));
    for (std::string line; std::getline(page, line);) {
      if (line.rfind(name + " ", 0) == 0) return std::stod(line.substr(name.size()));
    }
    FAIL("no " << name);
    return 0.0;
  };
  NodeKind kind;
  kind.gossipsub.emplace();
  std::vector<NodeIndex> all;
  for (NodeIndex i = 0; i < kNodes; ++i) all.push_back(world->add_node(kind));
  world->start("", "{}");
  for (NodeIndex node : all) world->subscribe(node, "blocks");
  world->bootstrap(world->overlay(all, 5), 1s);
  world->call_at(Time(5s), [&] { world->publish_random(0, "blocks", 1000); });
  REQUIRE(world->advance(Time(10s), 3600s));
  CHECK(value("libp2p_gossipsub_subscriptions{topic=\"blocks\"}") == kNodes);
  CHECK(value("libp2p_gossipsub_messages_delivered_total{topic=\"blocks\"}") == kNodes - 1);
  CHECK(value("libp2p_rcmgr_connections{dir=\"inbound\",scope=\"system\"}") == 5 * kNodes);
  CHECK(value("libp2p_rcmgr_connections{dir=\"outbound\",scope=\"system\"}") == 5 * kNodes);
  std::uint64_t duplicates = 0, mesh = 0;
  for (NodeIndex node : all) {
    const GossipSub& gossipsub = *world->node(node).gossipsub();
    duplicates += gossipsub.counters().duplicates;
    mesh += gossipsub.mesh_peers("blocks").size();
  }
  CHECK(value("libp2p_gossipsub_messages_duplicate_total{topic=\"blocks\"}") ==
        static_cast<double>(duplicates));
  CHECK(value("libp2p_gossipsub_mesh_peers{topic=\"blocks\"}") == static_cast<double>(mesh));
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

TEST_CASE("a packet world that is finished leaves room for the next", "[world][packet]") {
  const auto finished = World::packet(1, UniformLatency{}, source_path("data"));
  finished->add_node({});
  finished->start("", "{}");
  REQUIRE(finished->advance(Time(1s), 3600s));
  finished->finish("complete", 0);
  const auto next = World::packet(2, UniformLatency{}, source_path("data"));
  next->add_node({});
  CHECK_NOTHROW(next->start("", "{}"));
}

TEST_CASE("two packet worlds at once are refused", "[world][packet]") {
  const auto start = [](World& world) {
    world.add_node({});
    world.start("", "{}");
  };
  const auto first = World::packet(1, UniformLatency{}, source_path("data"));
  start(*first);
  const auto second = World::packet(2, UniformLatency{}, source_path("data"));
  CHECK_THROWS_WITH(start(*second), Catch::Contains("only one World on the packet backend"));
}
#else
TEST_CASE("a build without ns-3 says so", "[world][packet]") {
  CHECK_THROWS_WITH(World::packet(1, UniformLatency{}, source_path("data")),
                    Catch::Contains("MESOCOSM_NS3=OFF"));
}
#endif
