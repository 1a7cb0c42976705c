// GossipSubCore: GossipSub (libp2p/specs pubsub/gossipsub) as a pure state machine: peers, RPCs and heartbeats in,
// actions out. It knows no clock, no socket and no randomness but the generator that it was given. Which version it
// speaks is a parameter; floodsub and randomsub are versions without a mesh.
//
// What a peer is to us in one topic that we are subscribed to:
//
//                   it subscribes                 heartbeat below D_lo: GRAFT to it
//   (not a member) ───────────────▶ (member) ─────────────────────────────────────────▶ (mesh)
//         ▲                           ▲  │  GRAFT from it, unless backing off or full       │
//         │  it unsubscribes, leaves  │  └────────────────────────────────────────────────▶ │
//         └───────────────────────────┤                                                     │
//                                     └──────────── PRUNE either way: backing off ◀─────────┘
//
//   member   hears of messages by IHAVE now and then, asks by IWANT; gets what we publish (flood publish)
//   mesh     gets every message in full; so do explicit and floodsub peers, which are never in the mesh
//
// v1.0 has no backing off: a GRAFT is always taken.
//
// and in a topic that we only publish to: member or fanout (gets what we publish; ends fanout_ttl after the
// last one).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "stack/base/bytes.h"
#include "stack/base/result.h"
#include "stack/base/rng.h"
#include "stack/base/time.h"
#include "stack/protocols/gossipsub/message.h"
#include "stack/protocols/gossipsub/message_cache.h"
#include "stack/protocols/gossipsub/params.h"
#include "stack/protocols/gossipsub/peer_set.h"
#include "stack/protocols/gossipsub/policy.h"
#include "stack/protocols/gossipsub/rpc.h"
#include "stack/protocols/gossipsub/score.h"
#include "stack/protocols/gossipsub/unwanted.h"
#include "stack/wire/peer_id.h"

namespace mesocosm {

class PartialMessages;
struct PartialTopic;           // partial.h
struct GossipSubTopicMetrics;  // where the driver counts what happens in a topic; the core only keeps it

// An application's word on a message that is well-formed and, where the policy says so, signed (v1.1,
// "Extended Validators").
enum class Validation : std::uint8_t {
  accept,  // deliver and forward
  reject,  // drop, and hold it against the sender
  ignore,  // drop
};

class MessageValidator {
 public:
  // Answers at once.
  virtual Validation validate(const Message& message, const PeerId& from) = 0;

 protected:
  ~MessageValidator() = default;
};

// Names a message whose validation takes time, until GossipSubCore::on_validated.
using ValidationTicket = std::uint64_t;

// Something that happened, for traces: as TraceEvent in stack/env, with slots instead of names.
struct GossipSubEvent {
  enum class Kind : std::uint8_t {
    published,     // subject, value: payload bytes, topic
    delivered,     // peer, subject, value: payload bytes, topic
    duplicate,     // the same
    rejected,      // peer, subject (0 if it has no id), value: ErrorCode, topic
    subscribed,    // topic
    unsubscribed,  // topic
    grafted,       // peer, topic: it is in our mesh now
    pruned,        // peer, topic: it was, and is no longer
    ihave_sent,    // peer, value: ids, topic
    iwant_sent,    // peer, value: ids
    withheld,      // peer, subject, value: payload bytes, topic: not sent, as it said IDONTWANT or the like
  };
  Kind kind;
  PeerIndex peer = kNoPeer;
  std::uint64_t subject = 0;  // MessageId::hash()
  std::uint64_t value = 0;
  std::string_view topic = {};
  GossipSubTopicMetrics* metrics = nullptr;  // the topic's; there for topics of ours
};

// What a core asks its driver to do. Nothing may call back into the core.
class GossipSubActions {
 public:
  // Sends the part to the peer, in order with other parts of its kind. Parts share their bytes.
  virtual void send(PeerIndex to, const RpcPart& part) = 0;
  // The same part to each of them, in this order.
  virtual void send_each(std::span<const PeerIndex> to, const RpcPart& part) {
    for (PeerIndex peer : to) send(peer, part);
  }
  // The message need not be sent to the peer if it waits yet; whether it did.
  virtual bool cancel(PeerIndex, const RpcPart&) { return false; }
  // A message for the application, in a topic that is subscribed to; `from` handed it to us (kNoPeer: it left since).
  virtual void deliver(TopicIndex topic, const Message& message, const MessageId& id, PeerIndex from) = 0;
  // Partial messages: see PartialActions. The whole message is told like a delivery.
  virtual bool accept_part(TopicIndex, ByteView, std::size_t, ByteView) { return true; }
  virtual void deliver_parts(TopicIndex, ByteView, const std::vector<Bytes>&) {}
  // Please connect to the peer; the envelope, if there is one, is not verified yet.
  virtual void connect(const PeerId& peer, const Bytes& signed_record) = 0;
  // The envelope to hand out for a peer in peer exchange, or empty.
  virtual Bytes signed_record(const PeerId& peer) = 0;
  virtual void note(const GossipSubEvent& event) = 0;
  // Please call on_wake then; another time takes the place of the one before.
  virtual void wake_at(Time when) { static_cast<void>(when); }
  // Begins to validate a message that is to be deferred; on_validated has the verdict, in a later call. `message` is
  // valid during the call.
  virtual void validate(TopicIndex topic, const Message& message, const PeerId& from,
                        ValidationTicket ticket) {
    static_cast<void>(topic), static_cast<void>(message), static_cast<void>(from), static_cast<void>(ticket);
  }
  // For the events of a topic that we subscribe to or publish in. May be null.
  virtual GossipSubTopicMetrics* metrics_of(std::string_view topic) {
    static_cast<void>(topic);
    return nullptr;
  }

