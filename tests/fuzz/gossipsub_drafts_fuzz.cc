// Two GossipSub cores that run a draft, and liars who speak it, driven by a list of operations: whatever the order, what the
// honest two say to each other is well-formed, and what liars begin stays bounded.
#include <array>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "stack/base/assert.h"
#include "stack/protocols/gossipsub/core.h"
#include "stack/protocols/gossipsub/preamble.h"
#include "stack/protocols/gossipsub/variants.h"

namespace {

using namespace mesocosm;

constexpr std::size_t kLiars = 4;
const char* const kTopics[] = {"a", "b"};
const char* const kDrafts[] = {"v1.4", "v2.0", "choking"};
constexpr DraftField kFields[] = {DraftField::preambling, DraftField::preamble,  DraftField::imreceiving,
                                  DraftField::announcing, DraftField::iannounce, DraftField::ineed,
                                  DraftField::choking,    DraftField::choke,     DraftField::unchoke};

PeerId peer_id(std::uint8_t number) {
  std::vector<std::uint8_t> key = {0x08, 0x01, 0x12, 0x20};
  key.resize(36, number);
  return PeerId::from_public_key(key);
}

// Of 1 to 8 or 32 bytes: small and large.
std::string payload(std::uint8_t number) {
  return std::string(1, static_cast<char>('A' + number % 16)) +
         std::string((number & 16) != 0 ? 31 : number % 8, 'x');
}

std::shared_ptr<const PeerScoreParams> scores() {
  PeerScoreParams score;
  TopicScoreParams topic;
  topic.topic = "a";
  topic.invalid_message_deliveries_weight = -1;
  score.topics.push_back(topic);
  score.behaviour_penalty_weight = -1;
  return std::make_shared<const PeerScoreParams>(std::move(score));
}

struct Node final : GossipSubActions {
  Node(std::uint8_t number, const GossipSubParams& params, std::unique_ptr<GossipSubPolicy> policy)
      : core(params, {.peer = peer_id(number)}, Rng(number), *this, checks, std::move(policy)) {}
  void send(PeerIndex to, const RpcPart& part) override {
    MC_ASSERT(core.usable(to));
    if (to == other && outbox != nullptr) outbox->push_back(part);
  }
  bool cancel(PeerIndex to, const RpcPart& part) override {
    MC_ASSERT(core.usable(to));
    if (to != other || outbox->empty() || outbox->back().bytes.data() != part.bytes.data()) return false;
    outbox->pop_back();
    return true;
  }
  void deliver(TopicIndex, const Message&, const MessageId&, PeerIndex) override {}
  void validate(TopicIndex, const Message&, const PeerId&, ValidationTicket ticket) override {
    tickets.push_back(ticket);
  }
  void connect(const PeerId&, const Bytes&) override {}
  Bytes signed_record(const PeerId&) override { return {}; }
  void note(const GossipSubEvent&) override {}
  void wake_at(Time when) override { wake = when; }
  void pass(Time now, bool heartbeat) {
    if (wake <= now) {
      wake = Time::max();
      core.on_wake(now);
    }
    if (heartbeat) core.on_heartbeat(now);
  }

