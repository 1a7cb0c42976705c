// Unsigned varints (multiformats/unsigned-varint): 7 bits a byte, least significant first, at most 9 bytes
// (63 bits), and only the shortest form is valid.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "stack/base/byte_writer.h"
#include "stack/base/bytes.h"

namespace mesocosm {

inline constexpr std::size_t kMaxVarintSize = 9;
inline constexpr std::uint64_t kMaxVarint = (std::uint64_t{1} << 63) - 1;

enum class VarintStatus : std::uint8_t {
  ok,
  incomplete,  // valid so far, more bytes are needed
  invalid,     // longer than 9 bytes, or not the shortest form
};

struct Varint {
  std::uint64_t value = 0;
  std::uint8_t length = 0;  // bytes used
  VarintStatus status = VarintStatus::incomplete;

  bool ok() const { return status == VarintStatus::ok; }
};

// The varint at the front of `bytes`.
Varint decode_varint(ByteView bytes);

// Bytes that `value` takes.
constexpr std::size_t varint_size(std::uint64_t value) {
  std::size_t size = 1;
  for (; value >= 0x80; value >>= 7) ++size;
  return size;
}

// Values over kMaxVarint are broken invariants.
void append_varint(ByteWriter& out, std::uint64_t value);
void append_varint(std::vector<std::uint8_t>& out, std::uint64_t value);

}  // namespace mesocosm
