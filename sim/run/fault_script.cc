#include "sim/run/fault_script.h"

namespace mesocosm {

FaultScript::Id FaultScript::add(const FaultRule& rule,
                                 std::span<const std::pair<std::uint32_t, const Entropy*>> nodes) {
  const auto id = static_cast<Id>(rules_.size());
  Rule& made = rules_.emplace_back();
  made.what = rule;
  for (const auto& [node, entropy] : nodes) {
    made.nodes.emplace(entropy, Visits{rng_.fork("fault point", std::uint64_t{id} << 32 | node)});
  }
  return id;
}

bool FaultScript::end(Id id) {
  rules_.at(id).nodes.clear();
  return !std::exchange(rules_.at(id).over, true);
}

bool FaultScript::fires(const Entropy& node, FaultPoint point) {
  bool any = false;
  for (Rule& rule : rules_) {
    if (rule.over || rule.what.point != point) continue;
    const auto found = rule.nodes.find(&node);
    if (found == rule.nodes.end()) continue;
    Visits& visits = found->second;
    if (++visits.seen < rule.what.first || visits.fired >= rule.what.times) continue;
    if (!visits.rng.chance(rule.what.probability)) continue;
    ++visits.fired;
    ++rule.fired;
    any = true;
  }
  return any;
}

}  // namespace mesocosm
