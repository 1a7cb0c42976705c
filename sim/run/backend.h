// Backend: what a World needs of the ground that its nodes stand on, simulated or real.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "sim/capture/captures.h"
#include "sim/faults/faults.h"
#include "sim/hosts/middleboxes.h"
#include "sim/net/nat.h"
#include "sim/net/path_model.h"
#include "sim/run/real_time.h"
#include "sim/run/tun.h"
#include "stack/env/env.h"
#include "stack/node/node.h"
#include "stack/transport/transport.h"
#include "stack/transport/upgraded_connection.h"

namespace mesocosm {

using NodeIndex = HostIndex;  // dense: 0 .. nodes() - 1

// The full stack over whatever byte streams the node's Env has, on every backend.
TransportFactory tcp_factory(UpgradeOptions options);

class Backend {
 public:
  virtual ~Backend() = default;

  virtual Clock& clock() = 0;
  virtual Network& attach(NodeIndex node) = 0;  // the network as this node sees it; once for each node
  virtual std::unique_ptr<Entropy> entropy(const Rng& node_rng) = 0;
  // The machine's own network, for what is no node; null in simulations.
  virtual Network* machine() { return nullptr; }
  virtual TransportFactory transport_factory(NodeIndex node, const UpgradeOptions& options) = 0;
  virtual Multiaddr listen_address(NodeIndex node) const = 0;
  // Before the first node is attached: nodes listen on IPv6. ConfigError where that is not possible.
  virtual void use_ipv6() = 0;

  // Before the first node attaches: a middlebox, and nodes of one premises behind it. ConfigError on a backend that
  // has none.
  virtual void put_behind(const NatConfig& box, std::span<const NodeIndex> nodes) = 0;
  virtual const hosts::Middleboxes* middleboxes() const { return nullptr; }  // null: there are none
  // So far: on the way, in full queues, or to faults. Nobody counts them on real paths.
  virtual std::optional<std::uint64_t> packets_lost() const { return std::nullopt; }

  // Runs the turns before `until`, until stop(), or until about `wall` of real time has passed; returns
  // whether `until` was reached.
  virtual bool advance(Time until, Duration wall) = 0;
  virtual void stop() = 0;  // advance() returns after this turn

  virtual Faults* faults() { return nullptr; }  // of the paths between nodes; null: they are real
  // After attach(): the node takes so long for each packet of data. ConfigError on a backend that cannot.
  virtual void slow_down(NodeIndex node, Duration each) = 0;
  // From the start on writes what captured nodes send and receive; ConfigError where there are no packets to be seen.
  // `captures` must outlive it.
  virtual void capture(capture::Captures& captures) = 0;
  // From now on turns are taken when the wall's clock reaches them; ConfigError on a backend that cannot. Before the
  // start.
  virtual void run_in_real_time() = 0;
  // The node is what is behind the device, and not ours. At the start, with real time.
  virtual void hand_over(NodeIndex node, Tun device) = 0;
  virtual Lateness lateness() const { return {}; }  // of turns, in real time
  virtual std::uint64_t events() const = 0;         // how many turns were taken
  // The last node is gone: frees what only one world at a time can have.
  virtual void end() {}
};

}  // namespace mesocosm
