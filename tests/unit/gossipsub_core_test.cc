// GossipSub's core against the specification, rule by rule.
#include <set>
#include <string>

#include <catch2/catch.hpp>

#include "stack/crypto/keys.h"
#include "tests/unit/foreign_key.h"
#include "tests/unit/gossipsub_harness.h"

namespace mesocosm {
namespace {

using testing::CoreNet;
using testing::fake_peer;
using testing::Solo;
using testing::unsigned_params;
using Event = GossipSubEvent::Kind;

RpcPart message(std::string_view data, std::string_view topic = "t") {
  return make_message(as_bytes(topic), as_bytes(data));
}

MessageId id_of(const RpcPart& part) {
  return message_id(*decode_message(part), MessageIdKind::content_hash);
}

RpcPart ihave(std::vector<MessageId> ids, std::string_view topic = "t") {
  std::vector<ByteView> views;
  for (const MessageId& id : ids) views.push_back(id.bytes());
  std::span<const ByteView> rest = views;
  return make_ihave(as_bytes(topic), rest, SIZE_MAX);
}

RpcPart iwant(const MessageId& id) {
  const ByteView views[] = {id.bytes()};
  std::span<const ByteView> rest = views;
  return make_iwant(rest);
}

std::size_t ids_in(const RpcPart& part) {
  std::size_t count = 0;
  each_id(part, [&](ByteView) { return ++count, true; });
  return count;
}

RpcPart graft(std::string_view topic = "t") { return make_graft(as_bytes(topic)); }
RpcPart prune(std::uint64_t backoff = 60, std::span<const PeerInfo> peers = {}) {
  return make_prune(as_bytes("t"), backoff, peers);
}
Prune only_prune(Solo& solo) {
  const auto sent = solo.take(PartKind::prune);
  REQUIRE(sent.size() == 1);
  static RpcPart kept;  // the views of what is returned point into it
  kept = sent[0].part;
  return *decode_prune(kept.bytes, 100);
}

KeyPair key_of(std::uint8_t number) {
  std::array<std::uint8_t, 32> seed{};
  seed[0] = number;
  return KeyPair::from_seed(seed);
}

}  // namespace

TEST_CASE("gossipsub: subscriptions are told to all, and to newcomers", "[gossipsub]") {
  Solo solo;
  const PeerIndex a = solo.add();
  CHECK(solo.sent.empty());
  solo.core.subscribe("x", solo.now);
  solo.core.subscribe("x", solo.now);
  CHECK(solo.count(PartKind::subscription, a) == 1);
  solo.core.subscribe("y", solo.now);
  solo.sent.clear();
  const PeerIndex b = solo.add();
  const auto hello = solo.take(PartKind::subscription);
  REQUIRE(hello.size() == 2);
  CHECK(hello[0].to == b);
  CHECK(as_text(decode_subscription(hello[0].part.body())->topic) == "x");
  CHECK(as_text(decode_subscription(hello[1].part.body())->topic) == "y");
  solo.core.unsubscribe("x", solo.now);
  const auto bye = solo.take(PartKind::subscription);
  REQUIRE(bye.size() == 2);
  CHECK_FALSE(decode_subscription(bye[0].part.body())->subscribe);
  CHECK(solo.core.find_topic("x") == kNoTopic);  // forgotten
}

TEST_CASE("gossipsub: JOIN grafts D of the known members", "[gossipsub]") {
  Solo solo;
  const auto members = solo.add_members(20, "t");
  solo.core.subscribe("t", solo.now);
  CHECK(solo.mesh_size("t") == 6);
  CHECK(solo.count(PartKind::graft) == 6);
  CHECK(solo.core.counters().grafts_sent == 6);
  CHECK(solo.events_of(Event::grafted) == 6);
}

TEST_CASE("gossipsub: a heartbeat fills the mesh below D_lo only", "[gossipsub]") {
  Solo solo;
  solo.core.subscribe("t", solo.now);
  const auto few = solo.add_members(4, "t");
  solo.heartbeats();
  CHECK(solo.mesh_size("t") == 4);
  const auto more = solo.add_members(10, "t");
  solo.heartbeats();
  CHECK(solo.mesh_size("t") == 6);  // 4 < D_lo: up to D
  CHECK(solo.rpc(*solo.topic("t").mesh.begin(), prune()));
  CHECK(solo.mesh_size("t") == 5);
  solo.heartbeats(3);
  // 5 is not below D_lo; but nobody here was dialed, and D_out asks for two that were.
  CHECK(solo.mesh_size("t") == 5);
  CHECK(solo.count(PartKind::graft) == 6);
}

TEST_CASE("gossipsub: D_out peers that we dialed are grafted on top", "[gossipsub]") {
  Solo solo;
  solo.core.subscribe("t", solo.now);
  solo.add_members(6, "t");
  solo.heartbeats();
  CHECK(solo.mesh_size("t") == 6);
  solo.add_members(5, "t", true);
  solo.heartbeats();
  CHECK(solo.mesh_size("t") == 8);
  solo.heartbeats(5);
  CHECK(solo.mesh_size("t") == 8);
}

TEST_CASE("gossipsub: above D_hi the mesh shrinks to D and keeps D_out", "[gossipsub]") {
  for (std::uint64_t outbound = 0; outbound < 5; ++outbound) {
    Solo solo;
    solo.core.subscribe("t", solo.now);
    // Love bombing: all graft us; up to D_hi are let in, and beyond only those that we dialed.
    auto members = solo.add_members(12, "t");
    const auto dialed = solo.add_members(outbound, "t", true);
    members.insert(members.end(), dialed.begin(), dialed.end());
    for (PeerIndex peer : members) CHECK(solo.rpc(peer, graft()));
    const PeerIndex late = solo.add_members(1, "t")[0];
    CHECK(solo.rpc(late, graft()));
    CHECK(solo.mesh_size("t") == 12 + outbound);
    CHECK(solo.count(PartKind::prune) == 1);  // the late one
    CHECK(solo.core.counters().grafts_refused == 1);
    solo.sent.clear();
    solo.heartbeats();
    if (outbound == 0) {
      CHECK(solo.mesh_size("t") == 12);  // D_hi itself is not too many
      continue;
    }
    CHECK(solo.count(PartKind::prune) == 6 + outbound);
    CHECK(solo.mesh_size("t") == 6);
    std::size_t kept = 0;
    for (PeerIndex peer : solo.topic("t").mesh) kept += solo.core.peer(peer).outbound ? 1 : 0;
    CHECK(kept >= std::min<std::size_t>(outbound, 2));
  }
}

TEST_CASE("gossipsub: backoff after PRUNE is kept, with slack", "[gossipsub]") {
  struct Case {
    std::uint64_t said;  // seconds in the PRUNE
    int grafts_at;       // heartbeats until we GRAFT again
  };
  for (const Case& c : {Case{60, 62}, Case{0, 62}, Case{10, 12}, Case{100, 102}}) {
    INFO(c.said);
    Solo solo;
    solo.core.subscribe("t", solo.now);
    const PeerIndex peer = solo.add_members(1, "t")[0];
    solo.heartbeats();
    CHECK(solo.mesh_size("t") == 1);
    CHECK(solo.rpc(peer, prune(c.said)));
    CHECK(solo.mesh_size("t") == 0);
    CHECK(solo.events_of(Event::pruned) == 1);
    solo.heartbeats(static_cast<std::size_t>(c.grafts_at) - 1);
    CHECK(solo.mesh_size("t") == 0);
    solo.heartbeats();
    CHECK(solo.mesh_size("t") == 1);
    CHECK(solo.count(PartKind::prune) == 0);
  }
}

TEST_CASE("gossipsub: backoff outlasts a reconnection", "[gossipsub]") {
  Solo solo;
  solo.core.subscribe("t", solo.now);
  const PeerIndex peer = solo.add_members(1, "t")[0];
  CHECK(solo.rpc(peer, prune()));
  const PeerId id = solo.core.peer(peer).id;
  solo.core.on_peer_removed(peer);
  const PeerIndex again = solo.core.on_peer_added(id, PeerKind::gossipsub_11, false, solo.now);
  CHECK(again == peer);  // the slot is reused
  CHECK(solo.rpc(again, make_subscription(true, as_bytes("t"))));
  solo.heartbeats(61);
  CHECK(solo.mesh_size("t") == 0);
  solo.heartbeats();
  CHECK(solo.mesh_size("t") == 1);
}

TEST_CASE("gossipsub: a GRAFT while backing off is refused, prolongs, and is held against the peer",
          "[gossipsub]") {
  struct Watcher final : GossipSubPolicy {
    explicit Watcher(unsigned& count) : penalties(count) {}
    void on_penalty(GossipSubCore&, PeerIndex, unsigned count) override { penalties += count; }
    unsigned& penalties;
  };
  unsigned penalties = 0;
  Solo solo(unsigned_params(), std::make_unique<Watcher>(penalties));
  solo.core.subscribe("t", solo.now);
  const PeerIndex peer = solo.add_members(1, "t")[0];
  CHECK(solo.rpc(peer, prune()));
  solo.now += 9s;
  CHECK(solo.rpc(peer, graft()));
  CHECK(penalties == 2);  // within the flood threshold
  CHECK(only_prune(solo).backoff == 60);
  solo.now += 59s;  // the backoff began anew
  CHECK(solo.rpc(peer, graft()));
  CHECK(penalties == 3);
  CHECK(solo.mesh_size("t") == 0);
  CHECK(solo.take(PartKind::prune).size() == 1);
  solo.now += 60s;  // over, though we would wait a little longer ourselves
  CHECK(solo.rpc(peer, graft()));
  CHECK(solo.mesh_size("t") == 1);
  CHECK(solo.count(PartKind::prune) == 0);
}

TEST_CASE("gossipsub: LEAVE prunes with the shorter backoff and honours it itself", "[gossipsub]") {
  Solo solo;
  const PeerIndex peer = solo.add_members(1, "t")[0];
  solo.core.subscribe("t", solo.now);
  solo.core.unsubscribe("t", solo.now);
  CHECK(only_prune(solo).backoff == 10);
  solo.core.subscribe("t", solo.now);
  CHECK(solo.mesh_size("t") == 0);
  solo.heartbeats(11);
  CHECK(solo.mesh_size("t") == 0);
  solo.heartbeats(1);
  CHECK(solo.mesh_size("t") == 1);
  CHECK(solo.topic("t").mesh.contains(peer));
}

TEST_CASE("gossipsub: GRAFT and PRUNE for unknown topics are not answered", "[gossipsub]") {
  Solo solo;
  const PeerIndex peer = solo.add_members(1, "t")[0];
  CHECK(solo.rpc(peer, graft()));
  CHECK(solo.rpc(peer, graft("never heard")));
  CHECK(solo.rpc(peer, prune()));
  CHECK(solo.sent.empty());
}

TEST_CASE("gossipsub: a v1.0 peer gets a PRUNE that it can read", "[gossipsub]") {
  GossipSubParams params = unsigned_params();
  params.peer_exchange = true;
  Solo solo(params);
  solo.core.subscribe("t", solo.now);
  solo.add_members(5, "t");
  const PeerIndex old = solo.add(PeerKind::gossipsub_10);
  CHECK(solo.rpc(old, {make_subscription(true, as_bytes("t")), graft()}));
  solo.core.unsubscribe("t", solo.now);
  const auto sent = solo.take(PartKind::prune);
  REQUIRE(sent.size() == 1);
  CHECK(to_hex(sent[0].part.bytes) == "0a0174");
}

TEST_CASE("gossipsub: a message goes to the mesh once, not to its sender, and is a duplicate afterwards",
          "[gossipsub]") {
  Solo solo;
  const auto members = solo.add_members(20, "t");
  solo.core.subscribe("t", solo.now);
  const std::vector<PeerIndex> mesh(solo.topic("t").mesh.begin(), solo.topic("t").mesh.end());
  const RpcPart part = message("hello");
  CHECK(solo.rpc(mesh[0], part));
  CHECK(solo.delivered == std::vector<std::string>{"hello"});
  const auto forwarded = solo.take(PartKind::message);
  CHECK(forwarded.size() == 5);
  for (const auto& sent : forwarded) {
    CHECK(sent.to != mesh[0]);
    CHECK(solo.topic("t").mesh.contains(sent.to));
    CHECK(sent.part.bytes.data() == part.bytes.data());  // the very buffer that came
  }
  for (PeerIndex peer : members) CHECK(solo.rpc(peer, part));
  CHECK(solo.delivered.size() == 1);
  CHECK(solo.take(PartKind::message).empty());
  const GossipSubCounters& counters = solo.core.counters();
  CHECK(counters.messages_received == 21);
  CHECK(counters.payload_received == 105);
  CHECK(counters.duplicates == 20);
  CHECK(counters.delivered == 1);
  CHECK(counters.messages_sent == 5);
  CHECK(counters.payload_sent == 25);
  CHECK(solo.events_of(Event::delivered) == 1);
  CHECK(solo.events_of(Event::duplicate) == 20);
}

TEST_CASE("gossipsub: a message is new again after seen_ttl", "[gossipsub]") {
  Solo solo;
  solo.core.subscribe("t", solo.now);
  const PeerIndex peer = solo.add_members(1, "t")[0];
  CHECK(solo.rpc(peer, message("m")));
  solo.heartbeats(119);
  CHECK(solo.rpc(peer, message("m")));
  CHECK(solo.delivered.size() == 1);
  solo.heartbeats(1);  // counted from the first time, not from the last
  CHECK(solo.rpc(peer, message("m")));
  CHECK(solo.delivered.size() == 2);
}

TEST_CASE("gossipsub: messages in topics that we do not want are dropped", "[gossipsub]") {
  Solo solo;
  const PeerIndex peer = solo.add_members(1, "t")[0];
  CHECK(solo.rpc(peer, message("m")));
  CHECK(solo.rpc(peer, message("m", "other")));
  CHECK(solo.delivered.empty());
  CHECK(solo.core.counters().ignored == 2);
}

TEST_CASE("gossipsub: floodsub peers get everything and are never in a mesh", "[gossipsub]") {
  Solo solo;
  solo.core.subscribe("t", solo.now);
  const PeerIndex flood = solo.add(PeerKind::floodsub);
  CHECK(solo.rpc(flood, {make_subscription(true, as_bytes("t")), graft()}));
  solo.heartbeats(2);
  CHECK(solo.mesh_size("t") == 0);
  CHECK(solo.core.publish("t", as_bytes("m"), solo.now));
  CHECK(solo.count(PartKind::message, flood) == 1);
  solo.heartbeats(2);
  CHECK(solo.count(PartKind::ihave) == 0);
}

TEST_CASE("gossipsub: explicit peers", "[gossipsub]") {
  GossipSubParams params = unsigned_params();
  params.direct_connect_ticks = 5;
  params.peer_exchange = true;
  Solo solo(params);
  const PeerId friend_id = fake_peer(1);  // the id that the first peer added will have
  solo.core.add_direct_peer(friend_id);
  REQUIRE(solo.connects.size() == 1);
  CHECK(solo.connects[0].first == friend_id);
  solo.heartbeats(5);
  CHECK(solo.connects.size() == 2);
  solo.core.subscribe("t", solo.now);
  const PeerIndex friendly = solo.add_members(1, "t")[0];
  const auto others = solo.add_members(3, "t");
  solo.heartbeats(5);
  CHECK(solo.connects.size() == 2);  // connected
  CHECK(solo.mesh_size("t") == 3);
  CHECK_FALSE(solo.topic("t").mesh.contains(friendly));
  CHECK(solo.rpc(friendly, graft()));  // not a mutual agreement
  const Prune answer = only_prune(solo);
  CHECK(answer.peers.empty());
  solo.sent.clear();
  CHECK(solo.rpc(others[0], message("m")));
  CHECK(solo.count(PartKind::message, friendly) == 1);
  CHECK(solo.count(PartKind::message) == 3);
  solo.heartbeats();
  CHECK(solo.count(PartKind::ihave, friendly) == 0);
  solo.core.remove_direct_peer(friend_id);
  solo.sent.clear();
  CHECK(solo.rpc(others[0], message("n")));
  CHECK(solo.count(PartKind::message, friendly) == 0);
}

TEST_CASE("gossipsub: IHAVE is answered with IWANT for what is new, once per id", "[gossipsub]") {
  Solo solo;
  solo.core.subscribe("t", solo.now);
  const PeerIndex peer = solo.add_members(1, "t")[0];
  const RpcPart known = message("known");
  CHECK(solo.rpc(peer, known));
  const MessageId a = id_of(message("a"));
  const MessageId b = id_of(message("b"));
  CHECK(solo.rpc(peer, {ihave({a, id_of(known), b, a}), ihave({b})}));
  auto asked = solo.take(PartKind::iwant);
  REQUIRE(asked.size() == 1);
  CHECK(ids_in(asked[0].part) == 2);
  CHECK(solo.core.counters().iwant_ids_sent == 2);
  CHECK(solo.rpc(peer, ihave({a}, "not ours")));
  CHECK(solo.rpc(peer, ihave({id_of(known)})));
  CHECK(solo.count(PartKind::iwant) == 0);
  // Told and delivered in one RPC: nothing to ask for.
  CHECK(solo.rpc(peer, {ihave({a}), message("a")}));
  CHECK(solo.count(PartKind::iwant) == 0);
}

TEST_CASE("gossipsub: IHAVE limits, by heartbeat", "[gossipsub]") {
  GossipSubParams params = unsigned_params();
  params.max_ihave_length = 20;
  Solo solo(params);
  solo.core.subscribe("t", solo.now);
  const PeerIndex peer = solo.add_members(1, "t")[0];
  const PeerIndex other = solo.add_members(1, "t")[0];
  int next = 0;
  const auto fresh = [&](int count) {
    std::vector<MessageId> ids;
    for (; count > 0; --count) ids.push_back(id_of(message("m" + std::to_string(next++))));
    return ihave(ids);
  };
  const auto asked = [&] {
    std::size_t sum = 0;
    for (const auto& sent : solo.take(PartKind::iwant)) sum += ids_in(sent.part);
    return sum;
  };
  CHECK(solo.rpc(peer, fresh(50)));
  CHECK(asked() == 20);
  CHECK(solo.rpc(peer, fresh(1)));
  CHECK(asked() == 0);
  CHECK(solo.rpc(other, fresh(15)));
  CHECK(solo.rpc(other, fresh(15)));
  CHECK(asked() == 20);
  solo.heartbeats();
  for (int i = 0; i < 12; ++i) CHECK(solo.rpc(peer, {fresh(1), ihave({}, "u")}));
  CHECK(asked() == 10);  // ten RPCs with IHAVE
  CHECK(solo.core.counters().ihave_ignored == 1 + 4);
}

TEST_CASE("gossipsub: IWANT is served from the cache, three times to each", "[gossipsub]") {
  Solo solo;
  solo.core.subscribe("t", solo.now);
  const auto peers = solo.add_members(2, "t");
  const RpcPart part = message("m");
  CHECK(solo.rpc(peers[0], part));
  solo.sent.clear();
  for (int i = 0; i < 5; ++i) CHECK(solo.rpc(peers[1], iwant(id_of(part))));
  auto served = solo.take(PartKind::message);
  REQUIRE(served.size() == 3);
  CHECK(served[0].to == peers[1]);
  CHECK(equal(served[0].part.body(), part.body()));
  CHECK(solo.rpc(peers[0], iwant(id_of(part))));
  CHECK(solo.take(PartKind::message).size() == 1);
  CHECK(solo.rpc(peers[0], iwant(id_of(message("other")))));
  CHECK(solo.count(PartKind::message) == 0);
  CHECK(solo.core.counters().iwant_served == 4);
  CHECK(solo.core.counters().iwant_refused == 2);
  solo.heartbeats(4);
  CHECK(solo.rpc(peers[0], iwant(id_of(part))));
  CHECK(solo.take(PartKind::message).size() == 1);
  solo.heartbeats(1);  // five windows: gone
  CHECK(solo.rpc(peers[0], iwant(id_of(part))));
  CHECK(solo.count(PartKind::message) == 0);
}

TEST_CASE("gossipsub: gossip goes to D_lazy or a share of the peers outside the mesh, for three heartbeats",
          "[gossipsub]") {
  struct Case {
    std::size_t outside;
    std::size_t told;
  };
  for (const Case& c :
       {Case{0, 0}, Case{4, 4}, Case{6, 6}, Case{20, 6}, Case{28, 7}, Case{40, 10}, Case{99, 24}}) {
    INFO(c.outside);
    Solo solo;
    solo.core.subscribe("t", solo.now);
    const auto members = solo.add_members(6 + c.outside, "t");
    solo.heartbeats();
    REQUIRE(solo.mesh_size("t") == 6);
    CHECK(solo.count(PartKind::ihave) == 0);  // nothing to tell
    CHECK(solo.rpc(members[0], message("m")));
    solo.heartbeats();
    const auto told = solo.take(PartKind::ihave);
    CHECK(told.size() == c.told);
    std::set<PeerIndex> to;
    for (const auto& sent : told) {
      to.insert(sent.to);
      CHECK_FALSE(solo.topic("t").mesh.contains(sent.to));
      CHECK(as_text(*decode_ihave(sent.part.body())) == "t");
      CHECK(ids_in(sent.part) == 1);
    }
    CHECK(to.size() == c.told);
    solo.heartbeats(2);
    CHECK(solo.take(PartKind::ihave).size() == 2 * c.told);
    solo.heartbeats(3);
    CHECK(solo.count(PartKind::ihave) == 0);
  }
}

TEST_CASE("gossipsub: an IHAVE names at most max_ihave_length ids, others to others", "[gossipsub]") {
  GossipSubParams params = unsigned_params();
  params.max_ihave_length = 10;
  Solo solo(params);
  solo.core.subscribe("t", solo.now);
  const auto members = solo.add_members(6 + 6, "t");
  solo.heartbeats();
  for (int i = 0; i < 30; ++i) CHECK(solo.rpc(members[0], message("m" + std::to_string(i))));
  solo.heartbeats();
  const auto told = solo.take(PartKind::ihave);
  REQUIRE(told.size() == 6);
  std::set<std::string> ids;
  for (const auto& sent : told) {
    CHECK(ids_in(sent.part) == 10);
    each_id(sent.part, [&](ByteView id) { return ids.insert(to_hex(id)), true; });
  }
  CHECK(ids.size() > 20);
}

TEST_CASE("gossipsub: fanout for a topic that is only published to", "[gossipsub]") {
  Solo solo;
  solo.add_members(20, "t");
  CHECK(solo.core.publish("t", as_bytes("1"), solo.now));
  const auto first = solo.take(PartKind::message);
  CHECK(first.size() == 6);
  CHECK(solo.core.publish("t", as_bytes("2"), solo.now));
  std::set<PeerIndex> fanout;
  for (const auto& sent : first) fanout.insert(sent.to);
  for (const auto& sent : solo.take(PartKind::message)) CHECK(fanout.count(sent.to) == 1);
  // A fanout peer leaves the topic: another takes its place at the heartbeat, where gossip goes out too.
  CHECK(solo.rpc(*fanout.begin(), make_subscription(false, as_bytes("t"))));
  CHECK(solo.topic("t").fanout.size() == 5);
  solo.heartbeats();
  CHECK(solo.topic("t").fanout.size() == 6);
  CHECK(solo.take(PartKind::ihave).size() == 6);
  solo.heartbeats(59);
  CHECK(solo.topic("t").fanout.size() == 6);
  solo.heartbeats(1);
  CHECK(solo.topic("t").fanout.empty());
  CHECK(solo.count(PartKind::graft) == 0);
  // Joining takes the fanout over into the mesh.
  CHECK(solo.core.publish("t", as_bytes("3"), solo.now));
  std::set<PeerIndex> chosen(solo.topic("t").fanout.begin(), solo.topic("t").fanout.end());
  solo.core.subscribe("t", solo.now);
  CHECK(std::set<PeerIndex>(solo.topic("t").mesh.begin(), solo.topic("t").mesh.end()) == chosen);
  CHECK(solo.topic("t").fanout.empty());
}

TEST_CASE("gossipsub: flood publishing sends our own messages to all members", "[gossipsub]") {
  GossipSubParams params = unsigned_params();
  params.flood_publish = true;
  Solo solo(params);
  const auto members = solo.add_members(20, "t");
  solo.add();  // not a member
  CHECK(solo.core.publish("t", as_bytes("1"), solo.now));
  CHECK(solo.take(PartKind::message).size() == 20);
  CHECK(solo.topic("t").fanout.empty());
  solo.core.subscribe("t", solo.now);
  CHECK(solo.core.publish("t", as_bytes("2"), solo.now));
  CHECK(solo.take(PartKind::message).size() == 20);
  CHECK(solo.rpc(members[0], message("3")));  // others' messages take the mesh
  CHECK(solo.take(PartKind::message).size() <= 6);
  CHECK(solo.delivered == std::vector<std::string>{"3"});  // our own are not delivered to us
  CHECK(solo.core.counters().published == 2);
}

TEST_CASE("gossipsub: what cannot be published", "[gossipsub]") {
  GossipSubParams params = unsigned_params();
  params.max_rpc = 2000;
  params.max_topics = 2;
  Solo solo(params);
  const auto code = [&](const Result<MessageId>& result) {
    return result ? ErrorCode::none : result.error().code;
  };
  CHECK(code(solo.core.publish("a", as_bytes("same"), solo.now)) == ErrorCode::none);
  CHECK(code(solo.core.publish("a", as_bytes("same"), solo.now)) == ErrorCode::refused);
  CHECK(code(solo.core.publish("b", as_bytes("same"), solo.now)) == ErrorCode::none);
  CHECK(code(solo.core.publish("c", as_bytes("same"), solo.now)) == ErrorCode::limit);
  CHECK(code(solo.core.publish("a", as_bytes(std::string(1600, 'x')), solo.now)) == ErrorCode::too_large);
  solo.heartbeats();  // a and b are forgotten, having nobody
  CHECK(code(solo.core.publish("c", as_bytes("same"), solo.now)) == ErrorCode::none);
}

TEST_CASE("gossipsub: peer exchange", "[gossipsub]") {
  GossipSubParams params = unsigned_params();
  params.peer_exchange = true;
  params.prune_peers = 5;
  Solo solo(params);
  solo.records = true;
  solo.core.subscribe("t", solo.now);
  const auto members = solo.add_members(12, "t");
  for (PeerIndex peer : members) CHECK(solo.rpc(peer, graft()));
  const PeerIndex late = solo.add_members(1, "t")[0];
  solo.take(PartKind::prune);
  CHECK(solo.rpc(late, graft()));
  const auto sent = solo.take(PartKind::prune);
  REQUIRE(sent.size() == 1);
  const auto offer = decode_prune(sent[0].part.bytes, 100);
  REQUIRE(offer->peers.size() == 5);
  CHECK(solo.core.counters().px_sent == 5);
  for (const PeerInfo& info : offer->peers) {
    CHECK(info.peer != solo.core.peer(late).id);
    CHECK(solo.core.find_peer(info.peer) != kNoPeer);
    CHECK(info.signed_record.text() == "record of " + to_hex(info.peer.bytes()));
  }

  SECTION("taken: unknown peers are connected to, at most prune_peers") {
    std::vector<PeerInfo> many = {{solo.core.self(), {}}, {solo.core.peer(members[0]).id, {}}};
    CHECK(solo.rpc(late, prune(60, many)));
    CHECK(solo.connects.empty());
    for (std::uint64_t i = 0; i < 10; ++i) many.push_back({fake_peer(1000 + i), Bytes::copy("r")});
    many.erase(many.begin(), many.begin() + 2);
    CHECK(solo.rpc(late, prune(60, many)));
    CHECK(solo.connects.size() == 5);
    CHECK(solo.connects[0].second.text() == "r");
  }
}

TEST_CASE("gossipsub: the mesh forgets who leaves", "[gossipsub]") {
  Solo solo;
  const auto members = solo.add_members(6, "t");
  solo.core.subscribe("t", solo.now);
  REQUIRE(solo.mesh_size("t") == 6);
  CHECK(solo.rpc(members[0], make_subscription(false, as_bytes("t"))));
  CHECK(solo.mesh_size("t") == 5);
  solo.core.on_peer_removed(members[1]);
  CHECK(solo.mesh_size("t") == 4);
  CHECK(solo.events_of(Event::pruned) == 2);
  CHECK(solo.core.peer_count() == 5);
  CHECK(solo.count(PartKind::prune) == 0);
}

TEST_CASE("gossipsub: limits on what peers may make us remember", "[gossipsub]") {
  GossipSubParams params = unsigned_params();
  params.max_topics = 10;
  params.max_subscriptions_per_peer = 6;
  Solo solo(params);
  const PeerIndex a = solo.add();
  const PeerIndex b = solo.add();
  for (int i = 0; i < 20; ++i) {
    CHECK(solo.rpc(a, make_subscription(true, as_bytes("a" + std::to_string(i)))));
    CHECK(solo.rpc(b, make_subscription(true, as_bytes("b" + std::to_string(i)))));
  }
  CHECK(solo.core.topic_slots() == 8);  // the rest is for our own
  CHECK(solo.core.peer(a).subscriptions == 4);
  CHECK(solo.core.peer(b).subscriptions == 4);
  CHECK(solo.core.subscribe("ours", solo.now) != kNoTopic);
  solo.core.unsubscribe("ours", solo.now);
  CHECK(solo.rpc(a, make_subscription(true, as_bytes(std::string(2000, 'x')))));
  solo.core.on_peer_removed(a);
  for (int i = 0; i < 20; ++i) CHECK(solo.rpc(b, make_subscription(true, as_bytes("c" + std::to_string(i)))));
  CHECK(solo.core.topic_slots() <= 9);  // slots are reused
  CHECK(solo.core.peer(b).subscriptions == 6);
}

TEST_CASE("gossipsub: a peer's nuisance has a limit in each heartbeat", "[gossipsub]") {
  const KeyPair own = key_of(1), author = key_of(2), liar = key_of(3);
  GossipSubParams params;
  params.max_nuisance = 100;
  Solo solo(params, nullptr, &own, own.peer_id());
  solo.core.subscribe("t", solo.now);
  const auto members = solo.add_members(2, "t");
  solo.heartbeats();
  const auto forged = [&](std::uint64_t number) {
    return make_signed_message(as_bytes("t"), as_bytes("m"), author.peer_id(), number, liar);
  };
  const auto subscription = [](bool subscribe) { return make_subscription(subscribe, as_bytes("other")); };
  CHECK(solo.rpc(members[0], forged(1)));
  CHECK(solo.rpc(members[0], forged(2)));
  const auto refused = solo.rpc(members[0], forged(3));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::limit);
  CHECK(solo.core.counters().rejected == 3);
  CHECK_FALSE(solo.rpc(members[0], subscription(true)));
  CHECK(solo.rpc(members[1], forged(4)));  // each has its own
  for (int i = 0; i < 60; ++i) CHECK(solo.rpc(members[1], subscription(i % 2 == 0)));
  CHECK_FALSE(solo.rpc(members[1], subscription(true)));
  // Good messages are heard all the time, and the next heartbeat forgives.
  CHECK(solo.rpc(members[0], make_signed_message(as_bytes("t"), as_bytes("m"), author.peer_id(), 9, author)));
  CHECK(solo.delivered == std::vector<std::string>{"m"});
  solo.heartbeats();
  CHECK(solo.rpc(members[0], forged(5)));
}

