// Drafts: gossipsub v2.0's announcements and the choke extension, rule by rule.
#include <memory>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "stack/protocols/gossipsub/announce.h"
#include "stack/protocols/gossipsub/choking.h"
#include "tests/unit/gossipsub_harness.h"

namespace mesocosm {
namespace {

using testing::Solo;
using testing::unsigned_params;

RpcPart message(std::string_view data) { return make_message(as_bytes("t"), as_bytes(data)); }
MessageId id_of(std::string_view data) {
  const RpcPart part = message(data);
  return message_id(*decode_message(part), MessageIdKind::content_hash);
}

// A node that runs a draft, with peers in its mesh who all speak it.
struct DraftNode {
  DraftNode(const GossipSubVariant& variant, DraftField hello, std::map<std::string, double> given = {})
      : settings(with(variant, given)), solo(params(variant), variant.policy(settings)) {
    solo.core.subscribe("t", solo.now);
    peers = solo.add_members(6, "t");
    for (PeerIndex peer : peers) REQUIRE(solo.rpc(peer, make_draft(hello)));
    solo.heartbeats();
    REQUIRE(solo.mesh_size("t") == peers.size());
    solo.sent.clear();
  }
  static VariantSettings with(const GossipSubVariant& variant, const std::map<std::string, double>& given) {
    VariantSettings settings(variant.options);
    for (const auto& [name, value] : given) REQUIRE(settings.set(name, value));
    return settings;
  }
  GossipSubParams params(const GossipSubVariant& variant) const {
    GossipSubParams made = unsigned_params();
    variant.adjust(made, settings);
    return made;
  }
  std::size_t count(DraftField field, PeerIndex to = kNoPeer) const {
    return static_cast<std::size_t>(
        std::count_if(solo.sent.begin(), solo.sent.end(), [&](const Solo::Sent& s) {
          return s.part.kind == PartKind::other && s.part.field == static_cast<std::uint16_t>(field) &&
                 (to == kNoPeer || s.to == to);
        }));
  }
  void wake_after(Duration wait) {
    solo.now += wait;
    solo.core.on_wake(solo.now);
  }

