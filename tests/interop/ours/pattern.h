// The pattern that payloads are made of: byte i is i mod 251.
#pragma once

#include <cstddef>
#include <cstdint>

#include "stack/base/bytes.h"

namespace mesocosm::interop {

// Its bytes from `offset` on: `room` of them, or fewer (64 KiB). Allocates nothing.
Bytes pattern(std::uint64_t offset, std::size_t room);
// Whether these bytes are the pattern from `offset` on.
bool is_pattern(ByteView bytes, std::uint64_t offset);

}  // namespace mesocosm::interop
