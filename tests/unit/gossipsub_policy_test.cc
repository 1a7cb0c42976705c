// What a policy may do beside choosing meshes: hold messages back, speak control messages of its own, wake up.
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/unit/gossipsub_harness.h"

namespace mesocosm {
namespace {

using testing::Solo;
using testing::unsigned_params;

constexpr std::uint32_t kAnnounce = 100;

RpcPart message(std::string_view data) { return make_message(as_bytes("t"), as_bytes(data)); }

// Announces instead of sending, in a control message of its own, and sends after a while.
class Announcer final : public GossipSubPolicy {
 public:
  void choose_push(GossipSubCore& core, const OutgoingMessage& message,
                   std::vector<PeerIndex>& peers) override {
    if (message.from == kNoPeer) return;
    id = Bytes::copy(message.id);
    waiting = peers;
    for (PeerIndex peer : peers) core.send(peer, make_control(kAnnounce, id));
    peers.clear();
    core.wake_at(core.now() + 50ms);
    core.wake_at(core.now() + 400ms);  // later than what was asked for already
  }
  void on_wake(GossipSubCore& core, Time now) override {
    woken = now;
    for (PeerIndex peer : waiting) CHECK(core.send_message(peer, id));
  }
  Result<> on_control(GossipSubCore&, PeerIndex, const RpcPart& part, Time) override {
    heard.push_back(std::to_string(part.field) + " " + std::string(as_text(part.body())));
    if (part.body().empty()) return fail(ErrorCode::protocol_violation, "an empty announcement");
    return {};
  }
  bool wants(GossipSubCore&, PeerIndex from, std::uint64_t, ByteView) override { return from != unwanted; }

  Bytes id;
  std::vector<PeerIndex> waiting;
  std::vector<std::string> heard;
  Time woken{};
  PeerIndex unwanted = kNoPeer;
};

struct Announcing {
  Announcing()
      : owned(std::make_unique<Announcer>()), policy(*owned), solo(unsigned_params(), std::move(owned)) {
    solo.core.subscribe("t", solo.now);
    members = solo.add_members(8, "t");
    solo.heartbeats();
    solo.sent.clear();
  }
  std::unique_ptr<Announcer> owned;
  Announcer& policy;
  Solo solo;
  std::vector<PeerIndex> members;
};

}  // namespace

TEST_CASE("gossipsub policy: what is taken out of a push is not sent, until the policy sends it",
          "[gossipsub]") {
  Announcing net;
  REQUIRE(net.solo.rpc(net.members[0], message("m")));
  CHECK(net.solo.delivered.size() == 1);
  CHECK(net.solo.count(PartKind::message) == 0);
  CHECK(net.solo.count(PartKind::other) == net.policy.waiting.size());
  CHECK(net.solo.wakes == std::vector<Time>{net.solo.now + 50ms});
  net.solo.core.on_wake(net.solo.now + 50ms);
  CHECK(net.policy.woken == net.solo.now + 50ms);
  CHECK(net.solo.count(PartKind::message) == net.policy.waiting.size());
  CHECK(net.solo.core.counters().messages_sent == net.policy.waiting.size());
}

TEST_CASE("gossipsub policy: our own messages pass the same hook", "[gossipsub]") {
  Announcing net;
  REQUIRE(net.solo.core.publish("t", as_bytes("m"), net.solo.now));
  CHECK(net.solo.count(PartKind::message) == net.solo.mesh_size("t"));
}

TEST_CASE("gossipsub policy: control messages of other numbers reach it, and travel whole", "[gossipsub]") {
  Announcing net;
  const std::vector<RpcPart> parts = {make_graft(as_bytes("t")), make_control(kAnnounce, Bytes::copy("abc")),
                                      make_control(kMaxControlField, Bytes::copy("d"))};
  Rpc rest = parts;
  const Bytes frame = encode_control_frame(rest, kMaxControlRpc);
  CHECK(rest.empty());
  std::vector<RpcPart> decoded;
  REQUIRE(decode_frame(frame, 1, decoded));
  REQUIRE(decoded.size() == 3);
  CHECK(decoded[1].field == kAnnounce);
  REQUIRE(net.solo.rpc(net.members[0], decoded));
  CHECK(net.policy.heard == std::vector<std::string>{"100 abc", "2047 d"});
  const auto refused = net.solo.rpc(net.members[0], make_control(kAnnounce, {}));
  CHECK(refused.error().code == ErrorCode::protocol_violation);

  Solo plain;  // GossipSub itself ignores them
  CHECK(plain.rpc(plain.add(), decoded));
}

TEST_CASE("gossipsub policy: it says what is asked for", "[gossipsub]") {
  Announcing net;
  const MessageId id = message_id(*decode_message(message("m")), MessageIdKind::content_hash);
  const auto ihave = [&] {
    const ByteView ids[] = {id.bytes()};
    std::span<const ByteView> rest = ids;
    return make_ihave(as_bytes("t"), rest);
  };
  net.policy.unwanted = net.members[1];
  REQUIRE(net.solo.rpc(net.members[1], ihave()));
  CHECK(net.solo.count(PartKind::iwant) == 0);
  REQUIRE(net.solo.rpc(net.members[2], ihave()));
  CHECK(net.solo.count(PartKind::iwant, net.members[2]) == 1);
}

}  // namespace mesocosm