TEST_CASE("gossipsub: malformed parts are errors", "[gossipsub]") {
  Solo solo;
  solo.core.subscribe("t", solo.now);
  const PeerIndex peer = solo.add();
  const std::uint8_t junk[] = {0x0a, 0x7f, 0x00};
  for (PartKind kind : {PartKind::subscription, PartKind::message, PartKind::ihave, PartKind::iwant,
                        PartKind::graft, PartKind::prune}) {
    CHECK_FALSE(solo.rpc(peer, RpcPart{.kind = kind, .bytes = Bytes::copy(junk)}));
  }
  CHECK(solo.sent.empty() == false);  // the hello, and nothing else
  CHECK(solo.sent.size() == 1);
}

TEST_CASE("gossipsub: the validator's word", "[gossipsub]") {
  struct Judge final : MessageValidator {
    Validation validate(const Message& message, const PeerId&) override {
      ++asked;
      return message.data[0] == 'a'   ? Validation::accept
             : message.data[0] == 'r' ? Validation::reject
                                      : Validation::ignore;
    }
    int asked = 0;
  } judge;
  Solo solo;
  solo.core.subscribe("t", solo.now);
  solo.core.set_validator("t", &judge);
  const auto peers = solo.add_members(3, "t");
  solo.heartbeats();
  for (const char* data : {"a", "r", "i", "a", "r", "i"}) CHECK(solo.rpc(peers[0], message(data)));
  CHECK(judge.asked == 3);  // what was seen is not judged again
  CHECK(solo.delivered == std::vector<std::string>{"a"});
  CHECK(solo.count(PartKind::message) == 2);
  CHECK(solo.core.counters().rejected == 1);
  CHECK(solo.core.counters().ignored == 1);
  CHECK(solo.core.counters().duplicates == 3);
  CHECK(solo.events_of(Event::rejected) == 1);
}

