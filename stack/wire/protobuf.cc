#include "stack/wire/protobuf.h"

#include <algorithm>

#include "stack/wire/varint.h"

namespace mesocosm {
namespace {

// Protobuf's varints are not the multiformats': up to 10 bytes, 64 bits, and longer forms are allowed.
constexpr std::size_t kMaxProtoVarint = 10;

// Bytes used, or 0 if malformed.
std::size_t decode_proto_varint(ByteView bytes, std::uint64_t& value) {
  value = 0;
  const std::size_t limit = std::min(bytes.size(), kMaxProtoVarint);
  for (std::size_t i = 0; i < limit; ++i) {
    value |= static_cast<std::uint64_t>(bytes[i] & 0x7f) << (7 * i);
    if (bytes[i] < 0x80) return i == kMaxProtoVarint - 1 && bytes[i] > 1 ? 0 : i + 1;
  }
  return 0;
}

std::uint64_t decode_little_endian(ByteView bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) value = value << 8 | bytes[i];
  return value;
}

void encode_little_endian(MutableByteView out, std::uint64_t value) {
  for (std::uint8_t& byte : out) {
    byte = static_cast<std::uint8_t>(value);
    value >>= 8;
  }
}

void encode_proto_varint(MutableByteView out, std::uint64_t value) {
  for (std::size_t i = 0; i + 1 < out.size(); ++i, value >>= 7)
    out[i] = static_cast<std::uint8_t>(value | 0x80);
  out.back() = static_cast<std::uint8_t>(value);
}

}  // namespace

bool ProtoReader::next() {
  if (!ok_ || rest_.empty()) return false;
  std::uint64_t tag = 0;
  if (!read_varint(tag)) return false;
  if (tag > UINT32_MAX || tag >> 3 == 0) return malformed();
  tag_ = static_cast<std::uint32_t>(tag);
  value_ = 0;
  bytes_ = {};
  switch (type()) {
    case WireType::varint:
      return read_varint(value_);
    case WireType::fixed64:
      return read_fixed(8);
    case WireType::bytes:
      return read_bytes();
    case WireType::fixed32:
      return read_fixed(4);
  }
  return malformed();
}

bool ProtoReader::malformed() {
  ok_ = false;
  rest_ = {};
  return false;
}

bool ProtoReader::read_varint(std::uint64_t& value) {
  const std::size_t used = decode_proto_varint(rest_, value);
  if (used == 0) return malformed();
  rest_.take_front(used);
  return true;
}

bool ProtoReader::read_fixed(std::size_t width) {
  if (rest_.size() < width) return malformed();
  value_ = decode_little_endian(rest_.take_front(width));
  return true;
}

bool ProtoReader::read_bytes() {
  std::uint64_t length = 0;
  if (!read_varint(length)) return false;
  if (length > rest_.size()) return malformed();
  bytes_ = rest_.take_front(length);
  return true;
}

bool PackedReader::next() {
  if (!ok_ || rest_.empty()) return false;
  const std::size_t used = decode_proto_varint(rest_, value_);
  ok_ = used != 0;
  rest_ = ok_ ? rest_.subspan(used) : ByteView{};
  return ok_;
}

void ProtoWriter::varint(std::uint32_t number, std::uint64_t value) {
  raw_varint(proto_varint(number));
  raw_varint(value);
}

void ProtoWriter::fixed64(std::uint32_t number, std::uint64_t value) {
  raw_varint(proto_fixed64(number));
  encode_little_endian(out_.grow(8), value);
}

void ProtoWriter::fixed32(std::uint32_t number, std::uint32_t value) {
  raw_varint(proto_fixed32(number));
  encode_little_endian(out_.grow(4), value);
}

void ProtoWriter::bytes(std::uint32_t number, ByteView value) {
  raw_varint(proto_bytes(number));
  raw_varint(value.size());
  out_.put(value);
}

void ProtoWriter::raw_varint(std::uint64_t value) {
  encode_proto_varint(out_.grow(varint_size(value)), value);
}

std::size_t ProtoWriter::begin_message(std::uint32_t number) {
  raw_varint(proto_bytes(number));
  out_.put(std::uint8_t{0});  // enough for the length of most; end_message makes room for more
  return out_.size();
}

void ProtoWriter::end_message(std::size_t body) {
  const std::size_t length = out_.size() - body;
  const std::size_t width = varint_size(length);
  if (width > 1) out_.insert(body, width - 1);
  encode_proto_varint(out_.mutable_view().subspan(body - 1, width), length);
}

std::size_t proto_varint_size(std::uint32_t number, std::uint64_t value) {
  return varint_size(proto_varint(number)) + varint_size(value);
}

std::size_t proto_bytes_size(std::uint32_t number, std::size_t size) {
  return varint_size(proto_bytes(number)) + varint_size(size) + size;
}

}  // namespace mesocosm
