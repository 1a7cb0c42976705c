#include "stack/protocols/gossipsub/rpc.h"

#include <algorithm>
#include <utility>

#include "stack/base/assert.h"
#include "stack/wire/varint.h"

namespace mesocosm {
namespace {

// RPC
constexpr std::uint32_t kSubscriptions = 1;
constexpr std::uint32_t kPublish = 2;
constexpr std::uint32_t kControl = 3;
constexpr std::uint32_t kPartial = 10;
constexpr std::uint32_t kTestExtension = 6492434;  // here and in ControlExtensions
// SubOpts
constexpr std::uint32_t kSubscribe = 1;
constexpr std::uint32_t kSubscriptionTopic = 2;
constexpr std::uint32_t kRequestsPartial = 3;
constexpr std::uint32_t kSupportsPartial = 4;
// ControlMessage; the numbers of PartKind::ihave and so on
constexpr std::uint32_t kIHave = 1;
constexpr std::uint32_t kIWant = 2;
constexpr std::uint32_t kGraft = 3;
constexpr std::uint32_t kPrune = 4;
constexpr std::uint32_t kIDontWant = 5;
constexpr std::uint32_t kExtensions = 6;
// ControlExtensions
constexpr std::uint32_t kPartialMessages = 10;
// PartialMessagesExtension: the topic is 1
constexpr std::uint32_t kGroup = 2;
constexpr std::uint32_t kPartialMessage = 3;
constexpr std::uint32_t kPartsMetadata = 4;
// ControlIHave, ControlGraft, ControlPrune: the topic is 1
constexpr std::uint32_t kTopic = 1;
constexpr std::uint32_t kIHaveIds = 2;
constexpr std::uint32_t kIWantIds = 1;  // and those of IDONTWANT
constexpr std::uint32_t kPrunePeers = 2;
constexpr std::uint32_t kPruneBackoff = 3;
// PeerInfo
constexpr std::uint32_t kPeerId = 1;
constexpr std::uint32_t kSignedRecord = 2;

// Writes fields whose sizes were added up before.
class Pen {
 public:
  explicit Pen(MutableByteView out) : out_(out) {}
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) byte(static_cast<std::uint8_t>(value | 0x80));
    byte(static_cast<std::uint8_t>(value));
  }
  void field(std::uint32_t number, std::uint64_t value) {
    varint(proto_varint(number));
    varint(value);
  }
  void begin(std::uint32_t number, std::size_t size) {
    varint(proto_bytes(number));
    varint(size);
  }
  void raw(ByteView bytes) {
    if (!bytes.empty()) std::memcpy(out_.data() + at_, bytes.data(), bytes.size());
    at_ += bytes.size();
  }
  void field(std::uint32_t number, ByteView bytes) {
    begin(number, bytes.size());
    raw(bytes);
  }
  bool full() const { return at_ == out_.size(); }

 private:
  void byte(std::uint8_t value) { out_[at_++] = value; }
  MutableByteView out_;
  std::size_t at_ = 0;
};

template <class Fill>
Bytes write(std::size_t size, Fill&& fill) {
  return Bytes::build(size, [&](MutableByteView out) {
    Pen pen(out);
    fill(pen);
    MC_ASSERT(pen.full());
  });
}

RpcPart part(PartKind kind, Bytes bytes, std::uint32_t field = 0) {
  return {.kind = kind, .header = 0, .field = static_cast<std::uint16_t>(field), .bytes = std::move(bytes)};
}

tl::unexpected<Error> malformed(const char* what) { return fail(ErrorCode::bad_encoding, what); }

// Where `view` lies in `whole`, as a shared slice of it.
Bytes slice_of(const Bytes& whole, ByteView view) {
  return whole.slice(static_cast<std::size_t>(view.data() - whole.data()), view.size());
}

// Its number in the RPC, or in ControlMessage.
std::uint32_t number_of(const RpcPart& part) {
  switch (part.kind) {
    case PartKind::subscription:
      return kSubscriptions;
    case PartKind::message:
      return kPublish;
    case PartKind::partial:
      return kPartial;
    case PartKind::test_extension:
      return kTestExtension;
    case PartKind::ihave:
      return kIHave;
    case PartKind::iwant:
      return kIWant;
    case PartKind::graft:
      return kGraft;
    case PartKind::prune:
      return kPrune;
    case PartKind::idontwant:
      return kIDontWant;
    case PartKind::extensions:
      return kExtensions;
    case PartKind::other:
      break;
  }
  return part.field;
}

bool in_control(PartKind kind) {
  return kind != PartKind::subscription && kind != PartKind::partial && kind != PartKind::test_extension;
}

bool add_part(const Bytes& whole, PartKind kind, ByteView body, std::vector<RpcPart>& parts,
              std::uint32_t field = 0) {
  if (parts.size() == kMaxRpcParts) return false;
  parts.push_back(part(kind, slice_of(whole, body), field));
  return true;
}

