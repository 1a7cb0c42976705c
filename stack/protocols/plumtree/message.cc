#include "stack/protocols/plumtree/message.h"

#include <algorithm>
#include <utility>

namespace mesocosm {
namespace {

std::uint32_t round_of(std::uint64_t value) {
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(value, 1 << 20));
}

Result<PlumtreeAnnouncement> read_announcement(const Bytes& encoded) {
  PlumtreeAnnouncement announcement;
  ProtoReader reader(encoded);
  while (reader.next()) {
    if (reader.tag() == proto_bytes(1)) {
      auto id = read_message_id(reader.bytes());
      if (!id) return tl::unexpected(id.error());
      announcement.id = *id;
    } else if (reader.tag() == proto_varint(2)) {
      announcement.round = round_of(reader.value());
    }
  }
  if (!reader.ok() || announcement.id.empty())
    return fail(ErrorCode::bad_encoding, "an announcement without a message id");
  return announcement;
}

}  // namespace

void write_plumtree(ProtoWriter& out, const PlumtreeMessage& message) {
  out.varint(1, static_cast<std::uint64_t>(message.kind));
  if (message.kind == PlumtreeMessage::Kind::gossip) {
    out.message(2, [&](ProtoWriter& nested) { write_broadcast(nested, message.message); });
  }
  for (const PlumtreeAnnouncement& announcement : message.announcements) {
    out.message(3, [&](ProtoWriter& nested) {
      nested.bytes(1, announcement.id.bytes());
      if (announcement.round > 0) nested.varint(2, announcement.round);
    });
  }
  if (message.round > 0) out.varint(4, message.round);
}

Result<PlumtreeMessage> decode_plumtree(const Bytes& encoded) {
  using Kind = PlumtreeMessage::Kind;
  PlumtreeMessage message;
  ProtoReader reader(encoded);
  while (reader.next()) {
    switch (reader.tag()) {
      case proto_varint(1):
        if (reader.value() > static_cast<std::uint64_t>(Kind::prune))
          return fail(ErrorCode::bad_encoding, "an unknown kind of message");
        message.kind = static_cast<Kind>(reader.value());
        break;
      case proto_bytes(2): {
        auto broadcast = read_broadcast(reader.bytes());
        if (!broadcast) return tl::unexpected(broadcast.error());
        message.message = std::move(*broadcast);
        break;
      }
      case proto_bytes(3): {
        if (message.announcements.size() >= PlumtreeMessage::kMaxAnnouncements)
          return fail(ErrorCode::too_large, "too many announcements");
        auto announcement = read_announcement(reader.bytes());
        if (!announcement) return tl::unexpected(announcement.error());
        message.announcements.push_back(*announcement);
        break;
      }
      case proto_varint(4):
        message.round = round_of(reader.value());
        break;
      default:
        break;
    }
  }
  if (!reader.ok()) return fail(ErrorCode::bad_encoding, "not a Plumtree message");
  if ((message.kind == Kind::gossip) == message.message.id.empty())
    return fail(ErrorCode::bad_encoding, "gossip, and it alone, has a message");
  return message;
}

Result<PlumtreeFrame> decode_plumtree_frame(const Bytes& encoded) {
  using Kind = PlumtreeFrame::Kind;
  PlumtreeFrame frame;
  std::size_t messages = 0;
  ProtoReader reader(encoded);
  while (reader.next()) {
    const bool membership = reader.tag() == proto_bytes(static_cast<std::uint32_t>(Kind::membership));
    if (!membership && reader.tag() != proto_bytes(static_cast<std::uint32_t>(Kind::tree))) continue;
    frame = {.kind = membership ? Kind::membership : Kind::tree, .message = reader.bytes()};
    ++messages;
  }
  if (!reader.ok() || messages != 1) return fail(ErrorCode::bad_encoding, "not a frame of one message");
  return frame;
}

}  // namespace mesocosm
