// Messages behind an unsigned-varint length, as most libp2p protocols send them: a core that cuts them out of
// a stream.
//
//   while (!input.empty()) {
//     auto message = reader.next(input);
//     if (!message) return close(message.error());
//     if (!*message) break;                         // input is used up
//     handle(std::move(**message));
//   }
//
//      ┌────────── length complete ─────────┐
//   kLength ──▶ (all of it in the slice?) ──yes──▶ a shared slice of the input
//      ▲                │ no
//      │                ▼
//      └─ complete ── kBody (gathers into one buffer)        any error ──▶ kFailed (stays)
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "stack/base/byte_writer.h"
#include "stack/base/bytes.h"
#include "stack/base/result.h"

namespace mesocosm {

// Holds nothing on the heap between messages. A length is not trusted: while a message is gathered, the
// buffer is never larger than 4 KiB or four times what has arrived, and when complete it is exactly the
// message's size.
class LengthPrefixReader {
 public:
  // Messages over `limit` bytes are an error.
  explicit LengthPrefixReader(std::size_t limit);

  // Takes from the front of `input` up to the end of one message and returns it; nullopt when the input is
  // used up before that. A message that lies within one input shares its buffer. Empty messages are messages.
  // Errors (final: every later call fails too): bad_encoding, too_large.
  Result<std::optional<Bytes>> next(Bytes& input);

  // Between two messages: where a stream may end.
  bool idle() const { return state_ == State::kLength && prefix_length_ == 0; }

 private:
  enum class State : std::uint8_t {
    kLength,  // reading the length, of which prefix_length_ bytes have come
    kBody,    // the length is known, body_ gathers
    kFailed,  // the peer broke the rules
  };

  Result<bool> read_length(Bytes& input);  // true when complete
  std::optional<Bytes> read_body(Bytes& input);
  Result<bool> failed(ErrorCode code);

  ByteWriter body_;
  std::uint64_t length_ = 0;
  std::uint32_t limit_;
  std::uint8_t prefix_length_ = 0;
  State state_ = State::kLength;
  ErrorCode error_ = ErrorCode::none;
};

// Appends the message behind its length.
void append_length_prefixed(ByteWriter& out, ByteView message);
Bytes length_prefixed(ByteView message);

}  // namespace mesocosm
