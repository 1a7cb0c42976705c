#include "tests/interop/ours/pattern.h"

#include <algorithm>
#include <array>

namespace mesocosm::interop {
namespace {

constexpr std::size_t kPeriod = 251;
constexpr std::size_t kPage = 64 * 1024;

constexpr auto kBytes = [] {
  std::array<std::uint8_t, kPage + kPeriod> bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i % kPeriod);
  return bytes;
}();

ByteView part(std::uint64_t offset, std::size_t room) {
  return ByteView(kBytes).subspan(offset % kPeriod, std::min(room, kPage));
}

}  // namespace

Bytes pattern(std::uint64_t offset, std::size_t room) { return Bytes::unowned(part(offset, room)); }

bool is_pattern(ByteView bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    const ByteView expected = part(offset, bytes.size());
    if (!equal(bytes.first(expected.size()), expected)) return false;
    bytes = bytes.subspan(expected.size());
    offset += expected.size();
  }
  return true;
}

}  // namespace mesocosm::interop
