#include "stack/crypto/keys.h"

#include <algorithm>
#include <optional>

#include <sodium/crypto_sign_ed25519.h>
#include <sodium/utils.h>

#include "stack/crypto/foreign_keys.h"
#include "stack/crypto/sodium.h"
#include "stack/wire/protobuf.h"

namespace mesocosm {
namespace {

constexpr std::size_t kMaxKeyData = 4096;  // an RSA key of 8,192 bits is a quarter of this
constexpr std::size_t kEd25519Size = 32;

static_assert(sizeof(PublicKey) == 32);

struct KeyMessage {
  KeyType type;
  Bytes data;
};

// PublicKey and PrivateKey have the same shape: {1 type, 2 data}, both required.
Result<KeyMessage> decode_key_message(const Bytes& serialized) {
  std::optional<std::uint64_t> type;
  std::optional<Bytes> data;
  ProtoReader reader(serialized);
  while (reader.next()) {
    switch (reader.tag()) {
      case proto_varint(1):
        type = reader.value();
        break;
      case proto_bytes(2):
        data = reader.bytes();
        break;
    }
  }
  if (!reader.ok() || !type || !data) return fail(ErrorCode::bad_encoding, "key: not a key message");
  if (*type > static_cast<std::uint64_t>(KeyType::ecdsa))
    return fail(ErrorCode::unsupported, "key: type " + std::to_string(*type));
  if (data->size() > kMaxKeyData) return fail(ErrorCode::too_large, "key: too large");
  return KeyMessage{static_cast<KeyType>(*type), std::move(*data)};
}

Bytes encode_key_message(KeyType type, ByteView data) {
  const auto number = static_cast<std::uint64_t>(type);
  ByteWriter out(proto_varint_size(1, number) + proto_bytes_size(2, data.size()));
  ProtoWriter proto(out);
  proto.varint(1, number);
  proto.bytes(2, data);
  return out.take();
}

// The key's data in the only encoding that we keep.
Result<Bytes> canonical(const KeyMessage& message) {
  switch (message.type) {
    case KeyType::rsa:
      return canonical_rsa_key(message.data);
    case KeyType::ed25519:
      if (message.data.size() == kEd25519Size) return message.data;
      return fail(ErrorCode::bad_encoding, "key: an Ed25519 public key has 32 bytes");
    case KeyType::secp256k1:
      return canonical_secp256k1_key(message.data);
    case KeyType::ecdsa:
      break;
  }
  return canonical_ecdsa_key(message.data);
}

Result<> verify_ed25519(ByteView key, ByteView message, ByteView signature) {
  prepare_sodium();
  if (signature.size() == sizeof(Signature) &&
      crypto_sign_ed25519_verify_detached(signature.data(), message.data(), message.size(), key.data()) == 0)
    return {};
  return fail(ErrorCode::authentication, "signature: does not verify");
}

}  // namespace

PublicKey::PublicKey(KeyType type, ByteView raw)
    : serialized_(encode_key_message(type, raw)),
      raw_offset_(static_cast<std::uint8_t>(serialized_.size() - raw.size())),
      type_(type) {}

PublicKey PublicKey::ed25519(Ed25519Public raw) { return PublicKey(KeyType::ed25519, raw); }

Result<PublicKey> PublicKey::decode(const Bytes& serialized) {
  const Result<KeyMessage> message = decode_key_message(serialized);
  if (!message) return tl::unexpected(message.error());
  const Result<Bytes> data = canonical(*message);
  if (!data) return tl::unexpected(data.error());
  return PublicKey(message->type, *data);
}

Result<PublicKey> PublicKey::from_peer_id(const PeerId& peer) {
  const ByteView key = peer.inlined_key();
  if (key.empty()) return fail(ErrorCode::not_found, "peer id: carries no key");
  return decode(Bytes::unowned(key));
}

Result<> PublicKey::verify(ByteView message, ByteView signature) const {
  switch (type_) {
    case KeyType::rsa:
      return verify_rsa(raw(), message, signature);
    case KeyType::ed25519:
      return verify_ed25519(raw(), message, signature);
    case KeyType::secp256k1:
      return verify_secp256k1(raw(), message, signature);
    case KeyType::ecdsa:
      break;
  }
  return verify_ecdsa(raw(), message, signature);
}

KeyPair KeyPair::from_seed(Ed25519Seed seed) {
  prepare_sodium();
  std::array<std::uint8_t, kEd25519Size> public_key;
  Secret secret;
  MC_ASSERT(crypto_sign_ed25519_seed_keypair(public_key.data(), secret.data(), seed.data()) == 0);
  KeyPair pair(secret, PublicKey::ed25519(public_key));
  sodium_memzero(secret.data(), secret.size());
  return pair;
}

Result<KeyPair> KeyPair::decode(const Bytes& serialized) {
  const Result<KeyMessage> message = decode_key_message(serialized);
  if (!message) return tl::unexpected(message.error());
  if (message->type != KeyType::ed25519) return fail(ErrorCode::unsupported, "private key: only Ed25519");
  const ByteView data = message->data;
  if (data.size() != 2 * kEd25519Size && data.size() != 3 * kEd25519Size)
    return fail(ErrorCode::bad_encoding, "private key: an Ed25519 key has 64 or 96 bytes");
  KeyPair pair = from_seed(data.first<kEd25519Size>());
  for (std::size_t at = kEd25519Size; at < data.size(); at += kEd25519Size) {
    if (!equal(data.subspan(at, kEd25519Size), pair.public_key_.raw()))
      return fail(ErrorCode::bad_encoding, "private key: the public key is another one's");
  }
  return pair;
}

KeyPair::~KeyPair() { sodium_memzero(secret_.data(), secret_.size()); }

Bytes KeyPair::serialized() const { return encode_key_message(KeyType::ed25519, secret_); }

Signature KeyPair::sign(ByteView message) const {
  Signature signature;
  crypto_sign_ed25519_detached(signature.data(), nullptr, message.data(), message.size(), secret_.data());
  return signature;
}

}  // namespace mesocosm
