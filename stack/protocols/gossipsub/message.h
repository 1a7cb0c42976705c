// A pubsub message: its fields, its id, its signature (libp2p/specs pubsub/README.md).
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>

#include "stack/base/bytes.h"
#include "stack/base/result.h"
#include "stack/protocols/gossipsub/params.h"
#include "stack/protocols/gossipsub/rpc.h"
#include "stack/protocols/pubsub/message_id.h"
#include "stack/wire/peer_id.h"

namespace mesocosm {

class KeyPair;

// A message's fields as views into `part`, which must outlive it. A field with a null data() was absent,
// which is something else than empty: StrictNoSign refuses empty signatures too.
//
//   Message { 1 from, 2 data, 3 seqno, 4 topic, 5 signature, 6 key }
struct Message {
  const RpcPart* part = nullptr;
  ByteView from;  // the author's peer id
  ByteView data;
  ByteView seqno;  // 8 bytes, big-endian
  ByteView topic;
  ByteView signature;
  ByteView key;  // serialized PublicKey, when `from` does not carry it

  ByteView raw() const { return part->body(); }
  // The payload as a shared slice that outlives the message.
  Bytes payload() const {
    return data.empty()
               ? Bytes()
               : part->bytes.slice(static_cast<std::size_t>(data.data() - part->bytes.data()), data.size());
  }
};

// Error: bad_encoding.
Result<Message> decode_message(const RpcPart& part);

// Whether the fields that the policy demands are there and those that it forbids are not; looks at no
// signature.
bool follows_policy(const Message& message, SignaturePolicy policy);
// Whether `from`, `key` and `signature` belong together: the signature is over "libp2p-pubsub:" and the
// message without the signature and the key, with unknown fields as they came.
bool signature_valid(const Message& message);
// Empty if the message has none: `from` and `seqno` together over 63 bytes.
MessageId message_id(const Message& message, MessageIdKind kind);

// Encodes a message, in a frame of its own.
RpcPart make_message(ByteView topic, ByteView data);
RpcPart make_signed_message(ByteView topic, ByteView data, const PeerId& from, std::uint64_t seqno,
                            const KeyPair& key);
// The frame of a message whose encoding is these pieces one after the other.
RpcPart frame_message(std::initializer_list<ByteView> pieces);

// What of a message costs hashing or cryptography, as a node asks for it. Replaceable, so that a World
// computes it once for all its nodes.
class MessageChecks {
 public:
  virtual ~MessageChecks() = default;
  virtual MessageId id(const Message& message, MessageIdKind kind) { return message_id(message, kind); }
  virtual bool verify(const Message& message) { return signature_valid(message); }
};

// Remembers the results for the latest messages, whichever node asked. A message is found by its buffer where
// nodes share it, as in the collapsed transport, and else by comparing it byte for byte, which takes a tenth
// of the time of hashing it. Which messages are remembered changes how long things take and nothing else.
class SharedMessageChecks final : public MessageChecks {
 public:
  explicit SharedMessageChecks(std::size_t slots = 1024);  // a power of two, at least kWays
  ~SharedMessageChecks() override;
  MessageId id(const Message& message, MessageIdKind kind) override;
  bool verify(const Message& message) override;

 private:
  static constexpr std::size_t kWays = 4;
  struct Slot;
  Slot& slot(const Message& message);
  Slot& find(const Message& message);

  std::unique_ptr<Slot[]> slots_;
  std::unique_ptr<Slot*[]> hints_;  // by a buffer's address: where its message may be
  std::size_t mask_;
  std::uint64_t uses_ = 0;
};

}  // namespace mesocosm
