// GossipSub v1.1 in the core with scores on: promises, thresholds, penalties, and validation that takes time.
#include <cmath>

#include <catch2/catch.hpp>

#include "stack/crypto/blake2b.h"
#include "stack/crypto/keys.h"
#include "stack/protocols/gossipsub/score_presets.h"
#include "tests/unit/gossipsub_harness.h"

namespace mesocosm {
namespace {

using testing::fake_peer;
using testing::Solo;
using testing::unsigned_params;
using Event = GossipSubEvent::Kind;

PeerScoreParams scores() {
  PeerScoreParams score;
  score.topics.push_back({.topic = "t"});
  score.topics[0].first_message_deliveries_weight = 1;
  score.topics[0].first_message_deliveries_decay = 0.999;
  score.topics[0].invalid_message_deliveries_weight = -10;
  score.topics[0].invalid_message_deliveries_decay = 0.999;
  score.behaviour_penalty_weight = -1;
  score.behaviour_penalty_decay = 0.999;
  return score;
}

GossipSubParams scored(const PeerScoreParams& score = scores()) {
  GossipSubParams params = unsigned_params();
  params.score = std::make_shared<const PeerScoreParams>(score);
  params.thresholds = {.gossip = -5, .publish = -20, .graylist = -50};
  return params;
}

RpcPart message(std::string_view data, std::string_view topic = "t") {
  return make_message(as_bytes(topic), as_bytes(data));
}
MessageId id_of(const RpcPart& part) {
  return message_id(*decode_message(part), MessageIdKind::content_hash);
}
RpcPart ihave(const std::vector<MessageId>& ids) {
  std::vector<ByteView> views;
  for (const MessageId& id : ids) views.push_back(id.bytes());
  std::span<const ByteView> rest = views;
  return make_ihave(as_bytes("t"), rest, SIZE_MAX);
}
RpcPart graft() { return make_graft(as_bytes("t")); }
RpcPart prune() { return make_prune(as_bytes("t"), 60, {}); }

double behaviour(Solo& solo, PeerIndex peer) {
  return solo.core.peer_score()->parts(solo.core.peer(peer).hash).behaviour_penalty;
}

struct Judge final : MessageValidator {
  Validation validate(const Message& message, const PeerId&) override {
    ++asked;
    return message.data[0] == 'r' ? Validation::reject : Validation::accept;
  }
  int asked = 0;
};

}  // namespace

TEST_CASE("gossipsub v1.1: without score parameters nobody is scored", "[gossipsub][score]") {
  Solo solo;
  const PeerIndex peer = solo.add();
  CHECK(solo.core.peer_score() == nullptr);
  CHECK(solo.core.score(peer) == 0);
}

TEST_CASE("gossipsub v1.1: a broken gossip promise is misbehaviour", "[gossipsub][score]") {
  Solo solo(scored());
  solo.core.subscribe("t", solo.now);
  const auto peers = solo.add_members(3, "t");
  std::vector<MessageId> ids;
  for (int i = 0; i < 10; ++i) ids.push_back(id_of(message("m" + std::to_string(i))));
  CHECK(solo.rpc(peers[0], ihave(ids)));
  CHECK(solo.rpc(peers[1], ihave({ids[0]})));
  CHECK(solo.rpc(peers[2], ihave({ids[0]})));
  solo.now += 1s;
  CHECK(solo.rpc(peers[2], message("m0")));  // keeps its promise, and nobody else need send it any more
  solo.heartbeats(2);
  CHECK(solo.core.peer_score()->promises_broken() == 0);  // 3 s are not over
  solo.heartbeats(1);
  CHECK(behaviour(solo, peers[1]) == 0);
  CHECK(behaviour(solo, peers[2]) == 0);
  // One of the ten, whatever their number, unless that was the one that came.
  const double expected = solo.core.peer_score()->promises_broken() == 1 ? -1 : 0;
  CHECK(behaviour(solo, peers[0]) == expected);

  CHECK(solo.rpc(peers[1], ihave({ids[5]})));
  solo.heartbeats(4);
  CHECK(behaviour(solo, peers[1]) == Approx(-1).epsilon(0.01));  // a heartbeat's decay
}

TEST_CASE("gossipsub v1.1: which of the ids is promised is chance", "[gossipsub][score]") {
  Solo solo(scored());
  solo.core.subscribe("t", solo.now);
  const auto peers = solo.add_members(400, "t");
  std::vector<MessageId> ids;
  for (int i = 0; i < 4; ++i) ids.push_back(id_of(message("m" + std::to_string(i))));
  for (PeerIndex peer : peers) CHECK(solo.rpc(peer, ihave(ids)));
  CHECK(solo.rpc(peers[0], message("m0")));  // the promises of this one are void
  solo.heartbeats(4);
  // Three in four break theirs: 300, with a standard deviation of 9.
  CHECK(solo.core.peer_score()->promises_broken() > 250);
  CHECK(solo.core.peer_score()->promises_broken() < 350);
}

TEST_CASE("gossipsub v1.1: GRAFT while backing off costs one, as a flood two", "[gossipsub][score]") {
  Solo solo(scored());
  solo.core.subscribe("t", solo.now);
  const auto peers = solo.add_members(2, "t");
  for (PeerIndex peer : peers) {
    CHECK(solo.rpc(peer, graft()));
    CHECK(solo.rpc(peer, prune()));
  }
  solo.now += 9s;
  CHECK(solo.rpc(peers[0], graft()));
  CHECK(behaviour(solo, peers[0]) == -4);
  solo.now += 2s;
  CHECK(solo.rpc(peers[1], graft()));
  CHECK(behaviour(solo, peers[1]) == -1);
  CHECK(solo.mesh_size("t") == 0);
  solo.now += 59s;  // less than prune_backoff after the refused one
  CHECK(solo.rpc(peers[1], graft()));
  CHECK(behaviour(solo, peers[1]) < -3);
}

TEST_CASE("gossipsub v1.1: thresholds by real misdeeds", "[gossipsub][score]") {
  Judge judge;
  Solo solo(scored());
  solo.core.subscribe("t", solo.now);
  solo.core.set_validator("t", &judge);
  const PeerIndex bad = solo.add_members(1, "t")[0];
  solo.heartbeats();
  CHECK(solo.mesh_size("t") == 1);
  CHECK(solo.rpc(bad, message("r1")));  // -10: below zero and gossip
  CHECK(solo.core.score(bad) == -10);
  solo.sent.clear();
  solo.heartbeats();
  CHECK(solo.mesh_size("t") == 0);  // out of the mesh
  CHECK(solo.rpc(bad, ihave({id_of(message("x"))})));
  CHECK(solo.count(PartKind::iwant) == 0);
  CHECK(solo.rpc(bad, graft()));
  CHECK(solo.mesh_size("t") == 0);
  CHECK(solo.rpc(bad, message("r2")));
  CHECK(solo.rpc(bad, message("r3")));  // about -90: below all
  CHECK(judge.asked == 3);
  CHECK(solo.rpc(bad, message("fine")));
  CHECK(solo.delivered.empty());
  CHECK(solo.core.counters().rpcs_graylisted == 1);
  // What it subscribes to is heard even so.
  CHECK(solo.rpc(bad, make_subscription(true, as_bytes("u"))));
  CHECK(solo.core.topic(solo.core.find_topic("u")).peers.contains(bad));
  // It cannot shake it off by coming again.
  solo.core.on_peer_removed(bad);
  const PeerIndex again = solo.core.on_peer_added(fake_peer(1), PeerKind::gossipsub_11, false, solo.now);
  CHECK(solo.core.score(again) < -80);
}

TEST_CASE("gossipsub v1.1: peers at one address", "[gossipsub][score]") {
  PeerScoreParams score;
  score.ip_colocation_weight = -1;
  score.ip_colocation_threshold = 1;
  Solo solo(scored(score));
  const IpAddress home = IpAddress::v4(0xc6336401);
  const auto add = [&](std::uint64_t number, const IpAddress& ip) {
    return solo.core.on_peer_added(fake_peer(number), PeerKind::gossipsub_11, false, solo.now, ip);
  };
  const PeerIndex one = add(101, home), two = add(102, home), other = add(103, IpAddress::v4(0xc6336402));
  CHECK(solo.core.score(one) == -1);
  CHECK(solo.core.score(two) == -1);
  CHECK(solo.core.score(other) == 0);
}

TEST_CASE("gossipsub v1.1: our own message coming back is an invalid one", "[gossipsub][score]") {
  std::array<std::uint8_t, 32> seed{};
  const KeyPair own = KeyPair::from_seed(seed);
  GossipSubParams params = scored();
  params.signature_policy = SignaturePolicy::strict_sign;
  params.message_id = MessageIdKind::from_seqno;
  Solo solo(params, nullptr, &own, own.peer_id());
  solo.core.subscribe("t", solo.now);
  const PeerIndex peer = solo.add_members(1, "t")[0];
  CHECK(solo.rpc(peer, make_signed_message(as_bytes("t"), as_bytes("m"), own.peer_id(), 99, own)));
  CHECK(solo.core.score(peer) == -10);
}

TEST_CASE("gossipsub v1.1: a message waits for its verdict", "[gossipsub][score]") {
  Judge judge;
  Solo solo(scored());
  solo.core.subscribe("t", solo.now);
  solo.core.set_deferred("t", true);
  solo.core.set_validator("t", &judge);
  const auto peers = solo.add_members(4, "t");
  solo.heartbeats();
  solo.sent.clear();
  for (const char* data : {"a", "reject me", "ignore me", "no answer"})
    CHECK(solo.rpc(peers[0], message(data)));
  REQUIRE(solo.tickets.size() == 4);
  CHECK(solo.core.validating() == 4);
  CHECK(solo.rpc(peers[1], message("reject me")));  // a copy meanwhile
  CHECK(solo.core.counters().duplicates == 1);
  CHECK(solo.delivered.empty());
  CHECK(solo.count(PartKind::message) == 0);
  CHECK(judge.asked == 0);

  solo.core.on_validated(solo.tickets[0], Validation::accept, solo.now);
  CHECK(solo.delivered == std::vector<std::string>{"a"});
  CHECK(solo.count(PartKind::message) == 3);
  CHECK(solo.core.score(peers[0]) == 1);
  solo.core.on_validated(solo.tickets[0], Validation::accept, solo.now);  // twice
  CHECK(solo.delivered.size() == 1);

  solo.core.on_validated(solo.tickets[1], Validation::accept, solo.now);  // which the validator refuses
  CHECK(judge.asked == 2);
  CHECK(solo.core.score(peers[0]) == 1 - 10);
  CHECK(solo.core.score(peers[1]) == -10);  // for its copy

  solo.core.on_validated(solo.tickets[2], Validation::ignore, solo.now);
  CHECK(solo.core.score(peers[0]) == 1 - 10);
  CHECK(solo.core.counters().ignored == 1);

  // The sender leaves, and no answer ever comes.
  solo.core.on_peer_removed(peers[0]);
  solo.heartbeats(119);
  CHECK(solo.core.validating() == 1);
  solo.heartbeats(2);
  CHECK(solo.core.validating() == 0);
  solo.core.on_validated(solo.tickets[3], Validation::accept, solo.now);
  CHECK(solo.delivered.size() == 1);
}

TEST_CASE("gossipsub v1.1: who is gone before the verdict is judged all the same", "[gossipsub][score]") {
  Solo solo(scored());
  solo.core.subscribe("t", solo.now);
  solo.core.set_deferred("t", true);
  const auto peers = solo.add_members(3, "t");
  solo.heartbeats();
  CHECK(solo.rpc(peers[0], message("bad")));
  CHECK(solo.rpc(peers[0], message("good")));
  solo.core.on_peer_removed(peers[0]);
  solo.add();  // in its slot
  solo.sent.clear();
  solo.core.on_validated(solo.tickets[0], Validation::reject, solo.now);
  solo.core.on_validated(solo.tickets[1], Validation::accept, solo.now);
  CHECK(solo.delivered == std::vector<std::string>{"good"});
  CHECK(solo.count(PartKind::message) == 2);
  const PeerIndex again = solo.core.on_peer_added(fake_peer(1), PeerKind::gossipsub_11, false, solo.now);
  CHECK(solo.core.score(again) == -10 + 1);
}

TEST_CASE("gossipsub v1.1: leaving a topic forgets what is in validation", "[gossipsub][score]") {
  Solo solo(scored());
  solo.core.subscribe("t", solo.now);
  solo.core.set_deferred("t", true);
  const PeerIndex peer = solo.add_members(1, "t")[0];
  CHECK(solo.rpc(peer, message("a")));
  solo.core.unsubscribe("t", solo.now);
  solo.core.set_deferred("t", false);
  solo.core.on_peer_removed(peer);
  CHECK(solo.core.find_topic("t") != kNoTopic);  // while something is in validation
  solo.core.on_validated(solo.tickets[0], Validation::accept, solo.now);
  CHECK(solo.delivered.empty());
  solo.heartbeats(100);
  CHECK(solo.core.find_topic("t") == kNoTopic);
}

TEST_CASE("gossipsub v1.1: too many messages in validation", "[gossipsub][score]") {
  GossipSubParams params = scored();
  params.validation_queue = 3;
  params.topic_validation_queue = 2;
  Solo solo(params);
  for (const char* topic : {"t", "u"}) {
    solo.core.subscribe(topic, solo.now);
    solo.core.set_deferred(topic, true);
  }
  const PeerIndex peer = solo.add_members(1, "t")[0];
  for (const char* data : {"1", "2", "3"}) CHECK(solo.rpc(peer, message(data)));
  CHECK(solo.core.counters().throttled == 1);  // of the topic
  for (const char* data : {"1", "2"}) CHECK(solo.rpc(peer, message(data, "u")));
  CHECK(solo.core.counters().throttled == 2);  // of all
  CHECK(solo.core.validating() == 3);
  CHECK(solo.rpc(peer, message("3")));  // seen, and not looked at again
  CHECK(solo.core.counters().duplicates == 1);
  CHECK(solo.core.score(peer) == 0);
  solo.core.on_validated(solo.tickets[0], Validation::accept, solo.now);
  CHECK(solo.rpc(peer, message("4")));
  CHECK(solo.core.validating() == 3);
}

TEST_CASE("gossipsub v1.1: an allow list of topics, and a limit of subscriptions", "[gossipsub]") {
  GossipSubParams params = unsigned_params();
  params.filter = std::make_shared<const SubscriptionFilter>(
      SubscriptionFilter{.topics = {"t", "u"}, .max_subscriptions_per_rpc = 2});
  Solo solo(params);
  CHECK(solo.core.subscribe("elsewhere", solo.now) == kNoTopic);
  CHECK(solo.core.subscribe("t", solo.now) != kNoTopic);
  const PeerIndex peer = solo.add();
  const auto on = [](std::string_view topic) { return make_subscription(true, as_bytes(topic)); };
  CHECK(solo.rpc(peer, {on("elsewhere"), on("u")}));
  CHECK(solo.core.find_topic("elsewhere") == kNoTopic);
  CHECK(solo.core.topic(solo.core.find_topic("u")).peers.contains(peer));
  CHECK(solo.rpc(peer, {on("t"), on("u"), on("t"), message("m")}));
  CHECK_FALSE(solo.topic("t").peers.contains(peer));
  CHECK(solo.delivered.empty());
}

TEST_CASE("gossipsub v1.1: ids by data alone are BLAKE2b-256", "[gossipsub]") {
  CHECK(to_hex(blake2b_256(as_bytes("abc"))) ==  // RFC 7693's algorithm at 32 bytes
        "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
  const RpcPart one = message("abc", "t"), two = message("abc", "u");
  const MessageId id = message_id(*decode_message(one), MessageIdKind::data_hash);
  CHECK(to_hex(id.bytes()) == to_hex(blake2b_256(as_bytes("abc"))));
  CHECK(id == message_id(*decode_message(two), MessageIdKind::data_hash));
}

TEST_CASE("gossipsub v1.1: presets are valid, and say what their sources say", "[gossipsub][score]") {
  CHECK(GossipSubParams::filecoin().validate());
  const ScoredTopic filecoin[] = {{"b", "blocks"}, {"m", "messages"}, {"d", "drand"}};
  const auto lotus = filecoin_score(filecoin);
  REQUIRE(lotus);
  CHECK(lotus->score.validate());
  CHECK(lotus->score.topics[2].weight == 0.5);

  const ScoredTopic topics[] = {{"block", "beacon_block"},
                                {"aggregate", "beacon_aggregate_and_proof"},
                                {"attestation", "beacon_attestation"},
                                {"exit", "voluntary_exit"},
                                {"proposer", "proposer_slashing"},
                                {"attester", "attester_slashing"}};
  for (std::uint64_t validators : {32, 5'000, 500'000, 1'000'000}) {
    const auto ethereum = ethereum_score(topics, validators);
    REQUIRE(ethereum);
    CHECK(ethereum->score.validate());
  }
  // The formulas of gossipsub_scoring_parameters.rs, worked out.
  const auto ethereum = ethereum_score(topics, 500'000);
  CHECK(ethereum->score.topic_score_cap == Approx(53.75));
  CHECK(ethereum->score.ip_colocation_weight == Approx(-53.75));
  const TopicScoreParams& block = ethereum->score.topics[0];
  CHECK(block.time_in_mesh_cap == 300);
  CHECK(block.time_in_mesh_weight == Approx(1.0 / 30));
  CHECK(block.first_message_deliveries_decay == Approx(std::pow(0.01, 1.0 / 640)));
  CHECK(block.first_message_deliveries_cap == Approx(0.25 / (1 - std::pow(0.01, 1.0 / 640))));
  CHECK(block.mesh_message_deliveries_decay == Approx(std::pow(0.01, 1.0 / 160)));
  CHECK(block.invalid_message_deliveries_weight == Approx(-215));

  const ScoredTopic blocks[] = {{"blocks", "blocks"}};
  const auto hardening = hardening_score(blocks, 30s);
  REQUIRE(hardening);
  CHECK(hardening->score.validate());
  CHECK(hardening->score.topics[0].mesh_message_deliveries_activation == 90s);

  const ScoredTopic unknown[] = {{"x", "y"}};
  CHECK(ethereum_score(unknown, 500'000).error().detail.find("'y'") != std::string::npos);
  CHECK_FALSE(filecoin_score(unknown).has_value());
  CHECK_FALSE(hardening_score(unknown, 30s).has_value());
  CHECK_FALSE(ethereum_score(topics, 31).has_value());
}

}  // namespace mesocosm
