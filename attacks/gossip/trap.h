// Trap: what messages look like that adversaries make for an application's weak spot: well signed, and with a payload
// whose beginning everybody's application knows (in a World: sim/run/application.h says what it makes of them).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "attacks/gossip/adversary_core.h"
#include "attacks/gossip/noise.h"

namespace mesocosm::attacks {

using TrapMark = std::array<std::uint8_t, 16>;
// Payloads are no smaller: the mark, and enough noise to make them different.
constexpr std::size_t kMinTrap = 32;

inline RpcPart trap(AdversaryCore& core, ByteView topic, const TrapMark& mark, std::size_t size) {
  std::vector<std::uint8_t> payload(mark.begin(), mark.end());
  const std::vector<std::uint8_t> rest =
      noise(core.rng(), size < kMinTrap ? kMinTrap - mark.size() : size - mark.size());
  payload.insert(payload.end(), rest.begin(), rest.end());
  return core.write(topic, payload);
}

// To everybody in each topic, so many messages that `make(topic's name)` makes.
template <class Make>
void flood(AdversaryCore& core, std::uint32_t messages, Make&& make) {
  for (const AdversaryCore::Topic& topic : core.topics()) {
    const std::vector<PeerIndex> victims(topic.members.begin(), topic.members.end());
    for (std::uint32_t i = 0; i < messages; ++i) core.send_message(victims, make(topic.name), victims.size());
  }
}

}  // namespace mesocosm::attacks
