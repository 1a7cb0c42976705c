#include "stack/protocols/gossipsub/variants.h"

#include <algorithm>
#include <utility>

#include "stack/base/assert.h"
#include "stack/protocols/gossipsub/announce.h"
#include "stack/protocols/gossipsub/choking.h"
#include "stack/protocols/gossipsub/late_gossip.h"
#include "stack/protocols/gossipsub/preamble.h"

namespace mesocosm {
namespace {

void as_v10(GossipSubParams& params, const VariantSettings&) { params.version = PeerKind::gossipsub_10; }
void as_v11(GossipSubParams& params, const VariantSettings&) { params.version = PeerKind::gossipsub_11; }
void as_v12(GossipSubParams& params, const VariantSettings&) { params.version = PeerKind::gossipsub_12; }
void as_v13(GossipSubParams& params, const VariantSettings&) { params.version = PeerKind::gossipsub_13; }

}  // namespace

double VariantSettings::operator[](std::string_view name) const {
  const auto found = std::find_if(values_.begin(), values_.end(),
                                  [&](const VariantOption& option) { return option.name == name; });
  MC_ASSERT(found != values_.end());
  return found->standard;
}

bool VariantSettings::set(std::string_view name, double value) {
  for (VariantOption& option : values_) {
    if (option.name == name) return option.standard = value, true;
  }
  return false;
}

GossipSubVariants::GossipSubVariants() {
  variants_.push_back(
      {.name = "v1.0",
       .summary = "No backoff, outbound quota, flood publishing, adaptive gossip, opportunistic grafting, "
                  "peer exchange or scores (version=\"1.0\").",
       .adjust = &as_v10});
  variants_.push_back({.name = "v1.1",
                       .summary = "The specification's choices, with the parameters as they are given.",
                       .adjust = &as_v11});
  variants_.push_back(
      {.name = "v1.2", .summary = "v1.1, and IDONTWANT for large messages.", .adjust = &as_v12});
  variants_.push_back(
      {.name = "v1.3", .summary = "v1.2, and the handshake that tells of extensions.", .adjust = &as_v13});
  variants_.push_back(LateGossipPolicy::variant());
  variants_.push_back(ChokingPolicy::variant());
  variants_.push_back(PreamblePolicy::variant());
  variants_.push_back(AnnouncePolicy::variant());
}

Result<> GossipSubVariants::add(GossipSubVariant variant) {
  if (variant.name.empty()) return fail(ErrorCode::refused, "a variant needs a name");
  if (find(variant.name)) return fail(ErrorCode::refused, "there is a variant " + variant.name + " already");
  variants_.push_back(std::move(variant));
  return {};
}

Result<const GossipSubVariant*> GossipSubVariants::find(std::string_view name) const {
  const auto found = std::find_if(variants_.begin(), variants_.end(),
                                  [&](const GossipSubVariant& variant) { return variant.name == name; });
  if (found != variants_.end()) return &*found;
  std::string known;
  for (const GossipSubVariant& variant : variants_) known += (known.empty() ? "" : ", ") + variant.name;
  return fail(ErrorCode::not_found, "there is no variant " + std::string(name) + "; there are " + known);
}

}  // namespace mesocosm