TEST_CASE("gossipsub: StrictNoSign refuses whatever is signed", "[gossipsub]") {
  Solo solo;
  solo.core.subscribe("t", solo.now);
  const PeerIndex peer = solo.add_members(1, "t")[0];
  const KeyPair key = key_of(1);
  CHECK(solo.rpc(peer, make_signed_message(as_bytes("t"), as_bytes("m"), key.peer_id(), 1, key)));
  CHECK(solo.delivered.empty());
  CHECK(solo.core.counters().rejected == 1);
}

TEST_CASE("gossipsub: StrictSign", "[gossipsub]") {
  const KeyPair own = key_of(1);
  const KeyPair author = key_of(2);
  GossipSubParams params;
  Solo solo(params, nullptr, &own, own.peer_id());
  solo.core.subscribe("t", solo.now);
  const auto peers = solo.add_members(2, "t");
  solo.heartbeats();
  solo.sent.clear();
  const RpcPart good = make_signed_message(as_bytes("t"), as_bytes("m"), author.peer_id(), 7, author);
  const auto tampered = [&](std::size_t from_end) {
    Bytes bytes = Bytes::build(good.bytes.size(), [&](MutableByteView out) {
      std::copy(good.bytes.begin(), good.bytes.end(), out.begin());
      out[out.size() - from_end] ^= 1;
    });
    return RpcPart{.kind = PartKind::message, .header = good.header, .bytes = bytes};
  };

  SECTION("a valid one passes, and its author does not get it back") {
    const PeerIndex itself =
        solo.core.on_peer_added(author.peer_id(), PeerKind::gossipsub_11, false, solo.now);
    CHECK(solo.rpc(itself, {make_subscription(true, as_bytes("t")), graft()}));
    CHECK(solo.rpc(peers[0], good));
    CHECK(solo.delivered.size() == 1);
    CHECK(solo.count(PartKind::message, peers[1]) == 1);
    CHECK(solo.count(PartKind::message, itself) == 0);
    CHECK(solo.rpc(peers[1], good));
    CHECK(solo.core.counters().duplicates == 1);
  }
  SECTION("a wrong signature is rejected and does not block the true message") {
    CHECK(solo.rpc(peers[0], tampered(1)));
    CHECK(solo.delivered.empty());
    CHECK(solo.core.counters().rejected == 1);
    CHECK(solo.rpc(peers[0], good));
    CHECK(solo.delivered.size() == 1);
  }
  SECTION("unsigned, or without author or number") {
    CHECK(solo.rpc(peers[0], message("plain")));
    CHECK(solo.delivered.empty());
    CHECK(solo.core.counters().rejected == 1);
  }
  SECTION("somebody else's key") {
    const RpcPart forged = make_signed_message(as_bytes("t"), as_bytes("m"), author.peer_id(), 7, key_of(3));
    CHECK(solo.rpc(peers[0], forged));
    ByteWriter tail;  // the forger adds his key: it is not that of `from`
    ProtoWriter(tail).bytes(6, key_of(3).public_key().serialized());
    CHECK(solo.rpc(peers[0], frame_message({forged.body(), tail.view()})));
    CHECK(solo.core.counters().rejected == 2);
    CHECK(solo.delivered.empty());
  }
  SECTION("the author's key in the message, and unknown fields, which are signed as they came") {
    ByteWriter body;
    body.put("libp2p-pubsub:");
    ProtoWriter out(body);
    out.bytes(4, as_bytes("t"));  // another order than ours
    out.varint(99, 5);
    out.bytes(1, author.peer_id().bytes());
    out.bytes(3, as_bytes("12345678"));
    out.bytes(2, as_bytes("odd"));
    const Signature signature = author.sign(body.view());
    ByteWriter front;
    ProtoWriter(front).bytes(5, signature);
    ByteWriter tail;
    ProtoWriter(tail).bytes(6, author.public_key().serialized());
    CHECK(solo.rpc(peers[0], frame_message({front.view(), body.view().subspan(14), tail.view()})));
    CHECK(solo.delivered == std::vector<std::string>{"odd"});
  }
  SECTION("our own publications are signed, numbered, and not taken back") {
    CHECK(solo.core.publish("t", as_bytes("same"), solo.now));
    CHECK(solo.core.publish("t", as_bytes("same"), solo.now));  // another number, another message
    const auto sent = solo.take(PartKind::message);
    REQUIRE(sent.size() == 4);
    const auto first = decode_message(sent[0].part);
    CHECK(signature_valid(*first));
    CHECK(first->key.data() == nullptr);
    CHECK(to_hex(first->seqno) == "0000000000000001");
    CHECK(solo.rpc(peers[0], sent[0].part));
    CHECK(solo.core.counters().ignored == 1);
  }
}

