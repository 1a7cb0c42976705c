#include "stack/wire/framing.h"

#include <algorithm>

#include "stack/base/assert.h"
#include "stack/wire/varint.h"

namespace mesocosm {

static_assert(sizeof(LengthPrefixReader) <= 64);

LengthPrefixReader::LengthPrefixReader(std::size_t limit) : limit_(static_cast<std::uint32_t>(limit)) {
  MC_ASSERT(limit <= UINT32_MAX);
}

Result<std::optional<Bytes>> LengthPrefixReader::next(Bytes& input) {
  if (state_ == State::kFailed) return fail(error_);
  if (state_ == State::kLength) {
    const Result<bool> complete = read_length(input);
    if (!complete) return tl::unexpected(complete.error());
    if (!*complete) return std::nullopt;
  }
  return read_body(input);
}

Result<bool> LengthPrefixReader::read_length(Bytes& input) {
  while (!input.empty()) {
    const std::uint8_t byte = input.take_front(1)[0];
    length_ |= static_cast<std::uint64_t>(byte & 0x7f) << (7 * prefix_length_);
    ++prefix_length_;
    const bool last = byte < 0x80;
    if (last && byte == 0 && prefix_length_ > 1) return failed(ErrorCode::bad_encoding);
    if (length_ > limit_) return failed(ErrorCode::too_large);
    if (last) {
      state_ = State::kBody;
      return true;
    }
    if (prefix_length_ == kMaxVarintSize) return failed(ErrorCode::bad_encoding);
  }
  return false;
}

std::optional<Bytes> LengthPrefixReader::read_body(Bytes& input) {
  constexpr std::size_t kFirst = 4096;
  constexpr std::size_t kGrowth = 4;
  Bytes message;
  if (body_.empty() && input.size() >= length_) {
    message = input.take_front(length_);
  } else {
    const Bytes part = input.take_front(length_ - body_.size());
    const std::size_t arrived = body_.size() + part.size();
    if (arrived > body_.capacity())
      body_.reserve(std::min<std::size_t>(length_, std::max(kFirst, kGrowth * arrived)));
    body_.put(part);
    if (body_.size() < length_) return std::nullopt;
    message = body_.take();
  }
  length_ = 0;
  prefix_length_ = 0;
  state_ = State::kLength;
  return message;
}

Result<bool> LengthPrefixReader::failed(ErrorCode code) {
  state_ = State::kFailed;
  error_ = code;
  body_.clear();
  return fail(code, code == ErrorCode::too_large ? "message over its limit" : "bad length prefix");
}

void append_length_prefixed(ByteWriter& out, ByteView message) {
  append_varint(out, message.size());
  out.put(message);
}

Bytes length_prefixed(ByteView message) {
  ByteWriter out(varint_size(message.size()) + message.size());
  append_length_prefixed(out, message);
  return out.take();
}

}  // namespace mesocosm
