// What Cyclon's nodes tell each other.
//
//   CyclonMessage { 1 kind, 2 repeated PeerEntry entries, 3 ttl, 4 PeerEntry origin, 5 Broadcast push }
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "stack/protocols/pubsub/broadcast.h"
#include "stack/protocols/pubsub/peer_entry.h"

namespace mesocosm {

struct CyclonEntry {
  PeerId peer;
  std::uint32_t age = 0;  // in periods since the peer made the entry
};

struct CyclonMessage {
  static constexpr std::size_t kMaxEntries = 256;

  enum class Kind : std::uint8_t {
    shuffle,  // entries of the sender's view, its own first
    reply,    // entries of the receiver's
    join,     // to the introducer
    walk,     // on behalf of `origin`, `ttl` hops more
    welcome,  // the entry that made room for the newcomer
    push,     // a message, for who uses the view to broadcast
  };
  Kind kind = Kind::shuffle;
  std::vector<CyclonEntry> entries = {};
  std::uint32_t ttl = 0;
  PeerId origin = {};
  std::optional<Broadcast> broadcast = {};
};

Bytes encode(const CyclonMessage& message, const AddressBook& book);

struct DecodedCyclon {
  CyclonMessage message;
  std::vector<PeerEntry> told;  // where the peers in it are
};
// Errors: bad_encoding, too_large.
Result<DecodedCyclon> decode_cyclon(const Bytes& encoded);

}  // namespace mesocosm
