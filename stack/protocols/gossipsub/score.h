// PeerScore: what each peer is worth to one node (gossipsub v1.1, "Peer Scoring"), as a pure state machine: events and
// `now` in, numbers out. Where the specification leaves something open it does as go-libp2p-pubsub (score.go), so that
// the same events give the same score.
//
// What is known of a message, while copies of it can still change a score:
//
//   (nothing) ──on_validating──▶ unknown ──on_delivered──▶ valid    copies within the window count for P3
//       │                           │  └──on_rejected────▶ invalid  who sent it, and sends it until seen_ttl: P4
//       │                           └─────on_undecided───▶ (nothing)
//       └── without an asynchronous validation: straight to where the arrows from unknown lead
//
// Peers are named by PeerId::hash(), so that what is known of them outlasts their connection.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "stack/base/ip.h"
#include "stack/base/time.h"
#include "stack/protocols/gossipsub/score_params.h"
#include "stack/protocols/gossipsub/slot_index.h"

namespace mesocosm {

using ScoreTopic = std::uint16_t;  // a topic's place in PeerScoreParams::topics
inline constexpr ScoreTopic kUnscored = 0xffff;

// A score's parts, weighted. They add up to `total` unless topic_score_cap cuts P1 to P4 off.
struct PeerScoreParts {
  double total = 0;
  double time_in_mesh = 0;              // P1
  double first_message_deliveries = 0;  // P2
  double mesh_message_deliveries = 0;   // P3
  double mesh_failure_penalty = 0;      // P3b
  double invalid_messages = 0;          // P4
  double app_specific = 0;              // P5
  double ip_colocation = 0;             // P6
  double behaviour_penalty = 0;         // P7
};

// Usage: advance() to `now` before telling it of anything; time never goes back. A topic that is not scored, and a
// peer that is not known, change nothing.
class PeerScore {
 public:
  explicit PeerScore(std::shared_ptr<const PeerScoreParams> params);  // valid ones

  const PeerScoreParams& params() const { return *params_; }
  ScoreTopic find_topic(std::string_view name) const;

  // Decays what is due by then.
  void advance(Time now) {
    if (now >= next_decay_) catch_up(now);
    now_ = now;
  }

  // --- peers ---
  // `ip` is where it is connected from; unspecified or loopback: not counted. One that was away comes back with what
  // was retained.
  void on_peer_added(std::uint64_t peer, const IpAddress& ip);
  void on_peer_removed(std::uint64_t peer);
  void on_grafted(std::uint64_t peer, ScoreTopic topic);
  void on_pruned(std::uint64_t peer, ScoreTopic topic);
  void on_penalty(std::uint64_t peer, unsigned count);  // P7's counter
  // Gossip promises: it told of a message by IHAVE and we asked for it; a copy came, from whomever; and those who did
  // not send what they promised in time, so that nobody did, are penalized.
  void on_promised(std::uint64_t peer, std::uint64_t message, Duration follow_up);
  void on_received(std::uint64_t message);
  void punish_broken_promises();
  std::uint64_t promises_broken() const { return promises_broken_; }
  // P5, from now on; also of a peer that is not there yet.
  void set_app_score(std::uint64_t peer, double value);

  // --- messages, by MessageId::hash() ---
  void on_validating(ScoreTopic topic, std::uint64_t message);
  void on_delivered(std::uint64_t peer, ScoreTopic topic, std::uint64_t message);  // peer 0: our own
  void on_rejected(std::uint64_t peer, ScoreTopic topic, std::uint64_t message);   // by the validator
  void on_undecided(std::uint64_t message);  // the validator said ignore, or was too busy
  void on_duplicate(std::uint64_t peer, ScoreTopic topic, std::uint64_t message);
  void on_invalid(std::uint64_t peer, ScoreTopic topic);  // on its face, so that no validator saw it

  // Cheap: recomputed only when something of the peer changed. Zero for one that is not known.
  double score(std::uint64_t peer);
  PeerScoreParts parts(std::uint64_t peer) const;

  std::size_t known_peers() const { return peers_.size() - free_peers_.size(); }  // connected or retained
  std::size_t deliveries() const { return deliveries_.size() - free_deliveries_.size(); }
  std::size_t memory() const;  // bytes on the heap, without the params

