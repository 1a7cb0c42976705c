// The protobuf reader: whatever it reads without complaint can be written, and reads the same again. Nested
// fields are followed for a few levels, packed ones read.
#include "stack/base/assert.h"
#include "stack/wire/protobuf.h"

using namespace mesocosm;

namespace {

void write_field(ProtoWriter& proto, const ProtoReader& reader) {
  switch (reader.type()) {
    case WireType::varint:
      proto.varint(reader.number(), reader.value());
      break;
    case WireType::fixed64:
      proto.fixed64(reader.number(), reader.value());
      break;
    case WireType::fixed32:
      proto.fixed32(reader.number(), static_cast<std::uint32_t>(reader.value()));
      break;
    case WireType::bytes:
      proto.bytes(reader.number(), reader.bytes());
      break;
  }
}

void read(const Bytes& message, int depth) {
  ByteWriter out;
  ProtoWriter proto(out);
  ProtoReader reader(message);
  while (reader.next()) {
    write_field(proto, reader);
    const Bytes& nested = reader.bytes();
    if (!nested.empty()) MC_ASSERT(nested.begin() >= message.begin() && nested.end() <= message.end());
    if (depth > 0) read(nested, depth - 1);
    PackedReader packed(nested);
    while (packed.next()) {
    }
  }
  MC_ASSERT(!reader.next());
  ProtoReader first(message), second(out.take());
  while (second.next()) {
    MC_ASSERT(first.next());
    MC_ASSERT(first.tag() == second.tag() && first.value() == second.value() &&
              first.bytes() == second.bytes());
  }
  MC_ASSERT(second.ok());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  read(Bytes::copy(ByteView(data, size)), 3);
  return 0;
}
