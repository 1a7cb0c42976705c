// What HyParView's nodes tell each other.
//
//   HyParViewMessage { 1 kind, 2 ttl, 3 flag, 4 PeerEntry subject, 5 repeated PeerEntry peers }
#pragma once

#include <cstdint>
#include <vector>

#include "stack/protocols/pubsub/peer_entry.h"

namespace mesocosm {

struct HyParViewMessage {
  static constexpr std::size_t kMaxPeers = 256;

  enum class Kind : std::uint8_t {
    join,            // to the contact
    forward_join,    // subject: the newcomer; ttl
    neighbor,        // flag: of high priority
    neighbor_reply,  // flag: accepted
    disconnect,      // the sender has no place for us in its active view any more
    shuffle,         // subject: who began it; ttl; peers
    shuffle_reply,   // peers
  };
  Kind kind = Kind::join;
  std::uint32_t ttl = 0;
  bool flag = false;
  PeerId subject = {};
  std::vector<PeerId> peers = {};
};

void write_hyparview(ProtoWriter& out, const HyParViewMessage& message, const AddressBook& book);

struct DecodedHyParView {
  HyParViewMessage message;
  std::vector<PeerEntry> told;  // where the peers in it are
};
// Errors: bad_encoding, too_large.
Result<DecodedHyParView> decode_hyparview(const Bytes& encoded);

}  // namespace mesocosm
