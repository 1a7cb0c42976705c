// ChokingPolicy: episub's choking, as gossipsub's choke extension has it (libp2p/specs pull request 681, working draft of
// 2025-06-04): peers whose copies come late are choked; they tell of messages by IHAVE instead of sending them, until they
// would be first again.
//
//   grafted ──▶ unchoked ──(its copy came choke_threshold after the first: CHOKE)──▶ choked
//                  ▲                                                                    │
//                  └──(asked by IWANT, it was unchoke_threshold ahead of all unchoked: UNCHOKE)
#pragma once

#include <map>
#include <set>
#include <utility>
#include <vector>

#include "stack/protocols/gossipsub/draft.h"
#include "stack/protocols/gossipsub/variants.h"

namespace mesocosm {

class ChokingPolicy final : public DraftPolicy {
 public:
  explicit ChokingPolicy(const VariantSettings& settings);
  static GossipSubVariant variant();

  void choose_push(GossipSubCore& core, const OutgoingMessage& message,
                   std::vector<PeerIndex>& peers) override;
  bool wants(GossipSubCore& core, PeerIndex from, std::uint64_t hash, ByteView id) override;
  void on_heartbeat(GossipSubCore& core, Time now) override;
  void on_wake(GossipSubCore& core, Time now) override;
  void on_peer_removed(GossipSubCore& core, PeerIndex peer) override;
  void on_grafted(GossipSubCore&, TopicIndex topic, PeerIndex peer) override { forget(topic, peer); }
  void on_pruned(GossipSubCore&, TopicIndex topic, PeerIndex peer) override { forget(topic, peer); }
  void on_delivered(GossipSubCore& core, TopicIndex topic, PeerIndex peer, std::uint64_t message) override;
  void on_duplicate(GossipSubCore& core, TopicIndex topic, PeerIndex peer, std::uint64_t message) override;

  bool choked(TopicIndex topic, PeerIndex peer) const { return choked_.contains({topic, peer}); }

 private:
  using Edge = std::pair<TopicIndex, PeerIndex>;
  struct Arrival {
    TopicIndex topic;
    Time first;
    bool pushed = false;                             // an unchoked peer has sent it
    std::vector<std::pair<PeerIndex, Time>> pulled;  // choked ones who sent it before that
  };
  static constexpr std::size_t kMostArrivals = 4096;

  void on_draft(GossipSubCore& core, PeerIndex from, DraftField field, const DraftBody& body,
                Time now) override;
  void on_copy(GossipSubCore& core, Arrival& arrival, PeerIndex peer);
  void choke(GossipSubCore& core, TopicIndex topic, PeerIndex peer);
  void unchoke(GossipSubCore& core, TopicIndex topic, PeerIndex peer);
  void forget(TopicIndex topic, PeerIndex peer);

  Duration choke_threshold_;
  Duration unchoke_threshold_;
  PullQueue pulls_;
  std::set<Edge> choked_;                      // by us
  std::set<Edge> chokers_;                     // who choked us
  std::map<std::uint64_t, Arrival> arrivals_;  // of the last two heartbeats, by message
};

}  // namespace mesocosm