 protected:
  ~GossipSubActions() = default;
};

// Exact counts since the start. Bytes are of payload (a message's data); "messages" are full messages.
struct GossipSubCounters {
  // What every copy of a message touches, together.
  std::uint64_t messages_received = 0;
  std::uint64_t payload_received = 0;
  std::uint64_t duplicates = 0;
  std::uint64_t duplicate_payload = 0;
  std::uint64_t published = 0;
  std::uint64_t delivered = 0;
  std::uint64_t rejected = 0;  // bad encoding, signature, policy, or the validator's word
  std::uint64_t ignored = 0;  // the validator's word, a topic not subscribed to, our own messages coming back
  std::uint64_t messages_sent = 0;
  std::uint64_t payload_sent = 0;
  std::uint64_t ihave_sent = 0;  // IHAVE control messages
  std::uint64_t ihave_received = 0;
  std::uint64_t ihave_ids_sent = 0;
  std::uint64_t ihave_ignored = 0;  // over the limits
  std::uint64_t iwant_sent = 0;
  std::uint64_t iwant_received = 0;
  std::uint64_t iwant_ids_sent = 0;
  std::uint64_t iwant_served = 0;   // messages sent because they were asked for
  std::uint64_t iwant_refused = 0;  // asked for too often
  std::uint64_t idontwant_sent = 0;
  std::uint64_t idontwant_received = 0;
  std::uint64_t test_extensions_received = 0;
  std::uint64_t withheld = 0;  // messages that were not sent because of an IDONTWANT or the like
  std::uint64_t grafts_sent = 0;
  std::uint64_t grafts_received = 0;
  std::uint64_t grafts_refused = 0;  // answered with a PRUNE
  std::uint64_t prunes_sent = 0;
  std::uint64_t prunes_received = 0;
  std::uint64_t px_sent = 0;      // peers offered
  std::uint64_t px_connects = 0;  // peers that we asked to be connected to
  std::uint64_t rpcs_graylisted = 0;
  std::uint64_t throttled = 0;  // messages dropped because too many were in validation
};

// Who the node is. `key` may be null with StrictNoSign.
struct GossipSubIdentity {
  PeerId peer;
  const KeyPair* key = nullptr;
  std::uint64_t first_seqno = 0;  // Unix time in nanoseconds, so that it rises over restarts
};

// Usage: feed it on_* and commands, with `now` never going back. Getters are const. Only a validator, a
// policy and the actions are called, and only from within these calls.
class GossipSubCore {
 public:
  // Requires valid params, and a key if they sign. Without a policy: GossipSubPolicy itself. `actions` and
  // `checks` must outlive the core.
  GossipSubCore(const GossipSubParams& params, const GossipSubIdentity& identity, Rng rng,
                GossipSubActions& actions, MessageChecks& checks,
                std::unique_ptr<GossipSubPolicy> policy = nullptr);
  ~GossipSubCore();
  GossipSubCore(const GossipSubCore&) = delete;
  GossipSubCore& operator=(const GossipSubCore&) = delete;

