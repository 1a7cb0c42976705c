#include "stack/wire/varint.h"

#include <algorithm>

#include "stack/base/assert.h"

namespace mesocosm {
namespace {

void encode(std::uint8_t* out, std::uint64_t value) {
  MC_ASSERT(value <= kMaxVarint);
  for (; value >= 0x80; value >>= 7) *out++ = static_cast<std::uint8_t>(value | 0x80);
  *out = static_cast<std::uint8_t>(value);
}

}  // namespace

Varint decode_varint(ByteView bytes) {
  Varint result;
  const std::size_t limit = std::min(bytes.size(), kMaxVarintSize);
  for (std::size_t i = 0; i < limit; ++i) {
    result.value |= static_cast<std::uint64_t>(bytes[i] & 0x7f) << (7 * i);
    result.length = static_cast<std::uint8_t>(i + 1);
    if (bytes[i] >= 0x80) continue;
    const bool shortest = bytes[i] != 0 || i == 0;
    result.status = shortest ? VarintStatus::ok : VarintStatus::invalid;
    return result;
  }
  if (limit == kMaxVarintSize) result.status = VarintStatus::invalid;
  return result;
}

void append_varint(ByteWriter& out, std::uint64_t value) {
  encode(out.grow(varint_size(value)).data(), value);
}

void append_varint(std::vector<std::uint8_t>& out, std::uint64_t value) {
  const std::size_t at = out.size();
  out.resize(at + varint_size(value));
  encode(out.data() + at, value);
}

}  // namespace mesocosm
