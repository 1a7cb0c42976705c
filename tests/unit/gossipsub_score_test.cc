// The peer score against the specification's text, parameter by parameter (gossipsub-v1.1.md, "The Score Function"),
// and against a plain, slow model of it for random events.
#include <cmath>
#include <map>
#include <set>
#include <string>

#include <catch2/catch.hpp>

#include "stack/base/rng.h"
#include "stack/protocols/gossipsub/score.h"
#include "tests/unit/gossipsub_harness.h"

namespace mesocosm {
namespace {

constexpr std::uint64_t kAnn = 0xa11ce;
constexpr std::uint64_t kBob = 0xb0bb1e;
constexpr std::uint64_t kEve = 0xe7e;
constexpr ScoreTopic kTopic = 0;

IpAddress ip(const char* text) { return *IpAddress::parse(text); }

PeerScoreParams one_topic() {
  PeerScoreParams params;
  params.topics.push_back({.topic = "t"});
  return params;
}

// One PeerScore at a clock that the test moves.
struct Bench {
  explicit Bench(const PeerScoreParams& params) : core(std::make_shared<const PeerScoreParams>(params)) {
    core.advance(now);
  }
  void pass(Duration time) { core.advance(now += time); }
  double score(std::uint64_t peer = kAnn) { return core.score(peer); }
  Time now{1h};
  PeerScore core;
};

}  // namespace

TEST_CASE("score: nobody and nothing are worth zero", "[gossipsub][score]") {
  Bench bench(one_topic());
  CHECK(bench.score() == 0);
  bench.core.on_delivered(kAnn, kTopic, 1);  // not known: no trace of it
  bench.core.on_penalty(kAnn, 5);
  CHECK(bench.core.known_peers() == 0);
  bench.core.on_peer_added(kAnn, ip("192.0.2.1"));
  bench.core.on_invalid(kAnn, kUnscored);
  CHECK(bench.score() == 0);
}

TEST_CASE("score: P1 counts whole quanta in the mesh, up to the cap", "[gossipsub][score]") {
  PeerScoreParams params = one_topic();
  params.topics[0].weight = 0.5;
  params.topics[0].time_in_mesh_weight = 2;
  params.topics[0].time_in_mesh_quantum = 3s;
  params.topics[0].time_in_mesh_cap = 4;
  Bench bench(params);
  bench.core.on_peer_added(kAnn, {});
  bench.pass(10s);
  CHECK(bench.score() == 0);  // not in the mesh
  bench.core.on_grafted(kAnn, kTopic);
  const double expected[] = {0, 0, 1, 1, 1, 2, 2, 2,
                             3, 3, 3, 4, 4, 4, 4, 4};  // at 1 s, 2 s, ...; weights: 0.5 * 2
  for (double value : expected) {
    bench.pass(1s);
    CHECK(bench.score() == value);
  }
  bench.core.on_pruned(kAnn, kTopic);
  CHECK(bench.score() == 0);
  bench.core.on_grafted(kAnn, kTopic);
  CHECK(bench.score() == 0);  // begins anew
}

TEST_CASE("score: P2 counts first deliveries, in and out of the mesh, decaying and capped",
          "[gossipsub][score]") {
  PeerScoreParams params = one_topic();
  params.topics[0].first_message_deliveries_weight = 3;
  params.topics[0].first_message_deliveries_decay = 0.5;
  params.topics[0].first_message_deliveries_cap = 5;
  Bench bench(params);
  bench.core.on_peer_added(kAnn, {});
  bench.core.on_peer_added(kBob, {});
  for (std::uint64_t message = 1; message <= 4; ++message) {
    bench.core.on_delivered(kAnn, kTopic, message);
    bench.core.on_duplicate(kBob, kTopic, message);
  }
  CHECK(bench.score(kAnn) == 12);
  CHECK(bench.score(kBob) == 0);
  bench.core.on_delivered(kAnn, kTopic, 5);
  bench.core.on_delivered(kAnn, kTopic, 6);
  CHECK(bench.score() == 15);  // capped at 5
  bench.pass(1s);
  CHECK(bench.score() == 7.5);
  bench.pass(3s);
  CHECK(bench.score() == 3 * 5.0 / 16);
  bench.pass(5s);
  CHECK(bench.score() == 0);  // 5 / 512 is below decay_to_zero
}

TEST_CASE("score: P3 is the squared deficit, once the activation has passed", "[gossipsub][score]") {
  PeerScoreParams params = one_topic();
  TopicScoreParams& topic = params.topics[0];
  topic.mesh_message_deliveries_weight = -1;
  topic.mesh_message_deliveries_decay = 0.5;
  topic.mesh_message_deliveries_threshold = 4;
  topic.mesh_message_deliveries_cap = 8;
  topic.mesh_message_deliveries_activation = 2s;
  Bench bench(params);
  bench.core.on_peer_added(kAnn, {});
  bench.core.on_grafted(kAnn, kTopic);
  bench.pass(2s);
  CHECK(bench.score() == 0);  // more than the activation, not as much
  bench.pass(1s);
  CHECK(bench.score() == -16);
  bench.core.on_delivered(kAnn, kTopic, 1);
  CHECK(bench.score() == -9);
  for (std::uint64_t message = 2; message <= 20; ++message) bench.core.on_delivered(kAnn, kTopic, message);
  CHECK(bench.score() == 0);  // above the threshold; and at the cap of 8,
  bench.pass(1s);
  CHECK(bench.score() == 0);  // 4 left
  bench.pass(1s);
  CHECK(bench.score() == -4);  // 2 left
}

TEST_CASE("score: P3 counts copies within the window after validation, each peer's once",
          "[gossipsub][score]") {
  PeerScoreParams params = one_topic();
  TopicScoreParams& topic = params.topics[0];
  topic.mesh_message_deliveries_weight = -1;
  topic.mesh_message_deliveries_threshold = 3;
  topic.mesh_message_deliveries_window = 10ms;
  topic.mesh_message_deliveries_activation = 1s;
  topic.mesh_message_deliveries_decay = 0.999;
  Bench bench(params);
  for (std::uint64_t peer : {kAnn, kBob, kEve}) {
    bench.core.on_peer_added(peer, {});
    if (peer != kEve) bench.core.on_grafted(peer, kTopic);
  }
  bench.pass(3s);
  CHECK(bench.score(kBob) == -9);
  bench.core.on_delivered(kAnn, kTopic, 1);
  bench.pass(10ms);
  bench.core.on_duplicate(kBob, kTopic, 1);
  CHECK(bench.score(kBob) == -4);
  bench.core.on_duplicate(kBob, kTopic, 1);  // again
  CHECK(bench.score(kBob) == -4);
  bench.core.on_duplicate(kEve, kTopic, 1);  // not in the mesh
  CHECK(bench.score(kEve) == 0);
  bench.core.on_delivered(kAnn, kTopic, 2);
  bench.pass(10ms + 1ns);
  bench.core.on_duplicate(kBob, kTopic, 2);  // too late: we may have sent it
  CHECK(bench.score(kBob) == -4);
  bench.core.on_delivered(0, kTopic, 3);  // our own
  bench.core.on_duplicate(kBob, kTopic, 3);
  CHECK(bench.score(kBob) == -1);
}

TEST_CASE("score: copies that come during validation get the verdict's due", "[gossipsub][score]") {
  PeerScoreParams params = one_topic();
  TopicScoreParams& topic = params.topics[0];
  topic.mesh_message_deliveries_weight = -1;
  topic.mesh_message_deliveries_threshold = 2;
  topic.mesh_message_deliveries_activation = 1s;
  topic.mesh_message_deliveries_decay = 0.999;
  topic.invalid_message_deliveries_weight = -100;
  topic.invalid_message_deliveries_decay = 0.999;
  Bench bench(params);
  for (std::uint64_t peer : {kAnn, kBob}) {
    bench.core.on_peer_added(peer, {});
    bench.core.on_grafted(peer, kTopic);
  }
  bench.pass(3s);
  const auto copies = [&](std::uint64_t message) {
    bench.core.on_validating(kTopic, message);
    bench.pass(500ms);
    bench.core.on_duplicate(kAnn, kTopic, message);  // of its own
    bench.core.on_duplicate(kBob, kTopic, message);
    bench.core.on_duplicate(kBob, kTopic, message);
  };
  copies(1);
  CHECK(bench.score(kBob) == -4);
  bench.core.on_delivered(kAnn, kTopic, 1);
  CHECK(bench.score(kBob) == -1);  // late, but before we had it
  CHECK(bench.score(kAnn) == -1);  // once
  copies(2);
  bench.core.on_undecided(2);  // ignored, or throttled: neither credit nor blame
  bench.core.on_duplicate(kBob, kTopic, 2);
  CHECK(bench.core.parts(kBob).invalid_messages == 0);
  CHECK(bench.core.parts(kBob).mesh_message_deliveries < -1);
  copies(3);
  bench.core.on_rejected(kAnn, kTopic, 3);
  CHECK(bench.core.parts(kBob).invalid_messages == -100);
  CHECK(bench.core.parts(kAnn).invalid_messages == -400);  // sent it twice, as go-libp2p-pubsub counts
}

TEST_CASE("score: P3b is what lacked when it left the mesh, and decays on its own", "[gossipsub][score]") {
  PeerScoreParams params = one_topic();
  TopicScoreParams& topic = params.topics[0];
  topic.mesh_message_deliveries_weight = 0;
  topic.mesh_message_deliveries_threshold = 6;
  topic.mesh_message_deliveries_activation = 1s;
  topic.mesh_message_deliveries_decay = 0.5;
  topic.mesh_failure_penalty_weight = -2;
  topic.mesh_failure_penalty_decay = 0.5;
  Bench bench(params);
  bench.core.on_peer_added(kAnn, {});
  bench.core.on_grafted(kAnn, kTopic);
  bench.core.on_pruned(kAnn, kTopic);
  CHECK(bench.score() == 0);  // was not active
  bench.core.on_grafted(kAnn, kTopic);
  bench.pass(2s);
  bench.core.on_delivered(kAnn, kTopic, 1);
  bench.core.on_delivered(kAnn, kTopic, 2);
  bench.core.on_pruned(kAnn, kTopic);
  CHECK(bench.score() == -2 * 16);  // (6 - 2)^2
  bench.pass(1s);
  CHECK(bench.score() == -2 * 8);
}

TEST_CASE("score: P4 is the squared number of invalid messages, copies included", "[gossipsub][score]") {
  PeerScoreParams params = one_topic();
  params.topics[0].invalid_message_deliveries_weight = -1;
  params.topics[0].invalid_message_deliveries_decay = 0.5;
  params.seen_ttl = 10s;
  params.decay_interval = 60s;  // not in this test
  Bench bench(params);
  bench.core.on_peer_added(kAnn, {});
  bench.core.on_peer_added(kBob, {});
  bench.core.on_invalid(kAnn, kTopic);  // a bad signature
  CHECK(bench.score(kAnn) == -1);
  bench.core.on_rejected(kAnn, kTopic, 7);
  CHECK(bench.score(kAnn) == -4);
  bench.core.on_duplicate(kBob, kTopic, 7);
  bench.core.on_duplicate(kBob, kTopic, 7);
  CHECK(bench.score(kBob) == -4);
  bench.pass(60s);
  CHECK(bench.core.deliveries() == 0);  // forgotten after seen_ttl
  CHECK(bench.score(kAnn) == -1);       // decayed: (2 * 0.5)^2
  bench.core.on_duplicate(kBob, kTopic, 7);
  CHECK(bench.score(kBob) == -1);
}

TEST_CASE("score: topics are weighted and together capped, and P5 comes on top", "[gossipsub][score]") {
  PeerScoreParams params;
  for (const char* name : {"a", "b"}) {
    params.topics.push_back({.topic = name});
    params.topics.back().first_message_deliveries_weight = 1;
    params.topics.back().invalid_message_deliveries_weight = -1;
  }
  params.topics[1].weight = 10;
  params.topic_score_cap = 25;
  params.app_specific_weight = 2;
  Bench bench(params);
  CHECK(bench.core.find_topic("b") == 1);
  CHECK(bench.core.find_topic("c") == kUnscored);
  bench.core.set_app_score(kAnn, 50);  // before it is there
  bench.core.on_peer_added(kAnn, {});
  CHECK(bench.score() == 100);
  bench.core.on_delivered(kAnn, 0, 1);
  bench.core.on_delivered(kAnn, 1, 2);
  CHECK(bench.score() == 100 + 1 + 10);
  bench.core.on_delivered(kAnn, 1, 3);
  bench.core.on_delivered(kAnn, 1, 4);
  CHECK(bench.score() == 100 + 25);  // 31 without the cap
  const PeerScoreParts parts = bench.core.parts(kAnn);
  CHECK(parts.total == 125);
  CHECK(parts.first_message_deliveries == 31);
  CHECK(parts.app_specific == 100);
  bench.core.set_app_score(kAnn, -1);
  CHECK(bench.score() == 25 - 2);
  for (int i = 0; i < 3; ++i) bench.core.on_invalid(kAnn, 1);  // no cap downwards
  CHECK(bench.score() == 31 - 90 - 2);
}

TEST_CASE("score: P6 is the squared surplus of peers at one address", "[gossipsub][score]") {
  PeerScoreParams params;
  params.ip_colocation_weight = -5;
  params.ip_colocation_threshold = 2;
  params.ip_colocation_whitelist = {*IpNetwork::parse("10.0.0.0/8")};
  Bench bench(params);
  for (std::uint64_t peer = 1; peer <= 4; ++peer) {
    bench.core.on_peer_added(peer << 32, ip("192.0.2.1"));
    bench.core.on_peer_added(peer << 40, ip("10.1.2.3"));
    bench.core.on_peer_added(peer << 48, ip("127.0.0.1"));
    const double surplus = peer > 2 ? static_cast<double>(peer) - 2 : 0;
    CHECK(bench.score(std::uint64_t{1} << 32) == -5 * surplus * surplus);  // the first suffers like the last
    CHECK(bench.score(peer << 40) == 0);
    CHECK(bench.score(peer << 48) == 0);
  }
  // One that moves away, and one whose retention ends, count no longer; one that is retained does.
  bench.core.on_peer_added(std::uint64_t{2} << 32, ip("198.51.100.1"));
  CHECK(bench.score(std::uint64_t{1} << 32) == -5);
  bench.core.on_peer_removed(std::uint64_t{3} << 32);
  CHECK(bench.score(std::uint64_t{1} << 32) == -5);
  bench.pass(1h + 2s);
  CHECK(bench.score(std::uint64_t{1} << 32) == 0);
}

TEST_CASE("score: an IPv6 address counts as itself and as its /64", "[gossipsub][score]") {
  PeerScoreParams params;
  params.ip_colocation_weight = -1;
  params.ip_colocation_threshold = 1;
  Bench bench(params);
  bench.core.on_peer_added(kAnn, ip("2001:db8::1"));
  bench.core.on_peer_added(kBob, ip("2001:db8::2"));
  CHECK(bench.score(kAnn) == -1);  // the /64
  bench.core.on_peer_added(kEve, ip("2001:db8::2"));
  CHECK(bench.score(kAnn) == -4);      // three in the /64
  CHECK(bench.score(kBob) == -4 - 1);  // and two at the address
}

TEST_CASE("score: P7 is the squared misbehaviour beyond the threshold", "[gossipsub][score]") {
  PeerScoreParams params;
  params.behaviour_penalty_weight = -3;
  params.behaviour_penalty_threshold = 2;
  params.behaviour_penalty_decay = 0.5;
  Bench bench(params);
  bench.core.on_peer_added(kAnn, {});
  bench.core.on_penalty(kAnn, 2);
  CHECK(bench.score() == 0);
  bench.core.on_penalty(kAnn, 2);
  CHECK(bench.score() == -12);
  bench.core.on_penalty(kAnn, 4);
  CHECK(bench.score() == -108);
  bench.pass(1s);
  CHECK(bench.score() == -12);  // 4 left
  bench.pass(1s);
  CHECK(bench.score() == 0);
}

TEST_CASE("score: bad scores outlast the connection undecayed, good ones do not", "[gossipsub][score]") {
  PeerScoreParams params = one_topic();
  params.topics[0].first_message_deliveries_weight = 1;
  params.topics[0].mesh_message_deliveries_threshold = 3;
  params.topics[0].mesh_message_deliveries_activation = 1s;
  params.topics[0].mesh_failure_penalty_weight = -1;
  params.topics[0].mesh_failure_penalty_decay = 0.5;
  params.behaviour_penalty_weight = -1;
  params.behaviour_penalty_decay = 0.5;
  params.retain_score = 10s;
  Bench bench(params);
  bench.core.on_peer_added(kAnn, {});
  bench.core.on_delivered(kAnn, kTopic, 1);
  bench.core.on_peer_removed(kAnn);
  CHECK(bench.core.known_peers() == 0);  // 1: positive

  for (std::uint64_t peer : {kBob, kEve}) bench.core.on_peer_added(peer, {});
  bench.core.on_grafted(kBob, kTopic);
  bench.core.on_penalty(kBob, 1);
  bench.pass(2s);
  bench.core.on_penalty(kBob, 3);
  bench.core.on_delivered(kBob, kTopic, 2);
  bench.core.on_delivered(kBob, kTopic, 3);
  CHECK(bench.score(kBob) == -3.25 * 3.25 + 2);
  bench.core.on_peer_removed(kBob);
  // The first deliveries are gone, and it left the mesh with 2 of 3.
  CHECK(bench.score(kBob) == -3.25 * 3.25 - 1);
  bench.pass(10s);
  CHECK(bench.score(kBob) == -3.25 * 3.25 - 1);
  bench.core.on_peer_added(kBob, {});
  CHECK(bench.score(kBob) == -3.25 * 3.25 - 1);  // came back to it
  bench.pass(1s);
  CHECK(bench.score(kBob) == -1.625 * 1.625 - 0.5);
  bench.core.on_peer_removed(kBob);
  bench.pass(11s);
  CHECK(bench.score(kBob) == 0);
  CHECK(bench.core.known_peers() == 1);
}

TEST_CASE("score: a decay factor brings a counter to decay_to_zero in its time", "[gossipsub][score]") {
  CHECK(score_decay(100s) == Approx(std::pow(0.01, 0.01)));
  CHECK(score_decay(10min, 12s) == Approx(std::pow(0.01, 1.0 / 50)));
}

TEST_CASE("score: networks", "[gossipsub][score]") {
  struct Case {
    const char* network;
    const char* ip;
    bool contained;
  };
  const Case cases[] = {
      {"10.0.0.0/8", "10.255.0.1", true},
      {"10.0.0.0/8", "11.0.0.1", false},
      {"192.0.2.128/25", "192.0.2.127", false},
      {"192.0.2.128/25", "192.0.2.128", true},
      {"192.0.2.7", "192.0.2.7", true},
      {"192.0.2.7", "192.0.2.6", false},
      {"0.0.0.0/0", "203.0.113.9", true},
      {"0.0.0.0/0", "2001:db8::1", false},
      {"2001:db8::/33", "2001:db8:7fff::1", true},
      {"2001:db8::/33", "2001:db8:8000::1", false},
  };
  for (const Case& c : cases) {
    INFO(c.network << " " << c.ip);
    CHECK(IpNetwork::parse(c.network)->contains(ip(c.ip)) == c.contained);
  }
  for (const char* bad :
       {"", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/8x", "10.0.0.0/-1", "::/129", "x"}) {
    INFO(bad);
    CHECK_FALSE(IpNetwork::parse(bad).has_value());
  }
}

TEST_CASE("score: parameters that make no sense are refused by name", "[gossipsub][score]") {
  using Change = void (*)(PeerScoreParams&);
  const std::pair<const char*, Change> cases[] = {
      {"topic 't': weight", [](PeerScoreParams& p) { p.topics[0].weight = -1; }},
      {"topic 't': weight", [](PeerScoreParams& p) { p.topics[0].weight = std::nan(""); }},
      {"time_in_mesh_weight", [](PeerScoreParams& p) { p.topics[0].time_in_mesh_weight = -1; }},
      {"time_in_mesh_quantum", [](PeerScoreParams& p) { p.topics[0].time_in_mesh_quantum = 0s; }},
      {"time_in_mesh_cap",
       [](PeerScoreParams& p) { p.topics[0].time_in_mesh_weight = 1, p.topics[0].time_in_mesh_cap = 0; }},
      {"first_message_deliveries_weight",
       [](PeerScoreParams& p) { p.topics[0].first_message_deliveries_weight = -1; }},
      {"first_message_deliveries_decay",
       [](PeerScoreParams& p) {
         p.topics[0].first_message_deliveries_weight = 1, p.topics[0].first_message_deliveries_decay = 1;
       }},
      {"first_message_deliveries_cap",
       [](PeerScoreParams& p) {
         p.topics[0].first_message_deliveries_weight = 1, p.topics[0].first_message_deliveries_cap = -1;
       }},
      {"mesh_message_deliveries_weight",
       [](PeerScoreParams& p) { p.topics[0].mesh_message_deliveries_weight = 1; }},
      {"mesh_message_deliveries_decay",
       [](PeerScoreParams& p) {
         p.topics[0].mesh_message_deliveries_weight = -1, p.topics[0].mesh_message_deliveries_decay = 0;
       }},
      {"mesh_message_deliveries_cap",
       [](PeerScoreParams& p) {
         p.topics[0].mesh_message_deliveries_weight = -1, p.topics[0].mesh_message_deliveries_cap = 0;
       }},
      {"mesh_message_deliveries_threshold",
       [](PeerScoreParams& p) {
         p.topics[0].mesh_message_deliveries_weight = -1, p.topics[0].mesh_message_deliveries_threshold = 0;
       }},
      {"mesh_message_deliveries_window",
       [](PeerScoreParams& p) { p.topics[0].mesh_message_deliveries_window = -1s; }},
      {"mesh_message_deliveries_activation",
       [](PeerScoreParams& p) {
         p.topics[0].mesh_message_deliveries_weight = -1,
         p.topics[0].mesh_message_deliveries_activation = 999ms;
       }},
      {"mesh_failure_penalty_weight",
       [](PeerScoreParams& p) { p.topics[0].mesh_failure_penalty_weight = 1; }},
      {"mesh_failure_penalty_decay",
       [](PeerScoreParams& p) {
         p.topics[0].mesh_failure_penalty_weight = -1, p.topics[0].mesh_failure_penalty_decay = 2;
       }},
      {"invalid_message_deliveries_weight",
       [](PeerScoreParams& p) { p.topics[0].invalid_message_deliveries_weight = 1; }},
      {"invalid_message_deliveries_decay",
       [](PeerScoreParams& p) { p.topics[0].invalid_message_deliveries_decay = 0; }},
      {"topic 't' is given twice", [](PeerScoreParams& p) { p.topics.push_back(p.topics[0]); }},
      {"topic_score_cap", [](PeerScoreParams& p) { p.topic_score_cap = -1; }},
      {"app_specific_weight", [](PeerScoreParams& p) { p.app_specific_weight = INFINITY; }},
      {"ip_colocation_weight", [](PeerScoreParams& p) { p.ip_colocation_weight = 1; }},
      {"ip_colocation_threshold",
       [](PeerScoreParams& p) { p.ip_colocation_weight = -1, p.ip_colocation_threshold = 0; }},
      {"behaviour_penalty_weight", [](PeerScoreParams& p) { p.behaviour_penalty_weight = 1; }},
      {"behaviour_penalty_decay",
       [](PeerScoreParams& p) { p.behaviour_penalty_weight = -1, p.behaviour_penalty_decay = 1; }},
      {"behaviour_penalty_threshold", [](PeerScoreParams& p) { p.behaviour_penalty_threshold = -1; }},
      {"decay_interval", [](PeerScoreParams& p) { p.decay_interval = 500ms; }},
      {"decay_to_zero", [](PeerScoreParams& p) { p.decay_to_zero = 1; }},
      {"retain_score", [](PeerScoreParams& p) { p.retain_score = -1s; }},
      {"seen_ttl", [](PeerScoreParams& p) { p.seen_ttl = -1s; }},
  };
  CHECK(one_topic().validate().has_value());
  for (const auto& [name, change] : cases) {
    PeerScoreParams params = one_topic();
    change(params);
    const auto valid = params.validate();
    INFO(name);
    REQUIRE_FALSE(valid.has_value());
    CHECK(valid.error().detail.find(name) != std::string::npos);
    GossipSubParams gossipsub;
    gossipsub.score = std::make_shared<const PeerScoreParams>(params);
    CHECK_FALSE(gossipsub.validate().has_value());
  }
}

TEST_CASE("score: what a peer costs in memory", "[gossipsub][score]") {
  PeerScoreParams params = one_topic();
  params.topics.push_back({.topic = "other"});
  params.ip_colocation_weight = -1;
  PeerScore core(std::make_shared<const PeerScoreParams>(params));
  core.advance(Time(1h));
  for (std::uint64_t peer = 1; peer <= 128; ++peer) {
    core.on_peer_added(mix64(peer), {});
    core.on_grafted(mix64(peer), kTopic);
  }
  CHECK(core.memory() <= 160 * 128);
}

}  // namespace mesocosm
