// Censor: adversaries pass on everything but what certain authors wrote.
#pragma once

#include <cstdint>
#include <vector>

#include "attacks/gossip/mischief.h"
#include "stack/wire/peer_id.h"

namespace mesocosm::attacks {

class Censor final : public Mischief {
 public:
  explicit Censor(std::vector<PeerId> authors);  // of signed messages; those without an author are passed on

  std::optional<Duration> forward_after(AdversaryCore& core, PeerIndex from, const Message& message) override;

 private:
  std::vector<PeerId> authors_;  // sorted
};

}  // namespace mesocosm::attacks