  // --- events ---
  // A peer that speaks pubsub; it is told our subscriptions. `outbound`: we dialed it. `ip`: where it is, for its
  // score.
  PeerIndex on_peer_added(const PeerId& peer, PeerKind kind, bool outbound, Time now,
                          const IpAddress& ip = {});
  void on_peer_removed(PeerIndex peer);
  // The peer opened a stream to us, maybe in place of an earlier one: what comes next is its first RPC.
  void on_stream_opened(PeerIndex peer);
  // An error means that the peer breaks the protocol: what came before it was done, its stream should be
  // reset.
  Result<> on_rpc(PeerIndex peer, Rpc rpc, Time now);
  void on_heartbeat(Time now);
  // The verdict on a deferred message. Nothing if there was one already, or it was given up: after seen_ttl, or when
  // we left the topic.
  void on_validated(ValidationTicket ticket, Validation verdict, Time now);
  void on_wake(Time now);  // when GossipSubActions::wake_at asked for it

  // --- commands ---
  TopicIndex subscribe(std::string_view topic, Time now);  // JOIN; nothing if we are
  void unsubscribe(std::string_view topic, Time now);      // LEAVE; nothing if we are not
  // Sends to the topic's mesh, fanout or, flooding, to every peer in it. Not delivered to ourselves. Errors:
  // too_large; refused: the same message was seen already (with content_hash: the same data); limit: too many
  // topics.
  Result<MessageId> publish(std::string_view topic, ByteView data, Time now);
  // Partial messages (v1.3, with params().partial_messages): JOIN a topic whose messages come in parts, or whole from
  // peers that know no parts. Errors: refused, if that is not switched on, or we are in the topic already;
  // protocol_violation, for no parts or more than kMaxMessageParts; limit.
  Result<TopicIndex> subscribe_in_parts(std::string_view topic, const PartialTopic& settings, Time now);
  // What we have of a message, at its places; it goes to the mesh's peers that take parts. Errors: not_found, if the topic
  // is not one of parts; protocol_violation, if the parts are not as many, or one too long, or the group's name is empty
  // or too long.
  Result<> publish_parts(std::string_view topic, ByteView group, std::span<const Bytes> parts, Time now);
  // Not owned; null: none. For topics that are subscribed to.
  void set_validator(std::string_view topic, MessageValidator* validator);
  // Whether messages of the topic are deferred to GossipSubActions::validate, as all are with
  // params().validation_delay. A validator judges those that were accepted there.
  void set_deferred(std::string_view topic, bool deferred);
  // An explicit peering agreement: both sides forward everything to each other outside the mesh. We connect
  // to it now and whenever it is gone.
  void add_direct_peer(const PeerId& peer);
  void remove_direct_peer(const PeerId& peer);

  // --- commands for policies ---
  void send(PeerIndex to, const RpcPart& control);
  void send_ihave(PeerIndex to, TopicIndex topic, ByteView id);
  void send_iwant(PeerIndex to, ByteView id);
  bool send_message(PeerIndex to, ByteView id);    // false: not kept, or asked for too often
  bool cancel_message(PeerIndex to, ByteView id);  // false: it does not wait to be sent to the peer
  // A peer that choose_push took out is not to get the message from us.
  void count_withheld(PeerIndex peer, const OutgoingMessage& message);
  void penalize(PeerIndex peer, unsigned count);  // P7's counter
  void wake_at(Time when);  // calls the policy's on_wake, once: at the earliest time that was asked for

  // --- state ---
  struct Peer {
    PeerId id;  // empty: a free slot
    PeerKind kind = PeerKind::gossipsub_11;
    bool outbound : 1 = false;
    bool direct : 1 = false;
    bool introduced : 1 = false;        // its first RPC came
    bool partial_messages : 1 = false;  // extensions that it told of
    bool test_extension : 1 = false;
    std::uint64_t hash = 0;           // id.hash()
    std::uint16_t subscriptions = 0;  // topics that it subscribes to
    std::uint16_t ihave_rpcs = 0;     // heard from it in this heartbeat
    std::uint16_t asked = 0;          // ids asked of it in this heartbeat
    std::uint16_t nuisance = 0;       // what it cost us for nothing in this heartbeat (max_nuisance)
  };
  static_assert(sizeof(Peer) == 64);

