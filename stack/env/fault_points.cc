#include "stack/env/fault_points.h"

#include <algorithm>

namespace mesocosm {

const std::array<FaultPoints::Name, FaultPoints::kCount>& FaultPoints::all() {
  using enum FaultPoint;
  static constexpr std::array<Name, kCount> names{{
      {swarm_dial, "swarm.dial", "a dial fails at once, as though no address could be reached"},
      {transport_accept, "transport.accept", "a connection that has come is reset before it is looked at"},
      {transport_handshake, "transport.handshake",
       "the security handshake is given up, and the connection reset"},
      {stream_open, "stream.open", "a stream that was opened ends before a protocol was agreed"},
      {stream_reset, "stream.reset", "a stream is reset as something arrives on it"},
      {identify_ask, "identify.ask", "the question is never sent, and times out"},
      {gossipsub_message, "gossipsub.message", "a message that would be sent to a peer is not"},
  }};
  return names;
}

std::optional<FaultPoint> FaultPoints::find(std::string_view name) {
  const auto at = std::find_if(all().begin(), all().end(), [&](const Name& one) { return one.name == name; });
  return at == all().end() ? std::nullopt : std::optional(at->point);
}

}  // namespace mesocosm
