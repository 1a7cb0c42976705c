// What Plumtree's nodes tell each other.
//
//   PlumtreeMessage { 1 kind, 2 Broadcast message, 3 repeated Announcement { 1 id, 2 round }, 4 round }
//   PlumtreeFrame   { 1 HyParViewMessage, 2 PlumtreeMessage }, one of them
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

// What goes over a connection: the tree's messages, and those of the membership under it.
struct PlumtreeFrame {
  enum class Kind : std::uint8_t { membership = 1, tree = 2 };
  Kind kind = Kind::membership;
  Bytes message = {};  // encoded
};
// `write` is given the ProtoWriter of the frame's message.
template <class Write>
Bytes encode_plumtree_frame(PlumtreeFrame::Kind kind, Write&& write) {
  ByteWriter bytes;
  ProtoWriter out(bytes);
  out.message(static_cast<std::uint32_t>(kind), write);
  return bytes.take();
}
// Shares the buffer. Error: bad_encoding.
Result<PlumtreeFrame> decode_plumtree_frame(const Bytes& encoded);

}  // namespace mesocosm
