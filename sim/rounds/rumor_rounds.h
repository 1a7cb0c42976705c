// Rumor mongering in rounds: one rumor among sites that can all call each other (Demers et al. 1987, section 1.4).
#pragma once

#include "sim/rounds/round_net.h"
#include "stack/protocols/rumors/core.h"

namespace mesocosm::rounds {

struct RumorOutcome {
  NodeNumber heard = 0;         // sites that know the rumor in the end, its origin included
  std::uint64_t sent = 0;       // times that it was sent
  std::uint64_t delay_sum = 0;  // cycles until a site heard it, of all who did
  std::uint32_t last = 0;       // cycles until the last one did
};

// Runs until the rumor is hot nowhere. At least 2 sites.
RumorOutcome spread_rumor(NodeNumber sites, const RumorsParams& params, std::uint64_t seed);

}  // namespace mesocosm::rounds
