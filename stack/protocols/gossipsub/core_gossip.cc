// GossipSubCore's talk about messages that are not at hand: IHAVE, IWANT and IDONTWANT.
#include <algorithm>

#include "stack/base/hash.h"
#include "stack/protocols/gossipsub/core.h"
#include "stack/protocols/gossipsub/partial.h"

namespace mesocosm {
namespace {

using Event = GossipSubEvent::Kind;

}  // namespace

void GossipSubCore::collect_wanted(PeerIndex from, const RpcPart& ihave, ByteView topic) {
  if (score(from) < params_.thresholds.gossip) return;
  const TopicIndex index = find_topic(topic);
  if (index == kNoTopic || !topics_[index].subscribed) return;
  if (peers_[from].asked >= params_.max_ihave_length) {
    ++counters_.ihave_ignored;
    return;
  }
  std::size_t heard = 0;
  each_id(ihave, [&](ByteView id) {
    if (++heard > params_.max_ihave_length) return false;
    if (id.size() > MessageId::kMaxSize || id.empty()) return true;  // nothing that we could name so
    const std::uint64_t hash = hash64(id);
    if (!cache_.seen(hash, id) && policy_->wants(*this, from, hash, id)) {
      wanted_.push_back({.hash = hash, .id = id});
    }
    return true;
  });
}

// In random order, so that what is cut off for the limit is not always the same; each id once.
void GossipSubCore::send_iwant(PeerIndex to) {
  const auto less = [](const Wanted& a, const Wanted& b) {
    if (a.hash != b.hash) return a.hash < b.hash;
    return std::lexicographical_compare(a.id.begin(), a.id.end(), b.id.begin(), b.id.end());
  };
  const auto same = [](const Wanted& a, const Wanted& b) { return a.hash == b.hash && equal(a.id, b.id); };
  // A message that came later in the same RPC is not asked for any more.
  std::erase_if(wanted_, [&](const Wanted& wanted) { return cache_.seen(wanted.hash, wanted.id); });
  std::sort(wanted_.begin(), wanted_.end(), less);
  wanted_.erase(std::unique(wanted_.begin(), wanted_.end(), same), wanted_.end());
  rng_.shuffle(std::span(wanted_));
  Peer& peer = peers_[to];
  const std::size_t count = std::min<std::size_t>(wanted_.size(), params_.max_ihave_length - peer.asked);
  std::vector<ByteView> ids;
  ids.reserve(count);
  for (std::size_t i = 0; i < count; ++i) ids.push_back(wanted_[i].id);
  if (count > 0 && score_ != nullptr) {  // one by chance, as the order is
    score_->on_promised(peer.hash, wanted_.front().hash, params_.iwant_followup);
  }
  if (wanted_.capacity() > 64) std::vector<Wanted>().swap(wanted_);
  if (count == 0) return;
  peer.asked = static_cast<std::uint16_t>(peer.asked + count);
  counters_.iwant_ids_sent += count;
  note(Event::iwant_sent, to, kNoTopic, 0, count);
  for (std::span<const ByteView> rest = ids; !rest.empty();) {
    ++counters_.iwant_sent;
    actions_.send(to, make_iwant(rest));
  }
}

void GossipSubCore::on_iwant(PeerIndex from, const RpcPart& iwant) {
  if (score(from) < params_.thresholds.gossip) return;
  each_id(iwant, [&](ByteView id) {
    MessageCache::Entry* entry = cache_.get(hash64(id), id);
    if (entry == nullptr) return true;
    if (MessageCache::count_request(*entry, from) > params_.iwant_retransmission) {
      ++counters_.iwant_refused;
      return true;
    }
    ++counters_.iwant_served;
    const auto message = decode_message(entry->message);
    send_message({&from, 1}, entry->message, message->data.size());
    return true;
  });
}

// Of a message that is not relayed yet it is remembered; of one that was, it can only be taken back out of the queue.
void GossipSubCore::on_idontwant(PeerIndex from, const RpcPart& idontwant, std::size_t& heard) {
  each_id(idontwant, [&](ByteView id) {
    if (++heard > params_.max_idontwant_length) return false;
    if (id.size() > MessageId::kMaxSize || id.empty()) return true;
    const std::uint64_t hash = hash64(id);
    const MessageCache::Entry* entry = cache_.get(hash, id);
    if (entry == nullptr) {
      unwanted_->add(from, hash, ticks_ + params_.idontwant_ttl);
    } else {
      take_back(from, *entry, hash);
    }
    return true;
  });
}

bool GossipSubCore::take_back(PeerIndex to, const MessageCache::Entry& entry, std::uint64_t hash) {
  if (!actions_.cancel(to, entry.message)) return false;
  const std::size_t payload = decode_message(entry.message)->data.size();
  --counters_.messages_sent;
  counters_.payload_sent -= payload;
  ++counters_.withheld;
  note(Event::withheld, to, entry.topic, hash, payload);
  return true;
}

bool GossipSubCore::cancel_message(PeerIndex to, ByteView id) {
  const std::uint64_t hash = hash64(id);
  const MessageCache::Entry* entry = cache_.get(hash, id);
  return entry != nullptr && take_back(to, *entry, hash);
}

void GossipSubCore::count_withheld(PeerIndex peer, const OutgoingMessage& message) {
  ++counters_.withheld;
  note(Event::withheld, peer, message.topic, message.hash, message.payload);
}

// Told before the application judges the message, for what that takes is time in which copies come; but after its
// signature was found good, or a forger could make us refuse the true one.
void GossipSubCore::send_idontwant(TopicIndex index, const MessageId& id, PeerIndex but) {
  if (unwanted_ == nullptr) return;
  RpcPart part;
  for (PeerIndex peer : topics_[index].mesh) {
    if (peer == but || peers_[peer].kind < PeerKind::gossipsub_12) continue;
    if (partial() != nullptr && partial()->gives(index, peer)) continue;
    if (part.bytes.empty()) part = make_idontwant(id.bytes());
    ++counters_.idontwant_sent;
    actions_.send(peer, part);
  }
}

// From those in scratch_ who said that they do not want it.
void GossipSubCore::withhold(const OutgoingMessage& message) {
  std::erase_if(scratch_, [&](PeerIndex peer) {
    if (!unwanted_->take(peer, message.hash)) return false;
    count_withheld(peer, message);
    return true;
  });
}

void GossipSubCore::emit_gossip(TopicIndex index) {
  std::vector<ByteView> ids;
  cache_.each_gossip_id(index, [&](ByteView id) { ids.push_back(id); });
  const bool in_parts = partial() != nullptr && partial()->groups(index) > 0;
  if (ids.empty() && !in_parts) return;
  const Topic& topic = topics_[index];
  std::vector<PeerIndex> chosen;
  for (PeerIndex peer : topic.peers) {
    if (topic.mesh.contains(peer) || topic.fanout.contains(peer) || peers_[peer].direct) continue;
    if (no_mesh(peers_[peer]) || score(peer) < params_.thresholds.gossip) continue;
    chosen.push_back(peer);
  }
  policy_->choose_gossip(*this, index, chosen);
  if (in_parts) gossip_parts(index, chosen);
  if (ids.empty()) return;
  rng_.shuffle(std::span(ids));
  const bool too_many = ids.size() > params_.max_ihave_length;
  std::vector<RpcPart> parts;
  for (PeerIndex peer : chosen) {
    if (parts.empty() || too_many) {
      if (too_many) rng_.shuffle(std::span(ids));  // each peer hears of other ones
      parts.clear();
      for (auto rest = std::span<const ByteView>(ids).first(
               std::min<std::size_t>(ids.size(), params_.max_ihave_length));
           !rest.empty();) {
        parts.push_back(make_ihave(topic.name, rest));
      }
    }
    const std::size_t count = std::min<std::size_t>(ids.size(), params_.max_ihave_length);
    counters_.ihave_ids_sent += count;
    counters_.ihave_sent += parts.size();
    note(Event::ihave_sent, peer, index, 0, count);
    for (const RpcPart& part : parts) actions_.send(peer, part);
  }
}

}  // namespace mesocosm
