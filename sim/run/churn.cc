#include "sim/run/churn.h"

namespace mesocosm {

Churn::Churn(World& world, std::span<const NodeIndex> nodes, ChurnPlan plan, const Rng& rng)
    : world_(world), plan_(std::move(plan)) {
  nodes_.reserve(nodes.size());
  for (const NodeIndex node : nodes) nodes_.emplace_back(node, rng.fork("churn", node));
  world_.call_at(plan_.start, [this] { begin(); });
}

void Churn::begin() {
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    auto& [node, rng] = nodes_[i];
    if (world_.up(node)) {
      depart_after(i, plan_.session.draw_rest(rng));
    } else if (plan_.downtime) {
      return_after(i, plan_.downtime->draw_rest(rng));
    }
  }
}

void Churn::depart_after(std::size_t which, Duration session) {
  const Time at = world_.now() + session;
  if (at < plan_.until) world_.call_at(at, [this, which] { depart(which); });
}

void Churn::return_after(std::size_t which, Duration downtime) {
  world_.call_at(world_.now() + downtime, [this, which] { come_back(which); });
}

// Somebody else may have let it go before.
void Churn::depart(std::size_t which) {
  auto& [node, rng] = nodes_[which];
  plan_.leave ? world_.leave(node) : world_.crash(node);
  if (plan_.downtime) return_after(which, plan_.downtime->draw(rng));
}

void Churn::come_back(std::size_t which) {
  auto& [node, rng] = nodes_[which];
  if (!world_.up(node)) world_.restart(node, plan_.identity);
  depart_after(which, plan_.session.draw(rng));
}

}  // namespace mesocosm
