// Hashes that are the same on every machine and in every process; not for secrets.
#pragma once

#include <cstdint>

#include "stack/base/bytes.h"

namespace mesocosm {

// A good 64-bit mixer (splitmix64's finalizer).
constexpr std::uint64_t mix64(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

std::uint64_t hash64(ByteView bytes, std::uint64_t seed = 0);

}  // namespace mesocosm