// The key of a secp256k1 author is inside its peer id; RSA and ECDSA authors send theirs along.
TEST_CASE("gossipsub: StrictSign with authors of other types of key", "[gossipsub]") {
  const KeyPair own = key_of(1);
  GossipSubParams params;
  Solo solo(params, nullptr, &own, own.peer_id());
  solo.core.subscribe("t", solo.now);
  const PeerIndex peer = solo.add_members(1, "t")[0];
  for (const KeyType type : {KeyType::rsa, KeyType::ecdsa, KeyType::secp256k1}) {
    const testing::ForeignKey author = testing::ForeignKey::of(type);
    const Bytes& key = author.public_key().serialized();
    const PeerId id = author.public_key().peer_id();
    ByteWriter text;
    text.put("libp2p-pubsub:");
    ProtoWriter out(text);
    out.bytes(1, id.bytes());
    out.bytes(2, as_bytes("data"));
    out.bytes(3, as_bytes("12345678"));
    out.bytes(4, as_bytes("t"));
    const Bytes signature = author.sign(text.view());
    const auto message = [&](ByteView data, const Bytes* with_key) {
      ByteWriter body;
      ProtoWriter fields(body);
      fields.bytes(1, id.bytes());
      fields.bytes(2, data);
      fields.bytes(3, as_bytes("12345678"));
      fields.bytes(4, as_bytes("t"));
      fields.bytes(5, signature);
      if (with_key != nullptr) fields.bytes(6, *with_key);
      return frame_message({body.view()});
    };
    const auto before = solo.core.counters().rejected;
    CHECK(solo.rpc(peer, message(as_bytes("fake"), &key)));
    const Bytes others_key = key_of(3).public_key().serialized();
    CHECK(solo.rpc(peer, message(as_bytes("data"), &others_key)));
    CHECK(solo.delivered.empty());
    const bool inlined = !id.inlined_key().empty();
    CHECK(inlined == (type == KeyType::secp256k1));
    if (!inlined) CHECK(solo.rpc(peer, message(as_bytes("data"), nullptr)));
    CHECK(solo.core.counters().rejected == before + (inlined ? 2 : 3));
    CHECK(solo.rpc(peer, message(as_bytes("data"), inlined ? nullptr : &key)));
    CHECK(solo.delivered == std::vector<std::string>{"data"});
    solo.delivered.clear();
  }
}

