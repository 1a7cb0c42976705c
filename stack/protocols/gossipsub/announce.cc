#include "stack/protocols/gossipsub/announce.h"

#include <algorithm>

namespace mesocosm {

GossipSubVariant AnnouncePolicy::variant() {
  return {
      .name = "v2.0",
      .summary = "Mesh peers are told of a message (IANNOUNCE), and get it when they ask (INEED).",
      .draft = "2024-12-23",
      .options = {{"D_announce", 4, "Peers of a mesh of D that are told instead of sent the message."},
                  {"timeout", 0.4, "Seconds to wait for a message before another peer is asked."}},
      .adjust = [](GossipSubParams& params,
                   const VariantSettings&) { params.version = PeerKind::gossipsub_12; },  // which it extends
      .policy = policy_maker<AnnouncePolicy>()};
}

AnnouncePolicy::AnnouncePolicy(const VariantSettings& settings)
    : DraftPolicy(DraftField::announcing),
      d_announce_(settings["D_announce"]),
      pulls_(from_seconds(settings["timeout"])) {}

// A coin for each mesh peer. Our own messages go out whole, as nobody can have them yet, unless all is announced: who
// sent one whole would be its author.
void AnnouncePolicy::choose_push(GossipSubCore& core, const OutgoingMessage& message,
                                 std::vector<PeerIndex>& peers) {
  const double share = d_announce_ / std::max(1.0, static_cast<double>(core.params().d));
  if (message.from == kNoPeer && share < 1) return;
  const GossipSubCore::Topic& topic = core.topic(message.topic);
  RpcPart announcement;
  std::erase_if(peers, [&](PeerIndex peer) {
    if (!topic.mesh.contains(peer) || !speaks(peer) || !core.rng().chance(share)) return false;
    if (announcement.bytes.empty()) {
      announcement = make_draft(DraftField::iannounce, {.topic = topic.name, .id = message.id});
    }
    core.send(peer, announcement);
    return true;
  });
}

bool AnnouncePolicy::wants(GossipSubCore&, PeerIndex, std::uint64_t hash, ByteView) {
  return !pulls_.waiting(hash);
}

void AnnouncePolicy::on_draft(GossipSubCore& core, PeerIndex from, DraftField field, const DraftBody& body,
                              Time now) {
  if (body.id.empty() || body.id.size() > MessageId::kMaxSize) return;
  if (field == DraftField::iannounce) on_announcement(core, from, body, now);
  if (field == DraftField::ineed) core.send_message(from, body.id);
}

// Only mesh and explicit peers are trusted, for who announces and does not send delays the message.
void AnnouncePolicy::on_announcement(GossipSubCore& core, PeerIndex from, const DraftBody& body, Time now) {
  const TopicIndex topic = core.find_topic(body.topic);
  if (topic == kNoTopic || !core.topic(topic).subscribed) return;
  if (!core.topic(topic).mesh.contains(from) && !core.peer(from).direct) return;
  const std::uint64_t hash = hash64(body.id);
  if (core.cache().seen(hash, body.id) || !pulls_.offer(hash, body.id, from, now)) return;
  core.send(from, make_draft(DraftField::ineed, {.topic = {}, .id = body.id}));
  core.wake_at(pulls_.due());
}

void AnnouncePolicy::on_wake(GossipSubCore& core, Time now) {
  pulls_.retry(now, [&](PeerIndex peer, ByteView id) {
    core.send(peer, make_draft(DraftField::ineed, {.topic = {}, .id = id}));
  });
  if (pulls_.due() != Time::max()) core.wake_at(pulls_.due());
}

void AnnouncePolicy::on_peer_removed(GossipSubCore& core, PeerIndex peer) {
  DraftPolicy::on_peer_removed(core, peer);
  pulls_.forget(peer);
}

}  // namespace mesocosm