 private:
  static constexpr std::uint32_t kNone = SlotIndex::kNone;

  struct TopicStats {
    double first = 0;    // P2's counter
    double mesh = 0;     // P3's
    double failure = 0;  // P3b's
    double invalid = 0;  // P4's
    Time grafted{};
    Duration in_mesh_for{};        // as of the last decay
    std::uint32_t next = kNone;    // topic of the same peer
    ScoreTopic topic = kUnscored;  // which
    bool in_mesh = false;
    bool active = false;  // long enough in the mesh for P3
  };
  struct Peer {
    std::uint64_t hash = 0;
    double behaviour = 0;
    double app = 0;
    double topics_and_app = 0;  // their share of the score, unless stale
    Time expires{};             // once it is away
    std::array<std::uint32_t, 2> addresses = {kNone, kNone};
    std::uint32_t topics = kNone;  // the first of its TopicStats
    bool used = false;
    bool connected = false;
    bool stale = false;
  };
  static_assert(sizeof(TopicStats) + sizeof(Peer) <= 120);  // and at most 22 bytes of index and free list
  struct Address {
    IpAddress ip;
    std::uint32_t peers = 0;  // 0: a free slot
  };
  struct Delivery {
    enum class Status : std::uint8_t { unknown, valid, invalid };
    std::uint64_t message = 0;
    Time until{};                   // then it can be forgotten
    std::uint32_t senders = kNone;  // of copies, in senders_
    ScoreTopic topic = kUnscored;
    Status status = Status::unknown;
    bool used = false;
  };
  struct Sender {
    std::uint64_t peer;
    std::uint32_t next;
  };

  std::uint32_t find(std::uint64_t peer) const {
    return index_.find(peer, [&](std::uint32_t slot) { return peers_[slot].hash == peer; });
  }
  std::uint32_t find_delivery(std::uint64_t message) const {
    return by_message_.find(message,
                            [&](std::uint32_t slot) { return deliveries_[slot].message == message; });
  }
  const TopicScoreParams& of(ScoreTopic topic) const { return params_->topics[topic]; }

  void catch_up(Time now);
  void decay();
  void decay(Peer& peer);
  void forget_deliveries();
  void forget(std::uint32_t peer);
  void forget_oldest_retained();

  TopicStats* stats(std::uint64_t peer, ScoreTopic topic);  // marks the peer stale; null: not known
  void add_failure(TopicStats& stats) const;
  void credit_mesh_delivery(TopicStats& stats) const;
  void credit_copy(std::uint64_t peer, ScoreTopic topic);

  Delivery& add_delivery(ScoreTopic topic, std::uint64_t message);
  void release_delivery(std::uint32_t slot);
  bool add_sender(Delivery& delivery, std::uint64_t peer);  // false: it was there
  void release_senders(Delivery& delivery);

  std::array<std::uint32_t, 2> count_addresses(const IpAddress& ip);
  std::uint32_t count_address(const IpAddress& ip);
  void uncount_addresses(Peer& peer);

  PeerScoreParts topic_parts(const Peer& peer) const;
  double topics_and_app(const Peer& peer) const;
  double ip_colocation(const Peer& peer) const;
  double behaviour(const Peer& peer) const;

  std::shared_ptr<const PeerScoreParams> params_;
  Time now_{};
  Time next_decay_ = Time::min();  // until the first advance()
  std::vector<Peer> peers_;
  std::vector<std::uint32_t> free_peers_;
  SlotIndex index_;
  std::size_t retained_ = 0;
  std::vector<TopicStats> topic_stats_;
  std::uint32_t free_topic_stats_ = kNone;  // linked by `next`
  std::vector<Address> addresses_;
  std::vector<std::pair<std::uint64_t, double>> app_scores_;  // that were set
  std::vector<Delivery> deliveries_;
  std::vector<std::uint32_t> free_deliveries_;
  SlotIndex by_message_;
  std::vector<Sender> senders_;
  std::uint32_t free_senders_ = kNone;  // linked by `next`
  struct Promise {
    std::uint64_t message;
    std::uint64_t peer;
    Time until;
  };
  std::vector<Promise> promises_;
  std::uint64_t promises_broken_ = 0;
};

}  // namespace mesocosm
