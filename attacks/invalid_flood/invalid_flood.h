// InvalidFlood: adversaries send messages that everybody refuses, once he has looked at them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "attacks/gossip/mischief.h"
#include "attacks/gossip/trap.h"

namespace mesocosm::attacks {

enum class Invalidity : std::uint8_t {
  signature,  // a well-formed message whose signature is noise: it costs the victim a verification
  unsigned_,  // no author, number or signature, where they are demanded
  application,  // in order but for what it says: only the victim's application can refuse it, after validating it
};

class InvalidFlood final : public Mischief {
 public:
  // In each beat, each peer in each topic gets so many messages with `size` bytes of noise, which begins with `mark` if
  // applications are to refuse them.
  InvalidFlood(Invalidity kind, std::uint32_t messages, std::size_t size, Duration beat, TrapMark mark = {})
      : kind_(kind), messages_(messages), size_(size), beat_(beat), mark_(mark) {}

  Duration beat() const override { return beat_; }
  void on_beat(AdversaryCore& core, Time now) override;

 private:
  RpcPart forge(AdversaryCore& core, ByteView topic) const;

  Invalidity kind_;
  std::uint32_t messages_;
  std::size_t size_;
  Duration beat_;
  TrapMark mark_;
};

}  // namespace mesocosm::attacks
