#include "stack/protocols/cyclon/message.h"

#include <utility>

namespace mesocosm {

Bytes encode(const CyclonMessage& message, const AddressBook& book) {
  ByteWriter bytes;
  ProtoWriter out(bytes);
  out.varint(1, static_cast<std::uint64_t>(message.kind));
  for (const CyclonEntry& entry : message.entries) write_peer_entry(out, 2, entry.peer, entry.age, book);
  if (message.ttl > 0) out.varint(3, message.ttl);
  if (!message.origin.empty()) write_peer_entry(out, 4, message.origin, 0, book);
  if (message.broadcast) {
    out.message(5, [&](ProtoWriter& nested) { write_broadcast(nested, *message.broadcast); });
  }
  return bytes.take();
}

Result<DecodedCyclon> decode_cyclon(const Bytes& encoded) {
  DecodedCyclon decoded;
  CyclonMessage& message = decoded.message;
  ProtoReader reader(encoded);
  while (reader.next()) {
    switch (reader.tag()) {
      case proto_varint(1):
        if (reader.value() > static_cast<std::uint64_t>(CyclonMessage::Kind::push))
          return fail(ErrorCode::bad_encoding, "an unknown kind of message");
        message.kind = static_cast<CyclonMessage::Kind>(reader.value());
        break;
      case proto_varint(3):
        if (reader.value() > 255) return fail(ErrorCode::too_large, "a walk's length");
        message.ttl = static_cast<std::uint32_t>(reader.value());
        break;
      case proto_bytes(2):
      case proto_bytes(4): {
        auto entry = read_peer_entry(reader.bytes());
        if (!entry) return tl::unexpected(entry.error());
        if (reader.number() == 4) {
          message.origin = entry->peer;
        } else if (message.entries.size() >= CyclonMessage::kMaxEntries) {
          return fail(ErrorCode::too_large, "too many entries");
        } else {
          message.entries.push_back({entry->peer, entry->age});
        }
        if (decoded.told.size() <= CyclonMessage::kMaxEntries) decoded.told.push_back(std::move(*entry));
        break;
      }
      case proto_bytes(5): {
        auto broadcast = read_broadcast(reader.bytes());
        if (!broadcast) return tl::unexpected(broadcast.error());
        message.broadcast = std::move(*broadcast);
        break;
      }
      default:
        break;
    }
  }
  if (!reader.ok()) return fail(ErrorCode::bad_encoding, "not a Cyclon message");
  if ((message.kind == CyclonMessage::Kind::walk) == message.origin.empty())
    return fail(ErrorCode::bad_encoding, "walks, and they alone, have an origin");
  if ((message.kind == CyclonMessage::Kind::push) != message.broadcast.has_value())
    return fail(ErrorCode::bad_encoding, "pushes, and they alone, have a message");
  return decoded;
}

}  // namespace mesocosm
