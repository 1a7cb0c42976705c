// Two GossipSub cores and a liar, driven by a list of operations: whatever the order, the cores keep their
// invariants.
#include <array>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "stack/base/assert.h"
#include "stack/protocols/gossipsub/core.h"

namespace {

using namespace mesocosm;

PeerId peer_id(std::uint8_t number) {
  std::vector<std::uint8_t> key = {0x08, 0x01, 0x12, 0x20};
  key.resize(36, number);
  return PeerId::from_public_key(key);
}

const char* const kTopics[] = {"a", "b", "c"};

struct Node final : GossipSubActions {
  Node(std::uint8_t number, const GossipSubParams& params)
      : core(params, {.peer = peer_id(number)}, Rng(number), *this, checks) {}
  void send(PeerIndex to, const RpcPart& part) override {
    MC_ASSERT(!core.peer(to).id.empty());
    if (to == other && outbox != nullptr) outbox->push_back(part);
  }
  void deliver(TopicIndex topic, const Message&, const MessageId&, PeerIndex from) override {
    MC_ASSERT(core.topic(topic).subscribed);
    MC_ASSERT(from == kNoPeer || !core.peer(from).id.empty());
  }
  void validate(TopicIndex topic, const Message&, const PeerId&, ValidationTicket ticket) override {
    MC_ASSERT(core.topic(topic).subscribed);
    tickets.push_back(ticket);
  }
  void connect(const PeerId& peer, const Bytes&) override { MC_ASSERT(peer != core.self()); }
  Bytes signed_record(const PeerId&) override { return {}; }
  void note(const GossipSubEvent&) override {}

