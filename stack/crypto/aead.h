// ChaCha20-Poly1305 (RFC 8439) with Noise's nonces: 32 zero bits, then the counter as 64 bits little-endian
// (Noise revision 34, section 12.3).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "stack/base/bytes.h"

namespace mesocosm {

using AeadKey = std::array<std::uint8_t, 32>;
inline constexpr std::size_t kAeadTagSize = 16;

// Writes plaintext.size() + kAeadTagSize bytes to `out`, which has exactly that size and may begin at the
// plaintext. A (key, counter) pair must never be used for two messages.
void aead_seal(const AeadKey& key, std::uint64_t counter, ByteView associated, ByteView plaintext,
               MutableByteView out);

// Writes sealed.size() - kAeadTagSize bytes to `out`, which has exactly that size and may begin at `sealed`.
// False, with `out` wiped, if anything was changed or the sealed message is shorter than a tag.
[[nodiscard]] bool aead_open(const AeadKey& key, std::uint64_t counter, ByteView associated, ByteView sealed,
                             MutableByteView out);

}  // namespace mesocosm
