// AdversaryCore: one adversary's part in GossipSub, as a pure state machine. It does what makes others take it for
// one of them and no more: it subscribes to what they subscribe to, grafts them, and passes messages on; a Mischief
// says what it does otherwise. There is no message cache, no gossip and no upkeep of a mesh, so that a thousand
// honest nodes can have four thousand of them, with a hundred connections each, for company. So did the attackers of
// PL-TechRep-2020-001 (libp2p/gossipsub-hardening, test/badboy.go).
//
//   peer:  (stranger) ── subscribes to a topic: SUBSCRIBE, GRAFT ──▶ (in our mesh) ── PRUNE ──▶ (pruned)
//                                                                          ▲                       │
//                                                                          └── a while later: GRAFT ┘
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "attacks/gossip/mind.h"
#include "attacks/gossip/mischief.h"
#include "stack/base/rng.h"
#include "stack/protocols/gossipsub/peer_set.h"
#include "stack/wire/peer_id.h"

namespace mesocosm::attacks {

// What a core asks its driver to do. Nothing may call back into the core.
class AdversaryActions {
 public:
  // One RPC of these parts, no messages among them.
  virtual void send(PeerIndex to, std::vector<RpcPart> parts) = 0;
  virtual void send_message(std::span<const PeerIndex> to, const RpcPart& message) = 0;

 protected:
  ~AdversaryActions() = default;
};

struct AdversaryCounters {
  std::uint64_t messages_received = 0;   // copies; not counted while nobody reads them
  std::uint64_t messages_forwarded = 0;  // copies
  std::uint64_t messages_dropped = 0;    // that it should have passed on
  std::uint64_t grafts_sent = 0;
  std::uint64_t prunes_received = 0;
  std::uint64_t spam_sent = 0;  // what its mischief sent: ids, requests, messages
};

// Usage: feed it on_* with `now` never going back, and on_deadline when deadline() is reached.
class AdversaryCore {
 public:
  static constexpr std::size_t kMaxTopics = 256;  // of peers; more are not joined

  // `mind`, `actions` and `key` outlive it. Without a key it signs nothing.
  AdversaryCore(const PeerId& self, Mind& mind, std::shared_ptr<Mischief> mischief, Rng rng,
                AdversaryActions& actions, const KeyPair* key = nullptr);

  // --- events ---
  PeerIndex on_peer_added(const PeerId& peer);
  void on_peer_removed(PeerIndex peer);
  // Whatever cannot be read is ignored: the adversary has no interest in rules.
  void on_rpc(PeerIndex from, Rpc rpc, Time now);
  void on_phase(Time now);  // of the mind: it changed
  Time deadline() const;    // Time::max(): nothing is to be done
  void on_deadline(Time now);

  // --- for a Mischief ---
  struct Topic {
    Bytes name;
    PeerSet members;  // subscribe to it; fellows do not count
    PeerSet mesh;     // were grafted, and have not pruned us
  };
  std::span<const Topic> topics() const { return topics_; }
  const PeerId& self() const { return self_; }
  Mind& mind() { return mind_; }
  Rng& rng() { return rng_; }
  std::size_t peer_count() const { return peers_.size() - free_peers_.size(); }
  void send(PeerIndex to, std::vector<RpcPart> parts, std::uint64_t spam = 0);
  void send_message(std::span<const PeerIndex> to, const RpcPart& message, std::uint64_t spam = 0);
  // A message of its own that nobody can tell from an honest one's, as far as protocols go.
  RpcPart write(ByteView topic, ByteView payload);
  bool graft(PeerIndex peer, std::size_t topic);  // sends GRAFT and nothing else; false: it has left

  const AdversaryCounters& counters() const { return counters_; }
  PeerIndex find_peer(const PeerId& peer) const;  // kNoPeer
  const PeerId& peer(PeerIndex index) const { return peers_[index].id; }

 private:
  struct Peer {
    PeerId id;               // empty: a free slot
    std::uint32_t life = 0;  // which of the slot's peers, so that what was planned for another is not done
  };
  // What is to be done later: pass on a message, or graft somebody.
  struct Plan {
    Time when;
    std::uint64_t order;
    std::size_t topic;
    PeerIndex peer;  // to graft, or who sent the message
    std::uint32_t life;
    RpcPart message;  // empty: graft
    bool operator>(const Plan& other) const {
      return when != other.when ? when > other.when : order > other.order;
    }
  };
  static constexpr std::size_t kMaxPlans = 65536;

  bool attacking() const { return mind_.phase() == Phase::attacking; }
  bool usable(PeerIndex peer) const { return peer < peers_.size() && !peers_[peer].id.empty(); }
  std::size_t find_topic(ByteView name) const;  // topics_.size(): none
  void on_subscription(PeerIndex from, const RpcPart& part, std::vector<RpcPart>& answer);
  void on_graft(PeerIndex from, const RpcPart& part);
  void on_prune(PeerIndex from, const RpcPart& part, Time now);
  void on_message(PeerIndex from, const RpcPart& part, Time now);
  void forward(std::size_t topic, PeerIndex from, const RpcPart& part);
  bool seen(const Message& message, Time now);
  void plan(Plan plan);
  void perform(const Plan& plan);

  PeerId self_;
  Mind& mind_;
  std::shared_ptr<Mischief> mischief_;
  Rng rng_;
  AdversaryActions& actions_;
  const KeyPair* key_;
  std::vector<Peer> peers_;
  std::vector<PeerIndex> free_peers_;
  std::vector<Topic> topics_;
  std::vector<Plan> plans_;  // a heap, the next in front
  std::uint64_t planned_ = 0;
  Time next_beat_ = Time::max();
  std::unordered_set<std::uint64_t> seen_,
      seen_before_;  // messages, of this turn of seen_ttl and the one before
  Time seen_since_{};
  std::vector<PeerIndex> receivers_;  // kept for its memory
  AdversaryCounters counters_;
};

}  // namespace mesocosm::attacks