  MessageChecks checks;
  GossipSubCore core;
  PeerIndex other = kNoPeer;  // the other honest core
  std::deque<RpcPart>* outbox = nullptr;
  std::vector<ValidationTicket> tickets;  // of all times
};

// Everything that can be scored, in two of the three topics.
std::shared_ptr<const PeerScoreParams> scores() {
  PeerScoreParams score;
  for (const char* name : {"a", "b"}) {
    TopicScoreParams topic;
    topic.topic = name;
    topic.time_in_mesh_weight = 1;
    topic.first_message_deliveries_weight = 1;
    topic.mesh_message_deliveries_weight = -1;
    topic.mesh_message_deliveries_threshold = 2;
    topic.mesh_message_deliveries_activation = 1s;
    topic.mesh_failure_penalty_weight = -1;
    topic.invalid_message_deliveries_weight = -1;
    score.topics.push_back(topic);
  }
  score.ip_colocation_weight = -1;
  score.ip_colocation_threshold = 1;
  score.behaviour_penalty_weight = -1;
  score.retain_score = 10s;
  score.seen_ttl = 8s;
  return std::make_shared<const PeerScoreParams>(std::move(score));
}

void check(const GossipSubCore& core) {
  for (TopicIndex i = 0; i < core.topic_slots(); ++i) {
    const GossipSubCore::Topic& topic = core.topic(i);
    MC_ASSERT(topic.subscribed || topic.mesh.empty());
    MC_ASSERT(!topic.subscribed || topic.fanout.empty());
    for (PeerIndex peer : topic.peers) MC_ASSERT(!core.peer(peer).id.empty());
    for (PeerIndex peer : topic.mesh) {
      MC_ASSERT(!core.peer(peer).id.empty());
      MC_ASSERT(!core.peer(peer).direct && core.peer(peer).kind >= PeerKind::gossipsub_10);
    }
    for (PeerIndex peer : topic.fanout) MC_ASSERT(topic.peers.contains(peer));
    if (!topic.used) MC_ASSERT(topic.peers.empty() && topic.mesh.empty() && topic.backoffs.empty());
  }
  MC_ASSERT(core.topic_slots() <= core.params().max_topics);
  MC_ASSERT(core.cache().message_count() <= core.cache().seen_count());
  MC_ASSERT(core.validating() <= core.params().validation_queue);
  if (core.peer_score() != nullptr) MC_ASSERT(core.peer_score()->known_peers() >= core.peer_count());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  GossipSubParams params;
  params.signature_policy = SignaturePolicy::strict_no_sign;
  params.message_id = MessageIdKind::content_hash;
  params.d = 2;
  params.d_low = 2;
  params.d_high = 3;
  params.d_out = 1;
  params.d_score = 1;
  params.max_topics = 6;
  params.seen_ttl = 8s;
  params.prune_backoff = 5s;
  params.unsubscribe_backoff = 2s;
  params.peer_exchange = true;
  params.max_ihave_length = 4;
  std::size_t at = 0;
  const auto next = [&]() -> std::uint8_t { return at < size ? data[at++] : 0; };
  params.idontwant_threshold = 2;
  params.max_idontwant_messages = 3;
  const std::uint8_t options = next();
  params.flood_publish = (options & 1) != 0;
  if ((options & 2) != 0) {
    params.score = scores();
    params.thresholds = {.gossip = -2, .publish = -4, .graylist = -8, .opportunistic_graft = 1};
    params.opportunistic_graft_ticks = 2;
  }
  params.validation_queue = 4;
  params.topic_validation_queue = 3;
  params.version = static_cast<PeerKind>(next() % 6);

  std::array<std::deque<RpcPart>, 2> wires;
  Node a(1, params), b(2, params);
  const std::array<Node*, 2> nodes = {&a, &b};
  for (std::size_t i = 0; i < 2; ++i) nodes[i]->outbox = &wires[i];
  std::array<std::array<PeerIndex, 6>, 2> liars;  // at each core
  for (auto& row : liars) row.fill(kNoPeer);
  Time now{1h};

  while (at < size) {
    const std::uint8_t op = next();
    const std::size_t who = op & 1;
    Node& node = *nodes[who];
    const char* topic = kTopics[next() % 3];
    switch ((op >> 1) % 12) {
      case 0:
        node.core.subscribe(topic, now);
        break;
      case 1:
        node.core.unsubscribe(topic, now);
        break;
      case 2: {
        const std::string payload = "m" + std::to_string(next() % 16);
        static_cast<void>(node.core.publish(topic, as_bytes(payload), now));
        break;
      }
      case 3:
        now += std::chrono::milliseconds(next() * 40);
        node.core.on_heartbeat(now);
        break;
      case 4: {  // the honest two meet
        if (a.other != kNoPeer) break;
        a.other = a.core.on_peer_added(b.core.self(), params.version, who == 0, now);
        b.other = b.core.on_peer_added(a.core.self(), params.version, who == 1, now);
        break;
      }
      case 5: {  // and part
        if (a.other == kNoPeer) break;
        a.core.on_peer_removed(a.other);
        b.core.on_peer_removed(b.other);
        a.other = b.other = kNoPeer;
        wires[0].clear();
        wires[1].clear();
        break;
      }
      case 6: {  // what one said arrives at the other
        for (unsigned count = next() % 8; count > 0 && !wires[who].empty(); --count) {
          const RpcPart part = wires[who].front();
          wires[who].pop_front();
          Node& to = *nodes[1 - who];
          MC_ASSERT(to.core.on_rpc(to.other, {&part, 1}, now).has_value());
        }
        break;
      }
      case 7: {  // a liar comes or goes
        const std::size_t slot = next() % 6;
        PeerIndex& liar = liars[who][slot];
        if (liar != kNoPeer) {
          node.core.on_peer_removed(liar);
          liar = kNoPeer;
        } else {
          liar = node.core.on_peer_added(peer_id(static_cast<std::uint8_t>(10 + slot)),
                                         static_cast<PeerKind>(next() % 6), (next() & 1) != 0, now,
                                         IpAddress::v4(0xc6336400u + static_cast<std::uint32_t>(slot / 2)));
        }
        break;
      }
      case 8: {  // a liar says something: raw bytes, or something well-formed
        const PeerIndex liar = liars[who][next() % 6];
        const std::uint8_t form = next();
        const std::size_t length = std::min<std::size_t>(next() % 64, size - at);
        const Bytes raw = Bytes::copy(ByteView(data + at, length));
        at += length;
        if (liar == kNoPeer) break;
        std::vector<RpcPart> parts;
        const ByteView name = as_bytes(std::string_view(topic));
        const PeerInfo offered[] = {{peer_id(form), {}}};
        switch (form % 8) {
          case 0:
            parts.push_back(make_subscription((form & 8) == 0, name));
            break;
          case 1:
            parts.push_back(make_graft(name));
            break;
          case 2:
            parts.push_back(make_prune(name, raw.size(), offered));
            break;
          case 3:
            parts.push_back(make_message(name, raw));
            break;
          case 4: {
            const ByteView ids[] = {raw.view(), raw.view().first(length / 2)};
            std::span<const ByteView> rest = ids;
            parts.push_back(make_ihave(name, rest));
            rest = ids;
            parts.push_back(make_iwant(rest));
            break;
          }
          case 5: {  // asks for what there is
            const RpcPart message = make_message(name, as_bytes("m" + std::to_string(form >> 4)));
            const MessageId id = message_id(*decode_message(message), MessageIdKind::content_hash);
            const ByteView ids[] = {id.bytes()};
            std::span<const ByteView> rest = ids;
            parts.push_back(make_iwant(rest));
            break;
          }
          case 6: {  // wants nothing of what there will be
            const RpcPart message = make_message(name, as_bytes("m" + std::to_string(form >> 4)));
            parts.push_back(
                make_idontwant(message_id(*decode_message(message), MessageIdKind::content_hash).bytes()));
            parts.push_back(make_idontwant(raw));
            break;
          }
          default:
            if (!decode_rpc(raw, parts)) parts.clear();
        }
        static_cast<void>(node.core.on_rpc(liar, parts, now));
        break;
      }
      case 9: {
        const PeerId friendly = peer_id(static_cast<std::uint8_t>(10 + next() % 6));
        if (next() & 1) {
          node.core.add_direct_peer(friendly);
        } else {
          node.core.remove_direct_peer(friendly);
        }
        break;
      }
      case 10:
        node.core.set_deferred(topic, (next() & 1) != 0);
        break;
      case 11: {  // a verdict, maybe not the first on that message
        if (node.tickets.empty()) break;
        const ValidationTicket ticket = node.tickets[next() % node.tickets.size()];
        node.core.on_validated(ticket, static_cast<Validation>(next() % 3), now);
        break;
      }
    }
    check(a.core);
    check(b.core);
  }
  return 0;
}
