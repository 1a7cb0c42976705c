// Nodes that come and go, on every simulated tier.
//
//   40 nodes, each dials 5 others, and again every 5 s if it must; one publishes, others join, leave, crash, restart
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "sim/run/world.h"

using namespace mesocosm;

namespace {

constexpr NodeIndex kNodes = 40;

std::unique_ptr<World> make(const std::string& tier, std::uint64_t seed = 1) {
  const UniformLatency internet{.low = 30ms, .high = 70ms, .link = {}};
#ifdef MESOCOSM_NS3
  if (tier == "packet") return World::packet(seed, internet, "");
#endif
  return World::flow(seed, tier == "collapsed" ? StackKind::collapsed : StackKind::full, internet, "");
}

std::string any_tier() {
#ifdef MESOCOSM_NS3
  return GENERATE(as<std::string>(), "full", "collapsed", "packet");
#else
  return GENERATE(as<std::string>(), "full", "collapsed");
#endif
}

NodeKind gossiping() {
  NodeKind kind;
  kind.gossipsub.emplace();
  kind.keepalive = 5s;
  return kind;
}

struct Gossip {
  explicit Gossip(std::unique_ptr<World> made, NodeIndex late = 0, Duration joins = {}, Duration redial = 5s)
      : world(std::move(made)) {
    for (NodeIndex i = 0; i < kNodes; ++i) all.push_back(world->add_node(gossiping()));
    world->join_at(std::span(all).last(late), Time(joins));
    world->start("", "{}");
    for (const NodeIndex node : all) world->subscribe(node, "blocks");
    world->bootstrap(world->overlay(all, 5), 1s, redial);
  }

  void run(Duration until) { REQUIRE(world->advance(Time(until), 3600s)); }
  // How many of the nodes have got what `from` publishes now, a while later.
  std::size_t reached(NodeIndex from, Duration within = 5s) {
    std::vector<std::uint64_t> before;
    for (const NodeIndex node : all) before.push_back(count(node));
    world->publish_random(from, "blocks", 1000);
    run(world->now().time_since_epoch() + within);
    std::size_t got = 0;
    for (const NodeIndex node : all) got += count(node) > before[node] ? 1 : 0;
    return got;
  }
  std::uint64_t count(NodeIndex node) const {
    return world->up(node) ? world->node(node).gossipsub()->counters().delivered : 0;
  }
  bool connected(NodeIndex to) const {
    return std::any_of(all.begin(), all.end(), [&](NodeIndex node) {
      return node != to && world->up(node) && world->node(node).swarm().connected(world->peer_id(to));
    });
  }
  std::size_t up() const {
    return static_cast<std::size_t>(
        std::count_if(all.begin(), all.end(), [&](NodeIndex node) { return world->up(node); }));
  }

  std::unique_ptr<World> world;
  std::vector<NodeIndex> all;
};

}  // namespace

TEST_CASE("who joins later dials, subscribes and gets what is published then", "[churn]") {
  const std::string tier = any_tier();
  INFO(tier);
  Gossip gossip(make(tier), 10, 20s);
  gossip.run(10s);
  CHECK(gossip.up() == kNodes - 10);
  CHECK_FALSE(gossip.connected(kNodes - 1));
  CHECK(gossip.reached(0) == kNodes - 10 - 1);
  CHECK_THROWS_WITH(gossip.world->publish_random(kNodes - 1, "blocks", 10),
                    Catch::Contains("node 39 is down"));
  gossip.run(30s);
  CHECK(gossip.up() == kNodes);
  CHECK(gossip.reached(0) == kNodes - 1);
  CHECK(gossip.reached(kNodes - 1) == kNodes - 1);
}

TEST_CASE("who leaves says goodbye: its peers know within a second", "[churn]") {
  const std::string tier = any_tier();
  INFO(tier);
  Gossip gossip(make(tier), 0, {}, 0s);
  gossip.run(10s);
  REQUIRE(gossip.connected(7));
  gossip.world->leave(7);
  CHECK_FALSE(gossip.world->up(7));
  gossip.run(11s);
  CHECK_FALSE(gossip.connected(7));
  CHECK(gossip.reached(0) == kNodes - 2);
  gossip.world->restart(7);
  gossip.run(20s);
  CHECK(gossip.connected(7));
  CHECK(gossip.reached(7) == kNodes - 1);
}