TEST_CASE("gossipsub: a variant replaces the policy's choices", "[gossipsub]") {
  struct Picky final : GossipSubPolicy {
    double score(GossipSubCore& core, PeerIndex peer) override { return core.peer(peer).outbound ? 1 : -1; }
  };
  GossipSubParams params = unsigned_params();
  params.thresholds.gossip = -10;
  params.thresholds.publish = -20;
  params.thresholds.graylist = -30;
  Solo solo(params, std::make_unique<Picky>());
  solo.core.subscribe("t", solo.now);
  const auto bad = solo.add_members(4, "t");
  const auto good = solo.add_members(4, "t", true);
  solo.heartbeats();
  CHECK(solo.mesh_size("t") == 4);
  for (PeerIndex peer : good) CHECK(solo.topic("t").mesh.contains(peer));
  CHECK(solo.rpc(bad[0], graft()));
  CHECK(only_prune(solo).backoff == 60);

  struct Hoarder final : GossipSubPolicy {
    void choose_mesh(GossipSubCore& core, TopicIndex topic, Time now, MeshChange& change) override {
      core.graft_candidates(topic, now, change.graft);
    }
    void choose_gossip(GossipSubCore&, TopicIndex, std::vector<PeerIndex>& peers) override { peers.clear(); }
    bool on_rpc(GossipSubCore&, PeerIndex from, Rpc, Time) override { return from != 0; }
  };
  Solo hoard(unsigned_params(), std::make_unique<Hoarder>());
  hoard.core.subscribe("t", hoard.now);
  hoard.add_members(30, "t");
  hoard.heartbeats();
  CHECK(hoard.mesh_size("t") == 29);  // the first was not listened to
}

