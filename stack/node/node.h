// Node: a host put together: an identity, a swarm over the transports that the caller makes, and protocols.
// The same object on real sockets, in a simulated network with the full stack, and over the collapsed
// transport.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "stack/crypto/keys.h"
#include "stack/env/env.h"
#include "stack/protocols/gossipsub/gossipsub.h"
#include "stack/protocols/identify/identify.h"
#include "stack/protocols/perf/perf.h"
#include "stack/protocols/ping/ping.h"
#include "stack/swarm/swarm.h"
#include "stack/transport/traffic.h"

namespace mesocosm {

struct NodeConfig {
  std::optional<KeyPair> key;  // none: a new one from Env::entropy
  std::vector<Multiaddr> listen;
  SwarmLimits limits;
  std::optional<IdentifyConfig> identify = IdentifyConfig{};
  IdentifyEvents* identify_events = nullptr;  // told what peers say of themselves; outlives the node
  bool ping = true;
  bool perf = false;
  std::optional<GossipSubOptions> gossipsub;  // its key is set by the node
  PubSubFactory pubsub;                       // in GossipSub's place
};

// What a transport gets of its node; all of it outlives the transport.
struct TransportHost {
  Env& env;
  const KeyPair& key;
  const ProtocolTable& protocols;
  TrafficCounters& traffic;
  const SwarmLimits& limits;
};
using TransportFactory = std::function<std::unique_ptr<Transport>(const TransportHost&)>;

class Node {
 public:
  // Errors: those of GossipSubParams::validate and Swarm::listen.
  static Result<std::unique_ptr<Node>> make(const Env& env, NodeConfig config,
                                            std::span<const TransportFactory> transports);
  ~Node();

  const PeerId& peer_id() const { return swarm_.local_peer(); }
  const KeyPair& key() const { return key_; }
  Env& env() { return env_; }
  Swarm& swarm() { return swarm_; }
  const Swarm& swarm() const { return swarm_; }
  // Null when the configuration left them out.
  Identify* identify() { return identify_.get(); }
  Ping* ping() { return ping_.get(); }
  Perf* perf() { return perf_.get(); }
  PubSub* pubsub() { return pubsub_.get(); }
  GossipSub* gossipsub() { return gossipsub_; }  // the same, if it is one
  const TrafficCounters& traffic() const { return traffic_; }

 private:
  Node(const Env& env, NodeConfig&& config, std::span<const TransportFactory> transports);

  Env env_;
  KeyPair key_;
  TrafficCounters traffic_;
  Swarm swarm_;
  std::unique_ptr<Identify> identify_;
  std::unique_ptr<Ping> ping_;
  std::unique_ptr<Perf> perf_;
  std::unique_ptr<PubSub> pubsub_;
  GossipSub* gossipsub_ = nullptr;
};

}  // namespace mesocosm
