// What GossipSub does by the version that it speaks: v1.0 beside v1.1, and the baselines floodsub and randomsub.
#include <set>
#include <string>

#include <catch2/catch.hpp>

#include "tests/unit/gossipsub_harness.h"

namespace mesocosm {
namespace {

using testing::CoreNet;
using testing::Solo;
using testing::unsigned_params;
using Event = GossipSubEvent::Kind;

GossipSubParams params_of(PeerKind version) {
  GossipSubParams params = unsigned_params();
  params.version = version;
  params.flood_publish = true;  // unless the version has none
  params.peer_exchange = true;
  return params;
}

std::vector<PeerIndex> add_members(Solo& solo, std::size_t count, PeerKind kind, bool outbound = false) {
  std::vector<PeerIndex> added;
  for (std::size_t i = 0; i < count; ++i) {
    added.push_back(solo.add(kind, outbound));
    CHECK(solo.rpc(added.back(), make_subscription(true, as_bytes("t"))));
  }
  return added;
}

RpcPart message(std::string_view data) { return make_message(as_bytes("t"), as_bytes(data)); }
RpcPart graft(std::string_view topic = "t") { return make_graft(as_bytes(topic)); }

RpcPart ids_of(std::size_t first, std::size_t count) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < count; ++i) names.push_back("id" + std::to_string(first + i));
  std::vector<ByteView> views;
  for (const std::string& name : names) views.push_back(as_bytes(name));
  std::span<const ByteView> rest = views;
  return make_ihave(as_bytes("t"), rest, SIZE_MAX);
}

std::size_t count_ids(const RpcPart& part) {
  std::size_t count = 0;
  each_id(part, [&](ByteView) { return ++count, true; });
  return count;
}

}  // namespace

TEST_CASE("gossipsub v1.0: publishing goes to the mesh, in v1.1 to everybody", "[gossipsub][versions]") {
  const auto [version, sent] =
      GENERATE(table<PeerKind, std::size_t>({{PeerKind::gossipsub_10, 6}, {PeerKind::gossipsub_11, 20}}));
  Solo solo(params_of(version));
  add_members(solo, 20, version);
  solo.core.subscribe("t", solo.now);
  CHECK(solo.core.publish("t", as_bytes("m"), solo.now));
  CHECK(solo.count(PartKind::message) == sent);
}

TEST_CASE("gossipsub v1.0: a GRAFT is taken though the mesh is full and a PRUNE came just before",
          "[gossipsub][versions]") {
  Solo solo(params_of(PeerKind::gossipsub_10));
  solo.core.subscribe("t", solo.now);
  const auto members = add_members(solo, 15, PeerKind::gossipsub_10);
  for (PeerIndex peer : members) CHECK(solo.rpc(peer, graft()));
  CHECK(solo.mesh_size("t") == 15);
  CHECK(solo.rpc(members[0], make_prune(as_bytes("t"), 0, {})));
  CHECK(solo.mesh_size("t") == 14);
  CHECK(solo.rpc(members[0], graft()));
  CHECK(solo.mesh_size("t") == 15);
  CHECK(solo.count(PartKind::prune) == 0);
  CHECK(solo.topic("t").backoffs.empty());
}

TEST_CASE(
    "gossipsub v1.0: above D_hi the mesh is pruned to D, with PRUNEs of a topic alone, and may grow again at "
    "once",
    "[gossipsub][versions]") {
  Solo solo(params_of(PeerKind::gossipsub_10));
  solo.core.subscribe("t", solo.now);
  const auto members = add_members(solo, 13, PeerKind::gossipsub_10);
  for (PeerIndex peer : members) CHECK(solo.rpc(peer, graft()));
  solo.heartbeats();
  CHECK(solo.mesh_size("t") == 6);
  const auto prunes = solo.take(PartKind::prune);
  REQUIRE(prunes.size() == 7);
  std::set<PeerIndex> pruned;
  for (const auto& sent : prunes) {
    CHECK(to_hex(sent.part.bytes) == "0a0174");  // no backoff, no peers
    pruned.insert(sent.to);
  }
  // Three leave, and no backoff keeps the next heartbeat from those that were pruned.
  const PeerSet mesh = solo.topic("t").mesh;
  std::size_t left = 0;
  for (PeerIndex peer : mesh) {
    if (left++ < 3) CHECK(solo.rpc(peer, make_prune(as_bytes("t"), 0, {})));
  }
  solo.heartbeats();
  CHECK(solo.mesh_size("t") == 6);
  CHECK(solo.count(PartKind::graft) == 3);
}

