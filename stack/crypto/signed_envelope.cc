#include "stack/crypto/signed_envelope.h"

#include "stack/wire/framing.h"
#include "stack/wire/protobuf.h"

namespace mesocosm {
namespace {

// Envelope {1 public_key, 2 payload_type, 3 payload, 5 signature}.
constexpr std::uint32_t kPublicKey = 1;
constexpr std::uint32_t kPayloadType = 2;
constexpr std::uint32_t kPayload = 3;
constexpr std::uint32_t kSignature = 5;

// What is signed: domain, type and payload, each behind its length.
Bytes signed_message(std::string_view domain, ByteView payload_type, ByteView payload) {
  ByteWriter out;
  append_length_prefixed(out, as_bytes(domain));
  append_length_prefixed(out, payload_type);
  append_length_prefixed(out, payload);
  return out.take();
}

}  // namespace

Bytes seal_envelope(const KeyPair& signer, std::string_view domain, ByteView payload_type, ByteView payload) {
  const Bytes& key = signer.public_key().serialized();
  const Signature signature = signer.sign(signed_message(domain, payload_type, payload));
  ByteWriter out(proto_bytes_size(kPublicKey, key.size()) +
                 proto_bytes_size(kPayloadType, payload_type.size()) +
                 proto_bytes_size(kPayload, payload.size()) + proto_bytes_size(kSignature, signature.size()));
  ProtoWriter proto(out);
  proto.bytes(kPublicKey, key);
  proto.bytes(kPayloadType, payload_type);
  proto.bytes(kPayload, payload);
  proto.bytes(kSignature, signature);
  return out.take();
}

Result<SignedEnvelope> open_envelope(const Bytes& envelope, std::string_view domain) {
  Bytes key, payload_type, payload, signature;
  ProtoReader reader(envelope);
  while (reader.next()) {
    switch (reader.tag()) {
      case proto_bytes(kPublicKey):
        key = reader.bytes();
        break;
      case proto_bytes(kPayloadType):
        payload_type = reader.bytes();
        break;
      case proto_bytes(kPayload):
        payload = reader.bytes();
        break;
      case proto_bytes(kSignature):
        signature = reader.bytes();
        break;
    }
  }
  if (!reader.ok()) return fail(ErrorCode::bad_encoding, "envelope: malformed");
  Result<PublicKey> signer = PublicKey::decode(key);
  if (!signer) return tl::unexpected(signer.error());
  const Result<> valid = signer->verify(signed_message(domain, payload_type, payload), signature);
  if (!valid) return tl::unexpected(valid.error());
  return SignedEnvelope{std::move(*signer), std::move(payload_type), std::move(payload)};
}

}  // namespace mesocosm
