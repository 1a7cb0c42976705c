#include "stack/transport/labels.h"

namespace mesocosm {

std::string_view direction_label(Direction direction) {
  return direction == Direction::inbound ? "inbound" : "outbound";
}

// The outermost transport: the last component that is one.
std::string_view transport_label(const Multiaddr& address) {
  std::string_view label = "other";
  for (MultiaddrReader part(address); part.next();) {
    switch (part.code()) {
      case AddressCode::tcp:
        label = "tcp";
        break;
      case AddressCode::ws:
        label = "ws";
        break;
      case AddressCode::wss:
        label = "wss";
        break;
      case AddressCode::quic_v1:
        label = "quic-v1";
        break;
      case AddressCode::webtransport:
        label = "webtransport";
        break;
      case AddressCode::webrtc_direct:
        label = "webrtc-direct";
        break;
      case AddressCode::p2p_circuit:
        label = "p2p-circuit";
        break;
      default:
        break;
    }
  }
  return label;
}

std::string_view ip_version_label(const Multiaddr& address) {
  MultiaddrReader part(address);
  if (!part.next()) return "unknown";
  switch (part.code()) {
    case AddressCode::ip4:
    case AddressCode::dns4:
      return "ip4";
    case AddressCode::ip6:
    case AddressCode::dns6:
      return "ip6";
    default:
      return "unknown";
  }
}

std::string_view flag_label(bool flag) { return flag ? "true" : "false"; }

}  // namespace mesocosm
