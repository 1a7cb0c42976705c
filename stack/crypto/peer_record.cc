#include "stack/crypto/peer_record.h"

#include <array>
#include <optional>

#include "stack/crypto/signed_envelope.h"
#include "stack/wire/protobuf.h"

namespace mesocosm {
namespace {

constexpr std::string_view kDomain = "libp2p-peer-record";
constexpr std::array<std::uint8_t, 2> kRecordType{0x03,
                                                  0x01};  // the multicodec libp2p-peer-record, big-endian

// PeerRecord {1 peer_id, 2 seq, 3 repeated addresses {1 multiaddr}}.
Bytes encode(const PeerId& peer, std::uint64_t seq, std::span<const Multiaddr> addresses) {
  ByteWriter out;
  ProtoWriter proto(out);
  proto.bytes(1, peer.bytes());
  proto.varint(2, seq);
  for (const Multiaddr& address : addresses)
    proto.message(3, [&](ProtoWriter& info) { info.bytes(1, address.bytes()); });
  return out.take();
}

std::optional<Multiaddr> decode_address(const Bytes& info) {
  Bytes binary;
  ProtoReader reader(info);
  while (reader.next()) {
    if (reader.tag() == proto_bytes(1)) binary = reader.bytes();
  }
  if (!reader.ok()) return std::nullopt;
  Result<Multiaddr> address =
      Multiaddr::decode(binary.view());  // a copy: the envelope need not live on with it
  if (!address) return std::nullopt;
  return std::move(*address);
}

Result<PeerRecord> decode(const Bytes& payload) {
  PeerRecord record;
  Bytes peer;
  ProtoReader reader(payload);
  while (reader.next()) {
    switch (reader.tag()) {
      case proto_bytes(1):
        peer = reader.bytes();
        break;
      case proto_varint(2):
        record.seq = reader.value();
        break;
      case proto_bytes(3):
        if (record.addresses.size() == PeerRecord::kMaxAddresses) break;
        if (auto address = decode_address(reader.bytes())) record.addresses.push_back(std::move(*address));
        break;
    }
  }
  if (!reader.ok()) return fail(ErrorCode::bad_encoding, "peer record: malformed");
  const Result<PeerId> id = PeerId::decode(peer);
  if (!id) return tl::unexpected(id.error());
  record.peer = *id;
  return record;
}

}  // namespace

Bytes seal_peer_record(const KeyPair& signer, std::uint64_t seq, std::span<const Multiaddr> addresses) {
  return seal_envelope(signer, kDomain, kRecordType, encode(signer.peer_id(), seq, addresses));
}

Result<PeerRecord> open_peer_record(const Bytes& envelope) {
  const Result<SignedEnvelope> opened = open_envelope(envelope, kDomain);
  if (!opened) return tl::unexpected(opened.error());
  if (!equal(opened->payload_type, kRecordType))
    return fail(ErrorCode::bad_encoding, "peer record: an envelope of something else");
  Result<PeerRecord> record = decode(opened->payload);
  if (record && record->peer != opened->signer.peer_id())
    return fail(ErrorCode::peer_mismatch, "peer record: signed by another peer");
  return record;
}

}  // namespace mesocosm