  struct Backoff {
    std::uint64_t peer;  // PeerId::hash(): it outlasts the connection
    Time until;
  };
  struct Topic {
    Bytes name;
    GossipSubTopicMetrics* metrics = nullptr;  // of topics of ours
    bool used = false;                         // else a free slot
    bool subscribed = false;
    ScoreTopic score_topic = kUnscored;
    PeerSet peers;   // who subscribes
    PeerSet mesh;    // empty unless subscribed
    PeerSet fanout;  // empty if subscribed
    std::vector<Backoff> backoffs;
    Time last_published{};  // meaningful with a fanout
    MessageValidator* validator = nullptr;
    bool deferred = false;         // see set_deferred
    std::uint32_t validating = 0;  // messages
  };

  const GossipSubParams& params() const { return params_; }
  const GossipSubCounters& counters() const { return counters_; }
  const PeerId& self() const { return identity_.peer; }
  const Peer& peer(PeerIndex index) const { return peers_[index]; }
  std::size_t peer_slots() const { return peers_.size(); }
  bool usable(PeerIndex peer) const { return peer < peers_.size() && !peers_[peer].id.empty(); }
  PeerIndex find_peer(const PeerId& peer) const;  // kNoPeer
  std::size_t peer_count() const { return peers_.size() - free_peers_.size(); }
  const Topic& topic(TopicIndex index) const { return topics_[index]; }
  TopicIndex find_topic(ByteView name) const;  // kNoTopic
  TopicIndex find_topic(std::string_view name) const { return find_topic(as_bytes(name)); }
  std::size_t topic_slots() const { return topics_.size(); }
  const MessageCache& cache() const { return cache_; }
  const PartialMessages* partial() const;  // null unless switched on
  Rng& rng() { return rng_; }
  std::uint64_t heartbeats() const { return ticks_; }
  Time now() const { return now_; }  // as we were told last
  GossipSubPolicy& policy() { return *policy_; }
  double score(PeerIndex peer) { return policy_->score(*this, peer); }
  PeerScore* peer_score() { return score_.get(); }  // null without params().score
  const PeerScore* peer_score() const { return score_.get(); }
  // Whether it said IDONTWANT of a message that has not come to us yet, so that it has it.
  bool unwanted(PeerIndex by, std::uint64_t message) const {
    return unwanted_ != nullptr && unwanted_->contains(by, message);
  }
  // Whether we should not GRAFT it yet, slack included.
  bool backing_off(const Topic& topic, PeerIndex peer, Time now) const;
  // Members that may be grafted: speak gossipsub, are neither in the mesh nor explicit nor backing off, and
  // have no negative score. In order of their slots.
  void graft_candidates(TopicIndex topic, Time now, std::vector<PeerIndex>& out);
  // Whether we may take part in a topic, and hear of it.
  bool allows(ByteView topic) const;
  std::size_t validating() const {  // messages
    return deferred_ == nullptr ? 0 : deferred_->parked.size() - deferred_->free.size();
  }
  std::size_t memory() const;  // bytes on the heap, without messages

 private:
  struct Parts;
  void on_subscription(PeerIndex from, const Subscription& subscription);
  Result<> on_message(PeerIndex from, const RpcPart& part, Time now);
  void advance_score(Time now) {
    if (score_ != nullptr) score_->advance(now);
  }
  // Who handed us a message; gone when `index` is kNoPeer.
  struct Sender {
    PeerIndex index;
    std::uint64_t hash;  // of its id
  };
  void settle(Validation verdict, TopicIndex topic, const Sender& from, const Message& message,
              const MessageId& id, std::uint64_t hash);
  void accept_message(TopicIndex topic, const Sender& from, const Message& message, const MessageId& id,
                      std::uint64_t hash);
  void defer(TopicIndex topic, PeerIndex from, const Message& message, const MessageId& id,
             std::uint64_t hash);
  void give_up_deferred(Time now);
  Result<> hear_subscriptions(PeerIndex from, Rpc rpc);
  bool too_many_subscriptions(Rpc rpc) const;
  Result<> reject(PeerIndex from, const Message& message, std::uint64_t subject, ErrorCode why);
  Result<> charge(PeerIndex from, std::uint32_t cost);
  void on_graft(PeerIndex from, ByteView topic, Time now);
  void on_prune(PeerIndex from, const Prune& prune, Time now);
  struct Wanted {
    std::uint64_t hash;
    ByteView id;
  };
  void collect_wanted(PeerIndex from, const RpcPart& ihave, ByteView topic);
  void send_iwant(PeerIndex to);
  void on_iwant(PeerIndex from, const RpcPart& iwant);
  Result<> on_extensions(PeerIndex from, const RpcPart& part);
  Result<> on_partial(PeerIndex from, const RpcPart& part);
  void gossip_parts(TopicIndex topic, std::vector<PeerIndex>& chosen);
  RpcPart announcement(TopicIndex topic) const;
  bool take_back(PeerIndex to, const MessageCache::Entry& entry, std::uint64_t hash);
  void on_idontwant(PeerIndex from, const RpcPart& idontwant, std::size_t& heard);
  void send_idontwant(TopicIndex topic, const MessageId& id, PeerIndex but);
  void withhold(const OutgoingMessage& message);

