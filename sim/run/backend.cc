#include "sim/run/backend.h"

#include "stack/transport/tcp_transport.h"

namespace mesocosm {

std::unique_ptr<Transport> tcp_transport(const TransportHost& host) {
  return std::make_unique<TcpTransport>(host.env, host.key, host.protocols, TcpOptions{}, &host.traffic);
}

}  // namespace mesocosm
