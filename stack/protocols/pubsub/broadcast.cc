#include "stack/protocols/pubsub/broadcast.h"

#include <array>

namespace mesocosm {

void write_broadcast(ProtoWriter& out, const Broadcast& message) {
  out.bytes(1, message.id.bytes());
  out.bytes(2, message.topic);
  out.bytes(3, message.data);
}

Result<MessageId> read_message_id(const Bytes& encoded) {
  if (encoded.empty() || encoded.size() > MessageId::kMaxSize) {
    return fail(ErrorCode::bad_encoding, "a message id of " + std::to_string(encoded.size()) + " bytes");
  }
  return MessageId(encoded);
}

Result<Broadcast> read_broadcast(const Bytes& encoded) {
  Broadcast message;
  ProtoReader reader(encoded);
  while (reader.next()) {
    switch (reader.tag()) {
      case proto_bytes(1): {
        auto id = read_message_id(reader.bytes());
        if (!id) return tl::unexpected(id.error());
        message.id = *id;
        break;
      }
      case proto_bytes(2):
        message.topic = reader.bytes();
        break;
      case proto_bytes(3):
        message.data = reader.bytes();
        break;
      default:
        break;
    }
  }
  if (!reader.ok() || message.id.empty()) return fail(ErrorCode::bad_encoding, "a message without an id");
  if (message.topic.size() > Broadcast::kMaxTopic) return fail(ErrorCode::too_large, "a topic's name");
  return message;
}

MessageId broadcast_id(const PeerId& author, std::uint64_t number) {
  std::array<std::uint8_t, 8> octets{};
  for (std::size_t i = 0; i < octets.size(); ++i)
    octets[i] = static_cast<std::uint8_t>(number >> (56 - 8 * i));
  return MessageId(author.bytes(), octets);
}

}  // namespace mesocosm
