// LateGossipPolicy: v1.0 as go-libp2p-pubsub ran it until 2020-04-03 (v0.2.7): a heartbeat says whom to tell of what, and the
// next one, at its beginning, tells them. Since then its IHAVEs leave with the heartbeat that chose, as the specification
// has it.
#pragma once

#include <vector>

#include "stack/protocols/gossipsub/policy.h"
#include "stack/protocols/gossipsub/variants.h"

namespace mesocosm {

class LateGossipPolicy final : public GossipSubPolicy {
 public:
  static GossipSubVariant variant();

  void choose_gossip(GossipSubCore& core, TopicIndex topic, std::vector<PeerIndex>& peers) override;
  void on_heartbeat(GossipSubCore& core, Time now) override;
  void on_peer_removed(GossipSubCore& core, PeerIndex peer) override;

 private:
  struct Late {
    PeerIndex peer;
    RpcPart ihave;  // shares its bytes with the others'
  };
  std::vector<Late> late_;
};

}  // namespace mesocosm
