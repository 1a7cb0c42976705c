// Gossipsub v1.4's draft in a network: what PREAMBLE and IMRECEIVING save of large messages, and that nobody who says
// PREAMBLE and sends nothing keeps a message from coming.
//
//   50 nodes, each dials 6 others drawn at random; 10 to 100 ms one way, 20 or 50 Mb/s up and down
#include <memory>
#include <string_view>
#include <vector>

#include <catch2/catch.hpp>

#include "sim/run/world.h"
#include "stack/protocols/gossipsub/preamble.h"
#include "tests/simulation/variant_kind.h"
#include "tests/source_path.h"

using namespace mesocosm;
using mesocosm::testing::kind_of;
using mesocosm::testing::Settings;
using mesocosm::testing::source_path;

namespace {

constexpr NodeIndex kNodes = 50;
constexpr std::size_t kMessages = 8;

// Says PREAMBLE and does not send the message; all else that it does is right.
class Liar final : public PreamblePolicy {
 public:
  using PreamblePolicy::PreamblePolicy;
  void choose_push(GossipSubCore& core, const OutgoingMessage& message,
                   std::vector<PeerIndex>& peers) override {
    PreamblePolicy::choose_push(core, message, peers);
    peers.clear();
  }
};

NodeKind liar() {
  NodeKind kind = kind_of("v1.4");
  const VariantSettings settings(PreamblePolicy::variant().options);
  kind.policy = [settings] { return std::make_unique<Liar>(settings); };
  return kind;
}

struct Setting {
  std::size_t size = 128 * 1024;
  double mbps = 20;
  StackKind stack = StackKind::collapsed;
  Duration within = 5s;  // every message is everywhere then
};

struct Outcome {
  std::uint64_t duplicates = 0;
  std::uint64_t bytes = 0;  // of messages
  std::uint64_t fingerprint = 0;
};

// Every fifth node is of the second kind, and none of those publishes.
Outcome run(const NodeKind& kind, const NodeKind& other, const Setting& setting = {}) {
  HostLink link;
  link.up_bps = setting.mbps * 1e6;
  link.down_bps = setting.mbps * 1e6;
  auto world = World::flow(1, setting.stack, UniformLatency{10ms, 100ms, link}, source_path("data"));
  std::vector<NodeIndex> all;
  for (NodeIndex i = 0; i < kNodes; ++i) all.push_back(world->add_node(i % 5 == 0 ? other : kind));
  world->start("", "{}");
  for (NodeIndex node : all) world->subscribe(node, "blocks");
  world->bootstrap(world->overlay(all, 6), 1s);
  for (std::size_t i = 0; i < kMessages; ++i) {
    const auto publisher = static_cast<NodeIndex>(5 * i + 1);
    world->call_at(Time(10s + i * setting.within), [&world, &all, &setting, i, publisher] {
      std::uint64_t delivered = 0;
      for (NodeIndex node : all) delivered += world->node(node).gossipsub()->counters().delivered;
      CHECK(delivered == i * (kNodes - 1));
      world->publish_random(publisher, "blocks", setting.size);
    });
  }
  REQUIRE(world->advance(Time(10s + kMessages * setting.within), 3600s));
  Outcome outcome;
  for (NodeIndex node : all) {
    const GossipSubCounters& counters = world->node(node).gossipsub()->counters();
    const bool publisher = node % 5 == 1 && node / 5 < kMessages;
    CHECK(counters.delivered == kMessages - (publisher ? 1 : 0));
    CHECK(world->node(node).gossipsub()->traffic().streams_reset == 0);
    outcome.duplicates += counters.duplicates;
    outcome.bytes += counters.payload_received;
  }
  outcome.fingerprint = world->finish("complete", 0);
  return outcome;
}
Outcome run(std::string_view name, const Setting& setting = {}) {
  return run(kind_of(name), kind_of(name), setting);
}

}  // namespace

TEST_CASE("gossipsub v1.4: a fourth of v1.2's duplicates, and half of its bytes", "[gossipsub][preamble]") {
  for (const Setting& setting :
       {Setting{.size = 128 * 1024, .mbps = 20}, Setting{.size = 256 * 1024, .mbps = 20},
        Setting{.size = 128 * 1024, .mbps = 50}}) {
    INFO(setting.size << " bytes at " << setting.mbps << " Mb/s");
    const Outcome before = run("v1.2", setting);
    const Outcome after = run("v1.4", setting);
    CHECK(after.duplicates < before.duplicates / 4);
    CHECK(after.bytes < before.bytes / 2);
  }
}

TEST_CASE("gossipsub v1.4: small messages go as in v1.2", "[gossipsub][preamble]") {
  const Outcome before = run("v1.2", {.size = 8192});
  const Outcome after = run("v1.4", {.size = 8192});
  // But a message that gossip tells of is asked of one peer, not of each that tells of it.
  CHECK(after.duplicates <= before.duplicates);
  CHECK(after.duplicates > before.duplicates * 9 / 10);
}

TEST_CASE("gossipsub v1.4: who says PREAMBLE and sends nothing does not keep messages from coming",
          "[gossipsub][preamble]") {
  // A message is waited for 0.67 s of each liar that tells of it first.
  const Outcome outcome = run(kind_of("v1.4"), liar(), {.within = 8s});
  CHECK(outcome.bytes > kMessages * (kNodes - 1) * Setting{}.size);
}

TEST_CASE("gossipsub v1.4: it repeats, and lives with nodes that do not speak it", "[gossipsub][preamble]") {
  const Outcome mixed = run(kind_of("v1.4"), kind_of("v1.2"));
  CHECK(mixed.fingerprint == run(kind_of("v1.4"), kind_of("v1.2")).fingerprint);
  CHECK(mixed.duplicates < run("v1.2").duplicates);
  run("v1.4", {.stack = StackKind::full});
}
