#include "sim/run/backend.h"

#include <utility>

#include "stack/transport/tcp_transport.h"

namespace mesocosm {

TransportFactory tcp_factory(UpgradeOptions options) {
  return [options = std::move(options)](const TransportHost& host) {
    TcpOptions tcp;
    tcp.upgrade = options;
    tcp.max_pending_inbound = host.limits.pending_inbound;
    return std::make_unique<TcpTransport>(host.env, host.key, host.protocols, std::move(tcp), &host.traffic);
  };
}

}  // namespace mesocosm
