// Gossipsub v1.4's draft (PREAMBLE and IMRECEIVING), rule by rule. In comments: the draft's sections.
#include <map>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "stack/protocols/gossipsub/preamble.h"
#include "tests/unit/gossipsub_harness.h"

namespace mesocosm {
namespace {

using testing::Solo;
using testing::unsigned_params;

constexpr std::size_t kSize = 4096;         // of a message that is large here
constexpr Duration kPatience = 1s + 250ms;  // for such a one
constexpr std::size_t kPeers = 6;

RpcPart message(std::string_view data) { return make_message(as_bytes("t"), as_bytes(data)); }
MessageId id_of(std::string_view data) {
  const RpcPart part = message(data);
  return message_id(*decode_message(part), MessageIdKind::content_hash);
}
std::string large(char fill) { return std::string(kSize, fill); }
RpcPart preamble(std::string_view data, std::uint64_t length = kSize, std::string_view topic = "t") {
  const MessageId id = id_of(data);
  return make_draft(DraftField::preamble, {.topic = as_bytes(topic), .id = id.bytes(), .length = length});
}
RpcPart receiving(std::string_view data, std::uint64_t length = kSize) {
  const MessageId id = id_of(data);
  return make_draft(DraftField::imreceiving, {.topic = {}, .id = id.bytes(), .length = length});
}
RpcPart ihave(std::string_view data) {
  const MessageId id = id_of(data);
  const ByteView ids[] = {id.bytes()};
  std::span<const ByteView> rest = ids;
  return make_ihave(as_bytes("t"), rest);
}
RpcPart idontwant(std::string_view data) { return make_idontwant(id_of(data).bytes()); }

std::shared_ptr<const PeerScoreParams> scores() {
  PeerScoreParams score;
  TopicScoreParams topic;
  topic.topic = "t";
  topic.invalid_message_deliveries_weight = -100;
  score.topics.push_back(topic);
  score.behaviour_penalty_weight = -1;
  return std::make_shared<const PeerScoreParams>(std::move(score));
}

// A node that runs the draft, with peers in its mesh who all speak it: 4096 bytes are large, and come within a second.
struct Node {
  explicit Node(std::map<std::string, double> given = {}, bool scored = false)
      : settings(with(given)), solo(params(scored), std::make_unique<PreamblePolicy>(settings)) {
    solo.core.subscribe("t", solo.now);
    for (std::size_t i = 0; i < kPeers; ++i) {
      peers.push_back(solo.add(PeerKind::gossipsub_12));
      const std::vector<RpcPart> first = {make_subscription(true, as_bytes("t")),
                                          make_draft(DraftField::preambling)};
      REQUIRE(solo.rpc(peers.back(), first));
    }
    solo.heartbeats();
    REQUIRE(solo.mesh_size("t") == kPeers);
    solo.sent.clear();
  }
  static VariantSettings with(const std::map<std::string, double>& given) {
    VariantSettings settings(PreamblePolicy::variant().options);
    REQUIRE(settings.set("preamble_threshold", kSize));
    REQUIRE(settings.set("safe_rate", kSize));
    for (const auto& [name, value] : given) REQUIRE(settings.set(name, value));
    return settings;
  }
  GossipSubParams params(bool scored) const {
    GossipSubParams made = unsigned_params();
    PreamblePolicy::variant().adjust(made, settings);
    if (scored) made.score = scores();
    return made;
  }
  const PreamblePolicy& policy() { return static_cast<const PreamblePolicy&>(solo.core.policy()); }
  std::size_t count(DraftField field, PeerIndex to = kNoPeer) const {
    return static_cast<std::size_t>(
        std::count_if(solo.sent.begin(), solo.sent.end(), [&](const Solo::Sent& s) {
          return s.part.kind == PartKind::other && s.part.field == static_cast<std::uint16_t>(field) &&
                 (to == kNoPeer || s.to == to);
        }));
  }
  std::size_t messages(PeerIndex to = kNoPeer) const { return solo.count(PartKind::message, to); }
  std::size_t asked(PeerIndex of = kNoPeer) const { return solo.count(PartKind::iwant, of); }
  void wake_after(Duration wait) {
    solo.now += wait;
    solo.core.on_wake(solo.now);
  }
  double score(PeerIndex peer) { return solo.core.score(peer); }

