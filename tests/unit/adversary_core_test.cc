// An adversary's core: what it answers to peers, when it passes messages on, and when it comes back after a PRUNE.
#include "attacks/gossip/adversary_core.h"

#include <algorithm>
#include <array>
#include <memory>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "attacks/censor/censor.h"
#include "attacks/degrade/degrade.h"
#include "attacks/slow_validation/slow_validation.h"
#include "stack/crypto/keys.h"

using namespace mesocosm;
using namespace mesocosm::attacks;

namespace {

KeyPair key(std::uint8_t number) {
  std::array<std::uint8_t, 32> seed{};
  seed[0] = number;
  return KeyPair::from_seed(seed);
}

PeerId peer(std::uint8_t number) { return key(number).peer_id(); }

struct Sent {
  PeerIndex to;
  std::vector<PartKind> parts;
};

struct Log final : AdversaryActions {
  void send(PeerIndex to, std::vector<RpcPart> parts) override {
    Sent what{.to = to, .parts = {}};
    for (const RpcPart& part : parts) what.parts.push_back(part.kind);
    sent.push_back(what);
  }
  void send_message(std::span<const PeerIndex> to, const RpcPart& message) override {
    last = message;
    std::vector<PeerIndex> sorted(to.begin(), to.end());
    std::sort(sorted.begin(), sorted.end());
    messages.push_back(sorted);
  }
  std::vector<Sent> sent;
  std::vector<std::vector<PeerIndex>> messages;
  RpcPart last;
};

struct Single {
  explicit Single(std::shared_ptr<Mischief> what, AdversaryParams params = {})
      : mind(std::move(params), [what] { return what; }),
        core(peer(99), mind, mind.mischief(), Rng(1), log, &own) {}

  PeerIndex join(std::uint8_t number) { return core.on_peer_added(peer(number)); }
  void rpc(PeerIndex from, const RpcPart& part, Duration at = {}) { core.on_rpc(from, {&part, 1}, Time(at)); }
  // A peer that subscribes to "t", and so is grafted.
  PeerIndex member(std::uint8_t number) {
    const PeerIndex index = join(number);
    rpc(index, make_subscription(true, as_bytes("t")));
    return index;
  }
  void enter(Phase phase, Duration at = {}) {
    mind.enter(phase);
    core.on_phase(Time(at));
  }

  KeyPair own = key(99);
  Log log;
  Mind mind;
  AdversaryCore core;
};

RpcPart message(std::uint8_t author, std::uint64_t number) {
  return make_signed_message(as_bytes("t"), as_bytes("data"), peer(author), number, key(author));
}

using Kinds = std::vector<PartKind>;

}  // namespace

TEST_CASE("an adversary subscribes to what its peer subscribes to, and grafts it", "[attacks]") {
  Single one(std::make_shared<Degrade>(1.0));
  const PeerIndex a = one.member(1);
  REQUIRE(one.log.sent.size() == 1);
  CHECK(one.log.sent[0].to == a);
  CHECK(one.log.sent[0].parts == Kinds{PartKind::subscription, PartKind::graft});
  one.rpc(a, make_subscription(true, as_bytes("t")));  // nothing new
  CHECK(one.log.sent.size() == 1);
  CHECK(one.core.topics()[0].mesh.contains(a));
  one.rpc(a, make_subscription(false, as_bytes("t")));
  CHECK_FALSE(one.core.topics()[0].mesh.contains(a));
}

TEST_CASE("it keeps to its topics and to the size of its mesh", "[attacks]") {
  Single one(std::make_shared<Degrade>(1.0), {.topics = {"t"}, .mesh = 1});
  const PeerIndex a = one.member(1);
  one.rpc(a, make_subscription(true, as_bytes("other")));
  CHECK(one.core.topics().size() == 1);
  const PeerIndex b = one.member(2);
  REQUIRE(one.log.sent.size() == 2);
  CHECK(one.log.sent[1].to == b);
  CHECK(one.log.sent[1].parts == Kinds{PartKind::subscription});
}

TEST_CASE("it behaves by passing each message on once, to all but who sent it", "[attacks]") {
  Single one(std::make_shared<Degrade>(1.0));
  const PeerIndex a = one.member(1);
  const PeerIndex b = one.member(2);
  const PeerIndex c = one.member(3);
  one.rpc(a, message(7, 1));
  one.rpc(b, message(7, 1));
  CHECK(one.log.messages == std::vector<std::vector<PeerIndex>>{{b, c}});
  one.enter(Phase::attacking);
  one.rpc(a, message(7, 2));
  CHECK(one.log.messages.size() == 1);
  CHECK(one.core.counters().messages_received == 2);  // none is looked at any more
}

TEST_CASE("a message is not passed on to its author, from whoever it came", "[attacks]") {
  Single one(std::make_shared<SlowValidation>(2s));
  const PeerIndex author = one.member(1), other = one.member(2), last = one.member(3);
  one.rpc(other, message(1, 7));
  CHECK(one.log.messages == std::vector<std::vector<PeerIndex>>{{last}});
  one.enter(Phase::attacking);
  one.rpc(last, message(1, 8), 1s);
  one.core.on_deadline(Time(3s));
  CHECK(one.log.messages == std::vector<std::vector<PeerIndex>>{{last}, {other}});
  one.rpc(author, message(2, 9), 3s);
  one.core.on_deadline(Time(5s));
  CHECK(one.log.messages.back() == std::vector<PeerIndex>{last});
}

