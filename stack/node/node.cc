#include "stack/node/node.h"

#include <array>
#include <utility>

namespace mesocosm {

namespace {

KeyPair make_key(Entropy& entropy) {
  std::array<std::uint8_t, 32> seed;
  entropy.fill(seed);
  return KeyPair::from_seed(seed);
}

}  // namespace

Result<std::unique_ptr<Node>> Node::make(const Env& env, NodeConfig config,
                                         std::span<const TransportFactory> transports) {
  if (config.gossipsub) {
    if (auto valid = config.gossipsub->params.validate(); !valid) return tl::unexpected(valid.error());
  }
  const std::vector<Multiaddr> listen = std::move(config.listen);
  std::unique_ptr<Node> node(new Node(env, std::move(config), transports));
  for (const Multiaddr& address : listen) {
    if (auto listening = node->swarm_.listen(address); !listening) return tl::unexpected(listening.error());
  }
  return node;
}

Node::Node(const Env& env, NodeConfig&& config, std::span<const TransportFactory> transports)
    : env_(env),
      key_(config.key ? *config.key : make_key(env_.entropy)),
      swarm_(env_, key_.peer_id(), config.limits) {
  for (const TransportFactory& make : transports) {
    swarm_.add_transport(make({env_, key_, swarm_.protocol_table(), traffic_, swarm_.limits()}));
  }
  if (config.identify)
    identify_ = std::make_unique<Identify>(env_, swarm_, key_, *config.identify, config.identify_events);
  if (config.ping) ping_ = std::make_unique<Ping>(env_, swarm_);
  if (config.perf) perf_ = std::make_unique<Perf>(env_, swarm_);
  if (config.gossipsub) {
    config.gossipsub->key = &key_;
    auto gossipsub = std::make_unique<GossipSub>(env_, swarm_, std::move(*config.gossipsub));
    gossipsub_ = gossipsub.get();
    pubsub_ = std::move(gossipsub);
  } else if (config.pubsub) {
    pubsub_ = config.pubsub(env_, swarm_, key_);
  }
}

Node::~Node() = default;

}  // namespace mesocosm