TEST_CASE("gossipsub v1.0: no quota for peers that we dialed", "[gossipsub][versions]") {
  const auto [version, grafted] =
      GENERATE(table<PeerKind, std::size_t>({{PeerKind::gossipsub_10, 6}, {PeerKind::gossipsub_11, 8}}));
  Solo solo(params_of(version));
  solo.core.subscribe("t", solo.now);
  add_members(solo, 6, version);
  solo.heartbeats();
  add_members(solo, 6, version, true);
  solo.heartbeats();
  CHECK(solo.mesh_size("t") == grafted);
}

TEST_CASE("gossipsub v1.0: a GRAFT for a topic that we are not in is answered with PRUNE",
          "[gossipsub][versions]") {
  const auto [version, answers] =
      GENERATE(table<PeerKind, std::size_t>({{PeerKind::gossipsub_10, 1}, {PeerKind::gossipsub_11, 0}}));
  Solo solo(params_of(version));
  const PeerIndex peer = solo.add(version);
  CHECK(solo.rpc(peer, graft("elsewhere")));
  CHECK(solo.count(PartKind::prune, peer) == answers);
  CHECK(solo.rpc(peer, graft(std::string(kMaxTopicLength + 1, 'x'))));
  CHECK(solo.count(PartKind::prune, peer) == answers);
  CHECK(solo.core.topic_slots() == 0);
}

TEST_CASE("gossipsub v1.0: gossip goes to D_lazy peers, however many there are", "[gossipsub][versions]") {
  const auto [version, told] =
      GENERATE(table<PeerKind, std::size_t>({{PeerKind::gossipsub_10, 6}, {PeerKind::gossipsub_11, 23}}));
  Solo solo(params_of(version));
  add_members(solo, 100, version);
  solo.core.subscribe("t", solo.now);
  CHECK(solo.core.publish("t", as_bytes("m"), solo.now));
  solo.heartbeats();
  CHECK(solo.count(PartKind::ihave) == told);
}

TEST_CASE("gossipsub v1.0: IHAVE and IWANT have no limits", "[gossipsub][versions]") {
  const PeerKind version = GENERATE(PeerKind::gossipsub_10, PeerKind::gossipsub_11);
  const bool old = version == PeerKind::gossipsub_10;
  Solo solo(params_of(version));
  solo.core.subscribe("t", solo.now);
  const PeerIndex peer = add_members(solo, 1, version)[0];
  for (std::size_t rpc = 0; rpc < 12; ++rpc) CHECK(solo.rpc(peer, ids_of(1000 * rpc, 1000)));
  std::size_t asked = 0;
  for (const auto& sent : solo.take(PartKind::iwant)) asked += count_ids(sent.part);
  CHECK(asked == (old ? 12000u : 5000u));

  CHECK(solo.core.publish("t", as_bytes("m"), solo.now));
  solo.sent.clear();
  const MessageId id = message_id(*decode_message(message("m")), MessageIdKind::content_hash);
  const ByteView views[] = {id.bytes()};
  for (int request = 0; request < 5; ++request) {
    std::span<const ByteView> rest = views;
    CHECK(solo.rpc(peer, make_iwant(rest)));
  }
  CHECK(solo.count(PartKind::message, peer) == (old ? 5u : 3u));
}

TEST_CASE("gossipsub v1.0: offers of peers are neither made nor taken", "[gossipsub][versions]") {
  Solo solo(params_of(PeerKind::gossipsub_10));
  solo.core.subscribe("t", solo.now);
  const PeerIndex peer = add_members(solo, 1, PeerKind::gossipsub_10)[0];
  CHECK(solo.rpc(peer, graft()));
  const PeerInfo offered[] = {{testing::fake_peer(99), {}}};
  CHECK(solo.rpc(peer, make_prune(as_bytes("t"), 60, offered)));
  CHECK(solo.mesh_size("t") == 0);
  CHECK(solo.connects.empty());
}

