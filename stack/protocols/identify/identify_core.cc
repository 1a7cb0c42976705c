#include "stack/protocols/identify/identify_core.h"

#include <algorithm>
#include <utility>

#include "stack/base/byte_writer.h"
#include "stack/crypto/keys.h"
#include "stack/crypto/peer_record.h"
#include "stack/wire/framing.h"
#include "stack/wire/protobuf.h"
#include "stack/wire/varint.h"

namespace mesocosm {

namespace {

constexpr std::size_t kMaxChunks = 16;  // more are joined
constexpr std::size_t kMaxText = 256;

// Adds the fields of `part` to `message`; false if it is not a whole number of fields.
bool merge_fields(IdentifyMessage& message, const Bytes& part) {
  ProtoReader reader(part);
  while (reader.next()) {
    switch (reader.tag()) {
      case proto_bytes(1):
        message.public_key = reader.bytes();
        break;
      case proto_bytes(2):
        message.listen_addresses.push_back(reader.bytes());
        break;
      case proto_bytes(3):
        message.protocols.push_back(reader.bytes());
        break;
      case proto_bytes(4):
        message.observed_address = reader.bytes();
        break;
      case proto_bytes(5):
        message.protocol_version = reader.bytes();
        break;
      case proto_bytes(6):
        message.agent_version = reader.bytes();
        break;
      case proto_bytes(8):
        message.signed_record = reader.bytes();
        break;
      default:
        break;
    }
  }
  return reader.ok();
}

// Merges a message that lies in several slices. Where a slice ends with a field, which is how our own answers
// arrive, nothing is copied.
bool merge_message(IdentifyMessage& message, const std::vector<Bytes>& parts) {
  IdentifyMessage merged = message;
  const bool at_fields =
      std::all_of(parts.begin(), parts.end(), [&](const Bytes& part) { return merge_fields(merged, part); });
  if (!at_fields) {
    merged = message;
    if (!merge_fields(merged, concat(parts))) return false;
  }
  message = std::move(merged);
  return true;
}

// A walk over bytes that lie in several slices.
struct Cursor {
  std::vector<Bytes>& chunks;
  std::size_t index = 0;

  bool at_end() {
    while (index < chunks.size() && chunks[index].empty()) ++index;
    return index == chunks.size();
  }
  // The length before a message; false if there is none.
  bool take_length(std::size_t& length) {
    std::uint8_t prefix[kMaxVarintSize];
    std::size_t size = 0;
    while (size < kMaxVarintSize && !at_end()) {
      prefix[size++] = chunks[index].take_front(1)[0];
      const Varint varint = decode_varint({prefix, size});
      if (varint.status == VarintStatus::invalid) return false;
      if (varint.ok()) {
        length = static_cast<std::size_t>(varint.value);
        return varint.value <= IdentifyReader::kMaxSize;
      }
    }
    return false;
  }
  bool take(std::size_t length, std::vector<Bytes>& parts) {
    while (length > 0) {
      if (at_end()) return false;
      parts.push_back(chunks[index].take_front(length));
      length -= parts.back().size();
    }
    return true;
  }
};

void put_present(ProtoWriter& out, std::uint32_t number, const Bytes& value) {
  if (!value.empty()) out.bytes(number, value);
}

// Keeps an address of `peer`, without its /p2p; not one of somebody else.
void keep_address(std::vector<Multiaddr>& list, const Multiaddr& address, const PeerId& peer) {
  const auto named = address.peer();
  if (named && *named != peer) return;
  Multiaddr plain = named ? address.without_peer() : address;
  if (!plain.empty()) list.push_back(std::move(plain));
}

}  // namespace

Result<> IdentifyReader::on_bytes(Bytes bytes) {
  if (bytes.empty()) return {};
  size_ += bytes.size();
  if (size_ > kMaxSize) {
    chunks_.clear();
    return fail(ErrorCode::too_large, "identify message");
  }
  chunks_.push_back(std::move(bytes));
  if (chunks_.size() > kMaxChunks) chunks_ = {concat(chunks_)};
  return {};
}

Result<IdentifyMessage> IdentifyReader::finish() {
  IdentifyMessage message;
  std::size_t messages = 0;
  for (Cursor cursor{chunks_}; !cursor.at_end();) {
    std::size_t length = 0;
    std::vector<Bytes> parts;
    if (++messages > kMaxMessages || !cursor.take_length(length) || !cursor.take(length, parts) ||
        !merge_message(message, parts)) {
      return fail(ErrorCode::bad_encoding, "identify message");
    }
  }
  if (messages == 0) return fail(ErrorCode::bad_encoding, "no identify message");
  return message;
}

IdentifyTemplate::IdentifyTemplate(const IdentifyMessage& message) {
  ByteWriter buffer;
  ProtoWriter out(buffer);
  put_present(out, 1, message.public_key);
  for (const Bytes& address : message.listen_addresses) out.bytes(2, address);
  for (const Bytes& protocol : message.protocols) out.bytes(3, protocol);
  put_present(out, 5, message.protocol_version);
  put_present(out, 6, message.agent_version);
  if (buffer.size() + message.signed_record.size() <= kSplitSize) {
    put_present(out, 8, message.signed_record);
  } else {
    ByteWriter second;
    ProtoWriter record(second);
    put_present(record, 8, message.signed_record);
    record_ = length_prefixed(second.view());
  }
  body_ = Bytes::copy(buffer.view());
}

std::array<Bytes, 3> IdentifyTemplate::frames(ByteView observed_address) const {
  ByteWriter field;
  if (!observed_address.empty()) ProtoWriter(field).bytes(4, observed_address);
  ByteWriter head;
  append_varint(head, field.size() + body_.size());
  head.put(field.view());
  return {Bytes::copy(head.view()), body_, record_};
}

Result<IdentifyFacts> judge_identify(const IdentifyMessage& message, const PeerId& peer, bool records) {
  if (!message.public_key.empty()) {
    const auto key = PublicKey::decode(message.public_key);
    if (!key || key->peer_id() != peer)
      return fail(ErrorCode::authentication, "identify: not the peer's key");
  }
  IdentifyFacts facts;
  for (const Bytes& name : message.protocols) facts.protocols.emplace_back(name.text());
  if (records && !message.signed_record.empty()) {
    const auto record = open_peer_record(message.signed_record);
    if (record && record->peer == peer) {
      facts.record = message.signed_record;
      facts.seq = record->seq;
      for (const Multiaddr& address : record->addresses) keep_address(facts.addresses, address, peer);
    }
  }
  if (facts.record.empty()) {
    for (const Bytes& bytes : message.listen_addresses) {
      if (const auto address = Multiaddr::decode(bytes)) keep_address(facts.addresses, *address, peer);
    }
  }
  if (const auto observed = Multiaddr::decode(message.observed_address)) facts.observed = *observed;
  facts.agent = message.agent_version.text().substr(0, kMaxText);
  facts.protocol_version = message.protocol_version.text().substr(0, kMaxText);
  return facts;
}

}  // namespace mesocosm
