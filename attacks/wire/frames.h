// Bytes of the wire protocols made by hand, right or wrong: nothing here checks anything.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string_view>

#include "stack/base/bytes.h"

namespace mesocosm::wire_attacks {

// Yamux (libp2p/specs, yamux/README.md).
enum YamuxType : std::uint8_t { kData = 0, kWindowUpdate = 1, kPing = 2, kGoAway = 3 };
enum YamuxFlags : std::uint16_t { kSyn = 1, kAck = 2, kFin = 4, kRst = 8 };

struct YamuxFrame {
  std::uint8_t type = kData;
  std::uint16_t flags = 0;
  std::uint32_t id = 0;
  std::uint32_t length = 0;
  std::uint8_t version = 0;
};
Bytes encode(const YamuxFrame& frame);
// A Data frame with its body.
Bytes yamux_data(std::uint16_t flags, std::uint32_t id, ByteView body);

// Multistream-select: one message a line, each behind its length.
Bytes multistream(std::initializer_list<std::string_view> lines);
// What opens a stream of `protocol` without waiting for answers.
Bytes lazy_offer(std::string_view protocol);

// A message behind its length as an unsigned varint. `claimed`: the length that is told, if it is another.
Bytes length_prefixed_as(ByteView message, std::uint64_t claimed);

Bytes joined(std::initializer_list<Bytes> parts);

}  // namespace mesocosm::wire_attacks
