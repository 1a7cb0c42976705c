// SHA-1 (FIPS 180-4), for WebSocket's handshake alone: it proves nothing about who wrote something.
#pragma once

#include <array>
#include <cstdint>

#include "stack/base/bytes.h"

namespace mesocosm {

using Sha1Digest = std::array<std::uint8_t, 20>;

Sha1Digest sha1(ByteView bytes);

}  // namespace mesocosm