TEST_CASE("gossipsub: graylisted peers are not listened to, unless explicit", "[gossipsub]") {
  struct Harsh final : GossipSubPolicy {
    double score(GossipSubCore&, PeerIndex) override { return -100; }
  };
  GossipSubParams params = unsigned_params();
  params.thresholds = {.gossip = -10, .publish = -20, .graylist = -30};
  Solo solo(params, std::make_unique<Harsh>());
  solo.core.subscribe("t", solo.now);
  const PeerIndex peer = solo.add();
  CHECK(solo.rpc(peer, message("m")));
  CHECK(solo.delivered.empty());
  CHECK(solo.core.counters().rpcs_graylisted == 1);
  solo.core.add_direct_peer(solo.core.peer(peer).id);
  CHECK(solo.rpc(peer, message("m")));
  CHECK(solo.delivered.size() == 1);
}

TEST_CASE("gossipsub: parameters that contradict themselves are named", "[gossipsub]") {
  CHECK(GossipSubParams::libp2p().validate());
  CHECK(GossipSubParams::ethereum().validate());
  const auto message = [](auto change) {
    GossipSubParams params;
    change(params);
    const auto result = params.validate();
    return result ? std::string("fine") : result.error().detail;
  };
  using P = GossipSubParams&;
  CHECK(message([](P p) { p.d = p.d_low = p.d_high = p.d_out = p.d_score = 0; }) ==
        "fine");  // a bootstrap node
  CHECK(message([](P p) { p.d = 4; }) == "gossipsub: d_low (5) must not exceed d (4)");
  CHECK(message([](P p) { p.d = 13; }) == "gossipsub: d (13) must not exceed d_high (12)");
  CHECK(message([](P p) { p.d_out = 5; }) == "gossipsub: d_out (5) must be below d_low (5)");
  CHECK(message([](P p) { p.d_out = 4; }) == "gossipsub: d_out (4) must not exceed half of d (6)");
  CHECK(message([](P p) { p.history_gossip = 6; }) ==
        "gossipsub: history_gossip (6) must not exceed history (5)");
  CHECK(message([](P p) { p.gossip_factor = 1.5; }) ==
        "gossipsub: gossip_factor (1.500000) must be between 0 and 1");
  CHECK(message([](P p) { p.heartbeat_delay = -1s; }) ==
        "gossipsub: heartbeat_delay (-1.000000 s) must not be negative");
  CHECK(message([](P p) { p.heartbeat = 0s; }) == "gossipsub: heartbeat (0.000000 s) must be positive");
  CHECK(message([](P p) { p.seen_ttl = 4s; }) ==
        "gossipsub: seen_ttl (4.000000 s) must be at least history heartbeats = (5.000000 s)");
  CHECK(message([](P p) { p.signature_policy = SignaturePolicy::strict_no_sign; }) ==
        "gossipsub: message_id from_seqno needs signature_policy strict_sign; use content_hash");
  CHECK(message([](P p) { p.thresholds.gossip = 1; }) ==
        "gossipsub: thresholds.gossip (1.000000) must not be positive");
}

