// Drawing peers, as GossipSub's own choices do.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "stack/base/rng.h"
#include "stack/protocols/gossipsub/message_cache.h"

namespace mesocosm {

// Keeps `count` of the peers, chosen evenly; all, with nothing drawn, if there are not more.
inline void sample_peers(Rng& rng, std::vector<PeerIndex>& peers, std::size_t count) {
  if (peers.size() <= count) return;
  for (std::size_t i = 0; i < count; ++i) std::swap(peers[i], peers[i + rng.below(peers.size() - i)]);
  peers.resize(count);
}

}  // namespace mesocosm
