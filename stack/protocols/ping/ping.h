// Ping over a swarm: answers the pings of others, and measures round trips (libp2p/specs ping/ping.md).
#pragma once

#include <memory>

#include "stack/protocols/ping/ping_core.h"
#include "stack/swarm/session_set.h"
#include "stack/swarm/swarm.h"

namespace mesocosm {

inline constexpr ProtocolId kPingProtocol = "/ipfs/ping/1.0.0";

class PingEvents {
 public:
  virtual void on_pong(const PeerId& peer, Duration round_trip) = 0;
  virtual void on_ping_failed(const PeerId& peer, const Error& error) = 0;

 protected:
  ~PingEvents() = default;
};

struct PingMetrics {
  explicit PingMetrics(Metrics& metrics);
  Histogram& round_trips;
  Family<Counter>& failures;
};

// Each ping has a stream of its own. The round trip is from the payload's write to the echo's last byte; the
// negotiation of a protocol that the peer is not known to speak comes before it.
class Ping final : public ProtocolHandler {
 public:
  static constexpr Duration kTimeout = 10s;      // for an answer to ours, negotiation included
  static constexpr Duration kIdleTimeout = 60s;  // of streams that others opened

  Ping(Env& env, Swarm& swarm);
  ~Ping();

  // One of `events` follows, in a later turn; also a trace event for a pong. `events` must live until then.
  // Errors: not_found (not connected), timeout, protocol_violation, what closed the stream.
  void ping(const PeerId& peer, PingEvents& events);

  void on_stream(std::unique_ptr<Stream> stream) override;

 private:
  struct Client;
  struct Server;

  Env& env_;
  Swarm& swarm_;
  PingMetrics& metrics_;
  SessionSet<Client> clients_;
  SessionSet<Server> servers_;
};

}  // namespace mesocosm
