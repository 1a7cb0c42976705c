// Signatures of pubsub messages (libp2p/specs pubsub/README.md, "Message Signing").
#include <algorithm>

#include "stack/base/byte_writer.h"
#include "stack/crypto/keys.h"
#include "stack/protocols/gossipsub/fields.h"
#include "stack/protocols/gossipsub/message.h"

namespace mesocosm {
namespace {

constexpr std::string_view kPrefix = "libp2p-pubsub:";
constexpr std::uint32_t kSignature = 5;
constexpr std::uint32_t kKey = 6;

// The prefix and the message without signature and key. Everything else stays as it was encoded, unknown
// fields and odd orders included: the author signed some encoding, and another one would not verify.
ByteWriter signed_bytes(ByteView raw) {
  ByteWriter out(kPrefix.size() + raw.size());
  out.put(kPrefix);
  FieldWalk field(raw);
  while (field.next()) {
    const bool left_out = field.tag() == proto_bytes(kSignature) || field.tag() == proto_bytes(kKey);
    if (!left_out) out.put(raw.subspan(field.start(), field.end() - field.start()));
  }
  return out;
}

// The author's key: in the message, where it must be that of `from`, or in `from` itself.
Result<PublicKey> author_key(const Message& message) {
  const auto author = PeerId::decode(message.from);
  if (!author) return tl::unexpected(author.error());
  if (message.key.data() == nullptr) return PublicKey::from_peer_id(*author);
  auto key = PublicKey::decode(Bytes::copy(message.key));
  if (key && key->peer_id() != *author) return fail(ErrorCode::peer_mismatch, "message: key");
  return key;
}

}  // namespace

bool signature_valid(const Message& message) {
  const auto key = author_key(message);
  return key && key->verify(signed_bytes(message.raw()).view(), message.signature).has_value();
}

RpcPart make_signed_message(ByteView topic, ByteView data, const PeerId& from, std::uint64_t seqno,
                            const KeyPair& key) {
  ByteWriter body(kPrefix.size() + data.size() + topic.size() + 128);
  body.put(kPrefix);
  ByteWriter big_endian;
  big_endian.put_u64_be(seqno);
  ProtoWriter out(body);
  out.bytes(1, from.bytes());
  out.bytes(2, data);
  out.bytes(3, big_endian.view());
  out.bytes(4, topic);
  const Signature signature = key.sign(body.view());
  ByteWriter tail;
  ProtoWriter after(tail);
  after.bytes(kSignature, signature);
  if (from.inlined_key().empty()) after.bytes(kKey, key.public_key().serialized());
  return frame_message({body.view().subspan(kPrefix.size()), tail.view()});
}

}  // namespace mesocosm
