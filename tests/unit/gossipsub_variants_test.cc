// The variants that are known by name.
#include <catch2/catch.hpp>

#include "stack/protocols/gossipsub/variants.h"

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

}  // namespace mesocosm
