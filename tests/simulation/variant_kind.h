// Nodes that run a variant of GossipSub, by its name and with settings, for tests.
#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "sim/run/world.h"
#include "stack/protocols/gossipsub/variants.h"

namespace mesocosm::testing {

using Settings = std::vector<std::pair<std::string_view, double>>;

inline NodeKind kind_of(std::string_view name, const Settings& given = {}) {
  const GossipSubVariants variants;
  const GossipSubVariant& variant = **variants.find(name);
  VariantSettings settings(variant.options);
  for (const auto& [option, value] : given) REQUIRE(settings.set(option, value));
  NodeKind kind;
  GossipSubParams& params = kind.gossipsub.emplace();
  params.flood_publish = false;
  if (variant.adjust) variant.adjust(params, settings);
  REQUIRE(params.validate());
  if (variant.policy) kind.policy = [make = variant.policy, settings] { return make(settings); };
  return kind;
}

}  // namespace mesocosm::testing
