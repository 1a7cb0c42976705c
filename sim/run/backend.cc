#include "sim/run/backend.h"

#include "stack/transport/tcp_transport.h"

namespace mesocosm {

std::unique_ptr<Transport> tcp_transport(const TransportHost& host) {
  TcpOptions options;
  options.max_pending_inbound = host.limits.pending_inbound;
  return std::make_unique<TcpTransport>(host.env, host.key, host.protocols, options, &host.traffic);
}

}  // namespace mesocosm
