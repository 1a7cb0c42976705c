// What Plumtree's nodes tell each other.
//
//   PlumtreeMessage { 1 kind, 2 Broadcast message, 3 repeated Announcement { 1 id, 2 round }, 4 round }
#pragma once

#include <cstdint>
#include <vector>

#include "stack/protocols/pubsub/broadcast.h"

namespace mesocosm {

struct PlumtreeAnnouncement {
  MessageId id;
  std::uint32_t round = 0;  // how many hops the message had made
};

struct PlumtreeMessage {
  static constexpr std::size_t kMaxAnnouncements = 4096;

  enum class Kind : std::uint8_t {
    gossip,  // message, round
    ihave,   // announcements
    graft,   // announcements: the message that is wanted; none: the link is
    prune,
  };
  Kind kind = Kind::gossip;
  Broadcast message = {};
  std::vector<PlumtreeAnnouncement> announcements = {};
  std::uint32_t round = 0;
};

void write_plumtree(ProtoWriter& out, const PlumtreeMessage& message);
// Shares the buffer. Errors: bad_encoding, too_large.
Result<PlumtreeMessage> decode_plumtree(const Bytes& encoded);

}  // namespace mesocosm
