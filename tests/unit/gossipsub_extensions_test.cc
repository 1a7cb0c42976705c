// gossipsub v1.3: extensions are told of in the first RPC; and the extension that only tests that.
#include <algorithm>
#include <string>

#include <catch2/catch.hpp>

#include "tests/unit/gossipsub_harness.h"
#include "tests/unit/vector_file.h"

namespace mesocosm {
namespace {

using testing::CoreNet;
using testing::from_hex;
using testing::Solo;
using testing::unsigned_params;

GossipSubParams v13(bool test = true) {
  GossipSubParams params = unsigned_params();
  params.version = PeerKind::gossipsub_13;
  params.test_extension = test;
  return params;
}

// What counts how often a peer misbehaved.
struct Penalties final : GossipSubPolicy {
  explicit Penalties(unsigned& sum) : count(sum) {}
  void on_penalty(GossipSubCore&, PeerIndex, unsigned added) override { count += added; }
  unsigned& count;
};

RpcPart told(const char* hex) {
  return {.kind = PartKind::extensions, .header = 0, .field = 0, .bytes = from_hex(hex)};
}

}  // namespace

TEST_CASE("extensions: their encoding, and unknown ones among them", "[gossipsub][extensions]") {
  CHECK(to_hex(make_extensions({.partial_messages = true}).bytes) == "5001");
  CHECK(to_hex(make_extensions({.test = true}).bytes) == "9091e21801");
  const auto both = decode_extensions(make_extensions({.partial_messages = true, .test = true}).body());
  CHECK((both->partial_messages && both->test));
  // 1: 1; 10: false; 3: "abc"; 6492435: true
  const auto unknown = decode_extensions(told("080150001a036162639891e21801").body());
  REQUIRE(unknown);
  CHECK_FALSE(unknown->any());
  CHECK_FALSE(decode_extensions(told("50").body()));
}

TEST_CASE("extensions: said first, once, and to peers of v1.3 only", "[gossipsub][extensions]") {
  Solo solo(v13());
  solo.core.subscribe("t", solo.now);
  const PeerIndex old = solo.add(PeerKind::gossipsub_12);
  CHECK(solo.count(PartKind::extensions, old) == 0);
  const PeerIndex peer = solo.add(PeerKind::gossipsub_13);
  CHECK(solo.count(PartKind::extensions, peer) == 1);
  const auto first = std::find_if(solo.sent.begin(), solo.sent.end(),
                                  [&](const Solo::Sent& sent) { return sent.to == peer; });
  CHECK(first->part.kind == PartKind::extensions);
  solo.heartbeats(3);
  CHECK(solo.count(PartKind::extensions, peer) == 1);
}

TEST_CASE("extensions: who has none says nothing", "[gossipsub][extensions]") {
  Solo solo(v13(false));
  solo.add(PeerKind::gossipsub_13);
  CHECK(solo.sent.empty());
}

TEST_CASE("extensions: an earlier version has none, whatever is switched on", "[gossipsub][extensions]") {
  GossipSubParams params = v13();
  params.version = PeerKind::gossipsub_12;
  params.partial_messages = true;
  Solo solo(params);
  const PeerIndex peer = solo.add(PeerKind::gossipsub_12);
  CHECK(solo.rpc(peer, {make_extensions({.test = true}), make_test_extension()}));
  CHECK(solo.sent.empty());
  CHECK(solo.core.counters().test_extensions_received == 0);
  CHECK(solo.core.partial() == nullptr);
}

TEST_CASE("extensions: both sides of the test extension send it, if both have it",
          "[gossipsub][extensions]") {
  const auto [ours, theirs] = GENERATE(table<bool, bool>({{true, true}, {true, false}, {false, true}}));
  CoreNet net(2, v13(ours), 1, true);
  net.join(0, 1);
  net.settle();
  const std::uint64_t expected = ours ? 1 : 0;
  CHECK(net.nodes[0]->core.counters().test_extensions_received == expected);
  CHECK(net.nodes[1]->core.counters().test_extensions_received == expected);

  Solo solo(v13(ours));
  const PeerIndex peer = solo.add(PeerKind::gossipsub_13);
  CHECK(solo.rpc(peer, make_extensions({.test = theirs})));
  CHECK(solo.count(PartKind::test_extension) == (ours && theirs ? 1 : 0));
}

TEST_CASE("extensions: counted in the first RPC only, and a penalty later", "[gossipsub][extensions]") {
  unsigned penalties = 0;
  Solo solo(v13(), std::make_unique<Penalties>(penalties));
  const PeerIndex peer = solo.add(PeerKind::gossipsub_13);
  CHECK(solo.rpc(peer, make_subscription(true, as_bytes("t"))));
  CHECK(solo.rpc(peer, make_extensions({.test = true})));
  CHECK(penalties == 1);
  CHECK(solo.count(PartKind::test_extension) == 0);
  CHECK(solo.rpc(peer, make_test_extension()));
  CHECK(solo.core.counters().test_extensions_received == 0);

  // A new stream begins anew.
  solo.core.on_stream_opened(peer);
  CHECK(solo.rpc(peer, {make_subscription(true, as_bytes("t")), make_extensions({.test = true})}));
  CHECK(penalties == 1);
  CHECK(solo.count(PartKind::test_extension) == 1);
  CHECK(solo.rpc(peer, make_extensions({.test = true})));
  CHECK(penalties == 2);
  CHECK_FALSE(solo.rpc(solo.add(PeerKind::gossipsub_13), told("50")));
}

TEST_CASE("extensions: on the wire they are in the first RPC with what else it says",
          "[gossipsub][extensions]") {
  const std::vector<RpcPart> parts = {make_extensions({.test = true}), make_subscription(true, as_bytes("t")),
                                      make_test_extension()};
  Rpc rest = parts;
  const Bytes frame = encode_control_frame(rest, kMaxControlRpc);
  CHECK(rest.empty());
  // 1 {1: true, 2: "t"}, 6492434 {}, 3 {6 {6492434: true}}
  CHECK(to_hex(frame) ==
        "15"
        "0a0508011201"
        "74"
        "9291e21800"
        "1a07"
        "3205"
        "9091e21801");
  std::vector<RpcPart> read;
  REQUIRE(decode_frame(frame, 1, read));
  REQUIRE(read.size() == 3);
  CHECK(read[0].kind == PartKind::subscription);
  CHECK(read[1].kind == PartKind::test_extension);
  CHECK(read[2].kind == PartKind::extensions);
}

}  // namespace mesocosm
