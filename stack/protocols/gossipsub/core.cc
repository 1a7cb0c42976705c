#include "stack/protocols/gossipsub/core.h"

#include <algorithm>
#include <utility>

#include "stack/base/assert.h"
#include "stack/base/hash.h"
#include "stack/protocols/gossipsub/partial.h"

namespace mesocosm {
namespace {

using Event = GossipSubEvent::Kind;

constexpr std::uint32_t kInvalidMessageCost = 40;  // that of verifying a signature, in subscriptions

// The specification's choices; stateless, so that one serves all cores and stays in the processor's cache.
GossipSubPolicy& specification() {
  static GossipSubPolicy policy;
  return policy;
}

}  // namespace

// Partial messages, and what they ask of the core.
struct GossipSubCore::Parts final : PartialActions {
  explicit Parts(GossipSubCore& owner) : core(owner), messages(*this) {}

  void send_partial(PeerIndex to, const RpcPart& part) override { core.actions_.send(to, part); }
  bool accept_part(TopicIndex topic, ByteView group, std::size_t part, ByteView data) override {
    return core.actions_.accept_part(topic, group, part, data);
  }
  void complete(TopicIndex topic, ByteView group, const std::vector<Bytes>& parts) override {
    std::size_t size = 0;
    for (const Bytes& part : parts) size += part.size();
    ++core.counters_.delivered;
    core.note(Event::delivered, kNoPeer, topic, hash64(group), size);
    core.actions_.deliver_parts(topic, group, parts);
  }

