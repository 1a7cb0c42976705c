// Protocol Buffers' wire format, read without copying and written deterministically.
//
// Our own instead of libprotobuf: payloads stay shared slices of the buffer they arrived in (128 KiB blocks
// travel through thousands of simulated nodes), what is signed or fingerprinted has exactly one encoding, and
// every bound is ours.
//
//   ProtoReader reader(message);
//   while (reader.next()) {
//     switch (reader.tag()) {
//       case proto_varint(1): type = reader.value(); break;
//       case proto_bytes(2): data = reader.bytes(); break;
//     }                                            // others are unknown fields: ignored
//   }
//   if (!reader.ok()) return fail(ErrorCode::bad_encoding);
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "stack/base/byte_writer.h"
#include "stack/base/bytes.h"

namespace mesocosm {

enum class WireType : std::uint8_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

// A field's tag: number and wire type. A known number with another type is another tag, thus an unknown
// field, which is what other implementations make of it.
constexpr std::uint32_t proto_tag(std::uint32_t number, WireType type) {
  return number << 3 | static_cast<std::uint32_t>(type);
}
constexpr std::uint32_t proto_varint(std::uint32_t number) { return proto_tag(number, WireType::varint); }
constexpr std::uint32_t proto_bytes(std::uint32_t number) { return proto_tag(number, WireType::bytes); }
constexpr std::uint32_t proto_fixed64(std::uint32_t number) { return proto_tag(number, WireType::fixed64); }
constexpr std::uint32_t proto_fixed32(std::uint32_t number) { return proto_tag(number, WireType::fixed32); }

// Walks a message's fields in order. Takes constant memory and linear time whatever the bytes are; groups
// (which nobody uses) are malformed.
class ProtoReader {
 public:
  explicit ProtoReader(Bytes message) : rest_(std::move(message)) {}

  // Steps to the next field; false at the end, and when the rest is malformed.
  bool next();
  bool ok() const { return ok_; }  // after the loop: everything was well-formed

  std::uint32_t tag() const { return tag_; }
  std::uint32_t number() const { return tag_ >> 3; }
  WireType type() const { return static_cast<WireType>(tag_ & 7); }
  std::uint64_t value() const { return value_; }  // varint, fixed64, fixed32
  const Bytes& bytes() const { return bytes_; }   // bytes, strings, messages: a slice of the message

 private:
  bool malformed();
  bool read_varint(std::uint64_t& value);
  bool read_fixed(std::size_t width);
  bool read_bytes();

  Bytes rest_;
  Bytes bytes_;
  std::uint64_t value_ = 0;
  std::uint32_t tag_ = 0;
  bool ok_ = true;
};

// The varints of a packed repeated field; also bounded and zero-copy. Used like ProtoReader.
class PackedReader {
 public:
  explicit PackedReader(ByteView packed) : rest_(packed) {}
  bool next();
  bool ok() const { return ok_; }
  std::uint64_t value() const { return value_; }

 private:
  ByteView rest_;
  std::uint64_t value_ = 0;
  bool ok_ = true;
};

// Writes fields in the order of the calls; deterministic if the caller is. Writes defaults too: leaving out
// what is not present is the caller's decision.
class ProtoWriter {
 public:
  explicit ProtoWriter(ByteWriter& out) : out_(out) {}

  void varint(std::uint32_t number, std::uint64_t value);
  void boolean(std::uint32_t number, bool value) { varint(number, value ? 1 : 0); }
  void fixed64(std::uint32_t number, std::uint64_t value);
  void fixed32(std::uint32_t number, std::uint32_t value);
  void float64(std::uint32_t number, double value) { fixed64(number, std::bit_cast<std::uint64_t>(value)); }
  void bytes(std::uint32_t number, ByteView value);
  void string(std::uint32_t number, std::string_view value) { bytes(number, as_bytes(value)); }
  // A nested message, which `fill(ProtoWriter&)` writes.
  template <class Fill>
  void message(std::uint32_t number, Fill&& fill) {
    const std::size_t body = begin_message(number);
    fill(*this);
    end_message(body);
  }

 private:
  void raw_varint(std::uint64_t value);
  std::size_t begin_message(std::uint32_t number);
  void end_message(std::size_t body);

  ByteWriter& out_;
};

// Bytes that a varint or a length-delimited field takes, for reserving.
std::size_t proto_varint_size(std::uint32_t number, std::uint64_t value);
std::size_t proto_bytes_size(std::uint32_t number, std::size_t size);

}  // namespace mesocosm
