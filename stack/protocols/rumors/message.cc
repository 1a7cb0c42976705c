#include "stack/protocols/rumors/message.h"

namespace mesocosm {
namespace {

Result<RumorFeedback> read_feedback(const Bytes& encoded) {
  RumorFeedback feedback;
  ProtoReader reader(encoded);
  while (reader.next()) {
    if (reader.tag() == proto_bytes(1)) {
      auto id = read_message_id(reader.bytes());
      if (!id) return tl::unexpected(id.error());
      feedback.id = *id;
    } else if (reader.tag() == proto_varint(2)) {
      feedback.needed = reader.value() != 0;
    }
  }
  if (!reader.ok() || feedback.id.empty())
    return fail(ErrorCode::bad_encoding, "feedback without a message id");
  return feedback;
}

}  // namespace

Bytes encode(const RumorsMessage& message) {
  std::size_t size = 16;
  for (const Broadcast& rumor : message.rumors) size += rumor.data.size() + rumor.topic.size() + 96;
  ByteWriter bytes(size + message.feedback.size() * 72);
  ProtoWriter out(bytes);
  if (message.pull) out.boolean(1, true);
  for (const Broadcast& rumor : message.rumors) {
    out.message(2, [&](ProtoWriter& nested) { write_broadcast(nested, rumor); });
  }
  for (const RumorFeedback& feedback : message.feedback) {
    out.message(3, [&](ProtoWriter& nested) {
      nested.bytes(1, feedback.id.bytes());
      if (feedback.needed) nested.boolean(2, true);
    });
  }
  return bytes.take();
}

Result<RumorsMessage> decode_rumors(const Bytes& encoded) {
  RumorsMessage message;
  ProtoReader reader(encoded);
  while (reader.next()) {
    if (message.rumors.size() > RumorsMessage::kMaxItems ||
        message.feedback.size() > RumorsMessage::kMaxItems) {
      return fail(ErrorCode::too_large, "too many rumors in a message");
    }
    switch (reader.tag()) {
      case proto_varint(1):
        message.pull = reader.value() != 0;
        break;
      case proto_bytes(2): {
        auto rumor = read_broadcast(reader.bytes());
        if (!rumor) return tl::unexpected(rumor.error());
        message.rumors.push_back(std::move(*rumor));
        break;
      }
      case proto_bytes(3): {
        auto feedback = read_feedback(reader.bytes());
        if (!feedback) return tl::unexpected(feedback.error());
        message.feedback.push_back(*feedback);
        break;
      }
      default:
        break;
    }
  }
  if (!reader.ok()) return fail(ErrorCode::bad_encoding, "not a rumors message");
  return message;
}

}  // namespace mesocosm
