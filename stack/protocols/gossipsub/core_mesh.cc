// GossipSubCore's meshes and fanouts: GRAFT, PRUNE, backing off, and what a heartbeat mends.
#include <algorithm>

#include "stack/protocols/gossipsub/core.h"

namespace mesocosm {
namespace {

using Event = GossipSubEvent::Kind;

// A peer may ask for a longer backoff than we would; no peer may ask for ever.
constexpr std::uint64_t kMaxBackoffSeconds = 3600;

std::uint64_t whole_seconds(Duration duration) {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(duration).count());
}

}  // namespace

void GossipSubCore::on_graft(PeerIndex from, ByteView name, Time now) {
  const TopicIndex index = find_topic(name);
  if (index == kNoTopic || !topics_[index].subscribed) {
    // Unknown topics are not answered since v1.1 ("Spam Protection Measures").
    if (speaks(PeerKind::gossipsub_11) || name.size() > kMaxTopicLength) return;
    ++counters_.prunes_sent;
    return actions_.send(from, make_prune(name, 0, {}));
  }
  Topic& topic = topics_[index];
  Peer& peer = peers_[from];
  if (topic.mesh.contains(from) || no_mesh(peer)) return;

  bool refuse = false;
  bool exchange = params_.peer_exchange;
  if (peer.direct) {  // the agreement is not mutual
    refuse = true;
    exchange = false;
  } else if (const auto backoff = std::find_if(topic.backoffs.begin(), topic.backoffs.end(),
                                               [&](const Backoff& b) { return b.peer == peer.hash; });
             backoff != topic.backoffs.end() && now < backoff->until) {
    const bool flood = now < backoff->until + params_.graft_flood_threshold - params_.prune_backoff;
    if (score_ != nullptr) score_->on_penalty(peer.hash, flood ? 2 : 1);
    policy_->on_penalty(*this, from, flood ? 2 : 1);
    add_backoff(topic, from, params_.prune_backoff, now);
    refuse = true;
    exchange = false;
  } else if (score(from) < 0) {
    add_backoff(topic, from, params_.prune_backoff, now);
    refuse = true;
    exchange = false;
  } else if (topic.mesh.size() >= params_.d_high && !peer.outbound && speaks(PeerKind::gossipsub_11)) {
    add_backoff(topic, from, params_.prune_backoff, now);
    refuse = true;
  }
  if (refuse) {
    ++counters_.grafts_refused;
    send_prune(index, from, exchange, params_.prune_backoff);
    return;
  }
  topic.mesh.insert(from);
  note(Event::grafted, from, index);
  if (score_ != nullptr) score_->on_grafted(peer.hash, topic.score_topic);
  policy_->on_grafted(*this, index, from);
}

void GossipSubCore::on_prune(PeerIndex from, const Prune& prune, Time now) {
  const TopicIndex index = find_topic(prune.topic);
  if (index == kNoTopic || !topics_[index].subscribed) return;
  drop_from_mesh(index, from);
  const Duration backoff = prune.backoff == 0
                               ? params_.prune_backoff
                               : Duration(std::chrono::seconds(std::min(prune.backoff, kMaxBackoffSeconds)));
  add_backoff(topics_[index], from, backoff, now);

  if (prune.peers.empty() || !params_.accept_peer_exchange || score(from) < params_.thresholds.accept_px)
    return;
  std::vector<const PeerInfo*> offered;
  for (const PeerInfo& info : prune.peers) offered.push_back(&info);
  rng_.shuffle(std::span(offered));
  if (offered.size() > params_.prune_peers) offered.resize(params_.prune_peers);
  for (const PeerInfo* info : offered) {
    if (info->peer == identity_.peer || find_peer(info->peer) != kNoPeer) continue;
    ++counters_.px_connects;
    actions_.connect(info->peer, info->signed_record);
  }
}

void GossipSubCore::graft(TopicIndex index, PeerIndex peer) {
  topics_[index].mesh.insert(peer);
  ++counters_.grafts_sent;
  actions_.send(peer, make_graft(topics_[index].name));
  note(Event::grafted, peer, index);
  if (score_ != nullptr) score_->on_grafted(peers_[peer].hash, topics_[index].score_topic);
  policy_->on_grafted(*this, index, peer);
}

void GossipSubCore::prune(TopicIndex index, PeerIndex peer, bool exchange, Duration backoff, Time now) {
  drop_from_mesh(index, peer);
  add_backoff(topics_[index], peer, backoff, now);
  send_prune(index, peer, exchange, backoff);
}

