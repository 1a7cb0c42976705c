#include "stack/protocols/plumtree/core.h"

#include <algorithm>
#include <utility>

namespace mesocosm {
namespace {

using Kind = PlumtreeMessage::Kind;
constexpr std::size_t kMaxOffers = 32;  // of one message

}  // namespace

Result<> PlumtreeParams::validate() const {
  if (ihave_timeout < 1ms || graft_timeout < 1ms)
    return fail(ErrorCode::unsupported, "the timeouts must be at least 1 ms");
  if (threshold < 1) return fail(ErrorCode::unsupported, "threshold must be at least 1");
  return {};
}

PlumtreeCore::PlumtreeCore(const PlumtreeParams& params, const PeerId& self, std::uint64_t first_number,
                           PlumtreeActions& actions)
    : params_(params), self_(self), next_number_(first_number), actions_(actions), recent_(params.limits) {}

void PlumtreeCore::neighbor_up(const PeerId& peer) {
  if (!set_eager(peer, true)) neighbors_.push_back({peer, true});
}

void PlumtreeCore::neighbor_down(const PeerId& peer) {
  std::erase_if(neighbors_, [&](const Neighbor& neighbor) { return neighbor.peer == peer; });
  for (const auto& [time, id] : timers_) {
    std::erase_if(missing_.find(id)->second.offers, [&](const Offer& offer) { return offer.peer == peer; });
  }
}

// False if it is no neighbor.
bool PlumtreeCore::set_eager(const PeerId& peer, bool eager) {
  for (Neighbor& neighbor : neighbors_) {
    if (neighbor.peer != peer) continue;
    neighbor.eager = eager || params_.eager_only;
    return true;
  }
  return false;
}

Result<MessageId> PlumtreeCore::publish(std::string_view topic, ByteView data, Time now) {
  if (data.size() > params_.limits.max_message) return fail(ErrorCode::too_large, "publish: the message");
  if (topic.size() > Broadcast::kMaxTopic) return fail(ErrorCode::too_large, "publish: the topic's name");
  const Broadcast message{broadcast_id(self_, next_number_++), Bytes::copy(topic), Bytes::copy(data)};
  recent_.expire(now);
  recent_.add(message.id, {message, 0}, now);
  spread(message, 0, {});
  return message.id;
}

Result<> PlumtreeCore::on_message(const PeerId& from, const PlumtreeMessage& message, Time now) {
  switch (message.kind) {
    case Kind::gossip:
      return on_gossip(from, message, now);
    case Kind::ihave:
      on_ihave(from, message.announcements, now);
      break;
    case Kind::graft:
      on_graft(from, message.announcements);
      break;
    case Kind::prune:
      set_eager(from, false);
      break;
  }
  return {};
}

Result<> PlumtreeCore::on_gossip(const PeerId& from, const PlumtreeMessage& gossip, Time now) {
  const Broadcast& message = gossip.message;
  if (message.data.size() > params_.limits.max_message) return fail(ErrorCode::too_large, "a message");
  recent_.expire(now);
  if (recent_.find(message.id) != nullptr) {
    actions_.duplicate(message, from);
    if (params_.eager_only || !set_eager(from, false)) return {};
    actions_.send(from, {.kind = Kind::prune});
    return {};
  }
  recent_.add(message.id, {message, gossip.round + 1}, now);
  const std::vector<Offer> offers = no_longer_missing(message.id);
  actions_.deliver(message, from);
  spread(message, gossip.round + 1, from);
  set_eager(from, true);
  if (params_.optimize) optimize(offers, gossip.round, from);
  return {};
}

// Pushes it to eager neighbors and announces it to lazy ones, as a message that made `round` hops to here.
void PlumtreeCore::spread(const Broadcast& message, std::uint32_t round, const PeerId& but) {
  const PlumtreeMessage gossip{.kind = Kind::gossip, .message = message, .round = round};
  const PlumtreeMessage ihave{.kind = Kind::ihave, .announcements = {{message.id, round}}};
  for (const Neighbor& neighbor : neighbors_) {
    if (neighbor.peer != but) actions_.send(neighbor.peer, neighbor.eager ? gossip : ihave);
  }
}

std::vector<PlumtreeCore::Offer> PlumtreeCore::no_longer_missing(const MessageId& id) {
  const auto found = missing_.find(id);
  if (found == missing_.end()) return {};
  std::vector<Offer> offers = std::move(found->second.offers);
  timers_.erase(found->second.timer);
  missing_.erase(found);
  return offers;
}

// The message came by a longer way than it was announced on: takes that way from now on.
void PlumtreeCore::optimize(std::span<const Offer> offers, std::uint32_t round, const PeerId& from) {
  for (const Offer& offer : offers) {
    if (offer.round >= round || round - offer.round < params_.threshold) continue;
    if (!set_eager(offer.peer, true)) continue;
    actions_.send(offer.peer, {.kind = Kind::graft, .round = offer.round});
    if (set_eager(from, false)) actions_.send(from, {.kind = Kind::prune});
    return;
  }
}

void PlumtreeCore::on_ihave(const PeerId& from, std::span<const PlumtreeAnnouncement> announcements,
                            Time now) {
  for (const PlumtreeAnnouncement& announced : announcements) {
    if (recent_.find(announced.id) != nullptr) continue;
    auto found = missing_.find(announced.id);
    if (found == missing_.end()) {
      if (missing_.size() >= params_.max_missing) return;
      found = missing_.emplace(announced.id, Missing{}).first;
      found->second.timer = timers_.emplace(now + params_.ihave_timeout, announced.id);
    }
    std::vector<Offer>& offers = found->second.offers;
    if (offers.size() < kMaxOffers) offers.push_back({from, announced.round});
  }
}

void PlumtreeCore::on_graft(const PeerId& from, std::span<const PlumtreeAnnouncement> wanted) {
  if (!set_eager(from, true)) return;
  for (const PlumtreeAnnouncement& item : wanted) {
    const Have* have = recent_.find(item.id);
    if (have == nullptr) continue;
    actions_.send(from, {.kind = Kind::gossip, .message = have->message, .round = have->round});
  }
}

void PlumtreeCore::on_timer(Time now) {
  while (!timers_.empty() && timers_.begin()->first <= now) {
    const MessageId id = timers_.begin()->second;
    Missing& missing = missing_.find(id)->second;
    timers_.erase(timers_.begin());
    if (missing.offers.empty()) {
      missing_.erase(id);
      continue;
    }
    const Offer offer = missing.offers.front();
    missing.offers.erase(missing.offers.begin());
    missing.timer = timers_.emplace(now + params_.graft_timeout, id);
    set_eager(offer.peer, true);
    actions_.send(offer.peer, {.kind = Kind::graft, .announcements = {{id, offer.round}}});
  }
}

}  // namespace mesocosm
