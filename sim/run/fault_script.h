// FaultScript: which fault points of which nodes fire, and when: every so often by chance, or at the n-th time.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <unordered_map>
#include <vector>

#include "sim/hosts/directory.h"
#include "stack/base/rng.h"
#include "stack/env/env.h"
#include "stack/env/fault_points.h"

namespace mesocosm {

// Both together: from the n-th time on with the probability; then at most `times` times on a node.
struct FaultRule {
  FaultPoint point;
  double probability = 1;
  std::uint64_t first = 1;  // the n-th time that a node comes by, counted from 1
  std::uint64_t times = ~std::uint64_t{0};
};

// In force until it is withdrawn.
class FaultScript final : public FaultPoints {
 public:
  using Id = std::uint32_t;

  explicit FaultScript(const Rng& rng) : rng_(rng) { install(this); }
  FaultScript(const FaultScript&) = delete;
  FaultScript& operator=(const FaultScript&) = delete;
  ~FaultScript() override { withdraw(); }
  // Nothing fires any more; what has is still known.
  void withdraw() {
    if (installed() == this) install(nullptr);
  }

  // `nodes` by number, and by the Entropy of each.
  Id add(const FaultRule& rule, std::span<const std::pair<std::uint32_t, const Entropy*>> nodes);
  bool end(Id id);                                                  // false: it had ended before
  std::uint64_t fired(Id id) const { return rules_.at(id).fired; }  // on all its nodes

  bool fires(const Entropy& node, FaultPoint point) override;

 private:
  struct Visits {
    Rng rng;
    std::uint64_t seen = 0;
    std::uint64_t fired = 0;
  };
  struct Rule {
    FaultRule what;
    bool over = false;
    std::uint64_t fired = 0;
    std::unordered_map<const Entropy*, Visits> nodes;  // looked up, never iterated
  };

  Rng rng_;
  std::vector<Rule> rules_;
};

}  // namespace mesocosm
