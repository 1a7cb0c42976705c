// Partial messages: rows of the specification's table, and groups of nodes that complete messages from parts.
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>

#include <catch2/catch.hpp>

#include "stack/protocols/gossipsub/partial.h"
#include "tests/unit/gossipsub_harness.h"
#include "tests/unit/vector_file.h"

namespace mesocosm {
namespace {

using testing::from_hex;
using testing::Solo;
using testing::unsigned_params;

std::vector<Bytes> cut(std::size_t count, const std::set<std::size_t>& there = {}) {
  std::vector<Bytes> parts(count);
  for (std::size_t i = 0; i < count; ++i) {
    if (there.empty() || there.contains(i)) parts[i] = Bytes::copy("part " + std::to_string(i));
  }
  return parts;
}

GossipSubParams v13() {
  GossipSubParams params = unsigned_params();
  params.version = PeerKind::gossipsub_13;
  params.partial_messages = true;
  return params;
}

RpcPart joins(bool requests, bool supports) {
  return make_subscription({.subscribe = true,
                            .topic = as_bytes("t"),
                            .requests_partial = requests,
                            .supports_partial = supports});
}

// A peer in our mesh that said so much.
PeerIndex add(Solo& solo, bool requests, bool supports, bool extension = true) {
  const PeerIndex peer = solo.add(PeerKind::gossipsub_13);
  CHECK(solo.rpc(peer, {make_extensions({.partial_messages = extension}), joins(requests, supports),
                        make_graft(as_bytes("t"))}));
  solo.sent.clear();
  return peer;
}

PartialRpc read(const RpcPart& part) { return *decode_partial(part.body()); }
Bytes bits(std::size_t parts, const std::set<std::size_t>& set) {
  PartBits made;
  for (std::size_t i : set) made.set(i);
  return made.encode(parts);
}
RpcPart has(std::size_t parts, const std::set<std::size_t>& set) {
  return make_partial(as_bytes("t"), as_bytes("g"), {}, {}, bits(parts, set));
}
RpcPart gives(std::size_t parts, const std::set<std::size_t>& set, std::string_view group = "g") {
  const auto all = cut(parts, set);
  std::vector<ByteView> data;
  for (const Bytes& part : all) {
    if (!part.empty()) data.push_back(part);
  }
  return make_partial(as_bytes("t"), as_bytes(group), bits(parts, set), data, {});
}

}  // namespace

TEST_CASE("partial: bitmaps", "[gossipsub][partial]") {
  CHECK(to_hex(bits(9, {0, 3, 8})) == "0901");
  CHECK(PartBits::decode(from_hex("0901"), 9)->count() == 3);
  CHECK_FALSE(PartBits::decode(from_hex("0903"), 9));  // a tenth part
  CHECK_FALSE(PartBits::decode(from_hex("09"), 9));
  CHECK_FALSE(PartBits::decode(from_hex("090100"), 9));
  PartBits all;
  for (std::size_t i = 0; i < kMaxMessageParts; ++i) all.set(i);
  CHECK(PartBits::decode(all.encode(kMaxMessageParts), kMaxMessageParts)->count() == kMaxMessageParts);
}

TEST_CASE("partial: the wire form", "[gossipsub][partial]") {
  const RpcPart part = gives(3, {0, 2});
  CHECK(to_hex(part.bytes) ==
        "0a0174"
        "120167"
        "1a0f"
        "05"
        "06"
        "706172742030"
        "06"
        "706172742032");
  const RpcPart told = has(3, {1});
  const PartialRpc rpc = read(told);
  CHECK(as_text(rpc.topic) == "t");
  CHECK(as_text(rpc.group) == "g");
  CHECK(rpc.message.empty());
  CHECK(to_hex(rpc.metadata) == "02");
  CHECK(to_hex(joins(true, true).bytes) ==
        "0801"
        "120174"
        "1801"
        "2001");
  CHECK(decode_subscription(from_hex("08011201741801"))->supports_partial);  // implied
  // An RPC has room for one.
  const std::vector<RpcPart> two = {has(3, {}), has(3, {1})};
  Rpc rest = two;
  static_cast<void>(encode_control_frame(rest, kMaxControlRpc));
  CHECK(rest.size() == 1);
}

TEST_CASE("partial: what peers are sent, by what they said of the topic", "[gossipsub][partial]") {
  struct Row {
    bool requests, supports, extension;
    bool metadata;  // told which parts we have
    bool data;      // sent parts once we know what it has
    bool whole;     // sent whole messages
  };
  const auto row =
      GENERATE(Row{true, true, true, true, true, false}, Row{false, true, true, true, false, true},
               Row{false, false, true, false, false, true}, Row{true, true, false, false, false, true});
  Solo solo(v13());
  REQUIRE(solo.core.subscribe_in_parts("t", {.parts = 3}, solo.now));
  const PeerIndex peer = add(solo, row.requests, row.supports, row.extension);
  CHECK(solo.core.publish_parts("t", as_bytes("g"), cut(3, {0, 1}), solo.now));
  auto sent = solo.take(PartKind::partial);
  REQUIRE(sent.size() == (row.metadata ? 1 : 0));
  if (row.metadata) {
    CHECK(to_hex(read(sent[0].part).metadata) == "03");
    CHECK(read(sent[0].part).message.empty());  // not eager
  }
  CHECK(solo.rpc(peer, has(3, {1})));
  sent = solo.take(PartKind::partial);
  REQUIRE(sent.size() == (row.data ? 1 : 0));
  if (row.data)
    CHECK(to_hex(read(sent[0].part).message) ==
          "01"
          "06"
          "706172742030");
  CHECK(solo.rpc(peer, has(3, {1})));
  CHECK(solo.count(PartKind::partial) == 0);  // not twice
  CHECK(solo.core.publish("t", as_bytes("a whole message"), solo.now));
  CHECK(solo.count(PartKind::message, peer) == (row.whole ? 1 : 0));
}

TEST_CASE("partial: eager nodes send parts at once", "[gossipsub][partial]") {
  Solo solo(v13());
  REQUIRE(solo.core.subscribe_in_parts("t", {.parts = 3, .eager = true}, solo.now));
  add(solo, true, true);
  CHECK(solo.core.publish_parts("t", as_bytes("g"), cut(3), solo.now));
  const auto sent = solo.take(PartKind::partial);
  REQUIRE(sent.size() == 1);
  CHECK(read(sent[0].part).message.size() == 1 + 3 * 7);
}

TEST_CASE("partial: subscriptions say what we do", "[gossipsub][partial]") {
  Solo solo(v13());
  const PeerIndex early = solo.add(PeerKind::gossipsub_13);
  REQUIRE(solo.core.subscribe_in_parts("t", {.parts = 3, .requests = false}, solo.now));
  solo.core.subscribe("plain", solo.now);
  const PeerIndex late = solo.add(PeerKind::gossipsub_13);
  for (PeerIndex peer : {early, late}) {
    std::map<std::string, Subscription> said;
    for (const auto& sent : solo.sent) {
      if (sent.to != peer || sent.part.kind != PartKind::subscription) continue;
      const auto subscription = decode_subscription(sent.part.body());
      said[std::string(as_text(subscription->topic))] = *subscription;
    }
    CHECK((said["t"].supports_partial && !said["t"].requests_partial));
    CHECK((!said["plain"].supports_partial && !said["plain"].requests_partial));
  }
}

TEST_CASE("partial: gossip tells peers outside the mesh of parts, and of no IHAVE", "[gossipsub][partial]") {
  Solo solo(v13());
  REQUIRE(solo.core.subscribe_in_parts("t", {.parts = 3}, solo.now));
  const PeerIndex parted = solo.add(PeerKind::gossipsub_13);
  const PeerIndex whole = solo.add(PeerKind::gossipsub_13);
  CHECK(solo.rpc(parted, {make_extensions({.partial_messages = true}), joins(true, true)}));
  CHECK(solo.rpc(whole, joins(false, false)));
  solo.heartbeats();
  for (PeerIndex peer : {parted, whole}) CHECK(solo.rpc(peer, make_prune(as_bytes("t"), 60, {})));
  solo.sent.clear();
  CHECK(solo.core.publish_parts("t", as_bytes("g"), cut(3), solo.now));
  CHECK(solo.core.publish("t", as_bytes("m"), solo.now));
  solo.heartbeats();
  CHECK(solo.count(PartKind::partial, parted) == 1);
  CHECK(solo.count(PartKind::partial, whole) == 0);
  CHECK(solo.count(PartKind::ihave, parted) == 0);
  CHECK(solo.count(PartKind::ihave, whole) == 1);
  solo.heartbeats();
  CHECK(solo.count(PartKind::partial, parted) == 1);  // nothing new
}

TEST_CASE("partial: peers that give parts are told no IDONTWANT", "[gossipsub][partial]") {
  Solo solo(v13());
  REQUIRE(solo.core.subscribe_in_parts("t", {.parts = 3}, solo.now));
  const PeerIndex from = add(solo, false, false);
  const PeerIndex parted = add(solo, false, true);
  const PeerIndex whole = add(solo, false, false);
  CHECK(solo.rpc(from, make_message(as_bytes("t"), as_bytes(std::string(2000, 'x')))));
  CHECK(solo.count(PartKind::idontwant, parted) == 0);
  CHECK(solo.count(PartKind::idontwant, whole) == 1);
}

TEST_CASE("partial: what is malformed breaks the protocol, what is unasked is ignored",
          "[gossipsub][partial]") {
  Solo solo(v13());
  REQUIRE(solo.core.subscribe_in_parts("t", {.parts = 3, .max_part = 6}, solo.now));
  const PeerIndex peer = add(solo, true, true);
  const auto with = [&](ByteView message, ByteView metadata) {
    return make_partial(as_bytes("t"), as_bytes("g"), message, {}, metadata);
  };
  CHECK_FALSE(solo.rpc(peer, with({}, from_hex("0f"))));                  // a fourth part
  CHECK_FALSE(solo.rpc(peer, with({}, from_hex("0100"))));                // too long
  CHECK_FALSE(solo.rpc(peer, with(from_hex("08"), {})));                  // a fourth part
  CHECK_FALSE(solo.rpc(peer, with(from_hex("01"), {})));                  // no length
  CHECK_FALSE(solo.rpc(peer, with(from_hex("0100"), {})));                // an empty part
  CHECK_FALSE(solo.rpc(peer, with(from_hex("010261"), {})));              // cut off
  CHECK_FALSE(solo.rpc(peer, with(from_hex("01016162"), {})));            // and something after it
  CHECK_FALSE(solo.rpc(peer, with(from_hex("010761616161616161"), {})));  // over max_part
  CHECK_FALSE(solo.rpc(peer, make_partial(as_bytes("t"), {}, {}, {}, bits(3, {}))));
  CHECK_FALSE(
      solo.rpc(peer, make_partial(as_bytes("t"), as_bytes(std::string(65, 'g')), {}, {}, bits(3, {}))));
  CHECK(solo.rpc(peer, make_partial(as_bytes("other"), as_bytes("g"), {}, {}, bits(3, {}))));
  const PeerIndex stranger = add(solo, true, true, false);  // has not the extension
  CHECK(solo.rpc(stranger, gives(3, {0})));
  CHECK(solo.core.partial()->parts(solo.core.find_topic("t"), as_bytes("g")).empty());
  CHECK(solo.rpc(peer, gives(3, {0})));
  CHECK(solo.core.partial()->parts(solo.core.find_topic("t"), as_bytes("g")).count() == 1);
}

TEST_CASE("partial: peers begin 255 groups in a topic, 8 each; groups end after three heartbeats",
          "[gossipsub][partial]") {
  Solo solo(v13());
  REQUIRE(solo.core.subscribe_in_parts("t", {.parts = 3}, solo.now));
  const TopicIndex topic = solo.core.find_topic("t");
  for (std::size_t i = 0; i < 40; ++i) {
    const PeerIndex peer = add(solo, true, true);
    for (int group = 0; group < 10; ++group) {
      CHECK(solo.rpc(peer, gives(3, {0}, std::to_string(100 * i + group))));
    }
    CHECK(solo.core.partial()->groups(topic) == std::min<std::size_t>(8 * (i + 1), 255));
  }
  CHECK(solo.core.partial()->counters().groups_refused == 400 - 255);
  CHECK(solo.core.publish_parts("t", as_bytes("ours"), cut(3), solo.now));
  CHECK(solo.core.partial()->groups(topic) == 256);
  solo.heartbeats(2);
  CHECK(solo.core.publish_parts("t", as_bytes("ours"), cut(3), solo.now));  // is kept anew
  solo.heartbeats(1);
  CHECK(solo.core.partial()->groups(topic) == 1);
  solo.heartbeats(2);
  CHECK(solo.core.partial()->groups(topic) == 0);
}

TEST_CASE("partial: what cannot be asked for is refused", "[gossipsub][partial]") {
  Solo off(unsigned_params());
  CHECK(off.core.subscribe_in_parts("t", {.parts = 3}, off.now).error().code == ErrorCode::refused);
  CHECK(off.core.publish_parts("t", as_bytes("g"), cut(3), off.now).error().code == ErrorCode::not_found);
  Solo solo(v13());
  CHECK_FALSE(solo.core.subscribe_in_parts("t", {.parts = 0}, solo.now));
  CHECK_FALSE(solo.core.subscribe_in_parts("t", {.parts = 257}, solo.now));
  CHECK(solo.core.subscribe_in_parts("t", {.parts = 256}, solo.now));
  CHECK_FALSE(solo.core.subscribe_in_parts("t", {.parts = 256}, solo.now));
  CHECK_FALSE(solo.core.publish_parts("t", as_bytes("g"), cut(3), solo.now));
  CHECK_FALSE(solo.core.publish_parts("t", {}, cut(256), solo.now));
  solo.core.unsubscribe("t", solo.now);
  CHECK_FALSE(solo.core.publish_parts("t", as_bytes("g"), cut(256), solo.now));
}

// Nodes in a ring, each in the mesh of both neighbours, exchange parts until all have all.
namespace {

struct Ring {
  static constexpr std::size_t kParts = 20;
  struct Node final : PartialActions {
    Node(Ring& owner, std::size_t index) : ring(owner), number(index), core(*this) {}
    void send_partial(PeerIndex to, const RpcPart& part) override { ring.wire.push_back({number, to, part}); }
    bool accept_part(TopicIndex, ByteView, std::size_t part, ByteView data) override {
      return as_text(data) == "part " + std::to_string(part);
    }
    void complete(TopicIndex, ByteView, const std::vector<Bytes>& parts) override {
      CHECK(parts.size() == kParts);
      ++completed;
    }
    Ring& ring;
    std::size_t number;
    PartialMessages core;
    PeerSet mesh;
    int completed = 0;
  };
  struct Flight {
    std::size_t from;
    PeerIndex to;
    RpcPart part;
  };

