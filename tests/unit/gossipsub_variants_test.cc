// The variants that are known by name.
#include <catch2/catch.hpp>

#include "stack/protocols/gossipsub/late_gossip.h"
#include "stack/protocols/gossipsub/variants.h"
#include "tests/unit/gossipsub_harness.h"

namespace mesocosm {
namespace {

class Nobody final : public GossipSubPolicy {};

}  // namespace

TEST_CASE("gossipsub variants: each has a name, a sentence and parameters that fit together", "[gossipsub]") {
  const GossipSubVariants variants;
  REQUIRE(variants.all().size() >= 2);
  for (const GossipSubVariant& variant : variants.all()) {
    INFO(variant.name);
    CHECK(variant.summary.ends_with('.'));
    CHECK((variant.draft.empty() || variant.draft.size() == std::string_view("2024-12-23").size()));
    for (GossipSubParams params : {GossipSubParams::libp2p(), GossipSubParams::ethereum()}) {
      const VariantSettings settings(variant.options);
      if (variant.adjust) variant.adjust(params, settings);
      CHECK(params.validate().has_value());
      if (variant.policy) CHECK(variant.policy(settings) != nullptr);
    }
  }
}

TEST_CASE("gossipsub variants: names are unique, and unknown ones are answered with the known",
          "[gossipsub]") {
  GossipSubVariants variants;
  REQUIRE(variants.add({.name = "mine", .summary = "Mine.", .policy = policy_maker<Nobody>()}));
  CHECK((*variants.find("mine"))->policy({}) != nullptr);
  CHECK(variants.add({.name = "mine", .summary = "Also mine."}).error().detail ==
        "there is a variant mine already");
  CHECK_FALSE(variants.add({.name = "", .summary = "Nobody's."}));
  const auto missing = variants.find("v9");
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code == ErrorCode::not_found);
  CHECK(missing.error().detail.starts_with("there is no variant v9; there are v1.0, v1.1"));
  CHECK(missing.error().detail.ends_with(", mine"));
}

TEST_CASE("gossipsub variants: settings are the standards, or what was given", "[gossipsub]") {
  const std::vector<VariantOption> options = {{"a", 1, "A."}, {"b", 2, "B."}};
  VariantSettings settings(options);
  CHECK(settings.set("b", 5));
  CHECK_FALSE(settings.set("c", 5));
  CHECK(settings["a"] == 1);
  CHECK(settings["b"] == 5);
}

TEST_CASE("gossipsub variants: v1.0-go tells at one heartbeat whom the one before chose", "[gossipsub]") {
  GossipSubParams params = testing::unsigned_params();
  LateGossipPolicy::variant().adjust(params, {});
  params.d = params.d_low = params.d_high = 1;  // one of three: the others are gossiped to
  params.d_score = params.d_out = 0;
  params.d_lazy = 2;
  testing::Solo solo(params, std::make_unique<LateGossipPolicy>());
  solo.core.subscribe("t", solo.now);
  const std::vector<PeerIndex> members = solo.add_members(3, "t");
  solo.heartbeats();
  REQUIRE(solo.mesh_size("t") == 1);
  REQUIRE(solo.core.publish("t", as_bytes("m"), solo.now));
  solo.heartbeats();
  CHECK(solo.count(PartKind::ihave) == 0);
  solo.heartbeats();
  const auto told = solo.take(PartKind::ihave);
  REQUIRE(told.size() == 2);
  CHECK(told[0].to != told[1].to);
  for (const auto& ihave : told) CHECK_FALSE(solo.topic("t").mesh.contains(ihave.to));
  CHECK(solo.core.counters().ihave_sent == 2);
  CHECK(solo.core.counters().ihave_ids_sent == 2);

  for (PeerIndex member : members) solo.core.on_peer_removed(member);  // chosen, and gone
  solo.heartbeats();
  CHECK(solo.count(PartKind::ihave) == 0);
}

}  // namespace mesocosm
