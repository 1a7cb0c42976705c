#include "stack/protocols/gossipsub/choking.h"

#include <algorithm>

namespace mesocosm {

GossipSubVariant ChokingPolicy::variant() {
  return {.name = "choking",
          .summary =
              "Episub's choking: mesh peers whose copies come late tell of messages instead of sending them.",
          .draft = "2025-06-04",
          .options = {{"choke_threshold", 0.2, "Seconds after the first copy from which on a copy is late."},
                      {"unchoke_threshold", 0.1, "Seconds by which a choked peer must be ahead."},
                      {"timeout", 0.4, "Seconds to wait for a message before another peer is asked."}},
          .adjust =
              [](GossipSubParams& params, const VariantSettings&) {
                params.version = PeerKind::gossipsub_12;  // which it extends
                params.max_ihave_messages = 1000;         // mesh peers tell of each message by itself
              },
          .policy = policy_maker<ChokingPolicy>()};
}

ChokingPolicy::ChokingPolicy(const VariantSettings& settings)
    : DraftPolicy(DraftField::choking),
      choke_threshold_(from_seconds(settings["choke_threshold"])),
      unchoke_threshold_(from_seconds(settings["unchoke_threshold"])),
      pulls_(from_seconds(settings["timeout"])) {}

// What we publish ourselves nobody has from anybody else.
void ChokingPolicy::choose_push(GossipSubCore& core, const OutgoingMessage& message,
                                std::vector<PeerIndex>& peers) {
  if (message.from == kNoPeer || chokers_.empty()) return;
  std::erase_if(peers, [&](PeerIndex peer) {
    const bool lazy = chokers_.contains({message.topic, peer});
    if (lazy) core.send_ihave(peer, message.topic, message.id);
    return lazy;
  });
}

// Of one peer at a time (the draft, "Limiting Concurrent IWANTs").
bool ChokingPolicy::wants(GossipSubCore& core, PeerIndex from, std::uint64_t hash, ByteView id) {
  const bool now = pulls_.offer(hash, id, from, core.now());
  if (now) core.wake_at(pulls_.due());
  return now;
}

void ChokingPolicy::on_wake(GossipSubCore& core, Time now) {
  pulls_.retry(now, [&](PeerIndex peer, ByteView id) { core.send_iwant(peer, id); });
  if (pulls_.due() != Time::max()) core.wake_at(pulls_.due());
}

void ChokingPolicy::on_draft(GossipSubCore& core, PeerIndex from, DraftField field, const DraftBody& body,
                             Time) {
  const TopicIndex topic = core.find_topic(body.topic);
  if (topic == kNoTopic || !core.topic(topic).mesh.contains(from)) return;
  if (field == DraftField::choke) chokers_.insert({topic, from});
  if (field == DraftField::unchoke) chokers_.erase({topic, from});
}

void ChokingPolicy::on_delivered(GossipSubCore& core, TopicIndex topic, PeerIndex peer,
                                 std::uint64_t message) {
  pulls_.arrived(message);
  if (arrivals_.size() >= kMostArrivals) return;
  Arrival& arrival =
      arrivals_[message] = {.topic = topic, .first = core.now(), .pushed = false, .pulled = {}};
  on_copy(core, arrival, peer);
}

void ChokingPolicy::on_duplicate(GossipSubCore& core, TopicIndex, PeerIndex peer, std::uint64_t message) {
  if (const auto at = arrivals_.find(message); at != arrivals_.end()) on_copy(core, at->second, peer);
}

void ChokingPolicy::on_copy(GossipSubCore& core, Arrival& arrival, PeerIndex peer) {
  if (!core.topic(arrival.topic).mesh.contains(peer)) return;
  if (choked(arrival.topic, peer)) {
    if (!arrival.pushed) arrival.pulled.emplace_back(peer, core.now());
    return;
  }
  if (!arrival.pushed) {
    arrival.pushed = true;
    for (const auto& [ahead, when] : arrival.pulled) {
      if (core.now() - when >= unchoke_threshold_) unchoke(core, arrival.topic, ahead);
    }
  }
  if (core.now() - arrival.first > choke_threshold_) choke(core, arrival.topic, peer);
}

// Who was asked and came when no unchoked peer did is unchoked, too.
void ChokingPolicy::on_heartbeat(GossipSubCore& core, Time now) {
  pulls_.on_heartbeat();
  for (auto at = arrivals_.begin(); at != arrivals_.end();) {
    const Arrival& arrival = at->second;
    if (now - arrival.first < 2 * core.params().heartbeat) {
      ++at;
      continue;
    }
    if (!arrival.pushed) {
      for (const auto& [peer, when] : arrival.pulled) unchoke(core, arrival.topic, peer);
    }
    at = arrivals_.erase(at);
  }
}

// One peer of the mesh stays unchoked.
void ChokingPolicy::choke(GossipSubCore& core, TopicIndex topic, PeerIndex peer) {
  const PeerSet& mesh = core.topic(topic).mesh;
  const auto unchoked =
      std::count_if(mesh.begin(), mesh.end(), [&](PeerIndex other) { return !choked(topic, other); });
  if (unchoked <= 1 || !speaks(peer)) return;
  choked_.insert({topic, peer});
  core.send(peer, make_draft(DraftField::choke, {.topic = core.topic(topic).name, .id = {}}));
}

void ChokingPolicy::unchoke(GossipSubCore& core, TopicIndex topic, PeerIndex peer) {
  if (choked_.erase({topic, peer}) == 0) return;
  core.send(peer, make_draft(DraftField::unchoke, {.topic = core.topic(topic).name, .id = {}}));
}

void ChokingPolicy::on_peer_removed(GossipSubCore& core, PeerIndex peer) {
  DraftPolicy::on_peer_removed(core, peer);
  pulls_.forget(peer);
  for (auto& [message, arrival] : arrivals_) {
    std::erase_if(arrival.pulled, [&](const auto& copy) { return copy.first == peer; });
  }
}

void ChokingPolicy::forget(TopicIndex topic, PeerIndex peer) {
  choked_.erase({topic, peer});
  chokers_.erase({topic, peer});
}

}  // namespace mesocosm
