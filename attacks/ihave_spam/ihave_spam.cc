#include "attacks/ihave_spam/ihave_spam.h"

#include <vector>

#include "attacks/gossip/adversary_core.h"
#include "attacks/gossip/noise.h"

namespace mesocosm::attacks {

// All peers hear of the same ids, which are drawn anew in each beat.
void IHaveSpam::on_beat(AdversaryCore& core, Time) {
  const std::vector<std::uint8_t> bytes = noise(core.rng(), ids_ * kIdSize);
  std::vector<ByteView> ids;
  for (std::size_t i = 0; i < ids_; ++i) ids.push_back(ByteView(bytes).subspan(i * kIdSize, kIdSize));
  for (const AdversaryCore::Topic& topic : core.topics()) {
    std::vector<RpcPart> parts;
    for (std::span<const ByteView> rest = ids; !rest.empty();) parts.push_back(make_ihave(topic.name, rest));
    for (PeerIndex peer : topic.members) core.send(peer, parts, ids_);
  }
}

}  // namespace mesocosm::attacks