Result<> decode_control(const Bytes& whole, ByteView control, std::vector<RpcPart>& parts) {
  FieldWalk field(control);
  while (field.next()) {
    PartKind kind;
    switch (field.tag()) {
      case proto_bytes(kIHave):
        kind = PartKind::ihave;
        break;
      case proto_bytes(kIWant):
        kind = PartKind::iwant;
        break;
      case proto_bytes(kGraft):
        kind = PartKind::graft;
        break;
      case proto_bytes(kPrune):
        kind = PartKind::prune;
        break;
      case proto_bytes(kIDontWant):
        kind = PartKind::idontwant;
        break;
      case proto_bytes(kExtensions):
        kind = PartKind::extensions;
        break;
      default:
        if (field.tag() != proto_bytes(field.tag() >> 3) || field.tag() >> 3 > kMaxControlField) continue;
        kind = PartKind::other;
        break;
    }
    if (!add_part(whole, kind, field.bytes(), parts, kind == PartKind::other ? field.tag() >> 3 : 0))
      return fail(ErrorCode::too_large, "rpc: too many parts");
  }
  if (!field.ok()) return malformed("rpc: control");
  return {};
}

// A topic at field 1 and nothing else that matters.
Result<ByteView> decode_topic(ByteView body, const char* what) {
  ByteView topic;
  FieldWalk field(body);
  while (field.next()) {
    if (field.tag() == proto_bytes(kTopic)) topic = field.bytes();
  }
  if (!field.ok()) return malformed(what);
  return topic;
}

std::size_t peer_info_size(const PeerInfo& info) {
  std::size_t size = proto_bytes_size(kPeerId, info.peer.bytes().size());
  if (!info.signed_record.empty()) size += proto_bytes_size(kSignedRecord, info.signed_record.size());
  return size;
}

// The ids that fit into `room` as fields `number`; at least one. Takes them off the front and returns their
// size.
std::span<const ByteView> take_fitting(std::span<const ByteView>& ids, std::uint32_t number, std::size_t room,
                                       std::size_t& size) {
  std::size_t count = 0;
  size = 0;
  for (; count < ids.size(); ++count) {
    const std::size_t next = proto_bytes_size(number, ids[count].size());
    if (count > 0 && size + next > room) break;
    size += next;
  }
  const auto taken = ids.first(count);
  ids = ids.subspan(count);
  return taken;
}

}  // namespace

Result<> decode_rpc(const Bytes& rpc, std::vector<RpcPart>& parts) { return decode_frame(rpc, 0, parts); }

Result<> decode_frame(const Bytes& frame, std::size_t prefix, std::vector<RpcPart>& parts) {
  parts.clear();
  FieldWalk field(frame.view().subspan(prefix));
  bool alone = true;
  while (field.next()) {
    switch (field.tag()) {
      case proto_bytes(kSubscriptions):
        if (!add_part(frame, PartKind::subscription, field.bytes(), parts)) {
          return fail(ErrorCode::too_large, "rpc: too many parts");
        }
        break;
      case proto_bytes(kPublish):
        if (!add_part(frame, PartKind::message, field.bytes(), parts)) {
          return fail(ErrorCode::too_large, "rpc: too many parts");
        }
        break;
      case proto_bytes(kControl):
        if (auto done = decode_control(frame, field.bytes(), parts); !done) return done;
        break;
      case proto_bytes(kPartial):
        if (!add_part(frame, PartKind::partial, field.bytes(), parts)) {
          return fail(ErrorCode::too_large, "rpc: too many parts");
        }
        break;
      case proto_bytes(kTestExtension):
        if (!add_part(frame, PartKind::test_extension, field.bytes(), parts)) {
          return fail(ErrorCode::too_large, "rpc: too many parts");
        }
        break;
      default:
        alone = false;  // a field that we do not know, and would not want to pass on
    }
  }
  if (!field.ok()) return malformed("rpc");
  if (alone && prefix > 0 && parts.size() == 1 && parts[0].kind == PartKind::message) {
    const std::size_t size = parts[0].bytes.size();
    const std::size_t header = message_header_size(size);
    if (frame.size() == header + size) {  // in the shortest form, as we would write it
      parts[0].header = static_cast<std::uint8_t>(header);
      parts[0].bytes = frame;
    }
  }
  return {};
}