  Ring(std::size_t count, bool eager) {
    for (std::size_t i = 0; i < count; ++i) nodes.push_back(std::make_unique<Node>(*this, i));
    for (std::size_t i = 0; i < count; ++i) {
      nodes[i]->core.enable(0, as_bytes("t"), {.parts = kParts, .eager = eager});
      for (std::size_t neighbour : {(i + 1) % count, (i + count - 1) % count}) {
        nodes[i]->mesh.insert(static_cast<PeerIndex>(neighbour));
        nodes[i]->core.on_subscription(static_cast<PeerIndex>(neighbour), 0, true, true);
      }
    }
  }
  void settle() {
    for (; !wire.empty(); wire.pop_front()) {
      const Flight flight = wire.front();
      Node& to = *nodes[flight.to];
      REQUIRE(++flights < 10000);
      CHECK(to.core.on_partial(static_cast<PeerIndex>(flight.from), 0, read(flight.part), to.mesh));
    }
  }
  std::vector<std::unique_ptr<Node>> nodes;
  std::deque<Flight> wire;
  int flights = 0;
};

}  // namespace

TEST_CASE("partial: nodes complete a message of which nobody had all", "[gossipsub][partial]") {
  const bool eager = GENERATE(false, true);
  constexpr std::size_t kNodes = 7;
  Ring ring(kNodes, eager);
  for (std::size_t i = 0; i < kNodes; ++i) {  // each has every seventh part
    std::set<std::size_t> mine;
    for (std::size_t part = i; part < Ring::kParts; part += kNodes) mine.insert(part);
    ring.nodes[i]->core.publish(0, as_bytes("g"), cut(Ring::kParts, mine), ring.nodes[i]->mesh);
  }
  ring.settle();
  for (const auto& node : ring.nodes) {
    CHECK(node->core.parts(0, as_bytes("g")).count() == Ring::kParts);
    CHECK(node->completed == 1);
    CHECK(node->core.counters().parts_refused == 0);
  }
}

TEST_CASE("partial: a liar's parts are refused, and come from others", "[gossipsub][partial]") {
  Ring ring(3, false);
  Ring::Node& victim = *ring.nodes[0];
  std::vector<ByteView> lies(Ring::kParts, as_bytes("lie"));
  PartBits all;
  for (std::size_t i = 0; i < Ring::kParts; ++i) all.set(i);
  const RpcPart lie = make_partial(as_bytes("t"), as_bytes("g"), all.encode(Ring::kParts), lies, {});
  CHECK(victim.core.on_partial(1, 0, read(lie), victim.mesh));
  CHECK(victim.core.counters().parts_refused == Ring::kParts);
  CHECK(victim.core.parts(0, as_bytes("g")).empty());
  ring.nodes[2]->core.publish(0, as_bytes("g"), cut(Ring::kParts), ring.nodes[2]->mesh);
  ring.settle();
  CHECK(victim.completed == 1);
}

TEST_CASE("partial: who has all but one part is sent one", "[gossipsub][partial]") {
  Ring ring(2, false);
  ring.nodes[0]->core.publish(0, as_bytes("g"), cut(Ring::kParts), ring.nodes[0]->mesh);
  std::set<std::size_t> most;
  for (std::size_t i = 0; i < Ring::kParts; ++i) {
    if (i != 7) most.insert(i);
  }
  ring.nodes[1]->core.publish(0, as_bytes("g"), cut(Ring::kParts, most), ring.nodes[1]->mesh);
  ring.settle();
  CHECK(ring.nodes[1]->completed == 1);
  CHECK(ring.nodes[0]->core.counters().parts_sent + ring.nodes[1]->core.counters().parts_sent == 1);
}

}  // namespace mesocosm
