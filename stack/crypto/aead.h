// Authenticated encryption: ChaCha20-Poly1305 (RFC 8439) for Noise and TLS, AES-128-GCM (NIST SP 800-38D) for
// TLS.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "stack/base/bytes.h"

namespace mesocosm {

enum class AeadCipher : std::uint8_t { chacha20_poly1305, aes_128_gcm };

using AeadKey = std::array<std::uint8_t, 32>;  // a cipher with shorter keys uses its beginning
using AeadNonce = std::array<std::uint8_t, 12>;
inline constexpr std::size_t kAeadTagSize = 16;

constexpr std::size_t aead_key_size(AeadCipher cipher) {
  return cipher == AeadCipher::aes_128_gcm ? 16 : sizeof(AeadKey);
}

// Writes plaintext.size() + kAeadTagSize bytes to `out`, which has exactly that size and may begin at the
// plaintext. A (key, nonce) pair must never be used for two messages.
void aead_seal(AeadCipher cipher, const AeadKey& key, const AeadNonce& nonce, ByteView associated,
               ByteView plaintext, MutableByteView out);

// Writes sealed.size() - kAeadTagSize bytes to `out`, which has exactly that size and may begin at `sealed`.
// False, with `out` wiped, if anything was changed or the sealed message is shorter than a tag.
[[nodiscard]] bool aead_open(AeadCipher cipher, const AeadKey& key, const AeadNonce& nonce,
                             ByteView associated, ByteView sealed, MutableByteView out);

// ChaCha20-Poly1305 with Noise's nonces: 32 zero bits, then the counter as 64 bits little-endian (Noise
// revision 34, section 12.3).
void aead_seal(const AeadKey& key, std::uint64_t counter, ByteView associated, ByteView plaintext,
               MutableByteView out);
[[nodiscard]] bool aead_open(const AeadKey& key, std::uint64_t counter, ByteView associated, ByteView sealed,
                             MutableByteView out);

}  // namespace mesocosm