  void maintain_mesh(TopicIndex topic, Time now);
  void maintain_fanout(TopicIndex topic, Time now);
  void emit_gossip(TopicIndex topic);
  void connect_direct_peers();

  void forward(const OutgoingMessage& message, const RpcPart& part, ByteView author);
  void push(const OutgoingMessage& message, const RpcPart& part, std::vector<PeerIndex>& to);
  void pick_randomly(const Topic& topic, PeerIndex from, ByteView author);
  void send_message(std::span<const PeerIndex> to, const RpcPart& part, std::size_t payload);
  void graft(TopicIndex topic, PeerIndex peer);
  void prune(TopicIndex topic, PeerIndex peer, bool exchange, Duration backoff, Time now);
  void send_prune(TopicIndex topic, PeerIndex peer, bool exchange, Duration backoff);
  void drop_from_mesh(TopicIndex topic, PeerIndex peer);
  void add_backoff(Topic& topic, PeerIndex peer, Duration backoff, Time now);
  void pick_fanout(TopicIndex topic);

  PeerIndex peer_slot();
  TopicIndex intern(ByteView name, std::size_t most);  // kNoTopic: too many, or the name is too long
  void make_ours(Topic& topic);
  void release_if_unused(TopicIndex topic);
  bool speaks(PeerKind least) const { return params_.version >= least; }
  static bool no_mesh(const Peer& peer) { return peer.kind < PeerKind::gossipsub_10; }
  void note(GossipSubEvent::Kind kind, PeerIndex peer, TopicIndex topic, std::uint64_t subject = 0,
            std::uint64_t value = 0);

  GossipSubParams params_;
  GossipSubIdentity identity_;
  Rng rng_;
  GossipSubActions& actions_;
  MessageChecks& checks_;
  std::unique_ptr<GossipSubPolicy> own_policy_;
  GossipSubPolicy* policy_;           // the variant's, or the one that all cores share
  std::unique_ptr<PeerScore> score_;  // if there is one; told before the policy

  std::vector<Peer> peers_;
  std::vector<PeerIndex> free_peers_;
  std::size_t push_always_ = 0;  // peers that are floodsub or explicit
  std::vector<PeerId> direct_;
  std::vector<Topic> topics_;
  std::vector<std::uint64_t> topic_hashes_;  // of the names, slot by slot, for finding them
  mutable TopicIndex last_topic_ = 0;  // found last: most messages are in the same topic as the one before
  MessageCache cache_;
  std::unique_ptr<UnwantedMessages> unwanted_;  // null before v1.2
  std::unique_ptr<Parts> parts_;                // null unless partial messages are switched on
  struct Parked {                               // a message in validation
    ValidationTicket ticket = 0;  // its slot and, above, a number that no other one had; 0: a free slot
    Time since{};
    TopicIndex topic = kNoTopic;
    PeerIndex from = kNoPeer;
    PeerId sender;
    MessageId id;
    RpcPart part;
  };
  struct Deferred {
    std::vector<Parked> parked;
    std::vector<std::uint32_t> free;  // of its slots
    RpcPart settled;                  // the last one that there was a verdict on
    std::uint64_t count = 0;          // so far
  };
  std::unique_ptr<Deferred> deferred_;  // once there is something
  Time now_{};
  Time wake_at_ = Time::max();
  std::uint64_t ticks_ = 0;
  std::uint64_t next_seqno_ = 0;
  GossipSubCounters counters_;

  // Kept between calls for their memory only.
  std::vector<PeerIndex> scratch_;
  std::vector<Wanted> wanted_;
};

}  // namespace mesocosm