// --------------------------------------------------------------------------------------------------- many
// cores

TEST_CASE("gossipsub: two cores", "[gossipsub]") {
  CoreNet net(2, unsigned_params(), 1, true);
  net.join(0, 1);
  net.subscribe_all("t");
  net.settle();
  net.heartbeat();
  CHECK(net.nodes[0]->core.topic(0).mesh.size() == 1);
  CHECK(net.nodes[1]->core.topic(0).mesh.size() == 1);
  CHECK(net.nodes[0]->core.publish("t", as_bytes("hello"), net.now));
  net.settle();
  CHECK(net.nodes[1]->delivered.size() == 1);
  const GossipSubCounters sum = net.total();
  CHECK(sum.messages_sent == 1);
  CHECK(sum.duplicates == 0);
}

TEST_CASE("gossipsub: fifty cores deliver everything to everybody", "[gossipsub]") {
  CoreNet net(50, unsigned_params(), 3, true);
  net.join_randomly(20);
  net.subscribe_all("t");
  net.settle();
  for (int i = 0; i < 5; ++i) net.heartbeat();
  for (const auto& node : net.nodes) {
    const std::size_t size = node->core.topic(0).mesh.size();
    CHECK(size >= 5);
    CHECK(size <= 12);
    for (PeerIndex peer : node->core.topic(0).mesh) {  // a mesh link has two ends
      const auto [other, index] = node->neighbours.at(peer);
      CHECK(net.nodes[other]->core.topic(0).mesh.contains(index));
    }
  }
  for (int i = 0; i < 20; ++i) {
    CHECK(net.nodes[static_cast<std::size_t>(i * 7) % 50]->core.publish(
        "t", as_bytes("m" + std::to_string(i)), net.now));
    net.settle();
  }
  for (const auto& node : net.nodes) {
    for (const auto& [id, times] : node->delivered) CHECK(times == 1);
  }
  const GossipSubCounters sum = net.total();
  CHECK(sum.published == 20);
  CHECK(sum.delivered == 20 * 49);
  CHECK(sum.rejected == 0);
  CHECK(sum.ignored == 0);
  CHECK(sum.messages_received == sum.messages_sent);
  CHECK(sum.payload_received == sum.payload_sent);
  CHECK(sum.messages_received == sum.delivered + sum.duplicates);
  CHECK(sum.grafts_received == sum.grafts_sent);
}

