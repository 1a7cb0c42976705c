// BLAKE2b-256 (RFC 7693).
#pragma once

#include <array>
#include <cstdint>

#include "stack/base/bytes.h"

namespace mesocosm {

std::array<std::uint8_t, 32> blake2b_256(ByteView data);

}  // namespace mesocosm
