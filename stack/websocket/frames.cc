#include "stack/websocket/frames.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "stack/base/assert.h"

namespace mesocosm {
namespace {

constexpr std::uint8_t kFinal = 0x80;     // in the first byte
constexpr std::uint8_t kReserved = 0x70;  // there too
constexpr std::uint8_t kMasked = 0x80;    // in the second
constexpr std::uint8_t kLength16 = 126;
constexpr std::uint8_t kLength64 = 127;
constexpr std::size_t kMaskSize = 4;

bool is_control(WebSocketOpcode opcode) { return opcode >= WebSocketOpcode::close; }

bool known(WebSocketOpcode opcode) {
  return opcode <= WebSocketOpcode::binary ||
         (opcode >= WebSocketOpcode::close && opcode <= WebSocketOpcode::pong);
}

std::size_t length_size(std::uint8_t length) {  // of the bytes behind the first two
  return length == kLength64 ? 8 : length == kLength16 ? 2 : 0;
}

std::uint64_t get_be(ByteView bytes) {
  std::uint64_t value = 0;
  for (const std::uint8_t byte : bytes) value = value << 8 | byte;
  return value;
}

struct Head {
  std::array<std::uint8_t, kWebSocketMaxHead> bytes{};
  std::size_t size = 0;
  ByteView view() const { return ByteView(bytes).first(size); }
};

Head make_head(WebSocketOpcode opcode, std::uint64_t size, const WebSocketMask* mask) {
  Head head;
  const std::uint8_t length = size < kLength16 ? static_cast<std::uint8_t>(size)
                              : size <= 0xffff ? kLength16
                                               : kLength64;
  head.bytes[0] = static_cast<std::uint8_t>(kFinal | static_cast<std::uint8_t>(opcode));
  head.bytes[1] = static_cast<std::uint8_t>(length | (mask != nullptr ? kMasked : 0));
  head.size = 2 + length_size(length);
  for (std::size_t i = head.size; i > 2; --i, size >>= 8) head.bytes[i - 1] = static_cast<std::uint8_t>(size);
  if (mask != nullptr) {
    std::memcpy(head.bytes.data() + head.size, mask, kMaskSize);
    head.size += kMaskSize;
  }
  return head;
}

WebSocketMask turn(WebSocketMask mask, std::size_t by) {
  const int bits = static_cast<int>(by % kMaskSize) * 8;
  return std::endian::native == std::endian::little ? std::rotr(mask, bits) : std::rotl(mask, bits);
}

// Codes that may stand in a Close (RFC 6455, section 7.4).
bool sendable(unsigned code) {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

}  // namespace

// Four words at a time, which the compiler makes vectors of.
void apply_mask(ByteView in, MutableByteView out, WebSocketMask mask) {
  MC_ASSERT(in.size() == out.size());
  std::array<std::uint64_t, 4> words;
  const std::uint64_t wide = static_cast<std::uint64_t>(mask) << 32 | mask;
  const std::uint8_t* from = in.data();
  std::uint8_t* to = out.data();
  std::size_t left = in.size();
  for (; left >= sizeof(words); left -= sizeof(words), from += sizeof(words), to += sizeof(words)) {
    std::memcpy(words.data(), from, sizeof(words));
    for (std::uint64_t& word : words) word ^= wide;
    std::memcpy(to, words.data(), sizeof(words));
  }
  std::array<std::uint8_t, kMaskSize> bytes;
  std::memcpy(bytes.data(), &mask, kMaskSize);
  for (std::size_t i = 0; i < left; ++i) to[i] = from[i] ^ bytes[i % kMaskSize];
}

Bytes encode_frame(WebSocketOpcode opcode, ByteView payload) {
  const Bytes parts[] = {encode_frame_head(opcode, payload.size()), Bytes::unowned(payload)};
  return concat(parts);
}

Bytes encode_frame(WebSocketOpcode opcode, ByteView payload, WebSocketMask mask) {
  MC_ASSERT(!is_control(opcode) || payload.size() <= kWebSocketMaxControl);
  const Head head = make_head(opcode, payload.size(), &mask);
  return Bytes::build(head.size + payload.size(), [&](MutableByteView out) {
    std::memcpy(out.data(), head.bytes.data(), head.size);
    apply_mask(payload, out.subspan(head.size), mask);
  });
}

Bytes encode_frame_head(WebSocketOpcode opcode, std::uint64_t size) {
  MC_ASSERT(!is_control(opcode) || size <= kWebSocketMaxControl);
  return Bytes::copy(make_head(opcode, size, nullptr).view());
}

Bytes encode_close(WebSocketCode code) {
  if (code == WebSocketCode::none) return {};
  const auto number = static_cast<std::uint16_t>(code);
  const std::uint8_t bytes[] = {static_cast<std::uint8_t>(number >> 8), static_cast<std::uint8_t>(number)};
  return Bytes::copy(ByteView(bytes));
}

void WebSocketReader::advance(Bytes& input) {
  while (!closed_ && fault_.ok() && !input.empty()) {
    if (payload_left_ == 0) {
      if (take_head(input)) on_head();
    } else if (in_control()) {
      on_control_payload(input);
    } else {
      return;
    }
  }
  // What follows the end is nothing, and an empty slice would keep its buffer.
  if (closed_ || !fault_.ok() || input.empty()) input = Bytes();
}

Bytes WebSocketReader::read(Bytes& input, std::size_t max) {
  advance(input);
  if (!readable(input) || max == 0) return {};
  if (role_ == WebSocketRole::client) {
    Bytes piece = input.take_front(std::min<std::uint64_t>(max, payload_left_));
    payload_left_ -= piece.size();
    advance(input);
    return piece;
  }
  const std::size_t room = std::min(max, input.size());
  std::size_t used = 0;
  const Bytes joined = Bytes::build(room, [&](MutableByteView out) {
    while (used < room && readable(input)) {
      const Bytes piece = input.take_front(std::min<std::uint64_t>(room - used, payload_left_));
      unmask(piece, out.subspan(used, piece.size()));
      payload_left_ -= piece.size();
      used += piece.size();
      advance(input);
    }
  });
  if (used < room / 2) return Bytes::copy(joined.view().first(used));
  return joined.slice(0, used);
}

Bytes WebSocketReader::take_ping() {
  ping_came_ = false;
  return std::exchange(ping_, Bytes());
}

// The bytes of a head, one by one. False while it is not complete.
bool WebSocketReader::take_head(Bytes& input) {
  while (true) {
    std::size_t whole = 2;
    if (head_size_ >= 2) {
      whole += length_size(head_[1] & ~kMasked) + ((head_[1] & kMasked) != 0 ? kMaskSize : 0);
    }
    if (head_size_ >= 2 && head_size_ == whole) break;
    const Bytes piece = input.take_front(whole - head_size_);
    if (piece.empty()) return false;
    std::memcpy(head_.data() + head_size_, piece.data(), piece.size());
    head_size_ = static_cast<std::uint8_t>(head_size_ + piece.size());
  }
  return true;
}

void WebSocketReader::on_head() {
  const ByteView head = ByteView(head_).first(std::exchange(head_size_, 0));
  const auto opcode = static_cast<WebSocketOpcode>(head[0] & 0x0f);
  const bool last = (head[0] & kFinal) != 0;
  const bool masked = (head[1] & kMasked) != 0;
  const std::uint8_t length = head[1] & ~kMasked;
  const std::size_t wide = length_size(length);
  const std::uint64_t size = wide == 0 ? length : get_be(head.subspan(2, wide));

  if ((head[0] & kReserved) != 0) return violation("reserved bits without an extension");
  if (!known(opcode)) return violation("an unknown opcode");
  if (masked != (role_ == WebSocketRole::server)) return violation(masked ? "a server's mask" : "no mask");
  if ((wide == 2 && size < kLength16) || (wide == 8 && size <= 0xffff))
    return violation("a length in too many bytes");
  if (is_control(opcode)) {
    if (!last || size > kWebSocketMaxControl) return violation("a control frame in parts or too long");
  } else if (opcode == WebSocketOpcode::text) {
    fault_ = {ErrorCode::unsupported, "websocket: a message of text"};
    return;
  } else if ((opcode == WebSocketOpcode::continuation) != in_message_) {
    return violation(in_message_ ? "a new message within another" : "a continuation of nothing");
  } else if (size > kWebSocketMaxFrame) {
    fault_ = {ErrorCode::too_large, "websocket: a frame of " + std::to_string(size) + " bytes"};
    return;
  } else {
    in_message_ = !last;
  }
  opcode_ = opcode;
  payload_left_ = size;
  control_size_ = 0;
  if (masked) std::memcpy(&mask_, head.data() + 2 + wide, kMaskSize);
  if (in_control() && size == 0) on_control_frame();
}

void WebSocketReader::on_control_payload(Bytes& input) {
  const Bytes piece = input.take_front(payload_left_);
  const MutableByteView out = MutableByteView(control_).subspan(control_size_, piece.size());
  if (role_ == WebSocketRole::server) {
    unmask(piece, out);
  } else {
    std::memcpy(out.data(), piece.data(), piece.size());
  }
  control_size_ = static_cast<std::uint8_t>(control_size_ + piece.size());
  payload_left_ -= piece.size();
  if (payload_left_ == 0) on_control_frame();
}

void WebSocketReader::on_control_frame() {
  if (opcode_ == WebSocketOpcode::close) return on_close();
  if (opcode_ == WebSocketOpcode::ping) {
    ping_ = Bytes::copy(ByteView(control_).first(control_size_));
    ping_came_ = true;
  }
}

void WebSocketReader::on_close() {
  if (control_size_ > 0) {
    const auto code = control_size_ < 2 ? 0 : static_cast<unsigned>(get_be(ByteView(control_).first(2)));
    if (!sendable(code)) return violation("a Close with code " + std::to_string(code));
    close_code_ = static_cast<WebSocketCode>(code);
  }
  closed_ = true;
}

void WebSocketReader::violation(std::string what) {
  fault_ = {ErrorCode::protocol_violation, "websocket: " + std::move(what)};
}

void WebSocketReader::unmask(ByteView in, MutableByteView out) {
  apply_mask(in, out, mask_);
  mask_ = turn(mask_, in.size());
}

}  // namespace mesocosm