  GossipSubCore& core;
  PartialMessages messages;
};

GossipSubCore::~GossipSubCore() = default;

GossipSubCore::GossipSubCore(const GossipSubParams& params, const GossipSubIdentity& identity, Rng rng,
                             GossipSubActions& actions, MessageChecks& checks,
                             std::unique_ptr<GossipSubPolicy> policy)
    : params_(params.as_spoken()),
      identity_(identity),
      rng_(rng),
      actions_(actions),
      checks_(checks),
      own_policy_(std::move(policy)),
      policy_(own_policy_ != nullptr ? own_policy_.get() : &specification()),
      score_(params_.score != nullptr ? std::make_unique<PeerScore>(params_.score) : nullptr),
      cache_(params.seen_ttl, params.history, params.history_gossip),
      unwanted_(params_.version < PeerKind::gossipsub_12
                    ? nullptr
                    : std::make_unique<UnwantedMessages>(rng.fork("idontwant").next())),
      parts_(params_.partial_messages ? std::make_unique<Parts>(*this) : nullptr),
      next_seqno_(identity.first_seqno) {
  MC_ASSERT(params.validate().has_value());
  MC_ASSERT(params.signature_policy == SignaturePolicy::strict_no_sign || identity.key != nullptr);
}

// ----------------------------------------------------------------------------------------------------------
// peers

PeerIndex GossipSubCore::on_peer_added(const PeerId& id, PeerKind kind, bool outbound, Time now,
                                       const IpAddress& ip) {
  now_ = now;
  MC_ASSERT(!id.empty() && find_peer(id) == kNoPeer);
  const PeerIndex index = peer_slot();
  Peer& peer = peers_[index];
  peer = {.id = id,
          .kind = kind,
          .outbound = outbound,
          .direct = std::find(direct_.begin(), direct_.end(), id) != direct_.end(),
          .hash = id.hash()};
  if (peer.direct || no_mesh(peer)) ++push_always_;
  // In the first RPC, and so before all else.
  const Extensions ours{.partial_messages = params_.partial_messages, .test = params_.test_extension};
  if (kind >= PeerKind::gossipsub_13 && ours.any()) actions_.send(index, make_extensions(ours));
  for (TopicIndex topic = 0; topic < topics_.size(); ++topic) {
    if (topics_[topic].subscribed) actions_.send(index, announcement(topic));
  }
  if (score_ != nullptr) {
    score_->advance(now);
    score_->on_peer_added(peer.hash, ip);
  }
  policy_->on_peer_added(*this, index);
  return index;
}

void GossipSubCore::on_peer_removed(PeerIndex index) {
  MC_ASSERT(usable(index));
  if (score_ != nullptr) score_->on_peer_removed(peers_[index].hash);
  policy_->on_peer_removed(*this, index);
  for (TopicIndex topic = 0; topic < topics_.size(); ++topic) {
    if (!topics_[topic].used) continue;
    drop_from_mesh(topic, index);
    topics_[topic].peers.erase(index);
    topics_[topic].fanout.erase(index);
    release_if_unused(topic);
  }
  cache_.forget_peer(index);
  if (unwanted_ != nullptr) unwanted_->forget_peer(index);
  if (parts_ != nullptr) parts_->messages.on_peer_removed(index);
  if (peers_[index].direct || no_mesh(peers_[index])) --push_always_;
  peers_[index] = {};
  free_peers_.push_back(index);
}

PeerIndex GossipSubCore::find_peer(const PeerId& id) const {
  const auto found =
      std::find_if(peers_.begin(), peers_.end(), [&](const Peer& peer) { return peer.id == id; });
  return found == peers_.end() || id.empty() ? kNoPeer : static_cast<PeerIndex>(found - peers_.begin());
}

PeerIndex GossipSubCore::peer_slot() {
  if (free_peers_.empty()) {
    peers_.emplace_back();
    return static_cast<PeerIndex>(peers_.size() - 1);
  }
  const PeerIndex index = free_peers_.back();
  free_peers_.pop_back();
  return index;
}

void GossipSubCore::add_direct_peer(const PeerId& id) {
  if (id == identity_.peer || std::find(direct_.begin(), direct_.end(), id) != direct_.end()) return;
  direct_.push_back(id);
  const PeerIndex index = find_peer(id);
  if (index == kNoPeer) return actions_.connect(id, {});
  if (!no_mesh(peers_[index])) ++push_always_;
  peers_[index].direct = true;
  for (TopicIndex topic = 0; topic < topics_.size(); ++topic) {
    if (!topics_[topic].mesh.contains(index)) continue;
    drop_from_mesh(topic, index);
    send_prune(topic, index, false, params_.prune_backoff);
  }
}

void GossipSubCore::remove_direct_peer(const PeerId& id) {
  if (std::erase(direct_, id) == 0) return;
  const PeerIndex index = find_peer(id);
  if (index == kNoPeer) return;
  peers_[index].direct = false;
  if (!no_mesh(peers_[index])) --push_always_;
}

void GossipSubCore::connect_direct_peers() {
  for (const PeerId& id : direct_) {
    if (find_peer(id) == kNoPeer) actions_.connect(id, {});
  }
}

// ---------------------------------------------------------------------------------------------------------
// topics

TopicIndex GossipSubCore::find_topic(ByteView name) const {
  const auto is = [&](std::size_t slot) { return topics_[slot].used && equal(topics_[slot].name, name); };
  if (last_topic_ < topics_.size() && is(last_topic_)) return last_topic_;
  const std::uint64_t hash = hash64(name);
  for (std::size_t i = 0; i < topic_hashes_.size(); ++i) {
    if (topic_hashes_[i] == hash && is(i)) return last_topic_ = static_cast<TopicIndex>(i);
  }
  return kNoTopic;
}

TopicIndex GossipSubCore::intern(ByteView name, std::size_t most) {
  if (const TopicIndex known = find_topic(name); known != kNoTopic) return known;
  if (name.size() > kMaxTopicLength) return kNoTopic;
  auto slot = std::find_if(topics_.begin(), topics_.end(), [](const Topic& topic) { return !topic.used; });
  if (slot == topics_.end()) {
    if (topics_.size() >= most) return kNoTopic;
    topics_.emplace_back();
    topic_hashes_.emplace_back();
    slot = topics_.end() - 1;
  }
  const auto index = static_cast<TopicIndex>(slot - topics_.begin());
  slot->used = true;
  slot->name = Bytes::copy(name);
  if (score_ != nullptr) slot->score_topic = score_->find_topic(slot->name.text());
  topic_hashes_[index] = hash64(name);
  return index;
}

void GossipSubCore::make_ours(Topic& topic) {
  if (topic.metrics == nullptr) topic.metrics = actions_.metrics_of(topic.name.text());
}

void GossipSubCore::release_if_unused(TopicIndex index) {
  const Topic& topic = topics_[index];
  if (!topic.used || topic.subscribed || topic.validator != nullptr || !topic.peers.empty() ||
      !topic.fanout.empty() || !topic.backoffs.empty() || topic.deferred || topic.validating > 0) {
    return;
  }
  topics_[index] = {};
  topic_hashes_[index] = 0;
  cache_.forget_topic(index);
}

void GossipSubCore::set_validator(std::string_view name, MessageValidator* validator) {
  const TopicIndex index = intern(as_bytes(name), params_.max_topics);
  if (index == kNoTopic) return;
  topics_[index].validator = validator;
  release_if_unused(index);
}

void GossipSubCore::set_deferred(std::string_view name, bool deferred) {
  const TopicIndex index = intern(as_bytes(name), params_.max_topics);
  if (index == kNoTopic) return;
  topics_[index].deferred = deferred;
  release_if_unused(index);
}

bool GossipSubCore::allows(ByteView topic) const {
  if (params_.filter == nullptr || params_.filter->topics.empty()) return true;
  const auto& topics = params_.filter->topics;
  return std::find(topics.begin(), topics.end(), as_text(topic)) != topics.end();
}

TopicIndex GossipSubCore::subscribe(std::string_view name, Time now) {
  if (!allows(as_bytes(name))) return kNoTopic;
  now_ = now;
  const TopicIndex index = intern(as_bytes(name), params_.max_topics);
  if (index == kNoTopic || topics_[index].subscribed) return index;
  advance_score(now);
  Topic& topic = topics_[index];
  topic.subscribed = true;
  make_ours(topic);
  const RpcPart told = announcement(index);
  for (PeerIndex peer = 0; peer < peers_.size(); ++peer) {
    if (usable(peer)) actions_.send(peer, told);
  }
  note(Event::subscribed, kNoPeer, index);

  // JOIN: the fanout's peers become the mesh, and others if they do not suffice.
  std::vector<PeerIndex> chosen;
  std::vector<PeerIndex> candidates;
  graft_candidates(index, now, candidates);
  for (PeerIndex peer : topic.fanout) {
    if (std::erase(candidates, peer) > 0) chosen.push_back(peer);
  }
  topic.fanout.clear();
  rng_.shuffle(std::span(candidates));
  while (chosen.size() < params_.d && !candidates.empty()) {
    chosen.push_back(candidates.back());
    candidates.pop_back();
  }
  for (PeerIndex peer : chosen) graft(index, peer);
  return index;
}

void GossipSubCore::unsubscribe(std::string_view name, Time now) {
  now_ = now;
  const TopicIndex index = find_topic(name);
  if (index == kNoTopic || !topics_[index].subscribed) return;
  advance_score(now);
  Topic& topic = topics_[index];
  topic.subscribed = false;
  const RpcPart announcement = make_subscription(false, topic.name);
  for (PeerIndex peer = 0; peer < peers_.size(); ++peer) {
    if (usable(peer)) actions_.send(peer, announcement);
  }
  // LEAVE
  const PeerSet mesh = topic.mesh;
  for (PeerIndex peer : mesh) prune(index, peer, params_.peer_exchange, params_.unsubscribe_backoff, now);
  topic.mesh.clear();
  note(Event::unsubscribed, kNoPeer, index);
  if (parts_ != nullptr) parts_->messages.disable(index);
  release_if_unused(index);
}

// Peers may not fill the table: the last quarter is for our own topics.
void GossipSubCore::on_subscription(PeerIndex from, const Subscription& subscription) {
  Peer& peer = peers_[from];
  if (!allows(subscription.topic)) return;
  if (subscription.subscribe) {
    if (peer.subscriptions < params_.max_subscriptions_per_peer) {
      const TopicIndex index = intern(subscription.topic, params_.max_topics - params_.max_topics / 4);
      if (index != kNoTopic && topics_[index].peers.insert(from)) ++peer.subscriptions;
      if (index != kNoTopic && parts_ != nullptr && peer.partial_messages) {
        parts_->messages.on_subscription(from, index, subscription.requests_partial,
                                         subscription.supports_partial);
      }
    }
  } else if (const TopicIndex index = find_topic(subscription.topic);
             index != kNoTopic && topics_[index].peers.erase(from)) {
    --peer.subscriptions;
    if (parts_ != nullptr) parts_->messages.on_subscription(from, index, false, false);
    drop_from_mesh(index, from);
    topics_[index].fanout.erase(from);
    release_if_unused(index);
  }
}

// -----------------------------------------------------------------------------------------------------------
// RPCs

Result<> GossipSubCore::on_rpc(PeerIndex from, Rpc rpc, Time now) {
  MC_ASSERT(usable(from));
  advance_score(now);
  now_ = now;
  if (too_many_subscriptions(rpc)) return {};
  if (!peers_[from].direct && score(from) < params_.thresholds.graylist) {
    ++counters_.rpcs_graylisted;
    return hear_subscriptions(from, rpc);
  }
  if (!policy_->on_rpc(*this, from, rpc, now)) return {};
  bool ihave_seen = false;     // in this RPC
  bool ihave_allowed = false;  // and within the heartbeat's limit
  bool idontwant_seen = false;
  bool idontwant_allowed = false;
  std::size_t idontwant_heard = 0;  // ids
  wanted_.clear();
  // What a peer can do is said in its first RPC only, and says how to read the rest of that.
  const bool first = !peers_[from].introduced;
  peers_[from].introduced = true;
  if (first && peers_[from].kind >= PeerKind::gossipsub_13) {
    const auto told = std::find_if(rpc.begin(), rpc.end(),
                                   [](const RpcPart& part) { return part.kind == PartKind::extensions; });
    if (told != rpc.end()) {
      if (auto done = on_extensions(from, *told); !done) return done;
    }
  }
  for (const RpcPart& part : rpc) {
    switch (part.kind) {
      case PartKind::extensions:
        if (!first && peers_[from].kind >= PeerKind::gossipsub_13) penalize(from, 1);
        break;
      case PartKind::test_extension:
        if (params_.test_extension && peers_[from].test_extension) ++counters_.test_extensions_received;
        break;
      case PartKind::partial:
        if (auto done = on_partial(from, part); !done) return done;
        break;
      case PartKind::message:
        if (auto done = on_message(from, part, now); !done) return done;
        break;
      case PartKind::subscription: {
        const auto subscription = decode_subscription(part.body());
        if (!subscription) return tl::unexpected(subscription.error());
        on_subscription(from, *subscription);
        if (auto borne = charge(from, 1); !borne) return borne;
        break;
      }
      case PartKind::ihave: {
        ++counters_.ihave_received;
        const auto topic = decode_ihave(part.body());
        if (!topic) return tl::unexpected(topic.error());
        // However many topics an RPC tells of, it counts once.
        if (!ihave_seen) ihave_allowed = ++peers_[from].ihave_rpcs <= params_.max_ihave_messages;
        ihave_seen = true;
        if (ihave_allowed) {
          collect_wanted(from, part, *topic);
        } else {
          ++counters_.ihave_ignored;
        }
        break;
      }
      case PartKind::iwant: {
        ++counters_.iwant_received;
        if (auto valid = decode_iwant(part.body()); !valid) return valid;
        on_iwant(from, part);
        break;
      }
      case PartKind::idontwant: {
        ++counters_.idontwant_received;
        if (auto valid = decode_iwant(part.body()); !valid) return valid;
        if (unwanted_ == nullptr) break;
        if (!idontwant_seen) idontwant_allowed = unwanted_->admit(from, params_.max_idontwant_messages);
        idontwant_seen = true;
        if (idontwant_allowed) on_idontwant(from, part, idontwant_heard);
        break;
      }
      case PartKind::graft: {
        ++counters_.grafts_received;
        const auto topic = decode_graft(part.body());
        if (!topic) return tl::unexpected(topic.error());
        on_graft(from, *topic, now);
        if (auto borne = charge(from, 1); !borne) return borne;
        break;
      }
      case PartKind::prune: {
        ++counters_.prunes_received;
        const auto prune = decode_prune(part.bytes, kMaxRpcParts);
        if (!prune) return tl::unexpected(prune.error());
        on_prune(from, *prune, now);
        if (auto borne = charge(from, 1); !borne) return borne;
        break;
      }
      case PartKind::other:
        if (auto done = policy_->on_control(*this, from, part, now); !done) return done;
        break;
    }
  }
  if (!wanted_.empty()) send_iwant(from);
  return {};
}

bool GossipSubCore::too_many_subscriptions(Rpc rpc) const {
  if (params_.filter == nullptr || params_.filter->max_subscriptions_per_rpc == 0) return false;
  return std::count_if(rpc.begin(), rpc.end(), [](const RpcPart& part) {
           return part.kind == PartKind::subscription;
         }) > params_.filter->max_subscriptions_per_rpc;
}

// All that is heard of a graylisted peer, lest we forget where it is when its score mends; so does go-libp2p-pubsub.
Result<> GossipSubCore::hear_subscriptions(PeerIndex from, Rpc rpc) {
  for (const RpcPart& part : rpc) {
    if (part.kind != PartKind::subscription) continue;
    const auto subscription = decode_subscription(part.body());
    if (!subscription) return tl::unexpected(subscription.error());
    on_subscription(from, *subscription);
    if (auto borne = charge(from, 1); !borne) return borne;
  }
  return {};
}

// Nearly every call of a busy node ends at the duplicate's return, and nothing before it allocates.
Result<> GossipSubCore::on_message(PeerIndex from, const RpcPart& part, Time now) {
  const auto message = decode_message(part);
  if (!message) {
    ++counters_.rejected;
    return tl::unexpected(message.error());
  }
  ++counters_.messages_received;
  counters_.payload_received += message->data.size();
  const TopicIndex topic = find_topic(message->topic);
  if (topic == kNoTopic || !topics_[topic].subscribed) {
    ++counters_.ignored;
    return {};
  }
  if (!follows_policy(*message, params_.signature_policy)) {
    return reject(from, *message, 0, ErrorCode::protocol_violation);
  }
  if (equal(message->from, identity_.peer.bytes()) && !message->from.empty()) {
    ++counters_.ignored;  // ours, which nobody should send back, or somebody claims to be us
    if (score_ != nullptr) score_->on_invalid(peers_[from].hash, topics_[topic].score_topic);
    return {};
  }
  const MessageId id = checks_.id(*message, params_.message_id);
  if (id.empty()) {
    return reject(from, *message, 0, ErrorCode::bad_encoding);
  }
  const std::uint64_t hash = id.hash();
  if (cache_.seen(hash, id.bytes())) {
    ++counters_.duplicates;
    counters_.duplicate_payload += message->data.size();
    note(Event::duplicate, from, topic, hash, message->data.size());
    if (score_ != nullptr) score_->on_duplicate(peers_[from].hash, topics_[topic].score_topic, hash);
    policy_->on_duplicate(*this, topic, from, hash);
    return {};
  }
  if (params_.signature_policy == SignaturePolicy::strict_sign && !checks_.verify(*message)) {
    // Not marked as seen: others may send the true one.
    return reject(from, *message, hash, ErrorCode::authentication);
  }
  cache_.add_seen(hash, id.bytes(), now);
  if (message->data.size() >= params_.idontwant_threshold) send_idontwant(topic, id, from);
  if (score_ != nullptr) score_->on_received(hash);
  if (topics_[topic].deferred || params_.validation_delay > Duration::zero()) {
    defer(topic, from, *message, id, hash);
    return {};
  }
  MessageValidator* validator = topics_[topic].validator;
  const Validation verdict =
      validator == nullptr ? Validation::accept : validator->validate(*message, peers_[from].id);
  settle(verdict, topic, {.index = from, .hash = peers_[from].hash}, *message, id, hash);
  return {};
}

void GossipSubCore::settle(Validation verdict, TopicIndex topic, const Sender& from, const Message& message,
                           const MessageId& id, std::uint64_t hash) {
  switch (verdict) {
    case Validation::accept:
      accept_message(topic, from, message, id, hash);
      break;
    case Validation::reject:  // who passes on what only our application refuses is not charged for it
      ++counters_.rejected;
      note(Event::rejected, from.index, topic, hash, static_cast<std::uint64_t>(ErrorCode::refused));
      if (score_ != nullptr) score_->on_rejected(from.hash, topics_[topic].score_topic, hash);
      if (from.index != kNoPeer) policy_->on_rejected(*this, from.index, ErrorCode::refused);
      break;
    case Validation::ignore:
      ++counters_.ignored;
      if (score_ != nullptr) score_->on_undecided(hash);
      break;
  }
}

void GossipSubCore::defer(TopicIndex index, PeerIndex from, const Message& message, const MessageId& id,
                          std::uint64_t hash) {
  Topic& topic = topics_[index];
  if (validating() >= params_.validation_queue || topic.validating >= params_.topic_validation_queue) {
    ++counters_.throttled;
    note(Event::rejected, from, index, hash, static_cast<std::uint64_t>(ErrorCode::limit));
    return;
  }
  if (deferred_ == nullptr) deferred_ = std::make_unique<Deferred>();
  auto& [parked, free, settled, count] = *deferred_;
  ++topic.validating;
  std::uint32_t slot = static_cast<std::uint32_t>(parked.size());
  if (free.empty()) {
    parked.emplace_back();
  } else {
    slot = free.back();
    free.pop_back();
  }
  const ValidationTicket ticket = ++count << 32 | slot;
  parked[slot] = {.ticket = ticket,
                  .since = now_,
                  .topic = index,
                  .from = from,
                  .sender = peers_[from].id,
                  .id = id,
                  .part = *message.part};
  if (score_ != nullptr) score_->on_validating(topic.score_topic, hash);
  actions_.validate(index, message, peers_[from].id, ticket);
}

void GossipSubCore::on_validated(ValidationTicket ticket, Validation verdict, Time now) {
  const auto slot = static_cast<std::uint32_t>(ticket);
  if (deferred_ == nullptr || slot >= deferred_->parked.size()) return;
  if (deferred_->parked[slot].ticket != ticket || ticket == 0) return;
  now_ = now;
  advance_score(now);
  const Parked item = std::exchange(deferred_->parked[slot], {});
  deferred_->free.push_back(slot);
  deferred_->settled = item.part;  // until the driver has handed it out
  const TopicIndex index = item.topic;
  --topics_[index].validating;
  const std::uint64_t hash = item.id.hash();
  const auto message = decode_message(deferred_->settled);
  MC_ASSERT(message.has_value());
  if (!topics_[index].subscribed || !cache_.seen(hash, item.id.bytes())) verdict = Validation::ignore;
  if (verdict == Validation::accept && topics_[index].validator != nullptr) {
    verdict = topics_[index].validator->validate(*message, item.sender);
  }
  const bool here = usable(item.from) && peers_[item.from].id == item.sender;
  settle(verdict, index, {.index = here ? item.from : kNoPeer, .hash = item.sender.hash()}, *message, item.id,
         hash);
  release_if_unused(index);
}

void GossipSubCore::give_up_deferred(Time now) {
  deferred_->settled = {};
  for (std::uint32_t slot = 0; slot < deferred_->parked.size(); ++slot) {
    const Parked& item = deferred_->parked[slot];
    if (item.ticket != 0 && now - item.since >= params_.seen_ttl) {
      on_validated(item.ticket, Validation::ignore, now);
    }
  }
}

void GossipSubCore::accept_message(TopicIndex topic, const Sender& from, const Message& message,
                                   const MessageId& id, std::uint64_t hash) {
  cache_.put(hash, id.bytes(), *message.part, topic);
  ++counters_.delivered;
  note(Event::delivered, from.index, topic, hash, message.data.size());
  if (score_ != nullptr) score_->on_delivered(from.hash, topics_[topic].score_topic, hash);
  if (from.index != kNoPeer) policy_->on_delivered(*this, topic, from.index, hash);
  actions_.deliver(topic, message, id, from.index);
  const OutgoingMessage outgoing{
      .topic = topic, .hash = hash, .id = id.bytes(), .payload = message.data.size(), .from = from.index};
  forward(outgoing, *message.part, message.from);
}

Result<> GossipSubCore::reject(PeerIndex from, const Message& message, std::uint64_t subject, ErrorCode why) {
  ++counters_.rejected;
  const TopicIndex topic = find_topic(message.topic);
  note(Event::rejected, from, topic, subject, static_cast<std::uint64_t>(why));
  if (score_ != nullptr) score_->on_invalid(peers_[from].hash, topics_[topic].score_topic);
  policy_->on_rejected(*this, from, why);
  return charge(from, kInvalidMessageCost);
}

Result<> GossipSubCore::charge(PeerIndex from, std::uint32_t cost) {
  std::uint16_t& nuisance = peers_[from].nuisance;
  nuisance = static_cast<std::uint16_t>(std::min<std::uint32_t>(nuisance + cost, UINT16_MAX));
  if (nuisance <= params_.max_nuisance) return {};
  return fail(ErrorCode::limit, "more control and invalid messages than a peer may send in one heartbeat");
}

// To mesh, explicit and floodsub peers, in an order drawn anew for each message: where uplinks are the
// bottleneck, a fixed order would always favour the same peers.
void GossipSubCore::forward(const OutgoingMessage& message, const RpcPart& part, ByteView author) {
  const Topic& topic = topics_[message.topic];
  scratch_.assign(topic.mesh.begin(), topic.mesh.end());
  if (push_always_ > 0) {
    for (PeerIndex peer : topic.peers) {
      const bool always = peers_[peer].direct || (peers_[peer].kind == PeerKind::floodsub &&
                                                  score(peer) >= params_.thresholds.publish);
      if (always && !topic.mesh.contains(peer)) scratch_.push_back(peer);
    }
  }
  if (params_.version == PeerKind::randomsub) pick_randomly(topic, message.from, author);
  rng_.shuffle(std::span(scratch_));
  std::erase_if(scratch_, [&](PeerIndex peer) {
    return peer == message.from || (!author.empty() && equal(peers_[peer].id.bytes(), author));
  });
  if (unwanted_ != nullptr && !unwanted_->empty()) withhold(message);
  push(message, part, scratch_);
}

void GossipSubCore::push(const OutgoingMessage& message, const RpcPart& part, std::vector<PeerIndex>& to) {
  if (parts_ != nullptr) {
    std::erase_if(to, [&](PeerIndex peer) { return parts_->messages.instead(message.topic, peer); });
  }
  policy_->choose_push(*this, message, to);
  send_message(to, part, message.payload);
}

// Randomsub: d of the peers that speak it, or the square root of the network's size if that is more.
void GossipSubCore::pick_randomly(const Topic& topic, PeerIndex from, ByteView author) {
  std::vector<PeerIndex> candidates;
  for (PeerIndex peer : topic.peers) {
    if (peers_[peer].kind != PeerKind::randomsub || peers_[peer].direct || peer == from) continue;
    if (author.empty() || !equal(peers_[peer].id.bytes(), author)) candidates.push_back(peer);
  }
  std::uint64_t count = params_.d;
  while (count * count < params_.network_size) ++count;
  rng_.shuffle(std::span(candidates));
  if (candidates.size() > count) candidates.resize(static_cast<std::size_t>(count));
  scratch_.insert(scratch_.end(), candidates.begin(), candidates.end());
}

void GossipSubCore::send_message(std::span<const PeerIndex> to, const RpcPart& part, std::size_t payload) {
  counters_.messages_sent += to.size();
  counters_.payload_sent += payload * to.size();
  actions_.send_each(to, part);
}

Result<MessageId> GossipSubCore::publish(std::string_view name, ByteView data, Time now) {
  now_ = now;
  const TopicIndex index = intern(as_bytes(name), params_.max_topics);
  if (index == kNoTopic) return fail(ErrorCode::limit, "publish: too many topics, or too long a name");
  // Signature, key, author and lengths take less than this.
  if (data.size() + name.size() + 512 > params_.max_rpc) {
    return fail(ErrorCode::too_large, "publish: " + std::to_string(data.size()) +
                                          " bytes do not fit into an RPC of " +
                                          std::to_string(params_.max_rpc));
  }
  const bool sign = params_.signature_policy == SignaturePolicy::strict_sign;
  const RpcPart part =
      sign ? make_signed_message(as_bytes(name), data, identity_.peer, next_seqno_++, *identity_.key)
           : make_message(as_bytes(name), data);
  const auto message = decode_message(part);
  MC_ASSERT(message.has_value());
  const MessageId id = checks_.id(*message, params_.message_id);
  const std::uint64_t hash = id.hash();
  if (cache_.seen(hash, id.bytes()))
    return fail(ErrorCode::refused, "publish: the same message was seen already");
  cache_.add_seen(hash, id.bytes(), now);
  cache_.put(hash, id.bytes(), part, index);
  if (score_ != nullptr) {  // mesh peers that pass it to us at once are credited
    score_->advance(now);
    score_->on_delivered(0, topics_[index].score_topic, hash);
  }
  ++counters_.published;
  make_ours(topics_[index]);
  note(Event::published, kNoPeer, index, hash, data.size());

  Topic& topic = topics_[index];
  const OutgoingMessage outgoing{
      .topic = index, .hash = hash, .id = id.bytes(), .payload = data.size(), .from = kNoPeer};
  if (params_.flood_publish) {
    scratch_.clear();
    for (PeerIndex peer : topic.peers) {
      if (peers_[peer].direct || score(peer) >= params_.thresholds.publish) scratch_.push_back(peer);
    }
    rng_.shuffle(std::span(scratch_));
    push(outgoing, part, scratch_);
    return id;
  }
  if (!topic.subscribed) {
    topic.last_published = now;
    if (topic.fanout.empty()) pick_fanout(index);
    std::vector<PeerIndex> fanout(topic.fanout.begin(), topic.fanout.end());
    rng_.shuffle(std::span(fanout));
    push(outgoing, part, fanout);
  }
  forward(outgoing, part, identity_.peer.bytes());  // not subscribed: an empty mesh
  return id;
}

// ------------------------------------------------------------------------------------------------------------
// for policies

void GossipSubCore::send(PeerIndex to, const RpcPart& control) {
  MC_ASSERT(usable(to) && control.kind != PartKind::message);
  if (control.kind == PartKind::ihave) {
    std::size_t ids = 0;
    each_id(control, [&](ByteView) { return ++ids > 0; });
    ++counters_.ihave_sent;
    counters_.ihave_ids_sent += ids;
    note(Event::ihave_sent, to, kNoTopic, 0, ids);
  }
  actions_.send(to, control);
}

void GossipSubCore::send_ihave(PeerIndex to, TopicIndex topic, ByteView id) {
  std::span<const ByteView> ids(&id, 1);
  ++counters_.ihave_sent;
  ++counters_.ihave_ids_sent;
  note(Event::ihave_sent, to, topic, 0, 1);
  actions_.send(to, make_ihave(topics_[topic].name, ids));
}

void GossipSubCore::send_iwant(PeerIndex to, ByteView id) {
  std::span<const ByteView> ids(&id, 1);
  ++counters_.iwant_sent;
  ++counters_.iwant_ids_sent;
  note(Event::iwant_sent, to, kNoTopic, 0, 1);
  actions_.send(to, make_iwant(ids));
}

bool GossipSubCore::send_message(PeerIndex to, ByteView id) {
  MessageCache::Entry* entry = cache_.get(hash64(id), id);
  if (entry == nullptr || MessageCache::count_request(*entry, to) > params_.iwant_retransmission)
    return false;
  const auto message = decode_message(entry->message);
  send_message({&to, 1}, entry->message, message->data.size());
  return true;
}

void GossipSubCore::wake_at(Time when) {
  if (when >= wake_at_) return;
  wake_at_ = when;
  actions_.wake_at(when);
}

// -------------------------------------------------------------------------------------------------------
// heartbeat

void GossipSubCore::on_wake(Time now) {
  now_ = now;
  wake_at_ = Time::max();
  advance_score(now);
  policy_->on_wake(*this, now);
}

void GossipSubCore::on_heartbeat(Time now) {
  now_ = now;
  ++ticks_;
  advance_score(now);
  if (score_ != nullptr) score_->punish_broken_promises();
  if (deferred_ != nullptr) give_up_deferred(now);
  policy_->on_heartbeat(*this, now);
  cache_.expire(now);
  if (unwanted_ != nullptr) unwanted_->on_heartbeat(ticks_);
  if (parts_ != nullptr) parts_->messages.on_heartbeat();
  for (Peer& peer : peers_) {
    peer.ihave_rpcs = 0;
    peer.asked = 0;
    peer.nuisance = 0;
  }
  if (ticks_ % params_.direct_connect_ticks == 0) connect_direct_peers();
  for (TopicIndex index = 0; index < topics_.size(); ++index) {
    Topic& topic = topics_[index];
    if (!topic.used) continue;
    const Duration slack = params_.heartbeat * params_.backoff_slack;
    std::erase_if(topic.backoffs, [&](const Backoff& backoff) { return backoff.until + slack <= now; });
    if (topic.subscribed) {
      maintain_mesh(index, now);
    } else {
      maintain_fanout(index, now);
    }
    if (topic.subscribed || !topic.fanout.empty()) emit_gossip(index);
    release_if_unused(index);
  }
  cache_.shift();
}

// -----------------------------------------------------------------------------------------------------------
// extensions

void GossipSubCore::on_stream_opened(PeerIndex index) {
  Peer& peer = peers_[index];
  peer.introduced = false;
  peer.partial_messages = false;
  peer.test_extension = false;
}

Result<> GossipSubCore::on_extensions(PeerIndex from, const RpcPart& part) {
  Peer& peer = peers_[from];
  const auto theirs = decode_extensions(part.body());
  if (!theirs) return tl::unexpected(theirs.error());
  peer.partial_messages = theirs->partial_messages;
  peer.test_extension = theirs->test;
  if (peer.test_extension && params_.test_extension) actions_.send(from, make_test_extension());
  return {};
}

void GossipSubCore::penalize(PeerIndex peer, unsigned count) {
  if (score_ != nullptr) score_->on_penalty(peers_[peer].hash, count);
  policy_->on_penalty(*this, peer, count);
}

RpcPart GossipSubCore::announcement(TopicIndex index) const {
  const PartialTopic* settings = parts_ == nullptr ? nullptr : parts_->messages.settings(index);
  return make_subscription({.subscribe = true,
                            .topic = topics_[index].name,
                            .requests_partial = settings != nullptr && settings->requests,
                            .supports_partial = settings != nullptr});
}

Result<TopicIndex> GossipSubCore::subscribe_in_parts(std::string_view name, const PartialTopic& settings,
                                                     Time now) {
  if (parts_ == nullptr) return fail(ErrorCode::refused, "partial messages are not switched on");
  if (settings.parts == 0 || settings.parts > kMaxMessageParts || settings.max_part == 0) {
    return fail(
        ErrorCode::protocol_violation,
        "a message has between 1 and " + std::to_string(kMaxMessageParts) + " parts, of at least a byte");
  }
  const TopicIndex index = intern(as_bytes(name), params_.max_topics);
  if (index == kNoTopic || name.empty()) return fail(ErrorCode::limit, "too many topics, or too long a name");
  if (topics_[index].subscribed) return fail(ErrorCode::refused, "subscribed already");
  parts_->messages.enable(index, topics_[index].name, settings);
  return subscribe(name, now);
}

Result<> GossipSubCore::publish_parts(std::string_view name, ByteView group, std::span<const Bytes> parts,
                                      Time now) {
  now_ = now;
  const TopicIndex index = find_topic(name);
  const PartialTopic* settings =
      parts_ == nullptr || index == kNoTopic ? nullptr : parts_->messages.settings(index);
  if (settings == nullptr) return fail(ErrorCode::not_found, "not a topic of partial messages");
  const bool fits = parts.size() == settings->parts && !group.empty() && group.size() <= kMaxGroupId;
  const bool short_enough = std::all_of(parts.begin(), parts.end(),
                                        [&](const Bytes& part) { return part.size() <= settings->max_part; });
  if (!fits || !short_enough) {
    return fail(ErrorCode::protocol_violation, "the number or length of the parts, or the group's name");
  }
  std::size_t size = 0;
  for (const Bytes& part : parts) size += part.size();
  note(Event::published, kNoPeer, index, hash64(group), size);
  ++counters_.published;
  parts_->messages.publish(index, group, parts, topics_[index].mesh);
  return {};
}

Result<> GossipSubCore::on_partial(PeerIndex from, const RpcPart& part) {
  if (parts_ == nullptr || !peers_[from].partial_messages) return {};
  const auto partial = decode_partial(part.body());
  if (!partial) return tl::unexpected(partial.error());
  const TopicIndex index = find_topic(partial->topic);
  if (index == kNoTopic || !topics_[index].subscribed) return {};
  return parts_->messages.on_partial(from, index, *partial, topics_[index].mesh);
}

const PartialMessages* GossipSubCore::partial() const {
  return parts_ == nullptr ? nullptr : &parts_->messages;
}

// Who wants parts is told which there are, and is not told of whole messages.
void GossipSubCore::gossip_parts(TopicIndex index, std::vector<PeerIndex>& chosen) {
  parts_->messages.gossip(index, chosen);
  std::erase_if(chosen, [&](PeerIndex peer) { return parts_->messages.instead(index, peer); });
}

// -----------------------------------------------------------------------------------------------------------
// others

void GossipSubCore::note(GossipSubEvent::Kind kind, PeerIndex peer, TopicIndex topic, std::uint64_t subject,
                         std::uint64_t value) {
  GossipSubEvent event{.kind = kind, .peer = peer, .subject = subject, .value = value};
  if (topic != kNoTopic) {
    event.topic = topics_[topic].name.text();
    event.metrics = topics_[topic].metrics;
  }
  actions_.note(event);
}

std::size_t GossipSubCore::memory() const {
  std::size_t bytes =
      peers_.capacity() * sizeof(Peer) + free_peers_.capacity() * sizeof(PeerIndex) +
      direct_.capacity() * sizeof(PeerId) + topics_.capacity() * sizeof(Topic) +
      topic_hashes_.capacity() * sizeof(std::uint64_t) + scratch_.capacity() * sizeof(PeerIndex) +
      wanted_.capacity() * sizeof(Wanted) + cache_.memory() +
      (unwanted_ == nullptr ? 0 : sizeof(UnwantedMessages) + unwanted_->memory()) +
      (parts_ == nullptr ? 0 : sizeof(Parts) + parts_->messages.memory()) +
      (deferred_ == nullptr ? 0 : sizeof(Deferred) + deferred_->parked.capacity() * sizeof(Parked)) +
      (score_ == nullptr ? 0 : sizeof(PeerScore) + score_->memory());
  for (const Topic& topic : topics_) {
    bytes += topic.name.size() + topic.peers.memory() + topic.mesh.memory() + topic.fanout.memory() +
             topic.backoffs.capacity() * sizeof(Backoff);
  }
  return bytes;
}

}  // namespace mesocosm