Bytes encode_control_frame(Rpc& parts, std::size_t limit) {
  std::size_t outside = 0;  // of control
  std::size_t control = 0;
  const auto total = [&] { return outside + (control > 0 ? proto_bytes_size(kControl, control) : 0); };
  std::size_t count = 0;
  bool partial = false;  // an RPC has room for one
  for (; count < parts.size(); ++count) {
    const RpcPart& next = parts[count];
    MC_ASSERT(next.kind != PartKind::message);
    if (next.kind == PartKind::partial && std::exchange(partial, true)) break;
    const std::size_t size = proto_bytes_size(number_of(next), next.bytes.size());
    std::size_t& sum = in_control(next.kind) ? control : outside;
    sum += size;
    if (count > 0 && total() > limit) {
      sum -= size;
      break;
    }
  }
  const Rpc taken = parts.first(count);
  parts = parts.subspan(count);
  return write(varint_size(total()) + total(), [&](Pen& pen) {
    pen.varint(total());
    for (const RpcPart& item : taken) {
      if (!in_control(item.kind)) pen.field(number_of(item), item.bytes.view());
    }
    if (control > 0) pen.begin(kControl, control);
    for (const RpcPart& item : taken) {
      if (in_control(item.kind)) pen.field(number_of(item), item.bytes.view());
    }
  });
}

std::size_t message_header_size(std::size_t size) {
  const std::size_t field = proto_bytes_size(kPublish, size);
  return varint_size(field) + (field - size);
}

Bytes message_header(std::size_t size) {
  return write(message_header_size(size), [&](Pen& pen) {
    pen.varint(proto_bytes_size(kPublish, size));
    pen.begin(kPublish, size);
  });
}

RpcPart make_subscription(bool subscribe, ByteView topic) {
  return make_subscription({.subscribe = subscribe, .topic = topic});
}

RpcPart make_subscription(const Subscription& told) {
  std::size_t size =
      proto_varint_size(kSubscribe, told.subscribe) + proto_bytes_size(kSubscriptionTopic, told.topic.size());
  if (told.requests_partial) size += proto_varint_size(kRequestsPartial, 1);
  if (told.supports_partial) size += proto_varint_size(kSupportsPartial, 1);
  return part(PartKind::subscription, write(size, [&](Pen& pen) {
                pen.field(kSubscribe, std::uint64_t{told.subscribe});
                pen.field(kSubscriptionTopic, told.topic);
                if (told.requests_partial) pen.field(kRequestsPartial, std::uint64_t{1});
                if (told.supports_partial) pen.field(kSupportsPartial, std::uint64_t{1});
              }));
}

Result<Subscription> decode_subscription(ByteView body) {
  Subscription subscription;
  FieldWalk field(body);
  while (field.next()) {
    if (field.tag() == proto_varint(kSubscribe)) subscription.subscribe = field.value() != 0;
    if (field.tag() == proto_bytes(kSubscriptionTopic)) subscription.topic = field.bytes();
    if (field.tag() == proto_varint(kRequestsPartial)) subscription.requests_partial = field.value() != 0;
    if (field.tag() == proto_varint(kSupportsPartial)) subscription.supports_partial = field.value() != 0;
  }
  if (!field.ok()) return malformed("rpc: subscription");
  subscription.supports_partial |= subscription.requests_partial;
  return subscription;
}

RpcPart make_graft(ByteView topic) {
  return part(PartKind::graft,
              write(proto_bytes_size(kTopic, topic.size()), [&](Pen& pen) { pen.field(kTopic, topic); }));
}

Result<ByteView> decode_graft(ByteView body) { return decode_topic(body, "rpc: graft"); }

RpcPart make_prune(ByteView topic, std::uint64_t backoff, std::span<const PeerInfo> peers,
                   std::size_t limit) {
  std::size_t size = proto_bytes_size(kTopic, topic.size());
  if (backoff > 0) size += proto_varint_size(kPruneBackoff, backoff);
  std::size_t count = 0;
  for (; count < peers.size(); ++count) {
    const std::size_t next = proto_bytes_size(kPrunePeers, peer_info_size(peers[count]));
    if (size + next > limit) break;
    size += next;
  }
  return part(PartKind::prune, write(size, [&](Pen& pen) {
                pen.field(kTopic, topic);
                for (const PeerInfo& info : peers.first(count)) {
                  pen.begin(kPrunePeers, peer_info_size(info));
                  pen.field(kPeerId, info.peer.bytes());
                  if (!info.signed_record.empty()) pen.field(kSignedRecord, info.signed_record.view());
                }
                if (backoff > 0) pen.field(kPruneBackoff, backoff);
              }));
}

Result<Prune> decode_prune(const Bytes& body, std::size_t max_peers) {
  Prune prune;
  FieldWalk field(body);
  while (field.next()) {
    if (field.tag() == proto_bytes(kTopic)) prune.topic = field.bytes();
    if (field.tag() == proto_varint(kPruneBackoff)) prune.backoff = field.value();
    if (field.tag() != proto_bytes(kPrunePeers)) continue;
    PeerInfo info;
    FieldWalk inner(field.bytes());
    while (inner.next()) {
      if (inner.tag() == proto_bytes(kPeerId)) info.peer = PeerId::decode(inner.bytes()).value_or(PeerId{});
      if (inner.tag() == proto_bytes(kSignedRecord)) info.signed_record = slice_of(body, inner.bytes());
    }
    if (!inner.ok()) return malformed("rpc: prune");
    if (!info.peer.empty() && prune.peers.size() < max_peers) prune.peers.push_back(std::move(info));
  }
  if (!field.ok()) return malformed("rpc: prune");
  return prune;
}

