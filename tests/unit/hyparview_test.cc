// HyParView: the views' moves, as its algorithms 1 and following have them.
#include <algorithm>
#include <set>
#include <vector>

#include <catch2/catch.hpp>

#include "sim/rounds/round_net.h"
#include "stack/protocols/hyparview/core.h"

using namespace mesocosm;
using rounds::peer_of;
using Kind = HyParViewMessage::Kind;

namespace {

struct Solo final : HyParViewActions {
  explicit Solo(const HyParViewParams& params = {}) : core(params, peer_of(0), Rng(1), *this) {}
  void send(const PeerId& to, const HyParViewMessage& message) override { sent.emplace_back(to, message); }
  void neighbor_up(const PeerId& peer) override { CHECK(up.insert(peer).second); }
  void neighbor_down(const PeerId& peer) override { CHECK(up.erase(peer) == 1); }
  void say(rounds::NodeNumber from, HyParViewMessage message) {
    CHECK(core.on_message(peer_of(from), message));
    CHECK(std::set(core.active().begin(), core.active().end()) == up);
  }
  std::vector<std::pair<PeerId, HyParViewMessage>> take(Kind kind) {
    std::vector<std::pair<PeerId, HyParViewMessage>> taken;
    for (const auto& item : sent) {
      if (item.second.kind == kind) taken.push_back(item);
    }
    std::erase_if(sent, [&](const auto& item) { return item.second.kind == kind; });
    return taken;
  }
  void fill_active() {
    for (rounds::NodeNumber i = 1; i <= core.params().active; ++i)
      say(i, {.kind = Kind::neighbor, .flag = true});
    sent.clear();
  }
  bool passive(rounds::NodeNumber node) const {
    return std::find(core.passive().begin(), core.passive().end(), peer_of(node)) != core.passive().end();
  }

  std::vector<std::pair<PeerId, HyParViewMessage>> sent;
  std::set<PeerId> up;
  HyParViewCore core;
};

}  // namespace

TEST_CASE("a join is taken in, even in a full view, and told to the others", "[hyparview]") {
  Solo node;
  node.fill_active();
  node.say(9, {.kind = Kind::join});
  CHECK(node.core.active().size() == 5);
  CHECK(node.core.is_active(peer_of(9)));
  const auto dropped = node.take(Kind::disconnect);
  REQUIRE(dropped.size() == 1);
  CHECK_FALSE(node.core.is_active(dropped[0].first));
  CHECK(node.core.passive().size() == 1);
  const auto walks = node.take(Kind::forward_join);
  CHECK(walks.size() == 4);
  for (const auto& [to, walk] : walks) {
    CHECK(to != peer_of(9));
    CHECK(walk.ttl == 6);
    CHECK(walk.subject == peer_of(9));
  }
}

TEST_CASE("a newcomer's walk goes on, leaves it in a passive view on its way, and ends in an active one",
          "[hyparview]") {
  struct Case {
    std::uint32_t ttl;
    bool passive, active;
  };
  for (const Case& c :
       {Case{6, false, false}, Case{3, true, false}, Case{1, false, false}, Case{0, false, true}}) {
    Solo node;
    node.fill_active();
    node.say(1, {.kind = Kind::forward_join, .ttl = c.ttl, .subject = peer_of(9)});
    CHECK(node.passive(9) == c.passive);
    CHECK(node.core.is_active(peer_of(9)) == c.active);
    const auto on = node.take(Kind::forward_join);
    REQUIRE(on.size() == (c.active ? 0 : 1));
    if (!c.active) {
      CHECK(on[0].first != peer_of(1));
      CHECK(on[0].second.ttl == c.ttl - 1);
    }
    CHECK(node.take(Kind::neighbor).size() == (c.active ? 1 : 0));
  }
  Solo lonely;  // with one active peer, a walk goes no further
  lonely.say(1, {.kind = Kind::join});
  lonely.say(1, {.kind = Kind::forward_join, .ttl = 6, .subject = peer_of(9)});
  CHECK(lonely.core.is_active(peer_of(9)));
}

TEST_CASE("a neighbor request of low priority needs a free place, one of high priority does not",
          "[hyparview]") {
  Solo node;
  node.fill_active();
  node.say(9, {.kind = Kind::neighbor});
  auto replies = node.take(Kind::neighbor_reply);
  REQUIRE(replies.size() == 1);
  CHECK_FALSE(replies[0].second.flag);
  CHECK_FALSE(node.core.is_active(peer_of(9)));
  node.say(9, {.kind = Kind::neighbor, .flag = true});
  replies = node.take(Kind::neighbor_reply);
  CHECK(replies.at(0).second.flag);
  CHECK(node.core.is_active(peer_of(9)));
  CHECK(node.take(Kind::disconnect).size() == 1);
}

TEST_CASE("a failed neighbor is replaced from the passive view, whose members are asked one after the other",
          "[hyparview]") {
  Solo node;
  node.fill_active();
  node.say(1, {.kind = Kind::shuffle_reply, .peers = {peer_of(11), peer_of(12), peer_of(13)}});
  node.core.on_failure(peer_of(2));
  CHECK_FALSE(node.core.is_active(peer_of(2)));
  std::set<PeerId> asked;
  auto asks = node.take(Kind::neighbor);
  REQUIRE(asks.size() == 1);
  CHECK_FALSE(asks[0].second.flag);  // low: others are left
  asked.insert(asks[0].first);
  CHECK(node.core.on_message(asks[0].first, {.kind = Kind::neighbor_reply}));  // refused
  asks = node.take(Kind::neighbor);
  REQUIRE(asks.size() == 1);
  CHECK(asked.insert(asks[0].first).second);
  node.core.on_failure(asks[0].first);  // dead
  CHECK(node.core.passive().size() == 2);
  asks = node.take(Kind::neighbor);
  REQUIRE(asks.size() == 1);
  CHECK(asked.insert(asks[0].first).second);
  CHECK(node.core.on_message(asks[0].first, {.kind = Kind::neighbor_reply, .flag = true}));
  CHECK(node.core.is_active(asks[0].first));
  CHECK(node.core.active().size() == 5);
  CHECK(node.core.passive().size() == 1);
  CHECK(node.sent.empty());
}

