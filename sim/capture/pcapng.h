// pcapng's blocks (draft-ietf-opsawg-pcapng), as bytes to be written one after the other. Pure functions.
//
//   section, interface, (names), then packets and secrets in any order: secrets before what they decrypt
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "stack/base/bytes.h"
#include "stack/base/ip.h"

namespace mesocosm::capture {

enum class PacketDirection : std::uint8_t { in = 1, out = 2 };  // at the interface

// Begins a file of one section.
Bytes section_block(std::string_view comment);
// The section's only interface: IP packets without a link layer, timestamps in nanoseconds.
Bytes interface_block(std::string_view name, std::string_view description);
Bytes name_block(std::span<const std::pair<IpAddress, std::string>> names);
Bytes packet_block(std::int64_t unix_nanoseconds, PacketDirection direction, ByteView packet);
// Lines of a TLS key log, each with its end.
Bytes secrets_block(std::string_view lines);

}  // namespace mesocosm::capture