  VariantSettings settings;
  Solo solo;
  std::vector<PeerIndex> peers;
};

DraftNode announcing(double d_announce) {
  return {AnnouncePolicy::variant(), DraftField::announcing, {{"D_announce", d_announce}}};
}
RpcPart announce(std::string_view data) {
  const MessageId id = id_of(data);
  return make_draft(DraftField::iannounce, {.topic = as_bytes("t"), .id = id.bytes()});
}
RpcPart need(std::string_view data) {
  const MessageId id = id_of(data);
  return make_draft(DraftField::ineed, {.topic = {}, .id = id.bytes()});
}

DraftNode choking() { return {ChokingPolicy::variant(), DraftField::choking}; }
RpcPart choke() { return make_draft(DraftField::choke, {.topic = as_bytes("t"), .id = {}}); }
RpcPart unchoke() { return make_draft(DraftField::unchoke, {.topic = as_bytes("t"), .id = {}}); }
RpcPart ihave(std::string_view data) {
  const MessageId id = id_of(data);
  const ByteView ids[] = {id.bytes()};
  std::span<const ByteView> rest = ids;
  return make_ihave(as_bytes("t"), rest);
}

}  // namespace

TEST_CASE("gossipsub v2.0: mesh peers are told, and sent the message when they need it",
          "[gossipsub][drafts]") {
  DraftNode node = announcing(6);
  REQUIRE(node.solo.rpc(node.peers[0], message("m")));
  CHECK(node.count(DraftField::iannounce) == 5);
  CHECK(node.count(DraftField::iannounce, node.peers[0]) == 0);
  CHECK(node.solo.count(PartKind::message) == 0);
  for (int i = 0; i < 9; ++i) REQUIRE(node.solo.rpc(node.peers[1], need("m")));
  CHECK(node.solo.count(PartKind::message, node.peers[1]) == node.solo.core.params().iwant_retransmission);
  REQUIRE(node.solo.rpc(node.peers[1], need("never seen")));
}

TEST_CASE("gossipsub v2.0: D_announce of D is the share that is told", "[gossipsub][drafts]") {
  DraftNode none = announcing(0);
  REQUIRE(none.solo.rpc(none.peers[0], message("m")));
  CHECK(none.count(DraftField::iannounce) == 0);
  CHECK(none.solo.count(PartKind::message) == 5);
  DraftNode node = announcing(3);
  for (int i = 0; i < 200; ++i) REQUIRE(node.solo.rpc(node.peers[0], message(std::to_string(i))));
  const std::size_t told = node.count(DraftField::iannounce);
  CHECK(told + node.solo.count(PartKind::message) == 1000);
  CHECK(told > 437);  // 500, give or take 4 standard deviations of 15.8
  CHECK(told < 563);
}

TEST_CASE("gossipsub v2.0: who does not speak the draft is sent the message", "[gossipsub][drafts]") {
  DraftNode node = announcing(6);
  const PeerIndex old = node.solo.add_members(1, "t")[0];
  REQUIRE(node.solo.rpc(old, make_graft(as_bytes("t"))));
  node.solo.sent.clear();
  REQUIRE(node.solo.rpc(node.peers[0], message("m")));
  CHECK(node.solo.count(PartKind::message) == 1);
  CHECK(node.solo.count(PartKind::message, old) == 1);
  REQUIRE(node.solo.rpc(old, announce("n")));  // and is not heard
  CHECK(node.count(DraftField::ineed) == 0);
}

TEST_CASE("gossipsub v2.0: our own messages go out whole, unless all is announced", "[gossipsub][drafts]") {
  DraftNode some = announcing(5);
  REQUIRE(some.solo.core.publish("t", as_bytes("m"), some.solo.now));
  CHECK(some.solo.count(PartKind::message) == 6);
  DraftNode all = announcing(6);
  REQUIRE(all.solo.core.publish("t", as_bytes("m"), all.solo.now));
  CHECK(all.count(DraftField::iannounce) == 6);
}

TEST_CASE("gossipsub v2.0: one peer at a time is asked, the next after the timeout", "[gossipsub][drafts]") {
  DraftNode node = announcing(4);
  for (std::size_t i : {0, 1, 2, 1}) REQUIRE(node.solo.rpc(node.peers[i], announce("m")));
  CHECK(node.count(DraftField::ineed) == 1);
  CHECK(node.count(DraftField::ineed, node.peers[0]) == 1);
  CHECK(node.solo.wakes.back() == node.solo.now + 400ms);
  REQUIRE(node.solo.rpc(node.peers[3], ihave("m")));  // gossip does not ask twice
  CHECK(node.solo.count(PartKind::iwant) == 0);
  node.wake_after(400ms);
  CHECK(node.count(DraftField::ineed, node.peers[1]) == 1);
  node.solo.core.on_peer_removed(node.peers[2]);
  REQUIRE(node.solo.rpc(node.peers[1], message("m")));
  node.wake_after(400ms);
  CHECK(node.count(DraftField::ineed) == 2);
  REQUIRE(node.solo.rpc(node.peers[0], announce("m")));  // seen
  CHECK(node.count(DraftField::ineed) == 2);
}

TEST_CASE("gossipsub v2.0: only mesh peers are asked, for topics and ids that make sense",
          "[gossipsub][drafts]") {
  DraftNode node = announcing(4);
  const PeerIndex outsider = node.solo.add_members(1, "t")[0];
  REQUIRE(node.solo.rpc(outsider, make_draft(DraftField::announcing)));
  REQUIRE(node.solo.rpc(outsider, announce("m")));
  const std::string longest(64, 'x');
  REQUIRE(
      node.solo.rpc(node.peers[0], make_draft(DraftField::iannounce, {as_bytes("t"), as_bytes(longest)})));
  REQUIRE(node.solo.rpc(node.peers[0], make_draft(DraftField::iannounce, {as_bytes("u"), as_bytes("id")})));
  CHECK(node.count(DraftField::ineed) == 0);
  CHECK_FALSE(node.solo.rpc(node.peers[0], make_control(1021, Bytes::copy("\x0a\x7f"))));
}

TEST_CASE("gossipsub v2.0: a peer's announcements are bounded in a heartbeat", "[gossipsub][drafts]") {
  DraftNode node = announcing(4);
  for (int i = 0; i < 1000; ++i) REQUIRE(node.solo.rpc(node.peers[0], announce(std::to_string(i))));
  CHECK(node.count(DraftField::ineed) == 512);
  node.solo.heartbeats();
  REQUIRE(node.solo.rpc(node.peers[0], announce("later")));
  CHECK(node.count(DraftField::ineed) == 513);
}

TEST_CASE("choking: who is late is choked, but not the last one", "[gossipsub][drafts]") {
  DraftNode node = choking();
  REQUIRE(node.solo.rpc(node.peers[0], message("m")));
  node.solo.now += 150ms;
  REQUIRE(node.solo.rpc(node.peers[1], message("m")));
  CHECK(node.count(DraftField::choke) == 0);
  node.solo.now += 100ms;
  for (std::size_t i : {2, 3, 4, 5, 1}) REQUIRE(node.solo.rpc(node.peers[i], message("m")));
  CHECK(node.count(DraftField::choke) == 5);
  REQUIRE(node.solo.rpc(node.peers[0], message("m")));
  CHECK(node.count(DraftField::choke) == 5);
}

TEST_CASE("choking: a choked peer is unchoked when it would be first", "[gossipsub][drafts]") {
  DraftNode node = choking();
  REQUIRE(node.solo.rpc(node.peers[0], message("a")));
  node.solo.now += 250ms;
  REQUIRE(node.solo.rpc(node.peers[1], message("a")));
  REQUIRE(node.count(DraftField::choke, node.peers[1]) == 1);
  // Asked, it is 50 ms ahead: not enough.
  REQUIRE(node.solo.rpc(node.peers[1], message("b")));
  node.solo.now += 50ms;
  REQUIRE(node.solo.rpc(node.peers[0], message("b")));
  CHECK(node.count(DraftField::unchoke) == 0);
  REQUIRE(node.solo.rpc(node.peers[1], message("c")));
  node.solo.now += 100ms;
  REQUIRE(node.solo.rpc(node.peers[0], message("c")));
  CHECK(node.count(DraftField::unchoke, node.peers[1]) == 1);
}

TEST_CASE("choking: who alone had a message is unchoked", "[gossipsub][drafts]") {
  DraftNode node = choking();
  REQUIRE(node.solo.rpc(node.peers[0], message("a")));
  node.solo.now += 250ms;
  REQUIRE(node.solo.rpc(node.peers[1], message("a")));
  REQUIRE(node.solo.rpc(node.peers[1], message("b")));
  node.solo.heartbeats(3);
  CHECK(node.count(DraftField::unchoke, node.peers[1]) == 1);
}

TEST_CASE("choking: a choked peer tells of messages instead of sending them", "[gossipsub][drafts]") {
  DraftNode node = choking();
  REQUIRE(node.solo.rpc(node.peers[1], choke()));
  REQUIRE(node.solo.rpc(node.peers[0], message("m")));
  CHECK(node.solo.count(PartKind::message, node.peers[1]) == 0);
  CHECK(node.solo.count(PartKind::ihave, node.peers[1]) == 1);
  CHECK(node.solo.count(PartKind::message) == 4);
  node.solo.sent.clear();
  REQUIRE(node.solo.core.publish("t", as_bytes("ours"), node.solo.now));
  CHECK(node.solo.count(PartKind::message) == 6);
  node.solo.sent.clear();
  REQUIRE(node.solo.rpc(node.peers[1], unchoke()));
  REQUIRE(node.solo.rpc(node.peers[0], message("n")));
  CHECK(node.solo.count(PartKind::message, node.peers[1]) == 1);
}

TEST_CASE("choking: it ends with the mesh", "[gossipsub][drafts]") {
  DraftNode node = choking();
  REQUIRE(node.solo.rpc(node.peers[1], choke()));
  REQUIRE(node.solo.rpc(node.peers[1], make_prune(as_bytes("t"), 1, {})));
  REQUIRE(node.solo.rpc(node.peers[1], choke()));  // not in the mesh: means nothing
  node.solo.now += 10s;
  REQUIRE(node.solo.rpc(node.peers[1], make_graft(as_bytes("t"))));
  node.solo.sent.clear();
  REQUIRE(node.solo.rpc(node.peers[0], message("m")));
  CHECK(node.solo.count(PartKind::message, node.peers[1]) == 1);
}

TEST_CASE("choking: a message is asked of one peer at a time", "[gossipsub][drafts]") {
  DraftNode node = choking();
  for (std::size_t i : {1, 2}) REQUIRE(node.solo.rpc(node.peers[i], ihave("m")));
  CHECK(node.solo.count(PartKind::iwant) == 1);
  CHECK(node.solo.count(PartKind::iwant, node.peers[1]) == 1);
  node.wake_after(400ms);
  CHECK(node.solo.count(PartKind::iwant, node.peers[2]) == 1);
}

}  // namespace mesocosm
