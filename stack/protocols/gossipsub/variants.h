// GossipSubVariants: what researchers call by name: GossipSub with other parameters, other choices, or both.
//
//   GossipSubVariants variants;  // the shipped ones
//   variants.add({.name = "hoarder", .summary = "Grafts everybody.", .policy = policy_maker<Hoarder>()});
//   const GossipSubVariant* hoarder = *variants.find("hoarder");
//   hoarder->adjust(params);
//   options.policy = hoarder->policy(settings);
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "stack/base/result.h"
#include "stack/protocols/gossipsub/params.h"
#include "stack/protocols/gossipsub/policy.h"

namespace mesocosm {

// A number that a variant can be given.
struct VariantOption {
  std::string name;
  double standard = 0;
  std::string meaning;  // a sentence, with its unit
};

// What a variant was given, or its standards.
class VariantSettings {
 public:
  VariantSettings() = default;
  explicit VariantSettings(std::span<const VariantOption> options)
      : values_(options.begin(), options.end()) {}

  double operator[](std::string_view name) const;  // requires one of the variant's options
  bool set(std::string_view name, double value);   // false: the variant has no such option

 private:
  std::vector<VariantOption> values_;
};

using GossipSubPolicyFactory = std::function<std::unique_ptr<GossipSubPolicy>()>;

struct GossipSubVariant {
  std::string name;
  std::string summary;     // a sentence
  std::string draft = {};  // of which day the draft is, such as "2024-12-23"; empty: no draft
  std::vector<VariantOption> options = {};
  std::function<void(GossipSubParams&, const VariantSettings&)> adjust = {};  // may be empty
  // Makes a node's policy; empty: the specification's. Throws nothing.
  std::function<std::unique_ptr<GossipSubPolicy>(const VariantSettings&)> policy = {};
};

// For policies that are made of their settings, or of nothing.
template <class Policy>
auto policy_maker() {
  return [](const VariantSettings& settings) -> std::unique_ptr<GossipSubPolicy> {
    if constexpr (std::is_constructible_v<Policy, const VariantSettings&>) {
      return std::make_unique<Policy>(settings);
    } else {
      static_cast<void>(settings);
      return std::make_unique<Policy>();
    }
  };
}

class GossipSubVariants {
 public:
  GossipSubVariants();  // with those that are shipped

  // Error: refused, for a name that is taken or empty.
  Result<> add(GossipSubVariant variant);
  // Valid until the next add. Error: not_found; it lists the names that there are.
  Result<const GossipSubVariant*> find(std::string_view name) const;
  std::span<const GossipSubVariant> all() const {
    return variants_;
  }  // in the order in which they were added

 private:
  std::vector<GossipSubVariant> variants_;
};

}  // namespace mesocosm
