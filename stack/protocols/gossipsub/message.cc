#include "stack/protocols/gossipsub/message.h"

#include <algorithm>
#include <cstring>

#include "stack/base/assert.h"
#include "stack/base/byte_writer.h"
#include "stack/crypto/blake2b.h"
#include "stack/protocols/gossipsub/fields.h"
#include "stack/wire/sha256.h"
#include "stack/wire/varint.h"

namespace mesocosm {
namespace {

constexpr std::array<std::uint8_t, 4> kEthereumDomain = {1, 0, 0, 0};  // MESSAGE_DOMAIN_VALID_SNAPPY
constexpr std::size_t kEthereumIdSize = 20;

}  // namespace

Result<Message> decode_message(const RpcPart& part) {
  Message message;
  message.part = &part;
  FieldWalk field(part.body());
  while (field.next()) {
    switch (field.tag()) {
      case proto_bytes(1):
        message.from = field.bytes();
        break;
      case proto_bytes(2):
        message.data = field.bytes();
        break;
      case proto_bytes(3):
        message.seqno = field.bytes();
        break;
      case proto_bytes(4):
        message.topic = field.bytes();
        break;
      case proto_bytes(5):
        message.signature = field.bytes();
        break;
      case proto_bytes(6):
        message.key = field.bytes();
        break;
    }
  }
  if (!field.ok()) return fail(ErrorCode::bad_encoding, "rpc: message");
  return message;
}

bool follows_policy(const Message& message, SignaturePolicy policy) {
  if (policy == SignaturePolicy::strict_no_sign) {
    return message.from.data() == nullptr && message.seqno.data() == nullptr &&
           message.signature.data() == nullptr && message.key.data() == nullptr;
  }
  return !message.from.empty() && message.seqno.size() == 8 && !message.signature.empty();
}

MessageId message_id(const Message& message, MessageIdKind kind) {
  if (kind == MessageIdKind::from_seqno) return MessageId(message.from, message.seqno);
  if (kind == MessageIdKind::data_hash) return MessageId(blake2b_256(message.data));
  std::array<std::uint8_t, 8> topic_size{};
  for (std::size_t i = 0; i < 8; ++i) {
    topic_size[i] = static_cast<std::uint8_t>(std::uint64_t{message.topic.size()} >> (8 * i));
  }
  const Sha256Digest digest =
      Sha256().update(kEthereumDomain).update(topic_size).update(message.topic).update(message.data).finish();
  return MessageId(ByteView(digest).first(kEthereumIdSize));
}

RpcPart frame_message(std::initializer_list<ByteView> pieces) {
  std::size_t size = 0;
  for (ByteView piece : pieces) size += piece.size();
  const Bytes header = message_header(size);
  ByteWriter out(header.size() + size);
  out.put(header);
  for (ByteView piece : pieces) out.put(piece);
  return {.kind = PartKind::message, .header = static_cast<std::uint8_t>(header.size()), .bytes = out.take()};
}

RpcPart make_message(ByteView topic, ByteView data) {
  ByteWriter before;  // the payload is copied once, into the frame
  ProtoWriter(before).bytes(2, {});
  before.truncate(before.size() - 1);
  append_varint(before, data.size());
  ByteWriter after;
  ProtoWriter(after).bytes(4, topic);
  return frame_message({before.view(), data, after.view()});
}

struct SharedMessageChecks::Slot {
  Bytes raw;
  MessageId id;
  MessageIdKind kind = MessageIdKind::from_seqno;
  enum class Verdict : std::uint8_t { unknown, good, bad } verdict = Verdict::unknown;
  std::uint64_t used = 0;  // uses_ at the last use
};

SharedMessageChecks::SharedMessageChecks(std::size_t slots)
    : slots_(new Slot[slots]), hints_(new Slot*[slots]), mask_(slots - 1) {
  MC_ASSERT(slots >= kWays && (slots & mask_) == 0);
  std::fill(hints_.get(), hints_.get() + slots, slots_.get());
}
SharedMessageChecks::~SharedMessageChecks() = default;

SharedMessageChecks::Slot& SharedMessageChecks::slot(const Message& message) {
  const ByteView raw = message.raw();
  // A remembered buffer is kept alive: at its address lies the remembered message.
  Slot*& hint = hints_[mix64(reinterpret_cast<std::uintptr_t>(raw.data())) & mask_];
  if (hint->raw.data() != raw.data() || hint->raw.size() != raw.size()) hint = &find(message);
  hint->used = ++uses_;
  return *hint;
}

// A message has kWays places, by a few of its bytes; the one used longest ago makes room.
SharedMessageChecks::Slot& SharedMessageChecks::find(const Message& message) {
  const ByteView raw = message.raw();
  std::uint64_t key = raw.size();
  for (std::size_t i = 0; i < 8 && raw.size() >= 64; ++i) {
    key = hash64(raw.subspan((raw.size() - 8) / 7 * i, 8), key);
  }
  if (raw.size() < 64) key = hash64(raw, key);
  Slot* set = &slots_[key & mask_ & ~(kWays - 1)];
  Slot* oldest = set;
  for (Slot* slot = set; slot != set + kWays; ++slot) {
    if (equal(slot->raw, raw)) return *slot;
    if (slot->used < oldest->used) oldest = slot;
  }
  *oldest = {};
  oldest->raw = message.part->bytes.slice(message.part->header);
  return *oldest;
}

MessageId SharedMessageChecks::id(const Message& message, MessageIdKind kind) {
  if (kind == MessageIdKind::from_seqno) return message_id(message, kind);  // as quick as looking it up
  Slot& known = slot(message);
  if (known.id.empty() || known.kind != kind) {
    known.id = message_id(message, kind);
    known.kind = kind;
  }
  return known.id;
}

bool SharedMessageChecks::verify(const Message& message) {
  using Verdict = Slot::Verdict;
  Slot& known = slot(message);
  if (known.verdict == Verdict::unknown)
    known.verdict = signature_valid(message) ? Verdict::good : Verdict::bad;
  return known.verdict == Verdict::good;
}

}  // namespace mesocosm
