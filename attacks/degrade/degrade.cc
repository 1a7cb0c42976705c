#include "attacks/degrade/degrade.h"

#include "attacks/gossip/adversary_core.h"

namespace mesocosm::attacks {

std::optional<Duration> Degrade::forward_after(AdversaryCore& core, PeerIndex, const Message&) {
  if (core.rng().chance(drop_)) return {};
  return Duration::zero();
}

}  // namespace mesocosm::attacks
