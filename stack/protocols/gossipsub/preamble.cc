#include "stack/protocols/gossipsub/preamble.h"

#include <algorithm>
#include <utility>

#include "stack/protocols/gossipsub/message.h"

namespace mesocosm {

GossipSubVariant PreamblePolicy::variant() {
  return {
      .name = "v1.4",
      .summary =
          "A large message is told of before it is sent (PREAMBLE), and who hears that asks the others not "
          "to send it (IMRECEIVING).",
      .draft = "2025-05-01",
      .options = {{"preamble_threshold", 40960, "Bytes of payload from which on a message is large."},
                  {"peer_preamble_announcements", 10,
                   "Messages that one peer may have told of and not sent."},
                  {"safe_rate", 312500, "Bytes a second at which a peer sends a message, at least."},
                  {"margin", 0.25, "Seconds that it may take beside that."}},
      .adjust = [](GossipSubParams& params,
                   const VariantSettings&) { params.version = PeerKind::gossipsub_12; },  // which it extends
      .policy = policy_maker<PreamblePolicy>()};
}

PreamblePolicy::PreamblePolicy(const VariantSettings& settings)
    : DraftPolicy(DraftField::preambling),
      threshold_(static_cast<std::uint64_t>(std::max(1.0, settings["preamble_threshold"]))),
      most_announced_(static_cast<std::uint32_t>(std::max(0.0, settings["peer_preamble_announcements"]))),
      safe_rate_(std::max(1.0, settings["safe_rate"])),
      margin_(from_seconds(settings["margin"])) {}

bool PreamblePolicy::ById::operator()(const MessageId& a, const MessageId& b) const {
  const ByteView x = a.bytes(), y = b.bytes();
  return std::lexicographical_compare(x.begin(), x.end(), y.begin(), y.end());
}

std::size_t PreamblePolicy::deferred() const {
  std::size_t count = 0;
  for (const auto& [id, receivers] : receivers_) count += receivers.size();
  return count;
}

// ------------------------------------------------------------------------------------------------------------
// sending

// A message that is here: nobody is to send it any more, and those who would get it twice are passed over. They ask for
// it if the one who sends it to them fails, for our IDONTWANT told them that we have it.
void PreamblePolicy::choose_push(GossipSubCore& core, const OutgoingMessage& message,
                                 std::vector<PeerIndex>& peers) {
  const MessageId id(message.id);
  if (const auto at = expected_.find(id); at != expected_.end()) {
    const Expected& told = at->second;
    const bool lied = told.announcer != kNoPeer && told.length != message.payload;
    if (lied && core.peer_score() != nullptr) {
      core.peer_score()->on_invalid(core.peer(told.announcer).hash, core.topic(message.topic).score_topic);
    }
    forget(at);
  }
  const bool large =
      message.payload >= std::max<std::uint64_t>(threshold_, core.params().idontwant_threshold);
  const auto receivers = receivers_.extract(id);
  if (!receivers.empty()) {
    for (const auto& [peer, receiver] : receivers.mapped()) --counts_[peer].deferred;
    std::erase_if(peers, [&](PeerIndex peer) {
      const auto at = receivers.mapped().find(peer);
      if (!large || at == receivers.mapped().end() || at->second.length != message.payload) return false;
      if (at->second.until <= core.now()) return false;
      core.count_withheld(peer, message);
      return true;
    });
  }
  if (!large) return;
  const GossipSubCore::Topic& topic = core.topic(message.topic);
  RpcPart preamble;
  for (PeerIndex peer : peers) {  // those who would not heed it are not told
    if (!speaks(peer) || (!topic.mesh.contains(peer) && !core.peer(peer).direct)) continue;
    if (preamble.bytes.empty()) {
      preamble = make_draft(DraftField::preamble,
                            {.topic = topic.name, .id = message.id, .length = message.payload});
    }
    core.send(peer, preamble);
  }
}

void PreamblePolicy::on_imreceiving(GossipSubCore& core, PeerIndex from, const DraftBody& body, Time now) {
  const MessageId id(body.id);
  if (const MessageCache::Entry* entry = core.cache().get(id.hash(), id.bytes()); entry != nullptr) {
    if (decode_message(entry->message)->data.size() == body.length) core.cancel_message(from, id.bytes());
    return;
  }
  if (counts_[from].deferred >= kMostDeferredForPeer) return;
  if (body.length < 1 || body.length > core.params().max_rpc) return;
  const Receiver receiver{.length = body.length, .until = now + patience(core, body.length)};
  if (receivers_[id].emplace(from, receiver).second) ++counts_[from].deferred;
}

// ------------------------------------------------------------------------------------------------------------
// receiving

void PreamblePolicy::on_draft(GossipSubCore& core, PeerIndex from, DraftField field, const DraftBody& body,
                              Time now) {
  if (body.id.empty() || body.id.size() > MessageId::kMaxSize) return;
  if (field == DraftField::preamble) on_preamble(core, from, body, now);
  if (field == DraftField::imreceiving) on_imreceiving(core, from, body, now);
}

// The first one counts, from a peer of the mesh. Later ones say who has the message, too.
void PreamblePolicy::on_preamble(GossipSubCore& core, PeerIndex from, const DraftBody& body, Time now) {
  const TopicIndex topic = core.find_topic(body.topic);
  if (topic == kNoTopic || !core.topic(topic).subscribed) return;
  if (!core.topic(topic).mesh.contains(from) && !core.peer(from).direct) return;
  if (body.length < 1 || body.length > core.params().max_rpc) return;  // no message is so long
  if (core.score(from) < core.params().thresholds.gossip) return;
  const MessageId id(body.id);
  if (core.cache().seen(id.hash(), id.bytes())) return;
  auto at = expected_.find(id);
  if (at != expected_.end() && at->second.length > 0) {
    offer(core, at->second, from, true, now);
    return;
  }
  if (counts_[from].announced >= most_announced_) return;
  if (at == expected_.end()) {
    if (expected_.size() >= kMostExpected) return;
    at = expected_.emplace(id, Expected{}).first;
  }
  Expected& message = at->second;
  ++counts_[from].announced;
  message.announcer = from;
  message.length = body.length;
  const PeerIndex asked = std::exchange(message.sender, kNoPeer);
  expect_of(core, message, from, true, now);
  if (asked != kNoPeer) offer(core, message, asked, false, now);
  for (PeerIndex peer : core.topic(topic).mesh) {
    if (core.unwanted(peer, id.hash())) offer(core, message, peer, false, now);
  }
  tell_mesh(core, topic, from, body);
}

void PreamblePolicy::tell_mesh(GossipSubCore& core, TopicIndex topic, PeerIndex but, const DraftBody& body) {
  const RpcPart part =
      make_draft(DraftField::imreceiving, {.topic = {}, .id = body.id, .length = body.length});
  for (PeerIndex peer : core.topic(topic).mesh) {
    if (peer != but && speaks(peer)) core.send(peer, part);
  }
}

// A peer has the message: whether it is the one to send it now. If it does not by itself, it is to be asked.
bool PreamblePolicy::offer(GossipSubCore& core, Expected& message, PeerIndex from, bool promised, Time now) {
  if (from == message.sender || core.score(from) < core.params().thresholds.gossip) return false;
  if (message.sender == kNoPeer) {
    expect_of(core, message, from, promised, now);
    return true;
  }
  std::vector<PeerIndex>& holders = message.holders;
  const bool known = std::find(holders.begin(), holders.end(), from) != holders.end();
  if (!known && holders.size() < kMostHolders) holders.push_back(from);
  return false;
}

void PreamblePolicy::expect_of(GossipSubCore& core, Expected& message, PeerIndex sender, bool promised,
                               Time now) {
  message.sender = sender;
  message.promised = promised;
  message.idle = false;
  message.deadline = now + patience(core, message.length);
  core.wake_at(message.deadline);
}

// One IWANT at a time for a message (max_iwant_requests), and none while it is on its way.
bool PreamblePolicy::wants(GossipSubCore& core, PeerIndex from, std::uint64_t, ByteView id) {
  const MessageId key(id);
  if (const auto at = expected_.find(key); at != expected_.end()) {
    return offer(core, at->second, from, false, core.now());
  }
  if (expected_.size() >= kMostExpected || counts_[from].asked >= kMostAskedOfPeer) return true;
  Expected& message = expected_[key];
  message.asked = from;
  ++counts_[from].asked;
  return offer(core, message, from, false, core.now());
}

bool PreamblePolicy::on_rpc(GossipSubCore& core, PeerIndex from, Rpc rpc, Time now) {
  if (expected_.empty() && receivers_.empty()) return true;
  std::size_t heard = 0;
  for (const RpcPart& part : rpc) {
    if (part.kind != PartKind::idontwant) continue;
    each_id(part, [&](ByteView id) {
      if (++heard > core.params().max_idontwant_length) return false;
      if (!id.empty() && id.size() <= MessageId::kMaxSize) on_idontwant(core, from, id, now);
      return true;
    });
  }
  return true;
}

// It has the message: it waits no longer for it, and can be asked for it.
void PreamblePolicy::on_idontwant(GossipSubCore& core, PeerIndex from, ByteView id, Time now) {
  const MessageId key(id);
  if (const auto at = receivers_.find(key); at != receivers_.end() && at->second.erase(from) > 0) {
    --counts_[from].deferred;
    if (at->second.empty()) receivers_.erase(at);
  }
  const auto at = expected_.find(key);
  if (at != expected_.end() && offer(core, at->second, from, false, now)) ask(core, from, key);
}

void PreamblePolicy::ask(GossipSubCore& core, PeerIndex peer, const MessageId& id) {
  core.send_iwant(peer, id.bytes());
  if (core.peer_score() == nullptr) return;
  core.peer_score()->on_promised(core.peer(peer).hash, id.hash(), core.params().iwant_followup);
}

// ------------------------------------------------------------------------------------------------------------
// waiting

// How long a message takes to come, at most. One of unknown length: a heartbeat, as long as it takes until gossip tells of
// it again.
Duration PreamblePolicy::patience(const GossipSubCore& core, std::uint64_t length) const {
  if (length == 0) return core.params().heartbeat;
  return margin_ + from_seconds(static_cast<double>(length) / safe_rate_);
}

void PreamblePolicy::on_wake(GossipSubCore& core, Time now) {
  Time next = Time::max();
  for (auto at = expected_.begin(); at != expected_.end();) {
    if (at->second.deadline <= now && give_up_waiting(core, at->first, at->second, now)) {
      at = forget(at);
    } else {
      next = std::min(next, at->second.deadline);
      ++at;
    }
  }
  if (next != Time::max()) core.wake_at(next);
}

// It is late: another one who has it is asked, drawn at random, as those who tell of messages and do not send them would
// be the first in line. Whether to forget the message.
bool PreamblePolicy::give_up_waiting(GossipSubCore& core, const MessageId& id, Expected& message, Time now) {
  if (core.cache().seen(id.hash(), id.bytes())) return true;  // it is here: in validation, or was refused
  if (message.idle) return true;
  if (message.promised && message.sender == message.announcer) core.penalize(message.sender, 1);
  message.sender = kNoPeer;
  while (!message.holders.empty()) {
    const auto next =
        message.holders.begin() + static_cast<std::ptrdiff_t>(core.rng().below(message.holders.size()));
    const PeerIndex peer = *next;
    message.holders.erase(next);
    if (!offer(core, message, peer, false, now)) continue;
    ask(core, peer, id);
    return false;
  }
  message.idle = true;
  message.deadline = now + patience(core, message.length);
  return false;
}

PreamblePolicy::Messages::iterator PreamblePolicy::forget(Messages::iterator message) {
  const Expected& gone = message->second;
  if (gone.announcer != kNoPeer) --counts_[gone.announcer].announced;
  if (gone.asked != kNoPeer) --counts_[gone.asked].asked;
  return expected_.erase(message);
}

void PreamblePolicy::on_heartbeat(GossipSubCore&, Time now) {
  for (auto& [id, receivers] : receivers_) {
    std::erase_if(receivers, [&](const auto& entry) {
      if (entry.second.until > now) return false;
      --counts_[entry.first].deferred;
      return true;
    });
  }
  std::erase_if(receivers_, [](const auto& entry) { return entry.second.empty(); });
  std::erase_if(counts_, [](const auto& entry) {
    return entry.second.announced == 0 && entry.second.asked == 0 && entry.second.deferred == 0;
  });
}

void PreamblePolicy::on_peer_removed(GossipSubCore& core, PeerIndex peer) {
  DraftPolicy::on_peer_removed(core, peer);
  counts_.erase(peer);
  for (auto& [id, receivers] : receivers_) receivers.erase(peer);
  std::erase_if(receivers_, [](const auto& entry) { return entry.second.empty(); });
  for (auto& [id, message] : expected_) {
    std::erase(message.holders, peer);
    if (message.announcer == peer) message.announcer = kNoPeer;
    if (message.asked == peer) message.asked = kNoPeer;
    if (message.sender != peer) continue;
    message.sender = kNoPeer;
    message.promised = false;
    message.deadline = core.now();
    core.wake_at(core.now());
  }
}

}  // namespace mesocosm