TEST_CASE("floodsub: everything to everybody in the topic, and nothing else is said",
          "[gossipsub][versions]") {
  Solo solo(params_of(PeerKind::floodsub));
  solo.core.subscribe("t", solo.now);
  const auto members = add_members(solo, 30, PeerKind::floodsub);
  solo.add(PeerKind::floodsub);  // not in the topic
  solo.sent.clear();
  CHECK(solo.core.publish("t", as_bytes("ours"), solo.now));
  CHECK(solo.take(PartKind::message).size() == 30);
  CHECK(solo.rpc(members[3], message("theirs")));
  CHECK(solo.take(PartKind::message).size() == 29);
  CHECK(solo.rpc(members[4], message("theirs")));
  CHECK(solo.rpc(members[4], graft()));
  solo.heartbeats(3);
  CHECK(solo.sent.empty());
  CHECK(solo.mesh_size("t") == 0);
}

TEST_CASE("floodsub: who is not in the topic publishes to those who are", "[gossipsub][versions]") {
  Solo solo(params_of(PeerKind::floodsub));
  add_members(solo, 30, PeerKind::floodsub);
  CHECK(solo.core.publish("t", as_bytes("m"), solo.now));
  CHECK(solo.count(PartKind::message) == 30);
}

TEST_CASE("randomsub: D peers or the square root of the network, others each time; floodsub peers always",
          "[gossipsub][versions]") {
  const auto [size, to_random] =
      GENERATE(table<std::uint32_t, std::size_t>({{0, 6}, {36, 6}, {37, 7}, {100, 10}, {10000, 30}}));
  GossipSubParams params = params_of(PeerKind::randomsub);
  params.network_size = size;
  Solo solo(params);
  solo.core.subscribe("t", solo.now);
  const auto members = add_members(solo, 30, PeerKind::randomsub);
  const auto flooders = add_members(solo, 2, PeerKind::floodsub);
  solo.sent.clear();
  std::set<PeerIndex> reached;
  for (int i = 0; i < 50; ++i) {
    CHECK(solo.core.publish("t", as_bytes("m" + std::to_string(i)), solo.now));
    const auto sent = solo.take(PartKind::message);
    CHECK(sent.size() == to_random + 2);
    std::set<PeerIndex> once;
    for (const auto& s : sent) once.insert(s.to);
    CHECK(once.size() == sent.size());
    CHECK((once.contains(flooders[0]) && once.contains(flooders[1])));
    reached.merge(once);
  }
  CHECK(reached.size() == 32);
  CHECK(solo.rpc(members[0], message("theirs")));
  const auto forwarded = solo.take(PartKind::message);
  CHECK(forwarded.size() == std::min<std::size_t>(to_random, 29) + 2);
  for (const auto& s : forwarded) CHECK(s.to != members[0]);
  solo.heartbeats(3);
  CHECK(solo.sent.empty());
}

TEST_CASE("gossipsub: cores of any version deliver everything", "[gossipsub][versions]") {
  const PeerKind version = GENERATE(PeerKind::floodsub, PeerKind::gossipsub_10, PeerKind::gossipsub_11);
  CoreNet net(40, params_of(version), 3, true);
  net.join_randomly(12);
  net.subscribe_all("t");
  net.settle();
  for (int i = 0; i < 3; ++i) net.heartbeat();
  for (std::size_t i = 0; i < 10; ++i) {
    CHECK(net.nodes[i]->core.publish("t", as_bytes("m" + std::to_string(i)), net.now));
    net.settle();
  }
  CHECK(net.total().delivered == 10 * 39);
  if (version == PeerKind::floodsub) {
    CHECK(net.total().grafts_sent == 0);
    CHECK(net.total().ihave_sent == 0);
  }
}

}  // namespace mesocosm
