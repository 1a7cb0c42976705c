// What a swarm counts. The libp2p_swarm_ names are go-libp2p's (p2p/net/swarm/swarm_metrics.go), those of
// libp2p_rcmgr_ its resource manager's, with inbound errors, reasons of ends and pending dials added.
#pragma once

#include <cstddef>
#include <cstdint>

#include "stack/base/result.h"
#include "stack/observe/metrics.h"
#include "stack/transport/transport.h"

namespace mesocosm {

struct SwarmMetrics {
  explicit SwarmMetrics(Metrics& metrics);

  void opened(const ConnectionInfo& info);
  void closed(const ConnectionInfo& info, Duration lifetime, ErrorCode why);
  // An outbound connection is ready, so long after its address was dialed.
  void handshake_done(const ConnectionInfo& info, Duration latency);
  void address_failed(const Multiaddr& address, ErrorCode why);
  void dial_ended(bool success, std::size_t addresses, Duration latency);
  void inbound_failed(const Multiaddr& remote, ErrorCode why);
  // A limit of ours refused a connection. Scope: "system", "transient" (before it is ready) or "peer".
  void refused(Direction direction, std::string_view scope);
  // Connections that there are, and outbound ones that are being made.
  Gauge& connections(Direction direction) {
    return direction == Direction::inbound ? connections_inbound_ : connections_outbound_;
  }
  Gauge& attempts() { return connections_transient_; }
  Gauge& pending_dials() { return pending_dials_; }

 private:
  Family<Counter>& opened_;
  Family<Counter>& closed_;
  Family<Counter>& ended_;
  Family<Counter>& key_types_;
  Family<Histogram>& duration_;
  Family<Histogram>& handshake_;
  Family<Counter>& dial_errors_;
  Family<Counter>& dials_per_peer_;
  Family<Histogram>& dial_latency_;
  Family<Counter>& inbound_errors_;
  Family<Counter>& blocked_;
  Family<Gauge>& connections_;
  Gauge& connections_inbound_;
  Gauge& connections_outbound_;
  Gauge& connections_transient_;
  Gauge& pending_dials_;
};

}  // namespace mesocosm
