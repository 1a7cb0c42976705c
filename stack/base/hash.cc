#include "stack/base/hash.h"

#include <cstring>

namespace mesocosm {

std::uint64_t hash64(ByteView bytes, std::uint64_t seed) {
  std::uint64_t hash = mix64(seed ^ bytes.size());
  const std::uint8_t* at = bytes.data();
  std::size_t left = bytes.size();
  while (left >= 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, at, 8);
    hash = mix64(hash ^ word);
    at += 8;
    left -= 8;
  }
  if (left > 0) {
    std::uint64_t word = 0;
    std::memcpy(&word, at, left);
    hash = mix64(hash ^ word);
  }
  return hash;
}

}  // namespace mesocosm
