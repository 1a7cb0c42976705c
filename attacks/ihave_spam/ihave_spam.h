// IHaveSpam: adversaries tell their peers of messages that do not exist, and never answer those who ask for them.
#pragma once

#include <cstdint>

#include "attacks/gossip/mischief.h"

namespace mesocosm::attacks {

class IHaveSpam final : public Mischief {
 public:
  static constexpr std::size_t kIdSize = 20;

  // In each beat, each peer hears of so many made-up messages in each topic that it subscribes to.
  IHaveSpam(std::uint32_t ids, Duration beat) : ids_(ids), beat_(beat) {}

  Duration beat() const override { return beat_; }
  void on_beat(AdversaryCore& core, Time now) override;

 private:
  std::uint32_t ids_;
  Duration beat_;
};

}  // namespace mesocosm::attacks
