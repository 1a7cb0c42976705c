#include "stack/crypto/blake2b.h"

#include <sodium/crypto_generichash_blake2b.h>

#include "stack/crypto/sodium.h"

namespace mesocosm {

std::array<std::uint8_t, 32> blake2b_256(ByteView data) {
  prepare_sodium();
  std::array<std::uint8_t, 32> digest;
  crypto_generichash_blake2b(digest.data(), digest.size(), data.data(), data.size(), nullptr, 0);
  return digest;
}

}  // namespace mesocosm
