#include "stack/protocols/gossipsub/score.h"

#include <algorithm>

#include "stack/base/assert.h"

namespace mesocosm {
namespace {

// What peers that come and go under ever new names can make us remember.
constexpr std::size_t kMaxRetained = 4096;

// The /64 that an IPv6 address is in, of which one user commonly has all addresses.
IpAddress subnet_of(const IpAddress& ip) {
  std::array<std::uint8_t, 16> octets = ip.octets();
  std::fill(octets.begin() + 8, octets.end(), std::uint8_t{0});
  return IpAddress::v6(octets);
}

}  // namespace

PeerScore::PeerScore(std::shared_ptr<const PeerScoreParams> params) : params_(std::move(params)) {
  MC_ASSERT(params_ != nullptr && params_->validate().has_value());
}

ScoreTopic PeerScore::find_topic(std::string_view name) const {
  const auto found = std::find_if(params_->topics.begin(), params_->topics.end(),
                                  [&](const TopicScoreParams& topic) { return topic.topic == name; });
  return found == params_->topics.end() ? kUnscored
                                        : static_cast<ScoreTopic>(found - params_->topics.begin());
}

// ----------------------------------------------------------------------------------------------------------
// time

void PeerScore::catch_up(Time now) {
  if (next_decay_ == Time::min()) next_decay_ = now + params_->decay_interval;
  for (; next_decay_ <= now; next_decay_ += params_->decay_interval) {
    now_ = next_decay_;
    decay();
  }
}

void PeerScore::decay() {
  for (std::uint32_t slot = 0; slot < peers_.size(); ++slot) {
    Peer& peer = peers_[slot];
    if (!peer.used) continue;
    if (peer.connected) {
      decay(peer);
    } else if (now_ >
               peer.expires) {  // what is retained does not decay: leaving and coming back mends nothing
      forget(slot);
    }
  }
  forget_deliveries();
}

void PeerScore::decay(Peer& peer) {
  const auto fade = [&](double& counter, double factor) {
    counter *= factor;
    if (counter < params_->decay_to_zero) counter = 0;
  };
  for (std::uint32_t at = peer.topics; at != kNone; at = topic_stats_[at].next) {
    TopicStats& stats = topic_stats_[at];
    const TopicScoreParams& topic = of(stats.topic);
    fade(stats.first, topic.first_message_deliveries_decay);
    fade(stats.mesh, topic.mesh_message_deliveries_decay);
    fade(stats.failure, topic.mesh_failure_penalty_decay);
    fade(stats.invalid, topic.invalid_message_deliveries_decay);
    if (!stats.in_mesh) continue;
    stats.in_mesh_for = now_ - stats.grafted;
    if (stats.in_mesh_for > topic.mesh_message_deliveries_activation) stats.active = true;
  }
  fade(peer.behaviour, params_->behaviour_penalty_decay);
  peer.stale = true;
}

void PeerScore::forget_deliveries() {
  for (std::uint32_t slot = 0; slot < deliveries_.size(); ++slot) {
    if (deliveries_[slot].used && now_ > deliveries_[slot].until) release_delivery(slot);
  }
}

// ----------------------------------------------------------------------------------------------------------
// peers

void PeerScore::on_peer_added(std::uint64_t hash, const IpAddress& ip) {
  std::uint32_t slot = find(hash);
  if (slot == kNone) {
    if (free_peers_.empty()) {
      slot = static_cast<std::uint32_t>(peers_.size());
      peers_.emplace_back();
    } else {
      slot = free_peers_.back();
      free_peers_.pop_back();
    }
    peers_[slot] = {.hash = hash, .used = true, .stale = true};
    index_.insert(hash, slot);
    for (const auto& [peer, value] : app_scores_) {
      if (peer == hash) peers_[slot].app = value;
    }
  } else if (!peers_[slot].connected) {
    --retained_;
  }
  const auto addresses = count_addresses(ip);  // the new ones before the old, which may be the same
  uncount_addresses(peers_[slot]);
  peers_[slot].addresses = addresses;
  peers_[slot].connected = true;
}

void PeerScore::on_peer_removed(std::uint64_t hash) {
  const std::uint32_t slot = find(hash);
  if (slot == kNone || !peers_[slot].connected) return;
  // Only what speaks against it is remembered, lest a score can be earned and kept for later.
  if (score(hash) > 0 || params_->retain_score == Duration::zero()) return forget(slot);
  Peer& peer = peers_[slot];
  for (std::uint32_t at = peer.topics; at != kNone; at = topic_stats_[at].next) {
    TopicStats& stats = topic_stats_[at];
    stats.first = 0;
    if (stats.in_mesh) add_failure(stats);
    stats.in_mesh = false;
  }
  peer.connected = false;
  peer.stale = true;
  peer.expires = now_ + params_->retain_score;
  if (++retained_ > kMaxRetained) forget_oldest_retained();
}

void PeerScore::forget(std::uint32_t slot) {
  Peer& peer = peers_[slot];
  if (!peer.connected) --retained_;
  uncount_addresses(peer);
  for (std::uint32_t at = peer.topics; at != kNone;) {
    const std::uint32_t next = topic_stats_[at].next;
    topic_stats_[at].next = free_topic_stats_;
    free_topic_stats_ = at;
    at = next;
  }
  index_.erase(peer.hash, slot);
  peer = {};
  free_peers_.push_back(slot);
}

void PeerScore::forget_oldest_retained() {
  std::uint32_t oldest = kNone;
  for (std::uint32_t slot = 0; slot < peers_.size(); ++slot) {
    if (!peers_[slot].used || peers_[slot].connected) continue;
    if (oldest == kNone || peers_[slot].expires < peers_[oldest].expires) oldest = slot;
  }
  forget(oldest);
}

PeerScore::TopicStats* PeerScore::stats(std::uint64_t hash, ScoreTopic topic) {
  if (topic == kUnscored) return nullptr;
  const std::uint32_t slot = find(hash);
  if (slot == kNone) return nullptr;
  Peer& peer = peers_[slot];
  peer.stale = true;
  for (std::uint32_t at = peer.topics; at != kNone; at = topic_stats_[at].next) {
    if (topic_stats_[at].topic == topic) return &topic_stats_[at];
  }
  std::uint32_t at = free_topic_stats_;
  if (at == kNone) {
    at = static_cast<std::uint32_t>(topic_stats_.size());
    topic_stats_.emplace_back();
  } else {
    free_topic_stats_ = topic_stats_[at].next;
  }
  topic_stats_[at] = {};
  topic_stats_[at].next = peer.topics;
  topic_stats_[at].topic = topic;
  peer.topics = at;
  return &topic_stats_[at];
}

void PeerScore::on_grafted(std::uint64_t peer, ScoreTopic topic) {
  TopicStats* stats = this->stats(peer, topic);
  if (stats == nullptr) return;
  stats->in_mesh = true;
  stats->grafted = now_;
  stats->in_mesh_for = Duration::zero();
  stats->active = false;
}

void PeerScore::on_pruned(std::uint64_t peer, ScoreTopic topic) {
  TopicStats* stats = this->stats(peer, topic);
  if (stats == nullptr) return;
  add_failure(*stats);
  stats->in_mesh = false;
}

void PeerScore::add_failure(TopicStats& stats) const {
  const double threshold = of(stats.topic).mesh_message_deliveries_threshold;
  if (!stats.active || stats.mesh >= threshold) return;
  const double deficit = threshold - stats.mesh;
  stats.failure += deficit * deficit;
}

void PeerScore::on_penalty(std::uint64_t peer, unsigned count) {
  if (const std::uint32_t slot = find(peer); slot != kNone) peers_[slot].behaviour += count;
}

void PeerScore::on_promised(std::uint64_t peer, std::uint64_t message, Duration follow_up) {
  const bool known = std::any_of(promises_.begin(), promises_.end(), [&](const Promise& promise) {
    return promise.message == message && promise.peer == peer;
  });
  if (!known) promises_.push_back({.message = message, .peer = peer, .until = now_ + follow_up});
}

void PeerScore::on_received(std::uint64_t message) {
  if (promises_.empty()) return;
  std::erase_if(promises_, [&](const Promise& promise) { return promise.message == message; });
}

void PeerScore::punish_broken_promises() {
  std::erase_if(promises_, [&](const Promise& promise) {
    if (now_ <= promise.until) return false;
    ++promises_broken_;
    on_penalty(promise.peer, 1);
    return true;
  });
}

void PeerScore::set_app_score(std::uint64_t peer, double value) {
  const auto known = std::find_if(app_scores_.begin(), app_scores_.end(),
                                  [&](const auto& entry) { return entry.first == peer; });
  if (known == app_scores_.end()) {
    app_scores_.emplace_back(peer, value);
  } else {
    known->second = value;
  }
  const std::uint32_t slot = find(peer);
  if (slot == kNone) return;
  peers_[slot].app = value;
  peers_[slot].stale = true;
}

// ----------------------------------------------------------------------------------------------------------
// addresses

std::array<std::uint32_t, 2> PeerScore::count_addresses(const IpAddress& ip) {
  if (ip.is_unspecified() || ip.is_loopback() || params_->ip_colocation_weight == 0) return {kNone, kNone};
  if (ip.is_v4()) return {count_address(ip), kNone};
  const IpAddress subnet = subnet_of(ip);
  return {count_address(ip), subnet == ip ? kNone : count_address(subnet)};
}

std::uint32_t PeerScore::count_address(const IpAddress& ip) {
  for (const IpNetwork& network : params_->ip_colocation_whitelist) {
    if (network.contains(ip)) return kNone;
  }
  std::uint32_t free = kNone;
  for (std::uint32_t i = 0; i < addresses_.size(); ++i) {
    if (addresses_[i].peers == 0) {
      free = i;
    } else if (addresses_[i].ip == ip) {
      ++addresses_[i].peers;
      return i;
    }
  }
  if (free == kNone) {
    free = static_cast<std::uint32_t>(addresses_.size());
    addresses_.emplace_back();
  }
  addresses_[free] = {.ip = ip, .peers = 1};
  return free;
}

void PeerScore::uncount_addresses(Peer& peer) {
  for (std::uint32_t& address : peer.addresses) {
    if (address != kNone) --addresses_[address].peers;
    address = kNone;
  }
}

// ----------------------------------------------------------------------------------------------------------
// messages

void PeerScore::on_validating(ScoreTopic topic, std::uint64_t message) {
  if (topic != kUnscored && find_delivery(message) == kNone) add_delivery(topic, message);
}

void PeerScore::on_delivered(std::uint64_t peer, ScoreTopic topic, std::uint64_t message) {
  if (topic == kUnscored) return;
  const TopicScoreParams& params = of(topic);
  if (TopicStats* stats = this->stats(peer, topic)) {
    stats->first = std::min(stats->first + 1, params.first_message_deliveries_cap);
    if (stats->in_mesh) credit_mesh_delivery(*stats);
  }
  const std::uint32_t known = find_delivery(message);
  // Where mesh deliveries weigh nothing, copies need not be remembered.
  if (params.mesh_message_deliveries_weight == 0 && params.mesh_failure_penalty_weight == 0) {
    if (known != kNone) release_delivery(known);
    return;
  }
  if (known != kNone && deliveries_[known].status != Delivery::Status::unknown) return;
  Delivery& delivery = known == kNone ? add_delivery(topic, message) : deliveries_[known];
  delivery.status = Delivery::Status::valid;
  delivery.until = now_ + params.mesh_message_deliveries_window;
  for (std::uint32_t at = delivery.senders; at != kNone; at = senders_[at].next) {
    if (senders_[at].peer != peer) credit_copy(senders_[at].peer, topic);
  }
}

void PeerScore::on_rejected(std::uint64_t peer, ScoreTopic topic, std::uint64_t message) {
  if (topic == kUnscored) return;
  const std::uint32_t known = find_delivery(message);
  if (known != kNone && deliveries_[known].status != Delivery::Status::unknown) return;
  on_invalid(peer, topic);
  Delivery& delivery = known == kNone ? add_delivery(topic, message) : deliveries_[known];
  delivery.status = Delivery::Status::invalid;
  for (std::uint32_t at = delivery.senders; at != kNone; at = senders_[at].next) {
    on_invalid(senders_[at].peer, topic);
  }
  release_senders(delivery);
}

void PeerScore::on_undecided(std::uint64_t message) {
  const std::uint32_t known = find_delivery(message);
  if (known != kNone && deliveries_[known].status == Delivery::Status::unknown) release_delivery(known);
}

void PeerScore::on_duplicate(std::uint64_t peer, ScoreTopic topic, std::uint64_t message) {
  if (topic == kUnscored) return;
  const std::uint32_t known = find_delivery(message);
  if (known == kNone) return;
  Delivery& delivery = deliveries_[known];
  switch (delivery.status) {
    case Delivery::Status::unknown:
      add_sender(delivery, peer);  // its due comes with the verdict
      break;
    case Delivery::Status::valid:
      if (now_ <= delivery.until && add_sender(delivery, peer)) credit_copy(peer, topic);
      break;
    case Delivery::Status::invalid:
      on_invalid(peer, topic);
      break;
  }
}

void PeerScore::on_invalid(std::uint64_t peer, ScoreTopic topic) {
  if (TopicStats* stats = this->stats(peer, topic)) ++stats->invalid;
}

void PeerScore::credit_copy(std::uint64_t peer, ScoreTopic topic) {
  TopicStats* stats = this->stats(peer, topic);
  if (stats != nullptr && stats->in_mesh) credit_mesh_delivery(*stats);
}

void PeerScore::credit_mesh_delivery(TopicStats& stats) const {
  stats.mesh = std::min(stats.mesh + 1, of(stats.topic).mesh_message_deliveries_cap);
}

PeerScore::Delivery& PeerScore::add_delivery(ScoreTopic topic, std::uint64_t message) {
  std::uint32_t slot = static_cast<std::uint32_t>(deliveries_.size());
  if (free_deliveries_.empty()) {
    deliveries_.emplace_back();
  } else {
    slot = free_deliveries_.back();
    free_deliveries_.pop_back();
  }
  deliveries_[slot] = {.message = message, .until = now_ + params_->seen_ttl, .topic = topic, .used = true};
  by_message_.insert(message, slot);
  return deliveries_[slot];
}

void PeerScore::release_delivery(std::uint32_t slot) {
  by_message_.erase(deliveries_[slot].message, slot);
  release_senders(deliveries_[slot]);
  deliveries_[slot] = {};
  free_deliveries_.push_back(slot);
}

bool PeerScore::add_sender(Delivery& delivery, std::uint64_t peer) {
  for (std::uint32_t at = delivery.senders; at != kNone; at = senders_[at].next) {
    if (senders_[at].peer == peer) return false;
  }
  std::uint32_t at = free_senders_;
  if (at == kNone) {
    at = static_cast<std::uint32_t>(senders_.size());
    senders_.emplace_back();
  } else {
    free_senders_ = senders_[at].next;
  }
  senders_[at] = {.peer = peer, .next = delivery.senders};
  delivery.senders = at;
  return true;
}

void PeerScore::release_senders(Delivery& delivery) {
  for (std::uint32_t at = delivery.senders; at != kNone;) {
    const std::uint32_t next = senders_[at].next;
    senders_[at].next = free_senders_;
    free_senders_ = at;
    at = next;
  }
  delivery.senders = kNone;
}

// ----------------------------------------------------------------------------------------------------------
// the score

double PeerScore::score(std::uint64_t hash) {
  const std::uint32_t slot = find(hash);
  if (slot == kNone) return 0;
  Peer& peer = peers_[slot];
  if (peer.stale) {
    peer.topics_and_app = topics_and_app(peer);
    peer.stale = false;
  }
  // P6 depends on other peers, and is as cheap as P7.
  return peer.topics_and_app + ip_colocation(peer) + behaviour(peer);
}

PeerScoreParts PeerScore::parts(std::uint64_t hash) const {
  const std::uint32_t slot = find(hash);
  if (slot == kNone) return {};
  const Peer& peer = peers_[slot];
  PeerScoreParts parts = topic_parts(peer);
  parts.app_specific = peer.app * params_->app_specific_weight;
  parts.ip_colocation = ip_colocation(peer);
  parts.behaviour_penalty = behaviour(peer);
  parts.total = topics_and_app(peer) + parts.ip_colocation + parts.behaviour_penalty;
  return parts;
}

// `total` is that of the topics.
PeerScoreParts PeerScore::topic_parts(const Peer& peer) const {
  PeerScoreParts parts;
  for (std::uint32_t at = peer.topics; at != kNone; at = topic_stats_[at].next) {
    const TopicStats& stats = topic_stats_[at];
    const TopicScoreParams& topic = of(stats.topic);
    double p1 = 0;
    if (stats.in_mesh) {
      const auto quanta = static_cast<double>(stats.in_mesh_for / topic.time_in_mesh_quantum);
      p1 = std::min(quanta, topic.time_in_mesh_cap) * topic.time_in_mesh_weight;
    }
    const double p2 = stats.first * topic.first_message_deliveries_weight;
    double p3 = 0;
    if (stats.active && stats.mesh < topic.mesh_message_deliveries_threshold) {
      const double deficit = topic.mesh_message_deliveries_threshold - stats.mesh;
      p3 = deficit * deficit * topic.mesh_message_deliveries_weight;
    }
    const double p3b = stats.failure * topic.mesh_failure_penalty_weight;
    const double p4 = stats.invalid * stats.invalid * topic.invalid_message_deliveries_weight;
    parts.time_in_mesh += p1 * topic.weight;
    parts.first_message_deliveries += p2 * topic.weight;
    parts.mesh_message_deliveries += p3 * topic.weight;
    parts.mesh_failure_penalty += p3b * topic.weight;
    parts.invalid_messages += p4 * topic.weight;
    parts.total += (p1 + p2 + p3 + p3b + p4) * topic.weight;
  }
  return parts;
}

double PeerScore::topics_and_app(const Peer& peer) const {
  double topics = topic_parts(peer).total;
  if (params_->topic_score_cap > 0) topics = std::min(topics, params_->topic_score_cap);
  return topics + peer.app * params_->app_specific_weight;
}

double PeerScore::ip_colocation(const Peer& peer) const {
  double sum = 0;
  for (const std::uint32_t address : peer.addresses) {
    if (address == kNone || addresses_[address].peers <= params_->ip_colocation_threshold) continue;
    const double surplus = addresses_[address].peers - params_->ip_colocation_threshold;
    sum += surplus * surplus;
  }
  return sum * params_->ip_colocation_weight;
}

double PeerScore::behaviour(const Peer& peer) const {
  const double excess = peer.behaviour - params_->behaviour_penalty_threshold;
  return excess > 0 ? excess * excess * params_->behaviour_penalty_weight : 0;
}

std::size_t PeerScore::memory() const {
  return peers_.capacity() * sizeof(Peer) + free_peers_.capacity() * sizeof(std::uint32_t) + index_.memory() +
         topic_stats_.capacity() * sizeof(TopicStats) + addresses_.capacity() * sizeof(Address) +
         app_scores_.capacity() * sizeof(app_scores_[0]) + deliveries_.capacity() * sizeof(Delivery) +
         free_deliveries_.capacity() * sizeof(std::uint32_t) + by_message_.memory() +
         senders_.capacity() * sizeof(Sender) + promises_.capacity() * sizeof(Promise);
}

}  // namespace mesocosm
