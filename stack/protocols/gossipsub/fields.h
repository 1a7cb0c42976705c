// FieldWalk: the fields of a protobuf message as plain views with their places, for the path that every copy
// of every message takes. (ProtoReader of stack/wire hands out shared slices; here nothing is counted or
// copied.)
#pragma once

#include <cstddef>
#include <cstdint>

#include "stack/base/bytes.h"
#include "stack/wire/protobuf.h"

namespace mesocosm {

//   FieldWalk field(message);
//   while (field.next()) if (field.tag() == proto_bytes(4)) topic = field.bytes();
//   if (!field.ok()) return fail(ErrorCode::bad_encoding);
class FieldWalk {
 public:
  explicit FieldWalk(ByteView message) : message_(message) {}

  bool next() {
    start_ = at_;
    std::uint64_t tag = 0;
    if (at_ == message_.size() || !varint(tag)) return false;
    if (tag > UINT32_MAX || tag >> 3 == 0) return malformed();
    tag_ = static_cast<std::uint32_t>(tag);
    switch (static_cast<WireType>(tag_ & 7)) {
      case WireType::varint:
        return varint(value_);
      case WireType::fixed64:
        return skip(8);
      case WireType::fixed32:
        return skip(4);
      case WireType::bytes: {
        std::uint64_t length = 0;
        if (!varint(length)) return false;
        if (!skip(length)) return false;
        bytes_ = message_.subspan(at_ - static_cast<std::size_t>(length), static_cast<std::size_t>(length));
        return true;
      }
    }
    return malformed();
  }
  bool ok() const { return ok_; }

  std::uint32_t tag() const { return tag_; }
  std::uint64_t value() const { return value_; }  // of a varint
  ByteView bytes() const { return bytes_; }       // of bytes, strings, messages; data() is never null
  std::size_t start() const { return start_; }    // the field lies at [start, end) of the message
  std::size_t end() const { return at_; }

 private:
  bool malformed() {
    ok_ = false;
    at_ = message_.size();
    return false;
  }
  bool skip(std::uint64_t length) {
    if (length > message_.size() - at_) return malformed();
    at_ += static_cast<std::size_t>(length);
    return true;
  }
  bool varint(std::uint64_t& value) {  // protobuf's: up to 10 bytes, longer forms allowed
    value = 0;
    for (unsigned shift = 0; shift < 70 && at_ < message_.size(); shift += 7) {
      const std::uint8_t byte = message_[at_++];
      if (shift == 63 && byte > 1) break;
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return true;
    }
    return malformed();
  }

  ByteView message_;
  ByteView bytes_;
  std::size_t at_ = 0;
  std::size_t start_ = 0;
  std::uint64_t value_ = 0;
  std::uint32_t tag_ = 0;
  bool ok_ = true;
};

}  // namespace mesocosm
