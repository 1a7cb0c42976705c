// What a variant needs that is compiled by itself, out of the tree, with `mesocosm build-variant mine.cc`:
//
//   #include "stack/protocols/gossipsub/plugin.h"
//
//   class Hoarder final : public mesocosm::GossipSubPolicy { ... };
//
//   MESOCOSM_VARIANTS({.name = "hoarder",
//                      .summary = "Grafts everybody.",
//                      .policy = mesocosm::policy_maker<Hoarder>()})
//
// Once for a library, at the end, outside of namespaces; several variants one after the other, each in its braces. The
// library is compiled against the headers of the very build that loads it, and says which.
#pragma once

#include <vector>

#include "stack/protocols/gossipsub/core.h"
#include "stack/protocols/gossipsub/sample.h"
#include "stack/protocols/gossipsub/variants.h"

#ifdef MESOCOSM_VARIANT_ABI  // what the headers are; `mesocosm build-variant --flags` says it
#define MESOCOSM_VARIANTS(...)                                                           \
  extern "C" __attribute__((visibility("default"))) const char* mesocosm_variant_abi() { \
    return MESOCOSM_VARIANT_ABI;                                                         \
  }                                                                                      \
  extern "C" __attribute__((visibility("default"))) void mesocosm_variants(              \
      std::vector<mesocosm::GossipSubVariant>& variants) {                               \
    variants = {__VA_ARGS__};                                                            \
  }
#endif