TEST_CASE("a message is passed on again when it was forgotten", "[attacks]") {
  Single one(std::make_shared<Degrade>(1.0), {.seen_ttl = 10s});
  const PeerIndex a = one.member(1);
  one.member(2);
  one.rpc(a, message(7, 1), 11s);
  one.rpc(a, message(7, 1), 20s);  // of this turn
  one.rpc(a, message(7, 1), 30s);  // of the one before
  CHECK(one.log.messages.size() == 1);
  one.rpc(a, message(7, 1), 61s);
  one.rpc(a, message(7, 1), 71s);
  CHECK(one.log.messages.size() == 2);
}

TEST_CASE("a censor drops what its authors wrote", "[attacks]") {
  Single one(std::make_shared<Censor>(std::vector<PeerId>{peer(8), peer(7)}));
  one.enter(Phase::attacking);
  const PeerIndex a = one.member(1);
  one.member(2);
  one.rpc(a, message(7, 1));
  one.rpc(a, message(8, 1));
  CHECK(one.log.messages.empty());
  CHECK(one.core.counters().messages_dropped == 2);
  one.rpc(a, message(9, 1));
  one.rpc(a, make_message(as_bytes("t"), as_bytes("nobody's")));
  CHECK(one.log.messages.size() == 2);
}

TEST_CASE("a slow validator passes messages on when their time has come", "[attacks]") {
  Single one(std::make_shared<SlowValidation>(2s));
  one.enter(Phase::attacking);
  const PeerIndex a = one.member(1);
  const PeerIndex b = one.member(2);
  one.rpc(a, message(7, 1), 1s);
  one.rpc(a, message(7, 2), 2s);
  CHECK(one.core.deadline() == Time(3s));
  one.core.on_deadline(Time(3s));
  CHECK(one.log.messages == std::vector<std::vector<PeerIndex>>{{b}});
  CHECK(one.core.deadline() == Time(4s));
  one.enter(Phase::over, 3s);
  CHECK(one.core.deadline() == Time::max());
}

TEST_CASE("what it writes for applications is in order, marked, and new each time", "[attacks]") {
  const attacks::TrapMark mark = {1, 2, 3};
  for (const bool sign : {true, false}) {
    Single one(std::make_shared<SlowValidation>(0s, 2, 40, 1s, mark), {.sign = sign});
    const PeerIndex a = one.member(1);
    const PeerIndex b = one.member(2);
    one.enter(Phase::attacking);
    one.core.on_deadline(one.core.deadline());
    CHECK(one.log.messages == std::vector<std::vector<PeerIndex>>{{a, b}, {a, b}});
    CHECK(one.core.counters().spam_sent == 4);
    const RpcPart first = one.log.last;
    const auto written = decode_message(first);
    REQUIRE(written);
    CHECK(written->data.size() == 40);
    CHECK(equal(written->data.first(mark.size()), ByteView(mark)));
    CHECK(follows_policy(*written, sign ? SignaturePolicy::strict_sign : SignaturePolicy::strict_no_sign));
    CHECK((!sign || (signature_valid(*written) && equal(written->from, peer(99).bytes()))));
    one.core.on_deadline(one.core.deadline());
    CHECK_FALSE(equal(decode_message(one.log.last)->data, written->data));
    one.rpc(a, message(7, 1), 3s);  // held for no time
    CHECK(one.log.messages.back() == std::vector<PeerIndex>{b});
  }
}

TEST_CASE("after a PRUNE it grafts again when the backoff is over, if the peer is still there", "[attacks]") {
  Single one(std::make_shared<Degrade>(1.0), {.regraft_backoff = 60s, .regraft_jitter = 15s});
  const PeerIndex a = one.member(1);
  const PeerIndex b = one.member(2);
  one.rpc(a, make_prune(as_bytes("t"), 60, {}), 1s);
  one.rpc(b, make_prune(as_bytes("t"), 60, {}), 1s);
  CHECK(one.core.topics()[0].mesh.empty());
  const Time first = one.core.deadline();
  CHECK(first >= Time(61s));
  CHECK(first <= Time(76s));
  one.core.on_peer_removed(a);
  CHECK(one.join(3) == a);  // another peer in its slot
  one.log.sent.clear();
  one.core.on_deadline(Time(76s));
  REQUIRE(one.log.sent.size() == 1);
  CHECK(one.log.sent[0].to == b);
  CHECK(one.log.sent[0].parts == Kinds{PartKind::graft});
  CHECK(one.core.deadline() == Time::max());
}

TEST_CASE("what cannot be read is ignored", "[attacks]") {
  Single one(std::make_shared<Degrade>(0.0));
  one.enter(Phase::attacking);
  const PeerIndex a = one.member(1);
  const Bytes garbage = Bytes::copy(std::string_view("\xff\xff\xff\xff"));
  for (const PartKind kind : {PartKind::subscription, PartKind::message, PartKind::graft, PartKind::prune,
                              PartKind::ihave, PartKind::iwant}) {
    one.rpc(a, {.kind = kind, .header = 0, .bytes = garbage});
  }
  CHECK(one.log.sent.size() == 1);
  CHECK(one.log.messages.empty());
  CHECK(one.core.deadline() == Time::max());
}

TEST_CASE("those who coordinate know each other", "[attacks]") {
  struct Nobody final : Follower {
    void on_phase() override { ++told; }
    int told = 0;
  };
  const bool shared = GENERATE(true, false);
  Single one(std::make_shared<Degrade>(1.0), {.shared = shared});
  Nobody other;
  one.mind.join(other, peer(5));
  one.member(5);
  CHECK(one.log.sent.empty() == shared);
  one.mind.enter(Phase::attacking);
  CHECK(other.told == 1);
  one.mind.leave(other);
  one.mind.enter(Phase::over);
  CHECK(other.told == 1);
}
