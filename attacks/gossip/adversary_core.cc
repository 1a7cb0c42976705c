#include "attacks/gossip/adversary_core.h"

#include <algorithm>
#include <utility>

#include "stack/base/assert.h"
#include "stack/base/hash.h"

namespace mesocosm::attacks {

std::optional<Duration> Mischief::forward_after(AdversaryCore&, PeerIndex, const Message&) {
  return Duration::zero();
}

void Mischief::on_gossip(AdversaryCore&, PeerIndex, const RpcPart&) {}

std::optional<Duration> Mischief::regraft_after(AdversaryCore& core) {
  const AdversaryParams& params = core.mind().params();
  const double part = core.rng().unit();
  return params.regraft_backoff + from_seconds(to_seconds(params.regraft_jitter) * part);
}

void Mischief::on_beat(AdversaryCore&, Time) {}

AdversaryCore::AdversaryCore(const PeerId& self, Mind& mind, std::shared_ptr<Mischief> mischief, Rng rng,
                             AdversaryActions& actions, const KeyPair* key)
    : self_(self), mind_(mind), mischief_(std::move(mischief)), rng_(rng), actions_(actions), key_(key) {}

// --- peers

PeerIndex AdversaryCore::on_peer_added(const PeerId& peer) {
  MC_ASSERT(!peer.empty() && find_peer(peer) == kNoPeer);
  if (free_peers_.empty()) {
    free_peers_.push_back(static_cast<PeerIndex>(peers_.size()));
    peers_.emplace_back();
  }
  const PeerIndex index = free_peers_.back();
  free_peers_.pop_back();
  peers_[index].id = peer;
  return index;
}

void AdversaryCore::on_peer_removed(PeerIndex peer) {
  MC_ASSERT(usable(peer));
  for (Topic& topic : topics_) {
    topic.members.erase(peer);
    topic.mesh.erase(peer);
  }
  peers_[peer].id = {};
  ++peers_[peer].life;
  free_peers_.push_back(peer);
}

PeerIndex AdversaryCore::find_peer(const PeerId& id) const {
  const auto found =
      std::find_if(peers_.begin(), peers_.end(), [&](const Peer& peer) { return peer.id == id; });
  return found == peers_.end() || id.empty() ? kNoPeer : static_cast<PeerIndex>(found - peers_.begin());
}

std::size_t AdversaryCore::find_topic(ByteView name) const {
  const auto found = std::find_if(topics_.begin(), topics_.end(),
                                  [&](const Topic& topic) { return equal(topic.name, name); });
  return static_cast<std::size_t>(found - topics_.begin());
}

// --- what peers say

void AdversaryCore::on_rpc(PeerIndex from, Rpc rpc, Time now) {
  MC_ASSERT(usable(from));
  if (mind_.phase() == Phase::over) return;
  std::vector<RpcPart> answer;
  for (const RpcPart& part : rpc) {
    switch (part.kind) {
      case PartKind::message:
        if (!attacking() || mischief_->reads_messages()) on_message(from, part, now);
        break;
      case PartKind::subscription:
        on_subscription(from, part, answer);
        break;
      case PartKind::graft:
        on_graft(from, part);
        break;
      case PartKind::prune:
        on_prune(from, part, now);
        break;
      default:
        if (attacking()) mischief_->on_gossip(*this, from, part);
        break;
    }
  }
  if (!answer.empty()) send(from, std::move(answer));
}

void AdversaryCore::on_subscription(PeerIndex from, const RpcPart& part, std::vector<RpcPart>& answer) {
  const auto said = decode_subscription(part.body());
  if (!said) return;
  std::size_t index = find_topic(said->topic);
  if (!said->subscribe) {
    if (index == topics_.size()) return;
    topics_[index].members.erase(from);
    topics_[index].mesh.erase(from);
    return;
  }
  const std::vector<std::string>& wanted = mind_.params().topics;
  const auto is = [&](const std::string& name) { return equal(as_bytes(name), said->topic); };
  if (!wanted.empty() && std::none_of(wanted.begin(), wanted.end(), is)) return;
  if (index == topics_.size()) {
    if (topics_.size() == kMaxTopics || said->topic.size() > kMaxTopicLength) return;
    topics_.push_back({.name = Bytes::copy(said->topic), .members = {}, .mesh = {}});
  }
  Topic& topic = topics_[index];
  if (mind_.fellow(peers_[from].id) || !topic.members.insert(from)) return;
  answer.push_back(make_subscription(true, topic.name));
  const std::size_t most = mind_.params().mesh;
  if (most != 0 && topic.mesh.size() >= most) return;
  ++counters_.grafts_sent;
  answer.push_back(make_graft(topic.name));
  topic.mesh.insert(from);
}

void AdversaryCore::on_graft(PeerIndex from, const RpcPart& part) {
  const auto name = decode_graft(part.body());
  if (!name) return;
  if (const std::size_t topic = find_topic(*name); topic < topics_.size()) topics_[topic].mesh.insert(from);
}

void AdversaryCore::on_prune(PeerIndex from, const RpcPart& part, Time now) {
  const auto prune = decode_prune(part.bytes, 0);  // whom it offers in exchange is of no interest
  if (!prune) return;
  const std::size_t topic = find_topic(prune->topic);
  if (topic == topics_.size()) return;
  ++counters_.prunes_received;
  topics_[topic].mesh.erase(from);
  const auto wait = attacking() ? mischief_->regraft_after(*this) : Mischief().regraft_after(*this);
  if (!wait) return;
  plan({.when = now + *wait,
        .order = 0,
        .topic = topic,
        .peer = from,
        .life = peers_[from].life,
        .message = {}});
}

void AdversaryCore::on_message(PeerIndex from, const RpcPart& part, Time now) {
  const auto message = decode_message(part);
  if (!message) return;
  ++counters_.messages_received;
  if (seen(*message, now)) return;
  const std::size_t topic = find_topic(message->topic);
  if (topic == topics_.size()) return;
  const auto wait =
      attacking() ? mischief_->forward_after(*this, from, *message) : std::optional(Duration::zero());
  if (!wait) {
    ++counters_.messages_dropped;
  } else if (*wait == Duration::zero()) {
    forward(topic, from, part);
  } else {
    plan({.when = now + *wait,
          .order = 0,
          .topic = topic,
          .peer = from,
          .life = peers_[from].life,
          .message = part});
  }
}

// A message is known by who wrote it and its number, and one without them by what it says.
bool AdversaryCore::seen(const Message& message, Time now) {
  if (now >= seen_since_ + mind_.params().seen_ttl) {
    seen_before_ = std::exchange(seen_, {});
    seen_since_ = now;
  }
  const std::uint64_t key = message.seqno.empty() ? hash64(message.data, hash64(message.topic))
                                                  : hash64(message.seqno, hash64(message.from));
  return seen_before_.count(key) > 0 || !seen_.insert(key).second;
}

// Not to its author either: who got its own message back would take it for a forgery and score us down (P4).
void AdversaryCore::forward(std::size_t topic, PeerIndex from, const RpcPart& part) {
  receivers_.clear();
  const auto message = decode_message(part);
  MC_ASSERT(message);  // it was read on its arrival
  for (PeerIndex peer : topics_[topic].mesh) {
    if (peer != from && !equal(peers_[peer].id.bytes(), message->from)) receivers_.push_back(peer);
  }
  rng_.shuffle(std::span(receivers_));
  counters_.messages_forwarded += receivers_.size();
  actions_.send_message(receivers_, part);
}

// --- what is done later

Time AdversaryCore::deadline() const {
  return std::min(next_beat_, plans_.empty() ? Time::max() : plans_.front().when);
}

void AdversaryCore::plan(Plan plan) {
  if (plans_.size() >= kMaxPlans) return;  // only held messages come to so many
  plan.order = planned_++;
  plans_.push_back(std::move(plan));
  std::push_heap(plans_.begin(), plans_.end(), std::greater<>());
}

void AdversaryCore::on_deadline(Time now) {
  if (mind_.phase() == Phase::over) return;
  while (!plans_.empty() && plans_.front().when <= now) {
    std::pop_heap(plans_.begin(), plans_.end(), std::greater<>());
    const Plan next = std::move(plans_.back());
    plans_.pop_back();
    perform(next);
  }
  if (next_beat_ > now) return;
  next_beat_ = now + mischief_->beat();
  mischief_->on_beat(*this, now);
}

void AdversaryCore::perform(const Plan& plan) {
  const bool there = usable(plan.peer) && peers_[plan.peer].life == plan.life;
  if (!plan.message.bytes.empty()) return forward(plan.topic, there ? plan.peer : kNoPeer, plan.message);
  const Topic& topic = topics_[plan.topic];
  const std::size_t most = mind_.params().mesh;
  if (!there || !topic.members.contains(plan.peer) || topic.mesh.contains(plan.peer)) return;
  if (most == 0 || topic.mesh.size() < most) graft(plan.peer, plan.topic);
}

void AdversaryCore::on_phase(Time now) {
  next_beat_ = Time::max();
  if (mind_.phase() == Phase::over) {
    plans_.clear();
    return;
  }
  const Duration beat = attacking() ? mischief_->beat() : Duration::zero();
  if (beat == Duration::zero()) return;
  next_beat_ = now + Duration(rng_.below(static_cast<std::uint64_t>(beat.count())));
}

// --- what it sends

void AdversaryCore::send(PeerIndex to, std::vector<RpcPart> parts, std::uint64_t spam) {
  counters_.spam_sent += spam;
  actions_.send(to, std::move(parts));
}

void AdversaryCore::send_message(std::span<const PeerIndex> to, const RpcPart& message, std::uint64_t spam) {
  counters_.spam_sent += spam;
  actions_.send_message(to, message);
}

// Its numbers are drawn: it knows no calendar, and may have had a life before.
RpcPart AdversaryCore::write(ByteView topic, ByteView payload) {
  if (key_ == nullptr || !mind_.params().sign) return make_message(topic, payload);
  return make_signed_message(topic, payload, self_, rng_.next(), *key_);
}

bool AdversaryCore::graft(PeerIndex peer, std::size_t topic) {
  if (!usable(peer)) return false;
  ++counters_.grafts_sent;
  topics_[topic].mesh.insert(peer);
  actions_.send(peer, {make_graft(topics_[topic].name)});
  return true;
}

}  // namespace mesocosm::attacks
