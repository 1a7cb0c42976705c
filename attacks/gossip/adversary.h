// Adversary: runs an AdversaryCore over a host's connections, in GossipSub's place and in its words on the wire.
//
// Each peer has one stream in and one out, as in GossipSub. An adversary tells the trace nothing: it is no subscriber
// whose deliveries count.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "attacks/gossip/adversary_core.h"
#include "attacks/gossip/mind.h"
#include "stack/env/env.h"
#include "stack/protocols/pubsub/pubsub.h"
#include "stack/swarm/swarm.h"

namespace mesocosm::attacks {

// Makes nodes adversaries of one mind, which lives as long as the last of them.
PubSubFactory recruit(std::shared_ptr<Mind> mind);

class Adversary final : public PubSub,
                        public SwarmObserver,
                        public ProtocolHandler,
                        private Follower,
                        private AdversaryActions {
 public:
  static constexpr std::size_t kMaxRpc = std::size_t{16} << 20;  // it reads longer ones from nobody
  static constexpr std::size_t kMaxWaiting = 64;  // frames for one peer; then it loses the newest

  // `key` outlives it.
  Adversary(Env& env, Swarm& swarm, const KeyPair& key, std::shared_ptr<Mind> mind);
  ~Adversary() override;

  // It joins the topics that its peers are in, and writes nothing of its own.
  Result<> subscribe(std::string_view topic) override;
  void unsubscribe(std::string_view topic) override;
  Result<MessageId> publish(std::string_view topic, ByteView data) override;

  const AdversaryCore& core() const { return core_; }

  // SwarmObserver
  void on_peer_connected(const PeerId& peer) override { consider(peer); }
  void on_peer_protocols(const PeerId& peer) override { consider(peer); }
  void on_peer_disconnected(const PeerId& peer) override;
  // ProtocolHandler
  void on_stream(std::unique_ptr<Stream> stream) override;

 private:
  class Inbound;
  class Link;

  void on_phase() override;  // Follower
  // AdversaryActions
  void send(PeerIndex to, std::vector<RpcPart> parts) override;
  void send_message(std::span<const PeerIndex> to, const RpcPart& message) override;

  void consider(const PeerId& peer);
  PeerIndex link_up(const PeerId& peer, ProtocolId protocol);
  void drop(PeerIndex peer);
  bool on_frame(PeerIndex from, const Bytes& frame, std::size_t prefix);
  void on_deadline();
  void arm();

  Env& env_;
  Swarm& swarm_;
  std::shared_ptr<Mind> mind_;
  AdversaryCore core_;
  std::vector<std::unique_ptr<Link>> links_;  // by PeerIndex
  std::vector<RpcPart> parts_;                // of the RPC at hand
  MemberTimer<&Adversary::on_deadline> timer_{*this};
};

}  // namespace mesocosm::attacks
