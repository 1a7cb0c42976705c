// SHA-256 (FIPS 180-4). It lives below stack/crypto because multihashes and peer ids are made of it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "stack/base/bytes.h"

namespace mesocosm {

using Sha256Digest = std::array<std::uint8_t, 32>;

// Of pieces that come one after another. 112 bytes, no allocation; copying forks the state.
class Sha256 {
 public:
  Sha256();
  Sha256& update(ByteView bytes);
  Sha256Digest finish();  // once, last

 private:
  static constexpr std::size_t kStateSize = 112;
  alignas(8) std::array<std::uint8_t, kStateSize> state_;
};

Sha256Digest sha256(ByteView bytes);

}  // namespace mesocosm
