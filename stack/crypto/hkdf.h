// HMAC-SHA-256 (RFC 2104) and HKDF as Noise uses it (RFC 5869 without info; Noise revision 34, section 4.3).
#pragma once

#include <array>
#include <cstddef>

#include "stack/base/bytes.h"
#include "stack/wire/sha256.h"

namespace mesocosm {

Sha256Digest hmac_sha256(ByteView key, ByteView message);

// `Count` outputs of 32 bytes. `salt` is Noise's chaining key.
template <std::size_t Count>
std::array<Sha256Digest, Count> hkdf(ByteView salt, ByteView input) {
  static_assert(Count >= 1 && Count <= 255);
  const Sha256Digest secret = hmac_sha256(salt, input);
  std::array<Sha256Digest, Count> outputs;
  std::array<std::uint8_t, sizeof(Sha256Digest) + 1> block;  // the output before, and this one's number
  for (std::size_t i = 0; i < Count; ++i) {
    if (i > 0) std::memcpy(block.data(), outputs[i - 1].data(), sizeof(Sha256Digest));
    block.back() = static_cast<std::uint8_t>(i + 1);
    outputs[i] = hmac_sha256(secret, i > 0 ? ByteView(block) : ByteView(block).last(1));
  }
  return outputs;
}

}  // namespace mesocosm
