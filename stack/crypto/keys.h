// Identity keys (specs/peer-ids/peer-ids.md): our own are Ed25519, through libsodium; peers may also have RSA,
// secp256k1 and ECDSA keys, which we read, carry and verify with.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "stack/base/bytes.h"
#include "stack/base/result.h"
#include "stack/wire/peer_id.h"

namespace mesocosm {

enum class KeyType : std::uint8_t { rsa = 0, ed25519 = 1, secp256k1 = 2, ecdsa = 3 };

using Ed25519Seed = std::span<const std::uint8_t, 32>;
using Ed25519Public = std::span<const std::uint8_t, 32>;
using Signature = std::array<std::uint8_t, 64>;

// A well-formed key of one of the types. 32 bytes, copies share.
class PublicKey {
 public:
  static PublicKey ed25519(Ed25519Public raw);
  // From the PublicKey protobuf; other encodings of it than the canonical one are read, and made canonical.
  // Errors: bad_encoding, too_large, unsupported (another type; RSA under 2,048 bits; an ECDSA curve other than
  // P-256, P-384 and P-521).
  static Result<PublicKey> decode(const Bytes& serialized);
  // The key that an identity peer id carries. Error: not_found for hashed ids; else as decode.
  static Result<PublicKey> from_peer_id(const PeerId& peer);

  KeyType type() const { return type_; }
  ByteView raw() const {
    return serialized_.view().subspan(raw_offset_);
  }  // type's own format, see the specification
  // The PublicKey protobuf in its only canonical form: both fields, in order, the type even when it is 0.
  const Bytes& serialized() const { return serialized_; }
  PeerId peer_id() const { return PeerId::from_public_key(serialized_); }

  // Errors: authentication; bad_encoding (the key itself is not a point of its curve).
  Result<> verify(ByteView message, ByteView signature) const;

  friend bool operator==(const PublicKey& a, const PublicKey& b) { return a.serialized_ == b.serialized_; }

 private:
  PublicKey(KeyType type, ByteView raw);

  Bytes serialized_;
  std::uint8_t raw_offset_;
  KeyType type_;
};

// An Ed25519 key pair; its secret is wiped on destruction. Fill a seed from Env::entropy to make a new one.
class KeyPair {
 public:
  static KeyPair from_seed(Ed25519Seed seed);
  // From the PrivateKey protobuf, data of 64 bytes (seed, public key) or 96 (the public key twice).
  // Errors: bad_encoding (also: a public key that is not the seed's), unsupported (other types).
  static Result<KeyPair> decode(const Bytes& serialized);

  KeyPair(const KeyPair&) = default;
  KeyPair& operator=(const KeyPair&) = default;
  ~KeyPair();

  const PublicKey& public_key() const { return public_key_; }
  PeerId peer_id() const { return public_key_.peer_id(); }
  Bytes serialized() const;  // the PrivateKey protobuf with 64 bytes of data
  Signature sign(ByteView message) const;

 private:
  using Secret = std::array<std::uint8_t, 64>;  // seed, then public key
  KeyPair(const Secret& secret, PublicKey public_key) : secret_(secret), public_key_(std::move(public_key)) {}

  Secret secret_;
  PublicKey public_key_;
};

}  // namespace mesocosm
