// GraftFlood: adversaries send GRAFT to everybody all the time, whatever backoff they were told of.
#pragma once

#include <cstdint>

#include "attacks/gossip/mischief.h"

namespace mesocosm::attacks {

class GraftFlood final : public Mischief {
 public:
  // In each beat, each peer gets so many GRAFTs for each topic that it subscribes to.
  GraftFlood(std::uint32_t grafts, Duration beat) : grafts_(grafts), beat_(beat) {}

  // In the mesh for nothing: it passes on no messages.
  bool reads_messages() const override { return false; }
  std::optional<Duration> regraft_after(AdversaryCore&) override { return {}; }  // the next beat does
  Duration beat() const override { return beat_; }
  void on_beat(AdversaryCore& core, Time now) override;

 private:
  std::uint32_t grafts_;
  Duration beat_;
};

}  // namespace mesocosm::attacks