TEST_CASE("gossipsub: gossip repairs what the mesh loses", "[gossipsub]") {
  CoreNet net(30, unsigned_params(), 4);
  net.join_randomly(16);
  net.subscribe_all("t");
  net.settle();
  for (int i = 0; i < 3; ++i) net.heartbeat();
  net.drop = 0.7;
  for (int i = 0; i < 10; ++i) {
    CHECK(net.nodes[0]->core.publish("t", as_bytes("m" + std::to_string(i)), net.now));
    net.settle();
  }
  const std::uint64_t by_mesh = net.total().delivered;
  CHECK(by_mesh < 10 * 29);
  net.drop = 0;
  for (int i = 0; i < 4; ++i) net.heartbeat();
  const GossipSubCounters sum = net.total();
  CHECK(sum.delivered == 10 * 29);
  CHECK(sum.iwant_served > 0);  // what was fetched went on through the mesh
}

TEST_CASE("gossipsub: the same seed does the same, another one another", "[gossipsub]") {
  const auto run = [](std::uint64_t seed) {
    CoreNet net(20, unsigned_params(), seed);
    net.join_randomly(12);
    net.subscribe_all("t");
    net.settle();
    for (int i = 0; i < 10; ++i) {
      net.heartbeat();
      static_cast<void>(net.nodes[static_cast<std::size_t>(i)]->core.publish(
          "t", as_bytes("m" + std::to_string(i)), net.now));
      net.settle();
    }
    return net.fingerprint;
  };
  CHECK(run(1) == run(1));
  CHECK(run(1) != run(2));
}

TEST_CASE("gossipsub: an idle node's memory", "[gossipsub]") {
  Solo solo;
  solo.core.subscribe("blocks", solo.now);
  solo.add_members(16, "blocks");
  solo.heartbeats(20);
  CHECK(sizeof(GossipSubCore) <= 1088);  // a quarter of which are parameters, another one counters
  CHECK(solo.core.memory() <= 2048);
}

}  // namespace mesocosm
