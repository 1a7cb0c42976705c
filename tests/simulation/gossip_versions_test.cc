// Versions of GossipSub and the baselines, side by side on the same worlds.
//
//   50 nodes, each dials 6 others drawn at random; 10 to 100 ms one way, 50 Mb/s up and down
#include <algorithm>
#include <memory>
#include <vector>

#include <catch2/catch.hpp>

#include "sim/run/world.h"
#include "tests/source_path.h"

using namespace mesocosm;
using mesocosm::testing::source_path;

namespace {

constexpr NodeIndex kNodes = 50;
constexpr std::size_t kMessages = 10;

struct Outcome {
  GossipSubCounters sum;
  GossipSubTraffic traffic;
};

Outcome run(const GossipSubParams& params, StackKind stack, std::size_t payload) {
  HostLink link;
  link.up_bps = 50e6;
  link.down_bps = 50e6;
  auto world = World::flow(1, stack, UniformLatency{10ms, 100ms, link}, source_path("data"));
  NodeKind kind;
  kind.gossipsub = params;
  std::vector<NodeIndex> all;
  for (NodeIndex i = 0; i < kNodes; ++i) all.push_back(world->add_node(kind));
  world->start("", "{}");
  for (NodeIndex node : all) world->subscribe(node, "blocks");
  world->bootstrap(world->overlay(all, 6), 1s);
  for (std::size_t i = 0; i < kMessages; ++i) {
    world->call_at(Time(10s + i * 4s), [&world, i, payload] {
      world->publish_random(static_cast<NodeIndex>(i * 5), "blocks", payload);
    });
  }
  REQUIRE(world->advance(Time(55s), 3600s));
  Outcome outcome;
  for (NodeIndex node : all) {
    const GossipSubCounters& c = world->node(node).gossipsub()->counters();
    const GossipSubTraffic& t = world->node(node).gossipsub()->traffic();
    CHECK(c.delivered == kMessages - (node % 5 == 0 ? 1 : 0));
    outcome.sum.delivered += c.delivered;
    outcome.sum.duplicates += c.duplicates;
    outcome.sum.ignored += c.ignored;
    outcome.sum.messages_sent += c.messages_sent;
    outcome.sum.messages_received += c.messages_received;
    outcome.sum.ihave_sent += c.ihave_sent;
    outcome.sum.grafts_sent += c.grafts_sent;
    outcome.sum.idontwant_sent += c.idontwant_sent;
    outcome.sum.idontwant_received += c.idontwant_received;
    outcome.sum.withheld += c.withheld;
    outcome.traffic.bytes_sent += t.bytes_sent;
    outcome.traffic.messages_cancelled += t.messages_cancelled;
    outcome.traffic.streams_reset += t.streams_reset;
  }
  CHECK(outcome.sum.messages_received == outcome.sum.messages_sent);  // nothing is under way any more
  CHECK(outcome.sum.messages_received ==
        outcome.sum.delivered + outcome.sum.duplicates + outcome.sum.ignored);
  CHECK(outcome.traffic.streams_reset == 0);
  return outcome;
}

}  // namespace

TEST_CASE("v1.0, floodsub and randomsub deliver everything", "[gossipsub][versions]") {
  const StackKind stack = GENERATE(StackKind::full, StackKind::collapsed);
  GossipSubParams params;
  const Outcome mesh = run(params, stack, 1000);
  params.version = PeerKind::gossipsub_10;
  const Outcome old = run(params, stack, 1000);
  CHECK(old.sum.grafts_sent > 0);
  // Our own messages go to the mesh, not to all twelve neighbours or so.
  CHECK(old.sum.messages_sent < mesh.sum.messages_sent);

  params.version = PeerKind::floodsub;
  const Outcome flood = run(params, stack, 1000);
  CHECK(flood.sum.grafts_sent == 0);
  CHECK(flood.sum.ihave_sent == 0);
  CHECK(flood.sum.messages_sent > mesh.sum.messages_sent);

  params.version = PeerKind::randomsub;
  params.d = 10;  // of some twelve neighbours, so that hardly anybody is left out by all of theirs
  const Outcome random = run(params, stack, 1000);
  CHECK(random.sum.grafts_sent == 0);
  CHECK(random.sum.ihave_sent == 0);
  CHECK(random.sum.messages_sent < flood.sum.messages_sent);
  // Nobody sends more than ten copies.
  CHECK(random.sum.messages_sent <= kMessages * kNodes * 10);
}

TEST_CASE("v1.2 needs fewer copies of 128 KiB than v1.1", "[gossipsub][versions]") {
  const StackKind stack = GENERATE(StackKind::full, StackKind::collapsed);
  GossipSubParams params;
  params.flood_publish = false;
  const Outcome before = run(params, stack, 128 << 10);
  CHECK(before.sum.idontwant_sent == 0);
  CHECK(before.sum.withheld == 0);
  params.version = PeerKind::gossipsub_12;
  const Outcome after = run(params, stack, 128 << 10);
  CHECK(after.sum.idontwant_received == after.sum.idontwant_sent);
  CHECK(after.sum.withheld > 0);
  CHECK(after.sum.messages_sent < before.sum.messages_sent);
  // 1,732 of 2,761 when this was written: what is under way when an IDONTWANT arrives still comes.
  CHECK(10 * after.sum.duplicates < 7 * before.sum.duplicates);
}
