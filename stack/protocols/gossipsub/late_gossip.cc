#include "stack/protocols/gossipsub/late_gossip.h"

#include "stack/protocols/gossipsub/core.h"

namespace mesocosm {

GossipSubVariant LateGossipPolicy::variant() {
  return {.name = "v1.0-go",
          .summary =
              "v1.0 as go-libp2p-pubsub v0.2.7 had it: an IHAVE leaves with the heartbeat after the one "
              "that chose its peers.",
          .adjust = [](GossipSubParams& params,
                       const VariantSettings&) { params.version = PeerKind::gossipsub_10; },
          .policy = policy_maker<LateGossipPolicy>()};
}

void LateGossipPolicy::choose_gossip(GossipSubCore& core, TopicIndex topic, std::vector<PeerIndex>& peers) {
  GossipSubPolicy::choose_gossip(core, topic, peers);
  std::vector<ByteView> ids;
  core.cache().each_gossip_id(topic, [&](ByteView id) { ids.push_back(id); });
  for (std::span<const ByteView> rest = ids; !rest.empty();) {
    const RpcPart ihave = make_ihave(core.topic(topic).name, rest);
    for (PeerIndex peer : peers) late_.push_back({peer, ihave});
  }
  peers.clear();  // nobody is told now
}

void LateGossipPolicy::on_heartbeat(GossipSubCore& core, Time) {
  for (const Late& late : late_) core.send(late.peer, late.ihave);
  late_.clear();
}

void LateGossipPolicy::on_peer_removed(GossipSubCore&, PeerIndex peer) {
  std::erase_if(late_, [&](const Late& late) { return late.peer == peer; });
}

}  // namespace mesocosm
