// The RPC of pubsub and gossipsub (libp2p/specs pubsub/README.md and pubsub/gossipsub) as a flat list of
// parts, and its wire form. A part keeps its encoded bytes: it is decoded when it is looked at, and one
// encoding is shared by all peers that it goes to.
//
//   RPC { 1 subscriptions*, 2 publish*, 3 control { 1 ihave*, 2 iwant*, 3 graft*, 4 prune*, 5 idontwant*, 6 extensions,
//         other* }, 10 partial, 6492434 test extension }
//
// A message is the only large part. It travels as an RPC of its own, whose frame (length prefix, field
// header, message) is one slice. Where connections pass slices on, as in the collapsed transport, the
// publisher's buffer is the one that every node of the network holds, and forwarding it is one write per peer
// of the very slice that arrived.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "stack/base/bytes.h"
#include "stack/base/result.h"
#include "stack/protocols/gossipsub/fields.h"
#include "stack/wire/peer_id.h"

namespace mesocosm {

enum class PartKind : std::uint8_t {
  subscription,
  message,
  ihave,
  iwant,
  graft,
  prune,
  idontwant,
  extensions,
  partial,         // the partial messages extension's
  test_extension,  // that of the extension that only tests
  other,           // a control message that GossipSub does not have, and a variant may
};
inline constexpr std::size_t kPartKinds = 11;

struct RpcPart {
  PartKind kind = PartKind::message;
  std::uint8_t header =
      0;  // messages: length of the frame's beginning in `bytes`; 0: `bytes` is the message alone
  std::uint16_t field = 0;  // others: their number in ControlMessage
  Bytes bytes;

  ByteView body() const { return bytes.view().subspan(header); }
};
static_assert(sizeof(RpcPart) == 32);

// The parts in the order in which they came.
using Rpc = std::span<const RpcPart>;

inline constexpr std::size_t kMaxRpcParts = 16384;
inline constexpr std::size_t kMaxTopicLength = 1024;  // longer names are ignored
// Other implementations refuse RPCs over their limit, and the least of their defaults is this one
// (rust-libp2p); only messages may make larger ones.
inline constexpr std::size_t kMaxControlRpc = 65536;

// Parses one RPC, without its length prefix, into `parts` (cleared first); unknown fields are skipped. Bodies
// are not looked into yet. Errors: bad_encoding, too_large (more than kMaxRpcParts).
Result<> decode_rpc(const Bytes& rpc, std::vector<RpcPart>& parts);
// The same for a frame: `prefix` bytes of length, then the RPC. A lone message keeps the frame.
Result<> decode_frame(const Bytes& frame, std::size_t prefix, std::vector<RpcPart>& parts);

// One framed RPC of these parts (no messages among them), control in one field. At most `limit` bytes: takes
// parts off the front of `parts` for as long as they fit, and at least one.
Bytes encode_control_frame(Rpc& parts, std::size_t limit);
// The beginning of the frame that holds only a message of `size` bytes.
Bytes message_header(std::size_t size);
std::size_t message_header_size(std::size_t size);

// The bodies, as they are written and read. Views point into the body.
struct Subscription {
  bool subscribe = false;
  ByteView topic;
  bool requests_partial = false;  // the partial messages extension
  bool supports_partial = false;  // true if it requests them
};
RpcPart make_subscription(const Subscription& subscription);
RpcPart make_subscription(bool subscribe, ByteView topic);
Result<Subscription> decode_subscription(ByteView body);

RpcPart make_graft(ByteView topic);
Result<ByteView> decode_graft(ByteView body);  // the topic

struct PeerInfo {
  PeerId peer;
  Bytes signed_record;  // an envelope, or empty
};
struct Prune {
  ByteView topic;
  std::uint64_t backoff = 0;  // seconds; 0: not said
  std::vector<PeerInfo> peers;
};
// backoff 0 is left out. Peers beyond `limit` bytes are left out.
RpcPart make_prune(ByteView topic, std::uint64_t backoff, std::span<const PeerInfo> peers,
                   std::size_t limit = kMaxControlRpc);
// Keeps at most `max_peers`; those whose ids do not decode are skipped. Records are shared slices of `body`.
Result<Prune> decode_prune(const Bytes& body, std::size_t max_peers);

// What a node can do beyond its version (v1.3); what we do not know is not there.
struct Extensions {
  bool partial_messages = false;
  bool test = false;

  bool any() const { return partial_messages || test; }
};
RpcPart make_extensions(const Extensions& extensions);
Result<Extensions> decode_extensions(ByteView body);
RpcPart make_test_extension();

// PartialMessagesExtension, with absent fields as empty ones. What `message` and `metadata` mean is said in partial.h.
struct PartialRpc {
  ByteView topic;
  ByteView group;
  ByteView message;
  ByteView metadata;
};
// The message is `bitmap` and then the parts, each with its length before it; none if both are empty.
RpcPart make_partial(ByteView topic, ByteView group, ByteView bitmap, std::span<const ByteView> parts,
                     ByteView metadata);
Result<PartialRpc> decode_partial(ByteView body);

// Take ids off the front of `ids` for as long as they fit into `limit` bytes, and at least one if there is
// one.
RpcPart make_ihave(ByteView topic, std::span<const ByteView>& ids, std::size_t limit = kMaxControlRpc);
RpcPart make_iwant(std::span<const ByteView>& ids, std::size_t limit = kMaxControlRpc);
RpcPart make_idontwant(ByteView id);
// A control message of a variant; the field's number is one that GossipSub does not use, and at most kMaxControlField.
RpcPart make_control(std::uint32_t field, Bytes body);
inline constexpr std::uint32_t kMaxControlField = 2047;  // numbers above are skipped when they come
// Well-formed, and an IHAVE's topic (the last one, should there be several).
Result<ByteView> decode_ihave(ByteView body);
Result<> decode_iwant(ByteView body);  // and an IDONTWANT, which has the same form

// Calls f(ByteView id) for each id of an IHAVE, IWANT or IDONTWANT until it returns false.
template <class F>
void each_id(const RpcPart& part, F&& f) {
  const std::uint32_t tag = proto_bytes(part.kind == PartKind::ihave ? 2 : 1);
  FieldWalk field(part.body());
  while (field.next()) {
    if (field.tag() == tag && !f(field.bytes())) return;
  }
}

}  // namespace mesocosm