RpcPart make_extensions(const Extensions& extensions) {
  std::size_t size = 0;
  if (extensions.partial_messages) size += proto_varint_size(kPartialMessages, 1);
  if (extensions.test) size += proto_varint_size(kTestExtension, 1);
  return part(PartKind::extensions, write(size, [&](Pen& pen) {
                if (extensions.partial_messages) pen.field(kPartialMessages, std::uint64_t{1});
                if (extensions.test) pen.field(kTestExtension, std::uint64_t{1});
              }));
}

Result<Extensions> decode_extensions(ByteView body) {
  Extensions extensions;
  FieldWalk field(body);
  while (field.next()) {
    if (field.tag() == proto_varint(kPartialMessages)) extensions.partial_messages = field.value() != 0;
    if (field.tag() == proto_varint(kTestExtension)) extensions.test = field.value() != 0;
  }
  if (!field.ok()) return malformed("rpc: extensions");
  return extensions;
}

RpcPart make_test_extension() { return part(PartKind::test_extension, Bytes()); }

RpcPart make_partial(ByteView topic, ByteView group, ByteView bitmap, std::span<const ByteView> parts,
                     ByteView metadata) {
  std::size_t message = bitmap.size();
  for (ByteView data : parts) message += varint_size(data.size()) + data.size();
  std::size_t size = proto_bytes_size(kTopic, topic.size()) + proto_bytes_size(kGroup, group.size());
  if (message > 0) size += proto_bytes_size(kPartialMessage, message);
  if (!metadata.empty()) size += proto_bytes_size(kPartsMetadata, metadata.size());
  return part(PartKind::partial, write(size, [&](Pen& pen) {
                pen.field(kTopic, topic);
                pen.field(kGroup, group);
                if (message > 0) {
                  pen.begin(kPartialMessage, message);
                  pen.raw(bitmap);
                  for (ByteView data : parts) {
                    pen.varint(data.size());
                    pen.raw(data);
                  }
                }
                if (!metadata.empty()) pen.field(kPartsMetadata, metadata);
              }));
}

Result<PartialRpc> decode_partial(ByteView body) {
  PartialRpc partial;
  FieldWalk field(body);
  while (field.next()) {
    if (field.tag() == proto_bytes(kTopic)) partial.topic = field.bytes();
    if (field.tag() == proto_bytes(kGroup)) partial.group = field.bytes();
    if (field.tag() == proto_bytes(kPartialMessage)) partial.message = field.bytes();
    if (field.tag() == proto_bytes(kPartsMetadata)) partial.metadata = field.bytes();
  }
  if (!field.ok()) return malformed("rpc: partial");
  return partial;
}

RpcPart make_ihave(ByteView topic, std::span<const ByteView>& ids, std::size_t limit) {
  const std::size_t head = proto_bytes_size(kTopic, topic.size());
  std::size_t size = 0;
  const auto taken = take_fitting(ids, kIHaveIds, limit - std::min(limit, head), size);
  return part(PartKind::ihave, write(head + size, [&](Pen& pen) {
                pen.field(kTopic, topic);
                for (ByteView id : taken) pen.field(kIHaveIds, id);
              }));
}

RpcPart make_iwant(std::span<const ByteView>& ids, std::size_t limit) {
  std::size_t size = 0;
  const auto taken = take_fitting(ids, kIWantIds, limit, size);
  return part(PartKind::iwant, write(size, [&](Pen& pen) {
                for (ByteView id : taken) pen.field(kIWantIds, id);
              }));
}

RpcPart make_control(std::uint32_t field, Bytes body) {
  MC_ASSERT(field > kPrune && field <= kMaxControlField && body.size() <= kMaxControlRpc);
  return part(PartKind::other, std::move(body), field);
}

RpcPart make_idontwant(ByteView id) {
  return part(PartKind::idontwant,
              write(proto_bytes_size(kIWantIds, id.size()), [&](Pen& pen) { pen.field(kIWantIds, id); }));
}

Result<ByteView> decode_ihave(ByteView body) { return decode_topic(body, "rpc: ihave"); }

Result<> decode_iwant(ByteView body) {
  FieldWalk field(body);
  while (field.next()) {
  }
  if (!field.ok()) return malformed("rpc: iwant");
  return {};
}

}  // namespace mesocosm
