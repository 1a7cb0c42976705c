// Partial messages on whole worlds: nodes that have some parts each, or none, give each other the rest.
//
//   20 nodes, each dials 5 others drawn at random; 32 parts of 2 KiB, of which a node holds nine in ten, as with Ethereum's
//   columns whose blobs it mostly knows
#include <memory>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "sim/run/world.h"
#include "tests/source_path.h"

using namespace mesocosm;
using mesocosm::testing::source_path;

namespace {

constexpr NodeIndex kNodes = 20;
constexpr std::uint16_t kParts = 32;
constexpr std::size_t kPartSize = 2048;

Bytes part_of(std::size_t number) {
  return Bytes::copy(std::string(kPartSize, static_cast<char>('A' + number)));
}

struct Keeper final : PartialHandler {
  bool accept_part(ByteView group, std::size_t part, ByteView data) override {
    CHECK(as_text(group) == "block 1");
    return as_text(data) == part_of(part).text();
  }
  void on_complete(std::string_view topic, ByteView, const std::vector<Bytes>& parts) override {
    CHECK(topic == "columns");
    CHECK(parts.size() == kParts);
    ++completed;
  }
  int completed = 0;
};

}  // namespace

TEST_CASE("nodes complete a message from parts that others have, and send little else",
          "[gossipsub][partial]") {
  const StackKind stack = GENERATE(StackKind::full, StackKind::collapsed);
  auto world = World::flow(1, stack, UniformLatency{10ms, 100ms, {}}, source_path("data"));
  NodeKind kind;
  kind.gossipsub.emplace();
  kind.gossipsub->version = PeerKind::gossipsub_13;
  kind.gossipsub->partial_messages = true;
  std::vector<NodeIndex> all;
  for (NodeIndex i = 0; i < kNodes; ++i) all.push_back(world->add_node(kind));
  world->start("", "{}");
  std::vector<Keeper> keepers(kNodes);
  const auto gossip = [&](NodeIndex node) { return world->node(node).gossipsub(); };
  world->call_at(Time(0s), [&] {
    for (NodeIndex node : all) {
      const PartialTopic settings{.parts = kParts, .max_part = kPartSize};
      REQUIRE(gossip(node)->subscribe_in_parts("columns", settings, keepers[node]));
    }
  });
  world->bootstrap(world->overlay(all, 5), 1s);
  world->call_at(Time(5s), [&] {
    for (NodeIndex node : all) {
      std::vector<Bytes> parts(kParts);
      for (std::size_t i = 0; i < kParts; ++i) {
        if (node == 0 || (i + node) % 10 != 0) parts[i] = part_of(i);
      }
      REQUIRE(gossip(node)->publish_parts("columns", as_bytes("block 1"), parts));
    }
  });
  REQUIRE(world->advance(Time(7s), 3600s));  // after three heartbeats the group is forgotten

  PartialCounters sum;
  std::size_t missing = 0;
  for (NodeIndex node : all) {
    CHECK(keepers[node].completed == (node == 0 ? 0 : 1));
    const PartialMessages& partial = *gossip(node)->core().partial();
    const TopicIndex topic = gossip(node)->core().find_topic("columns");
    CHECK(partial.parts(topic, as_bytes("block 1")).count() == kParts);
    sum.parts_sent += partial.counters().parts_sent;
    sum.parts_received += partial.counters().parts_received;
    sum.parts_duplicate += partial.counters().parts_duplicate;
    for (std::size_t i = 0; i < kParts; ++i) missing += node != 0 && (i + node) % 10 == 0 ? 1 : 0;
    CHECK(gossip(node)->counters().delivered == (node == 0 ? 0u : 1u));
    CHECK(gossip(node)->counters().messages_sent == 0);
    CHECK(gossip(node)->traffic().streams_reset == 0);
  }
  CHECK(sum.parts_received == sum.parts_sent);
  CHECK(sum.parts_received - sum.parts_duplicate == missing);  // what was missing came once, the rest again
  // Every mesh peer that has a part sends it. That is at most D_hi times what is missing; whole messages would be kParts
  // times as many nodes, at least.
  CHECK(sum.parts_sent <= missing * 12);
}
