// TcpTransport: connections over TCP, bare at /ip4|ip6/.../tcp/... and /dns|dns4|dns6/.../tcp/..., or inside a
// WebSocket where /ws follows.
#pragma once

#include <cstddef>
#include <memory>

#include "stack/crypto/keys.h"
#include "stack/env/env.h"
#include "stack/transport/traffic.h"
#include "stack/transport/transport.h"
#include "stack/transport/upgraded_connection.h"
#include "stack/websocket/stream.h"

namespace mesocosm {

struct TcpOptions {
  UpgradeOptions upgrade;
  std::size_t max_pending_inbound = 256;  // handshakes a listener has under way (crowd_control.h: who goes)
};

// Outlives its dials, listenings and connections.
class TcpTransport final : public Transport {
 public:
  // `protocols` and `traffic` must outlive the transport. Without `traffic` it counts for itself.
  TcpTransport(Env& env, const KeyPair& identity, const ProtocolTable& protocols, TcpOptions options = {},
               TrafficCounters* traffic = nullptr);

  bool can_dial(const Multiaddr& address) const override;
  // Errors: those of ByteStream and WebSocketStream, timeout, negotiation_failed, authentication, peer_mismatch (also when `peer`
  // and a /p2p component differ), unsupported, not_found (a name without addresses).
  std::unique_ptr<Dial> dial(const Multiaddr& address, const PeerId* peer, Dial::Events& events) override;
  // Errors: unsupported, and those of Network::listen.
  Result<std::unique_ptr<Listening>> listen(const Multiaddr& address, Listening::Events& events) override;

  const TrafficCounters& traffic() const { return context_.traffic; }

 private:
  class TcpDial;
  class TcpListening;

  WebSocketOverhead overhead();

  Env& env_;
  TrafficCounters own_traffic_;
  UpgradeContext context_;
  std::size_t max_pending_inbound_;
};

}  // namespace mesocosm
