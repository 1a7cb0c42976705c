#include "attacks/gossip/mind.h"

#include <algorithm>
#include <utility>

namespace mesocosm::attacks {

void Mind::enter(Phase phase) {
  phase_ = phase;
  for (Follower* follower : followers_) follower->on_phase();
}

bool Mind::fellow(const PeerId& peer) const {
  return params_.shared && std::binary_search(fellows_.begin(), fellows_.end(), peer.hash());
}

void Mind::join(Follower& follower, const PeerId& peer) {
  followers_.push_back(&follower);
  fellows_.insert(std::upper_bound(fellows_.begin(), fellows_.end(), peer.hash()), peer.hash());
}

void Mind::leave(Follower& follower) { std::erase(followers_, &follower); }

std::shared_ptr<Mischief> Mind::mischief() {
  if (!params_.shared) return make_mischief_();
  if (common_ == nullptr) common_ = make_mischief_();
  return common_;
}

}  // namespace mesocosm::attacks