  MessageChecks checks;
  GossipSubCore core;
  PeerIndex other = kNoPeer;  // the other honest core
  std::deque<RpcPart>* outbox = nullptr;
  std::vector<ValidationTicket> tickets;
  Time wake = Time::max();
};

void check(Node& node) {
  const auto* preamble = dynamic_cast<const PreamblePolicy*>(&node.core.policy());
  if (preamble == nullptr) return;
  MC_ASSERT(preamble->expected() <= PreamblePolicy::kMostExpected);
  MC_ASSERT(preamble->deferred() <= node.core.peer_count() * PreamblePolicy::kMostDeferredForPeer);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::size_t at = 0;
  const auto next = [&]() -> std::uint8_t { return at < size ? data[at++] : 0; };
  const std::uint8_t options = next();
  static const GossipSubVariants variants;
  const GossipSubVariant& variant = **variants.find(kDrafts[options % 3]);
  VariantSettings settings(variant.options);
  settings.set("preamble_threshold", 16);
  settings.set("peer_preamble_announcements", 2);
  settings.set("safe_rate", 32);
  GossipSubParams params;
  variant.adjust(params, settings);
  params.signature_policy = SignaturePolicy::strict_no_sign;
  params.message_id = MessageIdKind::content_hash;
  params.idontwant_threshold = 4;
  params.flood_publish = (options & 8) != 0;
  params.seen_ttl = 8s;
  params.prune_backoff = 2s;
  if ((options & 16) != 0) {
    params.score = scores();
    params.thresholds = {.gossip = -2, .publish = -4, .graylist = -8};
  }

  std::array<std::deque<RpcPart>, 2> wires;
  Node a(1, params, variant.policy(settings)), b(2, params, variant.policy(settings));
  const std::array<Node*, 2> nodes = {&a, &b};
  for (std::size_t i = 0; i < 2; ++i) nodes[i]->outbox = &wires[i];
  std::array<std::array<PeerIndex, kLiars>, 2> liars;  // at each core
  for (auto& row : liars) row.fill(kNoPeer);
  Time now{1h};

  while (at < size) {
    const std::uint8_t op = next();
    const std::size_t who = op & 1;
    Node& node = *nodes[who];
    const char* topic = kTopics[(op >> 1) & 1];
    const std::uint8_t arg = next();
    switch ((op >> 2) % 10) {
      case 0:
        if ((arg & 3) != 0) {
          node.core.subscribe(topic, now);
        } else {
          node.core.unsubscribe(topic, now);
        }
        break;
      case 1:
        static_cast<void>(node.core.publish(topic, as_bytes(payload(arg)), now));
        break;
      case 2:
        now += std::chrono::milliseconds(arg * 10);
        for (Node* each : nodes) each->pass(now, (arg & 3) == 0);
        break;
      case 3:  // the honest two meet, or part
        if (a.other == kNoPeer) {
          a.other = a.core.on_peer_added(b.core.self(), params.version, who == 0, now);
          b.other = b.core.on_peer_added(a.core.self(), params.version, who == 1, now);
        } else if (arg == 0) {
          a.core.on_peer_removed(a.other);
          b.core.on_peer_removed(b.other);
          a.other = b.other = kNoPeer;
          for (auto& wire : wires) wire.clear();
        }
        break;
      case 4:
      case 5:  // what one said arrives at the other
        for (unsigned count = 1 + arg % 8; count > 0 && !wires[who].empty(); --count) {
          const RpcPart part = wires[who].front();
          wires[who].pop_front();
          Node& to = *nodes[1 - who];
          MC_ASSERT(to.core.on_rpc(to.other, {&part, 1}, now).has_value());
        }
        break;
      case 6: {  // a liar comes into the mesh, or goes
        const std::size_t slot = arg % kLiars;
        PeerIndex& liar = liars[who][slot];
        if (liar != kNoPeer) {
          node.core.on_peer_removed(liar);
          liar = kNoPeer;
          break;
        }
        liar =
            node.core.on_peer_added(peer_id(static_cast<std::uint8_t>(10 + slot)), params.version, true, now);
        std::vector<RpcPart> parts = {make_subscription(true, as_bytes(std::string_view(topic))),
                                      make_graft(as_bytes(std::string_view(topic)))};
        for (const DraftField hello : {DraftField::preambling, DraftField::announcing, DraftField::choking}) {
          parts.push_back(make_draft(hello));
        }
        static_cast<void>(node.core.on_rpc(liar, parts, now));
        break;
      }
      case 7: {  // a liar says something, of a message that there may be
        const PeerIndex liar = liars[who][arg % kLiars];
        const std::uint8_t form = next();
        const std::uint8_t number = next();
        if (liar == kNoPeer) break;
        const ByteView name = as_bytes(std::string_view(topic));
        const std::string text = payload(number);
        const RpcPart message = make_message(name, as_bytes(text));
        const MessageId id = message_id(*decode_message(message), MessageIdKind::content_hash);
        const ByteView ids[] = {id.bytes()};
        std::span<const ByteView> rest = ids;
        RpcPart part = message;
        if (form % 8 == 0) part = make_ihave(name, rest);
        if (form % 8 == 1) part = make_iwant(rest);
        if (form % 8 == 2) part = make_idontwant(id.bytes());
        if (form % 8 > 3) {
          const std::uint64_t length = form < 128 ? text.size() : std::uint64_t{1} << (form % 64);
          part = make_draft(kFields[(form >> 3) % std::size(kFields)], {name, id.bytes(), length});
        }
        static_cast<void>(node.core.on_rpc(liar, {&part, 1}, now));
        break;
      }
      case 8: {  // or raw bytes
        const PeerIndex liar = liars[who][arg % kLiars];
        const auto field = static_cast<std::uint32_t>(kFields[next() % std::size(kFields)]);
        const std::size_t length = std::min<std::size_t>(next() % 80, size - at);
        const RpcPart part = make_control(field, Bytes::copy(ByteView(data + at, length)));
        at += length;
        if (liar != kNoPeer) static_cast<void>(node.core.on_rpc(liar, {&part, 1}, now));
        break;
      }
      default:  // validation begins to take time, or ends
        if ((arg & 1) != 0 || node.tickets.empty()) {
          node.core.set_deferred(topic, (arg & 2) != 0);
        } else {
          const ValidationTicket ticket = node.tickets[arg % node.tickets.size()];
          node.core.on_validated(ticket, static_cast<Validation>(arg % 3), now);
        }
    }
    for (Node* each : nodes) check(*each);
  }
  return 0;
}
