// Churn: lets nodes of a World come and go by session models, each by a generator of its own.
//
//   start ──rest of a session──▶ departs ──downtime──▶ is back ──session──▶ departs ...   until `until`
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "sim/run/session_model.h"
#include "sim/run/world.h"

namespace mesocosm {

struct ChurnPlan {
  SessionModel session;
  std::optional<SessionModel> downtime{};  // none: who has gone stays away
  Identity identity = Identity::keep;
  bool leave = false;  // say goodbye; else crash
  Time start{};
  Time until = kNever;  // nobody departs from then on; who is away still comes back
};

// At the start those that are up are in the middle of a session, and those that are not in the middle of a downtime.
class Churn {
 public:
  Churn(World& world, std::span<const NodeIndex> nodes, ChurnPlan plan, const Rng& rng);
  Churn(const Churn&) = delete;
  Churn& operator=(const Churn&) = delete;

 private:
  void begin();
  void depart_after(std::size_t which, Duration session);
  void return_after(std::size_t which, Duration downtime);
  void depart(std::size_t which);
  void come_back(std::size_t which);

  World& world_;
  ChurnPlan plan_;
  std::vector<std::pair<NodeIndex, Rng>> nodes_;
};

}  // namespace mesocosm
