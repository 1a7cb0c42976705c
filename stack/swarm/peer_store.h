// PeerStore: what is known of other peers: addresses, protocols, keys and signed records. Bounded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "stack/wire/multiaddr.h"
#include "stack/wire/peer_id.h"

namespace mesocosm {

class PeerStore {
 public:
  static constexpr std::size_t kMaxAddressesPerPeer = 32;

  void add_addresses(const PeerId& peer, std::span<const Multiaddr> addresses);
  // From a signed peer record: replaces the addresses if `seq` rose; returns whether it did.
  bool set_certified(const PeerId& peer, std::uint64_t seq, std::span<const Multiaddr> addresses, Bytes envelope);
  std::vector<Multiaddr> addresses(const PeerId& peer) const;
  Bytes signed_record(const PeerId& peer) const;  // the envelope, or empty

  void set_protocols(const PeerId& peer, std::vector<std::string> protocols);
  bool knows_protocols(const PeerId& peer) const;
  bool speaks(const PeerId& peer, std::string_view protocol) const;
  std::vector<std::string> protocols(const PeerId& peer) const;

  std::size_t size() const;
  void forget(const PeerId& peer);
};

}  // namespace mesocosm
