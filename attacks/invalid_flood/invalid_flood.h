// InvalidFlood: adversaries send messages that everybody refuses, once he has looked at them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "attacks/gossip/mischief.h"

namespace mesocosm::attacks {

enum class Invalidity : std::uint8_t {
  signature,  // a well-formed message whose signature is noise: it costs the victim a verification
  unsigned_,  // no author, number or signature, where they are demanded
};

class InvalidFlood final : public Mischief {
 public:
  // In each beat, each peer that has grafted us or was grafted gets so many messages with `size` bytes of noise.
  InvalidFlood(Invalidity kind, std::uint32_t messages, std::size_t size, Duration beat)
      : kind_(kind), messages_(messages), size_(size), beat_(beat) {}

  Duration beat() const override { return beat_; }
  void on_beat(AdversaryCore& core, Time now) override;

 private:
  RpcPart forge(AdversaryCore& core, ByteView topic) const;

  Invalidity kind_;
  std::uint32_t messages_;
  std::size_t size_;
  Duration beat_;
};

}  // namespace mesocosm::attacks