TEST_CASE("who crashes is silent: its peers find out by their timeouts", "[churn]") {
  const std::string tier = any_tier();
  INFO(tier);
  Gossip gossip(make(tier));
  gossip.run(10s);
  REQUIRE(gossip.connected(7));
  gossip.world->crash(7);
  CHECK_FALSE(gossip.world->up(7));
  gossip.run(12s);
  CHECK(gossip.connected(7));  // nobody was told
  CHECK(gossip.reached(0) == kNodes - 2);
  gossip.run(25s);  // two keepalives
  CHECK_FALSE(gossip.connected(7));
}

TEST_CASE("who restarts is whom it was, or somebody new", "[churn]") {
  const std::string tier = any_tier();
  const Identity identity = GENERATE(Identity::keep, Identity::fresh);
  INFO(tier);
  Gossip gossip(make(tier));
  gossip.run(10s);
  const PeerId before = gossip.world->peer_id(7);
  SECTION("after a crash") {
    gossip.world->crash(7);
    gossip.run(40s);
  }
  SECTION("at once after a crash: its peers have connections with nobody") {
    gossip.world->crash(7);
    gossip.run(11s);
  }
  SECTION("in the middle of leaving") { gossip.world->leave(7); }
  SECTION("from being up") {}
  gossip.world->restart(7, identity);
  CHECK((gossip.world->peer_id(7) == before) == (identity == Identity::keep));
  CHECK(gossip.world->node(7).peer_id() == gossip.world->peer_id(7));
  gossip.run(gossip.world->now().time_since_epoch() + 20s);
  CHECK(gossip.connected(7));
  CHECK(gossip.reached(0) == kNodes - 1);
  CHECK(gossip.reached(7) == kNodes - 1);
}

TEST_CASE("crashing and restarting again and again leaves nothing behind, and repeats exactly", "[churn]") {
  const std::string tier = any_tier();
  INFO(tier);
  const auto storm = [&](std::uint64_t seed) {
    Gossip gossip(make(tier, seed));
    for (int turn = 0; turn < 60; ++turn) {
      const auto node = static_cast<NodeIndex>(1 + turn * 7 % (kNodes - 1));
      gossip.world->call_at(Time(5s + turn * 500ms), [&, node, turn] {
        turn % 3 == 0 ? gossip.world->leave(node) : gossip.world->crash(node);
      });
      gossip.world->call_at(Time(5s + turn * 500ms + turn % 5 * 1100ms), [&, node, turn] {
        gossip.world->restart(node, turn % 2 == 0 ? Identity::keep : Identity::fresh);
      });
    }
    for (int message = 0; message < 30; ++message) {
      gossip.world->call_at(Time(5s + message * 1s),
                            [&] { gossip.world->publish_random(0, "blocks", 3000); });
    }
    gossip.run(70s);
    CHECK(gossip.up() == kNodes);
    CHECK(gossip.reached(0) == kNodes - 1);
    return gossip.world->finish("complete", 0);
  };
  const std::uint64_t first = storm(1);
  CHECK(storm(1) == first);
  CHECK(storm(2) != first);
}

TEST_CASE("commands to nodes that are down wait or do nothing", "[churn]") {
  Gossip gossip(make("full"));
  gossip.run(10s);
  gossip.world->crash(7);
  gossip.world->crash(7);
  gossip.world->leave(7);
  gossip.world->unsubscribe(7, "blocks");
  gossip.world->subscribe(7, "other");
  gossip.run(12s);
  gossip.world->restart(7);
  CHECK(gossip.world->node(7).gossipsub()->mesh_peers("blocks").empty());
  CHECK(gossip.reached(0) == kNodes - 2);
  CHECK_THROWS_WITH(gossip.world->crash(kNodes), Catch::Contains("there is no node 40"));
}