TEST_CASE("who has no neighbors left asks with high priority", "[hyparview]") {
  Solo node;
  node.say(1, {.kind = Kind::join});
  node.say(1, {.kind = Kind::shuffle_reply, .peers = {peer_of(11)}});
  node.core.on_failure(peer_of(1));
  const auto asks = node.take(Kind::neighbor);
  REQUIRE(asks.size() == 1);
  CHECK(asks[0].second.flag);
}

TEST_CASE("a disconnect moves its sender to the passive view", "[hyparview]") {
  Solo node;
  node.fill_active();
  node.say(3, {.kind = Kind::disconnect});
  CHECK_FALSE(node.core.is_active(peer_of(3)));
  CHECK(node.passive(3));
}

TEST_CASE("who takes a node for its neighbor and is not its is told so", "[hyparview]") {
  Solo node;  // their DISCONNECT and our NEIGHBOR crossed, say
  node.fill_active();
  node.say(1, {.kind = Kind::forward_join, .ttl = 6, .subject = peer_of(20)});
  node.core.on_neighbor_traffic(peer_of(1));
  CHECK(node.take(Kind::disconnect).empty());
  node.say(9, {.kind = Kind::forward_join, .ttl = 6, .subject = peer_of(20)});
  node.say(9, {.kind = Kind::shuffle, .ttl = 6, .subject = peer_of(9), .peers = {peer_of(9)}});
  node.core.on_neighbor_traffic(peer_of(9));
  const auto told = node.take(Kind::disconnect);
  REQUIRE(told.size() == 3);
  for (const auto& item : told) CHECK(item.first == peer_of(9));
  CHECK(node.take(Kind::forward_join).size() == 2);  // it is served all the same
  CHECK(node.take(Kind::shuffle).size() == 1);
  CHECK(node.core.active().size() == 5);
}

TEST_CASE("a shuffle walks, and is answered to who began it with as many peers", "[hyparview]") {
  Solo node;
  node.fill_active();
  node.say(1, {.kind = Kind::shuffle_reply, .peers = {peer_of(11), peer_of(12), peer_of(13)}});
  const HyParViewMessage shuffle{
      .kind = Kind::shuffle, .ttl = 2, .subject = peer_of(20), .peers = {peer_of(20), peer_of(21)}};
  node.say(1, shuffle);
  const auto on = node.take(Kind::shuffle);
  REQUIRE(on.size() == 1);
  CHECK(on[0].second.ttl == 1);
  HyParViewMessage last = shuffle;
  last.ttl = 1;
  node.say(1, last);
  const auto answers = node.take(Kind::shuffle_reply);
  REQUIRE(answers.size() == 1);
  CHECK(answers[0].first == peer_of(20));
  CHECK(answers[0].second.peers.size() == 2);
  CHECK(node.passive(20));
  CHECK(node.passive(21));
  CHECK(node.core.passive().size() == 5);
}

TEST_CASE("a full passive view gives up what it told first", "[hyparview]") {
  HyParViewParams params;
  params.passive = 3;
  Solo node(params);
  node.fill_active();
  node.say(1, {.kind = Kind::shuffle_reply, .peers = {peer_of(11), peer_of(12), peer_of(13)}});
  node.core.on_period();
  const auto shuffle = node.take(Kind::shuffle);
  REQUIRE(shuffle.size() == 1);
  CHECK(shuffle[0].second.peers.size() == 3 + 3 + 1);
  node.say(30, {.kind = Kind::shuffle_reply, .peers = {peer_of(31), peer_of(0), peer_of(1)}});
  CHECK(node.core.passive().size() == 3);
  CHECK(node.passive(31));
  CHECK(node.core.on_message(peer_of(1), {.kind = Kind::shuffle, .ttl = 7, .subject = peer_of(2)})
            .error()
            .code == ErrorCode::protocol_violation);
}

namespace {

struct Book final : AddressBook {
  std::vector<Multiaddr> addresses(const PeerId&) const override {
    return {*Multiaddr::parse("/ip4/10.0.0.1/tcp/4001")};
  }
};

Bytes bytes_of(const HyParViewMessage& message) {
  ByteWriter bytes;
  ProtoWriter out(bytes);
  write_hyparview(out, message, Book());
  return bytes.take();
}

}  // namespace

TEST_CASE("HyParView on the wire", "[hyparview]") {
  const auto decoded = decode_hyparview(
      bytes_of({.kind = Kind::shuffle, .ttl = 5, .subject = peer_of(1), .peers = {peer_of(2), peer_of(3)}}));
  REQUIRE(decoded);
  CHECK(decoded->message.kind == Kind::shuffle);
  CHECK(decoded->message.ttl == 5);
  CHECK(decoded->message.subject == peer_of(1));
  CHECK(decoded->message.peers == std::vector{peer_of(2), peer_of(3)});
  REQUIRE(decoded->told.size() == 3);
  CHECK(decoded->told[2].addresses == Book().addresses(PeerId()));
  const auto reply = decode_hyparview(bytes_of({.kind = Kind::neighbor_reply, .flag = true}));
  REQUIRE(reply);
  CHECK(reply->message.flag);
  CHECK(decode_hyparview(Bytes::copy("\x08\x01")).error().code == ErrorCode::bad_encoding);  // of nobody
}
