// Swarm: a host's connections. Dials and accepts over its transports, keeps limits, knows peers, and gives
// streams to protocols.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "stack/env/env.h"
#include "stack/swarm/peer_store.h"
#include "stack/transport/transport.h"

namespace mesocosm {

// Handles the inbound streams of the protocols that it was registered for.
class ProtocolHandler {
 public:
  virtual void on_stream(std::unique_ptr<Stream> stream) = 0;

 protected:
  ~ProtocolHandler() = default;
};

// Told of peers coming, going and being learned about. Called in order of registration.
class SwarmObserver {
 public:
  virtual void on_peer_connected(const PeerId& peer) { static_cast<void>(peer); }     // its first connection
  virtual void on_peer_disconnected(const PeerId& peer) { static_cast<void>(peer); }  // its last one
  virtual void on_connection(Connection& connection) { static_cast<void>(connection); }  // every one
  // Its end, and why; none: one side said goodbye.
  virtual void on_connection_closed(const Connection& connection, const Error& error) {
    static_cast<void>(connection), static_cast<void>(error);
  }
  // Its protocols became known or changed: PeerStore::protocols(peer). (After identify, or a push.)
  virtual void on_peer_protocols(const PeerId& peer) { static_cast<void>(peer); }
  virtual void on_dial_failed(const PeerId& peer, const Error& error) {
    static_cast<void>(peer), static_cast<void>(error);
  }
  // Somebody reached us and no connection came of it: the handshake failed or took too long.
  virtual void on_inbound_failed(const Multiaddr& remote, const Error& error) {
    static_cast<void>(remote), static_cast<void>(error);
  }
  // Its connection was refused by one of our limits; `error` (ErrorCode::limit) names it.
  virtual void on_refused(const PeerId& peer, const Error& error) {
    static_cast<void>(peer), static_cast<void>(error);
  }
  virtual void on_self_changed() {}  // our protocols or listen addresses changed

 protected:
  ~SwarmObserver() = default;
};

struct SwarmLimits {
  std::size_t connections = 4096;  // in all
  std::size_t inbound = 4096;
  std::size_t per_peer = 4;
  std::size_t pending_dials = 256;    // further dials wait
  std::size_t pending_inbound = 256;  // handshakes under way; with more, one of the busiest source is dropped
  Duration dial_timeout = 15s;        // for all addresses of a peer together
  std::size_t parallel_addresses = 8;  // of one peer under way at once
  Duration dial_stagger = 250ms;       // until the next address is tried too (RFC 8305, section 5)
};

// Two connections between the same two peers, such as when both dial at once, are both kept up to the limit
// of per_peer, and streams are opened on the oldest; so do go-libp2p (p2p/net/swarm: addConn, bestConnToPeer)
// and rust-libp2p. A dial under way is not cancelled when an inbound connection of that peer comes first:
// both sides would do so at the same time, and end with none.

class Swarm final {
 public:
  Swarm(Env& env, PeerId local, SwarmLimits limits = {});
  ~Swarm();

  const PeerId& local_peer() const;
  const SwarmLimits& limits() const;
  PeerStore& peers();
  const PeerStore& peers() const;
  const ProtocolTable& protocol_table() const;  // for transports
  void add_transport(std::unique_ptr<Transport> transport);

  Result<Multiaddr> listen(const Multiaddr& address);  // returns it with the port that was chosen
  std::vector<Multiaddr> listen_addresses() const;

  // Connects to a peer at these addresses and at those that the peer store knows; nothing if it is connected
  // or being dialed already. on_peer_connected or on_dial_failed follows.
  void dial(const PeerId& peer, std::span<const Multiaddr> addresses = {});
  // Says goodbye on every connection of the peer, on which no more streams are opened; on_peer_disconnected
  // follows.
  void disconnect(const PeerId& peer);
  bool connected(const PeerId& peer) const;
  std::vector<PeerId> connected_peers() const;  // in order of connecting
  std::size_t connection_count() const;
  // The peer's connection that streams are opened on (the oldest), or null.
  Connection* connection(const PeerId& peer);

  // Opens a stream over the peer's connection; lazily if it is known to speak the only protocol offered. Null
  // if the peer is not connected. The names must outlive the swarm.
  std::unique_ptr<Stream> open(const PeerId& peer, std::span<const ProtocolId> offers,
                               Stream::Events& events);

  void handle(ProtocolId protocol, ProtocolHandler& handler);  // the name must outlive the swarm
  void unhandle(ProtocolId protocol);
  std::vector<ProtocolId> protocols() const;  // in order of registration
  void observe(SwarmObserver& observer);
  void unobserve(SwarmObserver& observer);
  // For identify: the peer's protocols are now these.
  void set_peer_protocols(const PeerId& peer, const std::vector<std::string>& protocols);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mesocosm
