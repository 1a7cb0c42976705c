// What metrics call a connection's properties, in go-libp2p's words.
#pragma once

#include <string_view>

#include "stack/transport/transport.h"

namespace mesocosm {

std::string_view direction_label(Direction direction);        // "inbound", "outbound"
std::string_view transport_label(const Multiaddr& address);   // "tcp", "ws", ...; "other"
std::string_view ip_version_label(const Multiaddr& address);  // "ip4", "ip6"; "unknown"
std::string_view flag_label(bool flag);                       // "true", "false"

}  // namespace mesocosm
