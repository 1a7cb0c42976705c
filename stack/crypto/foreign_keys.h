// The types of identity key that we verify but do not have ourselves (specs/peer-ids/peer-ids.md): RSA, ECDSA and
// secp256k1, through OpenSSL. All sign the SHA-256 hash of the message.
#pragma once

#include <cstddef>

#include "stack/base/bytes.h"
#include "stack/base/result.h"

namespace mesocosm {

// What go and rust take.
inline constexpr std::size_t kMinRsaBits = 2048;
inline constexpr std::size_t kMaxRsaBits = 8192;

// The only encoding that we keep of a key whose form is right. Whether its numbers are those of a key (a point on
// its curve) shows when it verifies.
// RSA: a SubjectPublicKeyInfo in DER. Errors: bad_encoding; unsupported (too few bits, an exponent that is even or
// over 31 bits); too_large (too many bits).
Result<Bytes> canonical_rsa_key(const Bytes& spki);
// ECDSA: a SubjectPublicKeyInfo of P-256, P-384 or P-521 and an uncompressed point. Errors: bad_encoding,
// unsupported (another curve).
Result<Bytes> canonical_ecdsa_key(const Bytes& spki);
// secp256k1: a point, compressed or not; compressed when it is kept. Error: bad_encoding.
Result<Bytes> canonical_secp256k1_key(const Bytes& point);

// RSASSA-PKCS1-v1_5; ECDSA with its signature in DER. The key is a canonical one.
// Errors: authentication; bad_encoding (the key is not on its curve).
Result<> verify_rsa(ByteView spki, ByteView message, ByteView signature);
Result<> verify_ecdsa(ByteView spki, ByteView message, ByteView signature);
Result<> verify_secp256k1(ByteView point, ByteView message, ByteView signature);

}  // namespace mesocosm
