// SlowValidation: adversaries hold each message for a while, as if they were validating it, before they pass it on.
#pragma once

#include "attacks/gossip/mischief.h"

namespace mesocosm::attacks {

class SlowValidation final : public Mischief {
 public:
  explicit SlowValidation(Duration delay) : delay_(delay) {}

  std::optional<Duration> forward_after(AdversaryCore&, PeerIndex, const Message&) override { return delay_; }

 private:
  Duration delay_;
};

}  // namespace mesocosm::attacks
