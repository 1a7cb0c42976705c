#include "attacks/wire/frames.h"

#include "stack/base/byte_writer.h"
#include "stack/negotiate/multistream.h"
#include "stack/wire/varint.h"

namespace mesocosm::wire_attacks {

Bytes encode(const YamuxFrame& frame) {
  ByteWriter out;
  out.put(frame.version);
  out.put(frame.type);
  out.put_u16_be(frame.flags);
  out.put_u32_be(frame.id);
  out.put_u32_be(frame.length);
  return out.take();
}

Bytes yamux_data(std::uint16_t flags, std::uint32_t id, ByteView body) {
  return joined({encode({kData, flags, id, static_cast<std::uint32_t>(body.size())}), Bytes::copy(body)});
}

Bytes multistream(std::initializer_list<std::string_view> lines) {
  ByteWriter out;
  for (const std::string_view line : lines) {
    append_varint(out, line.size() + 1);
    out.put(line);
    out.put(std::string_view("\n"));
  }
  return out.take();
}

Bytes lazy_offer(std::string_view protocol) { return multistream({kMultistreamId, protocol}); }

Bytes length_prefixed_as(ByteView message, std::uint64_t claimed) {
  ByteWriter out;
  append_varint(out, claimed);
  out.put(message);
  return out.take();
}

Bytes joined(std::initializer_list<Bytes> parts) { return concat({parts.begin(), parts.size()}); }

}  // namespace mesocosm::wire_attacks
