// SlowValidation: adversaries make validation slow: they write messages that are valid and take everybody's application
// long to validate, and they take their own time before they pass on what others wrote.
#pragma once

#include <cstddef>
#include <cstdint>

#include "attacks/gossip/mischief.h"
#include "attacks/gossip/trap.h"

namespace mesocosm::attacks {

class SlowValidation final : public Mischief {
 public:
  // Holds what others wrote for `delay`. In each beat, each peer in each topic gets so many messages with `size` bytes
  // of noise that begins with `mark`; beat 0: none.
  explicit SlowValidation(Duration delay, std::uint32_t messages = 0, std::size_t size = kMinTrap,
                          Duration beat = {}, TrapMark mark = {})
      : delay_(delay), messages_(messages), size_(size), beat_(beat), mark_(mark) {}

  std::optional<Duration> forward_after(AdversaryCore&, PeerIndex, const Message&) override { return delay_; }
  Duration beat() const override { return messages_ == 0 ? Duration::zero() : beat_; }
  void on_beat(AdversaryCore& core, Time now) override;

 private:
  Duration delay_;
  std::uint32_t messages_;
  std::size_t size_;
  Duration beat_;
  TrapMark mark_;
};

}  // namespace mesocosm::attacks
