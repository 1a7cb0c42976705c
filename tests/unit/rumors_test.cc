// Rumor mongering: when interest is lost, what is told and asked, and the bytes of it.
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "sim/rounds/round_net.h"
#include "stack/protocols/rumors/core.h"

using namespace mesocosm;
using rounds::peer_of;

namespace {

// One core; others are scripted.
struct Solo final : RumorsActions {
  explicit Solo(const RumorsParams& params) : core(params, peer_of(0), 0, Rng(1), *this) {}
  void send(const PeerId& to, const RumorsMessage& message) override { sent.emplace_back(to, message); }
  void deliver(const Broadcast& message, const PeerId&) override {
    delivered.emplace_back(message.data.text());
  }
  void duplicate(const Broadcast&, const PeerId&) override { ++duplicates; }

  void cycle(bool told = true) {
    sent.clear();
    core.on_cycle(told ? peer_of(1) : PeerId(), Time{});
  }
  void hear_back(const MessageId& id, bool needed) {
    RumorsMessage message;
    message.feedback.push_back({id, needed});
    CHECK(core.on_message(peer_of(1), message, Time{}));
  }
  void hear(const std::string& text) {
    RumorsMessage message;
    message.rumors.push_back({broadcast_id(peer_of(9), text.size()), Bytes::copy("t"), Bytes::copy(text)});
    CHECK(core.on_message(peer_of(1), message, Time{}));
  }

  std::vector<std::pair<PeerId, RumorsMessage>> sent;
  std::vector<std::string> delivered;
  std::size_t duplicates = 0;
  RumorsCore core;
};

RumorsParams push(std::uint32_t k, bool feedback = true, bool counter = true) {
  RumorsParams params;
  params.mode = RumorMode::push;
  params.k = k;
  params.feedback = feedback;
  params.counter = counter;
  return params;
}

}  // namespace

TEST_CASE("with counter and feedback, interest is lost after k disappointments in a row", "[rumors]") {
  Solo site(push(2));
  const MessageId id = *site.core.publish("t", as_bytes("news"), Time{});
  const bool needed[] = {false, true, false, false};  // the second makes up for the first
  for (const bool news : needed) {
    site.cycle();
    REQUIRE(site.sent.size() == 1);
    CHECK(site.sent[0].first == peer_of(1));
    CHECK_FALSE(site.sent[0].second.pull);
    REQUIRE(site.sent[0].second.rumors.size() == 1);
    CHECK(site.sent[0].second.rumors[0].data.text() == "news");
    site.hear_back(id, news);
  }
  site.cycle();
  CHECK(site.sent.empty());
  CHECK(site.core.hot() == 0);
  CHECK(site.core.knows(id));
  CHECK(site.core.rumors_sent() == 4);
}

TEST_CASE("a cycle in which nobody was told, or nobody answered, is no disappointment", "[rumors]") {
  Solo site(push(1));
  CHECK(site.core.publish("t", as_bytes("news"), Time{}));
  site.cycle(false);
  site.cycle();
  site.cycle();
  CHECK(site.core.hot() == 1);
}

TEST_CASE("several partners in a cycle: one that needed the rumor is enough", "[rumors]") {
  Solo site(push(1));
  const MessageId id = *site.core.publish("t", as_bytes("news"), Time{});
  site.cycle();
  site.hear_back(id, false);
  site.hear_back(id, true);
  site.hear_back(id, false);
  site.cycle();
  CHECK(site.core.hot() == 1);
  site.hear_back(id, false);
  site.cycle();
  CHECK(site.core.hot() == 0);
}

TEST_CASE("blind with a counter: hot for k cycles", "[rumors]") {
  Solo site(push(3, false, true));
  CHECK(site.core.publish("t", as_bytes("news"), Time{}));
  std::size_t told = 0;
  for (int i = 0; i < 6; ++i) {
    site.cycle();
    told += site.sent.size();
  }
  CHECK(told == 3);
}

TEST_CASE("what is heard is delivered once, is hot from the next cycle on, and was needed in its cycle",
          "[rumors]") {
  Solo site(push(2));
  site.cycle();
  site.hear("a");
  REQUIRE(site.sent.size() == 1);
  REQUIRE(site.sent[0].second.feedback.size() == 1);
  CHECK(site.sent[0].second.feedback[0].needed);
  site.hear("a");  // in the same cycle
  CHECK(site.sent[1].second.feedback[0].needed);
  CHECK(site.delivered == std::vector<std::string>{"a"});
  CHECK(site.duplicates == 1);
  site.cycle();
  REQUIRE(site.sent.size() == 1);
  CHECK(site.sent[0].second.rumors.size() == 1);
  site.hear("a");
  CHECK_FALSE(site.sent[1].second.feedback[0].needed);
}

TEST_CASE("pull: asks in every cycle, and answers with what is hot", "[rumors]") {
  RumorsParams params;
  params.mode = RumorMode::pull;
  Solo site(params);
  CHECK(site.core.publish("t", as_bytes("news"), Time{}));
  site.cycle();
  REQUIRE(site.sent.size() == 1);
  CHECK(site.sent[0].second.pull);
  CHECK(site.sent[0].second.rumors.empty());
  site.sent.clear();
  RumorsMessage ask;
  ask.pull = true;
  CHECK(site.core.on_message(peer_of(5), ask, Time{}));
  REQUIRE(site.sent.size() == 1);
  CHECK(site.sent[0].first == peer_of(5));
  CHECK(site.sent[0].second.rumors.size() == 1);
  CHECK_FALSE(site.sent[0].second.pull);
}

TEST_CASE("a rumor is forgotten in its time, and no more than max_hot are hot", "[rumors]") {
  RumorsParams params = push(9);
  params.max_hot = 2;
  params.limits.seen_ttl = 10s;
  Solo site(params);
  const MessageId first = *site.core.publish("t", as_bytes("1"), Time{});
  for (const char* text : {"a", "bb", "ccc"}) site.hear(text);
  site.core.on_cycle(PeerId(), Time{5s});
  CHECK(site.core.hot() == 2);
  CHECK(site.core.knows(first));
  site.core.on_cycle(PeerId(), Time{10s});
  CHECK_FALSE(site.core.knows(first));
  CHECK(
      site.core.publish("t", std::vector<std::uint8_t>(params.limits.max_message + 1), Time{}).error().code ==
      ErrorCode::too_large);
}

TEST_CASE("rumors on the wire", "[rumors]") {
  RumorsMessage message;
  message.pull = true;
  message.rumors.push_back({broadcast_id(peer_of(3), 7), Bytes::copy("topic"), Bytes::copy("data")});
  message.feedback.push_back({broadcast_id(peer_of(4), 8), true});
  message.feedback.push_back({broadcast_id(peer_of(4), 9), false});
  const auto decoded = decode_rumors(encode(message));
  REQUIRE(decoded);
  CHECK(decoded->pull);
  REQUIRE(decoded->rumors.size() == 1);
  CHECK(decoded->rumors[0].id == message.rumors[0].id);
  CHECK(decoded->rumors[0].topic.text() == "topic");
  CHECK(decoded->rumors[0].data.text() == "data");
  REQUIRE(decoded->feedback.size() == 2);
  CHECK(decoded->feedback[0].needed);
  CHECK_FALSE(decoded->feedback[1].needed);
  CHECK(decode_rumors(Bytes::copy("\x12\x00")).error().code == ErrorCode::bad_encoding);  // no id
  CHECK(decode_rumors(Bytes::copy("\xff")).error().code == ErrorCode::bad_encoding);
}
