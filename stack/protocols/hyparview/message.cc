#include "stack/protocols/hyparview/message.h"

#include <utility>

namespace mesocosm {

void write_hyparview(ProtoWriter& out, const HyParViewMessage& message, const AddressBook& book) {
  out.varint(1, static_cast<std::uint64_t>(message.kind));
  if (message.ttl > 0) out.varint(2, message.ttl);
  if (message.flag) out.boolean(3, true);
  if (!message.subject.empty()) write_peer_entry(out, 4, message.subject, 0, book);
  for (const PeerId& peer : message.peers) write_peer_entry(out, 5, peer, 0, book);
}

Result<DecodedHyParView> decode_hyparview(const Bytes& encoded) {
  using Kind = HyParViewMessage::Kind;
  DecodedHyParView decoded;
  HyParViewMessage& message = decoded.message;
  ProtoReader reader(encoded);
  while (reader.next()) {
    switch (reader.tag()) {
      case proto_varint(1):
        if (reader.value() > static_cast<std::uint64_t>(Kind::shuffle_reply))
          return fail(ErrorCode::bad_encoding, "an unknown kind of message");
        message.kind = static_cast<Kind>(reader.value());
        break;
      case proto_varint(2):
        if (reader.value() > 255) return fail(ErrorCode::too_large, "a walk's length");
        message.ttl = static_cast<std::uint32_t>(reader.value());
        break;
      case proto_varint(3):
        message.flag = reader.value() != 0;
        break;
      case proto_bytes(4):
      case proto_bytes(5): {
        auto entry = read_peer_entry(reader.bytes());
        if (!entry) return tl::unexpected(entry.error());
        if (reader.number() == 4) {
          message.subject = entry->peer;
        } else if (message.peers.size() >= HyParViewMessage::kMaxPeers) {
          return fail(ErrorCode::too_large, "too many peers");
        } else {
          message.peers.push_back(entry->peer);
        }
        if (decoded.told.size() <= HyParViewMessage::kMaxPeers) decoded.told.push_back(std::move(*entry));
        break;
      }
      default:
        break;
    }
  }
  if (!reader.ok()) return fail(ErrorCode::bad_encoding, "not a HyParView message");
  const bool walks = message.kind == Kind::forward_join || message.kind == Kind::shuffle;
  if (walks == message.subject.empty())
    return fail(ErrorCode::bad_encoding, "walks, and they alone, have a subject");
  return decoded;
}

}  // namespace mesocosm
