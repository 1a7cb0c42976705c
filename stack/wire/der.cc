#include "stack/wire/der.h"

#include <cstddef>

namespace mesocosm {
namespace {

constexpr std::uint8_t kLongLength = 0x80;  // the low bits then count the bytes of the length
constexpr std::size_t kMaxLengthBytes = 4;

// An element's length and the bytes that its tag and length take.
struct Header {
  std::size_t size = 0;
  std::size_t content = 0;
};

std::optional<Header> read_header(ByteView bytes) {
  if (bytes.size() < 2) return std::nullopt;
  if (bytes[1] < kLongLength) return Header{2, bytes[1]};
  const std::size_t count = bytes[1] - kLongLength;
  if (count == 0 || count > kMaxLengthBytes || bytes.size() < 2 + count) return std::nullopt;
  Header header{2 + count, 0};
  for (const std::uint8_t byte : bytes.subspan(2, count)) header.content = header.content << 8 | byte;
  const bool shortest = header.content >= kLongLength && bytes[2] != 0;
  return shortest ? std::optional(header) : std::nullopt;
}

}  // namespace

std::optional<ByteView> DerReader::take(std::uint8_t tag) {
  const auto header = read_header(rest_);
  if (!header || rest_[0] != tag || rest_.size() - header->size < header->content) return std::nullopt;
  const ByteView content = rest_.subspan(header->size, header->content);
  rest_ = rest_.subspan(header->size + header->content);
  return content;
}

std::optional<ByteView> DerReader::take_positive() {
  DerReader ahead = *this;
  auto content = ahead.take(der::kInteger);
  if (!content || content->empty() || (*content)[0] >= 0x80) return std::nullopt;
  if ((*content)[0] == 0) {  // only there to keep a high bit from meaning a negative number
    if (content->size() == 1 || (*content)[1] < 0x80) return std::nullopt;
    content = content->subspan(1);
  }
  *this = ahead;
  return content;
}

std::optional<ByteView> DerReader::take_whole_bits() {
  DerReader ahead = *this;
  const auto content = ahead.take(der::kBitString);
  if (!content || content->empty() || (*content)[0] != 0) return std::nullopt;  // the count of unused bits
  *this = ahead;
  return content->subspan(1);
}

}  // namespace mesocosm
