// Drafts in a network: what they save, and that nothing is lost, also among nodes that do not speak them.
//
//   50 nodes, each dials 6 others drawn at random; 10 to 100 ms one way, 50 Mb/s up and down
#include <memory>
#include <string_view>
#include <vector>

#include <catch2/catch.hpp>

#include "sim/run/world.h"
#include "stack/protocols/gossipsub/variants.h"
#include "tests/simulation/variant_kind.h"
#include "tests/source_path.h"

using namespace mesocosm;
using mesocosm::testing::kind_of;
using mesocosm::testing::Settings;
using mesocosm::testing::source_path;

namespace {

constexpr NodeIndex kNodes = 50;
constexpr std::size_t kMessages = 20;

struct Outcome {
  std::uint64_t duplicates = 0;
  std::uint64_t fingerprint = 0;
};

// Every other node is of the second kind.
Outcome run(const NodeKind& kind, const NodeKind& other, StackKind stack = StackKind::collapsed) {
  HostLink link;
  link.up_bps = 50e6;
  link.down_bps = 50e6;
  auto world = World::flow(1, stack, UniformLatency{10ms, 100ms, link}, source_path("data"));
  std::vector<NodeIndex> all;
  for (NodeIndex i = 0; i < kNodes; ++i) all.push_back(world->add_node(i % 2 == 0 ? kind : other));
  world->start("", "{}");
  for (NodeIndex node : all) world->subscribe(node, "blocks");
  world->bootstrap(world->overlay(all, 6), 1s);
  for (std::size_t i = 0; i < kMessages; ++i) {
    world->call_at(Time(10s + i * 1s),
                   [&world, i] { world->publish_random(static_cast<NodeIndex>(i), "blocks", 4096); });
  }
  REQUIRE(world->advance(Time(40s), 3600s));
  Outcome outcome;
  for (NodeIndex node : all) {
    const GossipSubCounters& counters = world->node(node).gossipsub()->counters();
    CHECK(counters.delivered == kMessages - (node < kMessages ? 1 : 0));
    CHECK(world->node(node).gossipsub()->traffic().streams_reset == 0);
    outcome.duplicates += counters.duplicates;
  }
  outcome.fingerprint = world->finish("complete", 0);
  return outcome;
}
Outcome run(std::string_view name, const Settings& given = {}) {
  return run(kind_of(name, given), kind_of(name, given));
}

}  // namespace

TEST_CASE("drafts: the more v2.0 announces, the fewer duplicates; hardly one when it announces all",
          "[gossipsub][drafts]") {
  const std::uint64_t plain = run("v1.2").duplicates;
  const std::uint64_t some = run("v2.0", {{"D_announce", 2}}).duplicates;
  const std::uint64_t most = run("v2.0", {{"D_announce", 4}}).duplicates;
  const std::uint64_t all = run("v2.0", {{"D_announce", 6}}).duplicates;
  CHECK(plain > kNodes * kMessages);
  CHECK(some < plain);
  CHECK(most < some);
  // Not none: gossip of a heartbeat is answered by IWANT, which may cross the mesh's INEED.
  CHECK(all < plain / 100);
  CHECK(all < kNodes * kMessages / 20);
}

TEST_CASE("drafts: choking the late saves duplicates", "[gossipsub][drafts]") {
  const Settings soon = {{"choke_threshold", 0.03}, {"unchoke_threshold", 0.02}};
  const std::uint64_t plain = run("v1.2").duplicates;
  const std::uint64_t choked = run("choking", soon).duplicates;
  CHECK(choked < plain * 7 / 10);
}

TEST_CASE("drafts: they repeat, and live with nodes that do not speak them", "[gossipsub][drafts]") {
  for (std::string_view name : {"v2.0", "choking"}) {
    const NodeKind draft = kind_of(name, {});
    const NodeKind plain = kind_of("v1.1", {});
    const Outcome mixed = run(draft, plain);
    CHECK(mixed.fingerprint == run(draft, plain).fingerprint);
    run(draft, draft, StackKind::full);
  }
}
