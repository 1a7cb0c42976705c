// PeerSet: a small set of peer slots, sorted, so that it is walked in the same order everywhere.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "stack/protocols/gossipsub/message_cache.h"

namespace mesocosm {

class PeerSet {
 public:
  bool contains(PeerIndex peer) const { return std::binary_search(peers_.begin(), peers_.end(), peer); }
  bool insert(PeerIndex peer) {  // false: it was there
    const auto at = std::lower_bound(peers_.begin(), peers_.end(), peer);
    if (at != peers_.end() && *at == peer) return false;
    peers_.insert(at, peer);
    return true;
  }
  bool erase(PeerIndex peer) {  // false: it was not there
    const auto at = std::lower_bound(peers_.begin(), peers_.end(), peer);
    if (at == peers_.end() || *at != peer) return false;
    peers_.erase(at);
    return true;
  }
  template <class Predicate>
  void erase_if(Predicate&& predicate) {
    std::erase_if(peers_, predicate);
  }
  void clear() { std::vector<PeerIndex>().swap(peers_); }

  bool empty() const { return peers_.empty(); }
  std::size_t size() const { return peers_.size(); }
  auto begin() const { return peers_.begin(); }
  auto end() const { return peers_.end(); }
  std::size_t memory() const { return peers_.capacity() * sizeof(PeerIndex); }

 private:
  std::vector<PeerIndex> peers_;
};

}  // namespace mesocosm
