// Noise: bytes that mean nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "stack/base/rng.h"

namespace mesocosm::attacks {

inline std::vector<std::uint8_t> noise(Rng& rng, std::size_t size) {
  std::vector<std::uint8_t> bytes(size);
  std::uint64_t drawn = 0;
  for (std::size_t i = 0; i < size; ++i) {
    if (i % 8 == 0) drawn = rng.next();
    bytes[i] = static_cast<std::uint8_t>(drawn >> (8 * (i % 8)));
  }
  return bytes;
}

}  // namespace mesocosm::attacks