  VariantSettings settings;
  Solo solo;
  std::vector<PeerIndex> peers;
};

}  // namespace

// "Message PREAMBLE, Basic scenario"
TEST_CASE("gossipsub v1.4: a large message is told of before it is sent, a small one is not",
          "[gossipsub][preamble]") {
  struct Row {
    std::size_t size;
    std::size_t preambles;
  };
  for (const Row& row : {Row{1, 0}, Row{kSize - 1, 0}, Row{kSize, kPeers - 1}, Row{3 * kSize, kPeers - 1}}) {
    INFO(row.size);
    Node node;
    const std::string data(row.size, 'm');
    REQUIRE(node.solo.rpc(node.peers[0], message(data)));
    CHECK(node.messages() == kPeers - 1);
    CHECK(node.count(DraftField::preamble) == row.preambles);
    std::map<PeerIndex, bool> told;
    for (const Solo::Sent& s : node.solo.sent) {
      if (s.part.kind == PartKind::other) {
        told[s.to] = true;
        const auto body = decode_draft(s.part.body());
        REQUIRE(body);
        CHECK(body->topic.size() == 1);
        CHECK(equal(body->id, id_of(data).bytes()));
        CHECK(body->length == row.size);
      }
      if (s.part.kind == PartKind::message) CHECK(told[s.to] == (row.preambles > 0));
    }
  }
}

TEST_CASE("gossipsub v1.4: who does not speak the draft, or is not in the mesh, is sent the message alone",
          "[gossipsub][preamble]") {
  Node node;
  const PeerIndex old = node.solo.add_members(1, "t")[0];
  REQUIRE(node.solo.rpc(old, make_graft(as_bytes("t"))));
  const PeerIndex direct = node.solo.add_members(1, "t")[0];
  REQUIRE(node.solo.rpc(direct, make_draft(DraftField::preambling)));
  node.solo.core.add_direct_peer(node.solo.core.peer(direct).id);
  node.solo.sent.clear();
  REQUIRE(node.solo.rpc(node.peers[0], message(large('m'))));
  CHECK(node.messages(old) == 1);
  CHECK(node.count(DraftField::preamble, old) == 0);
  CHECK(node.count(DraftField::preamble, direct) == 1);  // an agreement is as good as a mesh
  REQUIRE(node.solo.rpc(old, preamble(large('n'))));     // and is not heard
  CHECK(node.count(DraftField::imreceiving) == 0);
}

// "IMRECEIVING Message"
TEST_CASE("gossipsub v1.4: who hears a PREAMBLE tells its mesh, once for a message",
          "[gossipsub][preamble]") {
  Node node;
  for (std::size_t i : {0, 1, 0}) REQUIRE(node.solo.rpc(node.peers[i], preamble(large('m'))));
  CHECK(node.count(DraftField::imreceiving) == kPeers - 1);
  CHECK(node.count(DraftField::imreceiving, node.peers[0]) == 0);
  CHECK(node.policy().expected() == 1);
  CHECK(node.solo.wakes.back() == node.solo.now + kPatience);
  const auto told = decode_draft(node.solo.sent.back().part.body());
  REQUIRE(told);
  CHECK(told->length == kSize);
  REQUIRE(node.solo.rpc(node.peers[0], message(large('m'))));
  CHECK(node.policy().expected() == 0);
  REQUIRE(node.solo.rpc(node.peers[2], preamble(large('m'))));  // seen
  CHECK(node.count(DraftField::imreceiving) == kPeers - 1);
  CHECK(node.policy().expected() == 0);
}

TEST_CASE("gossipsub v1.4: a message is not sent to who is receiving it", "[gossipsub][preamble]") {
  struct Row {
    const char* name;
    std::uint64_t length;
    Duration later;
    std::size_t sent;  // to that peer
  };
  for (const Row& row : {Row{"at once", kSize, 0ms, 0}, Row{"in time", kSize, kPatience - 1ms, 0},
                         Row{"when it must have failed", kSize, kPatience, 1},
                         Row{"of another length", kSize - 1, 0ms, 1}, Row{"of no length", 0, 0ms, 1}}) {
    INFO(row.name);
    Node node;
    REQUIRE(node.solo.rpc(node.peers[1], receiving(large('m'), row.length)));
    node.solo.now += row.later;
    REQUIRE(node.solo.rpc(node.peers[0], message(large('m'))));
    CHECK(node.messages(node.peers[1]) == row.sent);
    CHECK(node.count(DraftField::preamble, node.peers[1]) == row.sent);
    CHECK(node.messages() == kPeers - 2 + row.sent);
    CHECK(node.solo.core.counters().withheld == 1 - row.sent);
    CHECK(node.solo.count(PartKind::idontwant, node.peers[1]) == 1);  // it learns that we have it
    CHECK(node.policy().deferred() == 0);
  }
}

TEST_CASE("gossipsub v1.4: a message that waits yet is taken back", "[gossipsub][preamble]") {
  struct Waiting final : GossipSubActions {
    void send(PeerIndex, const RpcPart&) override {}
    bool cancel(PeerIndex, const RpcPart&) override { return ++cancels, true; }
    void deliver(TopicIndex, const Message&, const MessageId&, PeerIndex) override {}
    void connect(const PeerId&, const Bytes&) override {}
    Bytes signed_record(const PeerId&) override { return {}; }
    void note(const GossipSubEvent&) override {}
    int cancels = 0;
  } actions;
  MessageChecks checks;
  GossipSubCore core(unsigned_params(), {.peer = testing::fake_peer(0)}, Rng(7), actions, checks,
                     std::make_unique<PreamblePolicy>(Node::with({})));
  core.subscribe("t", Time(1h));
  const PeerIndex peer = core.on_peer_added(testing::fake_peer(1), PeerKind::gossipsub_12, true, Time(1h));
  const std::vector<RpcPart> first = {make_subscription(true, as_bytes("t")), make_graft(as_bytes("t")),
                                      make_draft(DraftField::preambling)};
  REQUIRE(core.on_rpc(peer, first, Time(1h)));
  REQUIRE(core.publish("t", as_bytes(large('m')), Time(1h)));
  REQUIRE(core.counters().messages_sent == 1);
  for (const std::uint64_t length : {kSize + 1, kSize}) {
    const RpcPart part = receiving(large('m'), length);
    REQUIRE(core.on_rpc(peer, {&part, 1}, Time(1h)));
    CHECK(actions.cancels == (length == kSize ? 1 : 0));
  }
  CHECK(core.counters().messages_sent == 0);
  CHECK(core.counters().withheld == 1);
}

TEST_CASE("gossipsub v1.4: IDONTWANT ends IMRECEIVING", "[gossipsub][preamble]") {
  Node node;
  REQUIRE(node.solo.rpc(node.peers[1], receiving(large('m'))));
  CHECK(node.policy().deferred() == 1);
  REQUIRE(node.solo.rpc(node.peers[1], idontwant(large('m'))));
  CHECK(node.policy().deferred() == 0);
  REQUIRE(node.solo.rpc(node.peers[0], message(large('m'))));
  CHECK(node.messages(node.peers[1]) == 0);
}

// "Limiting IWANT Requests"
TEST_CASE("gossipsub v1.4: what is on its way is not asked for, until it is late", "[gossipsub][preamble]") {
  Node node;
  const PeerIndex outsider = node.solo.add_members(1, "t")[0];
  node.solo.sent.clear();
  REQUIRE(node.solo.rpc(node.peers[0], preamble(large('m'))));
  REQUIRE(node.solo.rpc(outsider, ihave(large('m'))));
  CHECK(node.asked() == 0);
  node.wake_after(kPatience - 1ms);
  CHECK(node.asked() == 0);
  node.wake_after(1ms);
  CHECK(node.asked(outsider) == 1);
  REQUIRE(node.solo.rpc(outsider, message(large('m'))));
  CHECK(node.policy().expected() == 0);
  CHECK(node.solo.delivered.size() == 1);
}

TEST_CASE("gossipsub v1.4: one peer at a time is asked for a message", "[gossipsub][preamble]") {
  Node node;
  for (std::size_t i : {0, 1, 1}) REQUIRE(node.solo.rpc(node.peers[i], ihave("m")));
  CHECK(node.asked() == 1);
  CHECK(node.asked(node.peers[0]) == 1);
  node.wake_after(node.solo.core.params().heartbeat);
  CHECK(node.asked(node.peers[1]) == 1);
  CHECK(node.asked() == 2);
  node.wake_after(node.solo.core.params().heartbeat);  // nobody else has it
  CHECK(node.asked() == 2);
  REQUIRE(node.solo.rpc(node.peers[2], ihave("m")));
  CHECK(node.asked() == 3);
}

TEST_CASE("gossipsub v1.4: a PREAMBLE of what was asked for is heeded, too", "[gossipsub][preamble]") {
  Node node;
  REQUIRE(node.solo.rpc(node.peers[0], ihave(large('m'))));
  REQUIRE(node.asked(node.peers[0]) == 1);
  REQUIRE(node.solo.rpc(node.peers[1], preamble(large('m'))));
  CHECK(node.count(DraftField::imreceiving, node.peers[0]) == 1);
  CHECK(node.count(DraftField::imreceiving, node.peers[1]) == 0);
  node.wake_after(kPatience);
  CHECK(node.asked(node.peers[0]) == 2);
}

// "Safety Strategy"
TEST_CASE("gossipsub v1.4: who does not keep the promise is penalized, and others are asked",
          "[gossipsub][preamble]") {
  Node node({}, true);
  REQUIRE(node.solo.rpc(node.peers[4], idontwant(large('m'))));  // it has it since before
  REQUIRE(node.solo.rpc(node.peers[0], preamble(large('m'))));
  REQUIRE(node.solo.rpc(node.peers[1], preamble(large('m'))));
  REQUIRE(node.solo.rpc(node.peers[2], idontwant(large('m'))));
  node.solo.sent.clear();
  node.wake_after(kPatience);
  CHECK(node.score(node.peers[0]) == -1);
  CHECK(node.asked() == 1);
  node.wake_after(kPatience);
  node.wake_after(kPatience);
  CHECK(node.asked() == 3);
  for (std::size_t i : {1, 2, 4}) {
    INFO(i);
    CHECK(node.asked(node.peers[i]) == 1);
    CHECK(node.score(node.peers[i]) == 0);  // they promised nothing that we did not tell them not to keep
  }
  node.wake_after(kPatience);
  CHECK(node.asked() == 3);
  REQUIRE(node.solo.rpc(node.peers[3], idontwant(large('m'))));  // and now somebody has it
  CHECK(node.asked(node.peers[3]) == 1);
  REQUIRE(node.solo.rpc(node.peers[3], message(large('m'))));
  CHECK(node.policy().expected() == 0);
}

TEST_CASE("gossipsub v1.4: what nobody has is forgotten", "[gossipsub][preamble]") {
  Node node;
  REQUIRE(node.solo.rpc(node.peers[0], preamble(large('m'))));
  node.wake_after(kPatience);
  CHECK(node.policy().expected() == 1);
  node.wake_after(kPatience);
  CHECK(node.policy().expected() == 0);
  CHECK(node.asked() == 0);
}

TEST_CASE("gossipsub v1.4: what is in validation is neither late nor asked for", "[gossipsub][preamble]") {
  Node node({}, true);
  node.solo.core.set_deferred("t", true);
  REQUIRE(node.solo.rpc(node.peers[0], preamble(large('m'))));
  REQUIRE(node.solo.rpc(node.peers[0], message(large('m'))));
  REQUIRE(node.solo.rpc(node.peers[1], idontwant(large('m'))));
  node.wake_after(kPatience);
  CHECK(node.asked() == 0);
  CHECK(node.score(node.peers[0]) == 0);
  CHECK(node.policy().expected() == 0);
  REQUIRE(node.solo.tickets.size() == 1);
  node.solo.core.on_validated(node.solo.tickets[0], Validation::accept, node.solo.now);
  CHECK(node.messages() == kPeers - 2);
}

TEST_CASE("gossipsub v1.4: a wrong length is an invalid message of who told it", "[gossipsub][preamble]") {
  for (const std::uint64_t length :
       {std::uint64_t{kSize}, std::uint64_t{kSize - 1}, std::uint64_t{1 << 20}}) {
    INFO(length);
    Node node({}, true);
    REQUIRE(node.solo.rpc(node.peers[0], preamble(large('m'), length)));
    REQUIRE(node.solo.rpc(node.peers[1], message(large('m'))));
    CHECK(node.score(node.peers[0]) == (length == kSize ? 0 : -100));
    CHECK(node.score(node.peers[1]) == 0);
  }
}

TEST_CASE("gossipsub v1.4: a PREAMBLE counts from mesh peers, for what can be a message",
          "[gossipsub][preamble]") {
  Node node;
  const PeerIndex outsider = node.solo.add_members(1, "t")[0];
  REQUIRE(node.solo.rpc(outsider, make_draft(DraftField::preambling)));
  node.solo.sent.clear();
  REQUIRE(node.solo.rpc(outsider, preamble(large('m'))));
  REQUIRE(node.solo.rpc(node.peers[0], preamble(large('m'), kSize, "u")));
  REQUIRE(node.solo.rpc(node.peers[0], preamble(large('m'), 0)));
  REQUIRE(node.solo.rpc(node.peers[0], preamble(large('m'), (1 << 20) + 1)));
  REQUIRE(node.solo.rpc(node.peers[0], preamble(large('m'), UINT64_MAX)));
  const std::string longest(64, 'x');
  REQUIRE(node.solo.rpc(
      node.peers[0],
      make_draft(DraftField::preamble, {.topic = as_bytes("t"), .id = as_bytes(longest), .length = kSize})));
  REQUIRE(node.solo.rpc(
      node.peers[0], make_draft(DraftField::preamble, {.topic = as_bytes("t"), .id = {}, .length = kSize})));
  CHECK(node.solo.sent.empty());
  CHECK(node.policy().expected() == 0);
  CHECK_FALSE(node.solo.rpc(node.peers[0], make_control(1041, Bytes::copy("\x0a\x7f"))));
}

TEST_CASE("gossipsub v1.4: what a peer begins and does not end is bounded", "[gossipsub][preamble]") {
  Node node({{"peer_preamble_announcements", 3}});
  for (int i = 0; i < 100; ++i) {
    const std::string data = std::to_string(i);
    REQUIRE(node.solo.rpc(node.peers[0], preamble(data)));
    REQUIRE(node.solo.rpc(node.peers[1], receiving(data)));
  }
  CHECK(node.policy().expected() == 3);
  CHECK(node.count(DraftField::imreceiving) == 3 * (kPeers - 1));
  CHECK(node.policy().deferred() == PreamblePolicy::kMostDeferredForPeer);
  for (int i = 0; i < 1000; ++i) REQUIRE(node.solo.rpc(node.peers[2], ihave("x" + std::to_string(i))));
  CHECK(node.policy().expected() <= 3 + PreamblePolicy::kMostAskedOfPeer);
  REQUIRE(node.solo.rpc(node.peers[3], preamble(large('m'))));  // others are not hindered
  CHECK(node.count(DraftField::imreceiving) == 4 * (kPeers - 1));
  node.wake_after(10s);
  node.wake_after(10s);
  node.solo.heartbeats();
  CHECK(node.policy().expected() == 0);
  CHECK(node.policy().deferred() == 0);
  node.solo.sent.clear();
  REQUIRE(node.solo.rpc(node.peers[0], preamble("again")));
  CHECK(node.count(DraftField::imreceiving) == kPeers - 1);
}

TEST_CASE("gossipsub v1.4: the next is asked when who was to send it leaves", "[gossipsub][preamble]") {
  Node node;
  REQUIRE(node.solo.rpc(node.peers[0], preamble(large('m'))));
  REQUIRE(node.solo.rpc(node.peers[1], idontwant(large('m'))));
  REQUIRE(node.solo.rpc(node.peers[2], receiving(large('n'))));
  node.solo.sent.clear();
  node.solo.core.on_peer_removed(node.peers[0]);
  node.solo.core.on_peer_removed(node.peers[2]);
  CHECK(node.policy().deferred() == 0);
  CHECK(node.solo.wakes.back() == node.solo.now);
  node.wake_after(0ms);
  CHECK(node.asked(node.peers[1]) == 1);
}

}  // namespace mesocosm
