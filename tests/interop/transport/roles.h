// The contract's two roles, each over a node and a Redis server.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "stack/node/node.h"
#include "tests/interop/transport/contract.h"
#include "tests/interop/transport/redis_client.h"

namespace mesocosm::interop {

// Called once: what is to be said on standard output, or what went wrong.
using Done = std::function<void(Result<std::string>)>;

// Waits for the listener's address, connects, pings once, and reports how long both took.
class DialerRole final : RedisClient::Events, SwarmObserver, PingEvents {
 public:
  DialerRole(const Contract& contract, Node& node, Done done);
  ~DialerRole();

 private:
  void ask();
  void dial(const std::string& address);
  void fail_with(Error error) { done_(tl::unexpected(std::move(error))); }

  void on_reply(RedisReply reply) override;
  void on_failed(Error error) override;
  void on_peer_connected(const PeerId& peer) override;
  void on_dial_failed(const PeerId& peer, const Error& error) override;
  void on_pong(const PeerId& peer, Duration round_trip) override;
  void on_ping_failed(const PeerId& peer, const Error& error) override;

  const Contract& contract_;
  Node& node_;
  Done done_;
  RedisClient redis_;
  std::optional<Time> dialed_at_;
};

// Listens, tells its address, and serves; it has no end of its own, so `done` only hears of errors.
class ListenerRole final : RedisClient::Events {
 public:
  ListenerRole(const Contract& contract, Node& node, Done done);

 private:
  void on_reply(RedisReply reply) override;
  void on_failed(Error error) override;

  Done done_;
  RedisClient redis_;
};

}  // namespace mesocosm::interop
