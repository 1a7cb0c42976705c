// Degrade: adversaries pass on only a part of the messages; none at all for an eclipse.
#pragma once

#include "attacks/gossip/mischief.h"

namespace mesocosm::attacks {

class Degrade final : public Mischief {
 public:
  explicit Degrade(double drop) : drop_(drop) {}  // the share of messages that each of them drops, in [0, 1]

  bool reads_messages() const override { return drop_ < 1; }
  std::optional<Duration> forward_after(AdversaryCore& core, PeerIndex from, const Message& message) override;

 private:
  double drop_;
};

}  // namespace mesocosm::attacks