void GossipSubCore::send_prune(TopicIndex index, PeerIndex to, bool exchange, Duration backoff) {
  ++counters_.prunes_sent;
  const Topic& topic = topics_[index];
  if (peers_[to].kind < PeerKind::gossipsub_11) return actions_.send(to, make_prune(topic.name, 0, {}));
  std::vector<PeerInfo> offered;
  if (exchange && score(to) >= 0) {
    std::vector<PeerIndex> chosen;
    for (PeerIndex peer : topic.peers) {
      if (peer != to && !no_mesh(peers_[peer]) && score(peer) >= 0) chosen.push_back(peer);
    }
    rng_.shuffle(std::span(chosen));
    if (chosen.size() > params_.prune_peers) chosen.resize(params_.prune_peers);
    for (PeerIndex peer : chosen) {
      offered.push_back({.peer = peers_[peer].id, .signed_record = actions_.signed_record(peers_[peer].id)});
    }
    counters_.px_sent += offered.size();
  }
  actions_.send(to, make_prune(topic.name, whole_seconds(backoff), offered));
}

void GossipSubCore::drop_from_mesh(TopicIndex index, PeerIndex peer) {
  if (!topics_[index].mesh.erase(peer)) return;
  note(Event::pruned, peer, index);
  if (score_ != nullptr) score_->on_pruned(peers_[peer].hash, topics_[index].score_topic);
  policy_->on_pruned(*this, index, peer);
}

void GossipSubCore::add_backoff(Topic& topic, PeerIndex peer, Duration backoff, Time now) {
  if (!speaks(PeerKind::gossipsub_11)) return;
  const std::uint64_t key = peers_[peer].hash;
  const auto known = std::find_if(topic.backoffs.begin(), topic.backoffs.end(),
                                  [&](const Backoff& entry) { return entry.peer == key; });
  if (known == topic.backoffs.end()) {
    topic.backoffs.push_back({.peer = key, .until = now + backoff});
  } else {
    known->until = std::max(known->until, now + backoff);
  }
}

bool GossipSubCore::backing_off(const Topic& topic, PeerIndex peer, Time now) const {
  const Duration slack = params_.heartbeat * params_.backoff_slack;
  return std::any_of(topic.backoffs.begin(), topic.backoffs.end(), [&](const Backoff& entry) {
    return entry.peer == peers_[peer].hash && now < entry.until + slack;
  });
}

void GossipSubCore::graft_candidates(TopicIndex index, Time now, std::vector<PeerIndex>& out) {
  const Topic& topic = topics_[index];
  out.clear();
  for (PeerIndex peer : topic.peers) {
    if (no_mesh(peers_[peer]) || peers_[peer].direct || topic.mesh.contains(peer)) continue;
    if (backing_off(topic, peer, now) || score(peer) < 0) continue;
    out.push_back(peer);
  }
}

void GossipSubCore::maintain_mesh(TopicIndex index, Time now) {
  MeshChange change;
  policy_->choose_mesh(*this, index, now, change);
  for (PeerIndex peer : change.prune) {
    if (topics_[index].mesh.contains(peer)) {
      prune(index, peer, params_.peer_exchange, params_.prune_backoff, now);
    }
  }
  for (PeerIndex peer : change.graft) {
    if (usable(peer) && !topics_[index].mesh.contains(peer)) graft(index, peer);
  }
}

void GossipSubCore::maintain_fanout(TopicIndex index, Time now) {
  Topic& topic = topics_[index];
  if (topic.fanout.empty()) return;
  if (topic.last_published + params_.fanout_ttl < now) return topic.fanout.clear();
  topic.fanout.erase_if([&](PeerIndex peer) { return score(peer) < params_.thresholds.publish; });
  if (topic.fanout.size() < params_.d) pick_fanout(index);
}

// Up to D in all.
void GossipSubCore::pick_fanout(TopicIndex index) {
  Topic& topic = topics_[index];
  std::vector<PeerIndex> candidates;
  for (PeerIndex peer : topic.peers) {
    if (no_mesh(peers_[peer]) || peers_[peer].direct || topic.fanout.contains(peer)) continue;
    if (score(peer) >= params_.thresholds.publish) candidates.push_back(peer);
  }
  rng_.shuffle(std::span(candidates));
  while (topic.fanout.size() < params_.d && !candidates.empty()) {
    topic.fanout.insert(candidates.back());
    candidates.pop_back();
  }
}

}  // namespace mesocosm
