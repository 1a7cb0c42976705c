#include "attacks/censor/censor.h"

#include <algorithm>
#include <utility>

namespace mesocosm::attacks {

Censor::Censor(std::vector<PeerId> authors) : authors_(std::move(authors)) {
  std::sort(authors_.begin(), authors_.end());
}

std::optional<Duration> Censor::forward_after(AdversaryCore&, PeerIndex, const Message& message) {
  const auto author = PeerId::decode(message.from);
  if (author && std::binary_search(authors_.begin(), authors_.end(), *author)) return {};
  return Duration::zero();
}

}  // namespace mesocosm::attacks
