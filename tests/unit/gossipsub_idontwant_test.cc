// IDONTWANT: gossipsub v1.2, sentence by sentence, and what remembers it.
#include <map>
#include <string>

#include <catch2/catch.hpp>

#include "stack/crypto/keys.h"
#include "stack/protocols/gossipsub/unwanted.h"
#include "tests/unit/gossipsub_harness.h"

namespace mesocosm {
namespace {

using testing::CoreNet;
using testing::Solo;
using testing::unsigned_params;
using Event = GossipSubEvent::Kind;

GossipSubParams v12() {
  GossipSubParams params = unsigned_params();
  params.version = PeerKind::gossipsub_12;
  return params;
}

const std::string kLarge(1024, 'x');
const std::string kSmall(1023, 'x');

RpcPart message(std::string_view data) { return make_message(as_bytes("t"), as_bytes(data)); }
MessageId id_of(const RpcPart& part) {
  return message_id(*decode_message(part), MessageIdKind::content_hash);
}
RpcPart idontwant(const RpcPart& part) { return make_idontwant(id_of(part).bytes()); }
RpcPart idontwant(std::size_t number) {
  const std::string id = "id" + std::to_string(number);
  return make_idontwant(as_bytes(id));
}

KeyPair key_of(std::uint8_t number) {
  std::array<std::uint8_t, 32> seed{};
  seed[0] = number;
  return KeyPair::from_seed(seed);
}

// A mesh of `count` peers that speak `kind`.
std::vector<PeerIndex> mesh_of(Solo& solo, std::size_t count, PeerKind kind = PeerKind::gossipsub_12) {
  solo.core.subscribe("t", solo.now);
  std::vector<PeerIndex> mesh;
  for (std::size_t i = 0; i < count; ++i) {
    mesh.push_back(solo.add(kind));
    CHECK(solo.rpc(mesh.back(), {make_subscription(true, as_bytes("t")), make_graft(as_bytes("t"))}));
  }
  REQUIRE(solo.mesh_size("t") == solo.core.peer_count());
  solo.sent.clear();
  return mesh;
}

class Judge final : public MessageValidator {
 public:
  Judge(const Solo& owner, Validation word) : solo(owner), verdict(word) {}
  Validation validate(const Message&, const PeerId&) override {
    said_before = solo.count(PartKind::idontwant);
    return verdict;
  }
  const Solo& solo;
  Validation verdict;
  std::size_t said_before = 0;
};

}  // namespace

TEST_CASE("idontwant: the first copy is told of to the mesh, but to its sender", "[gossipsub][idontwant]") {
  Solo solo(v12());
  const auto mesh = mesh_of(solo, 5);
  const PeerIndex outside = solo.add(PeerKind::gossipsub_12);
  CHECK(solo.rpc(outside, make_subscription(true, as_bytes("t"))));
  const RpcPart part = message(kLarge);
  CHECK(solo.rpc(mesh[0], part));
  const auto told = solo.take(PartKind::idontwant);
  REQUIRE(told.size() == 4);
  for (const auto& sent : told) {
    CHECK(sent.to != mesh[0]);
    CHECK(sent.to != outside);
    CHECK(to_hex(sent.part.bytes) == "0a14" + to_hex(id_of(part).bytes()));
  }
  CHECK(solo.rpc(mesh[1], part));  // a duplicate
  CHECK(solo.count(PartKind::idontwant) == 0);
  CHECK(solo.core.counters().idontwant_sent == 4);
}

TEST_CASE("idontwant: of large messages only, and to peers that speak v1.2 only", "[gossipsub][idontwant]") {
  struct Case {
    PeerKind ours, theirs;
    std::string data;
    std::size_t told;
  };
  const auto c = GENERATE(Case{PeerKind::gossipsub_12, PeerKind::gossipsub_12, kLarge, 4},
                          Case{PeerKind::gossipsub_12, PeerKind::gossipsub_12, kSmall, 0},
                          Case{PeerKind::gossipsub_12, PeerKind::gossipsub_11, kLarge, 0},
                          Case{PeerKind::gossipsub_11, PeerKind::gossipsub_11, kLarge, 0});
  GossipSubParams params = v12();
  params.version = c.ours;
  Solo solo(params);
  const auto mesh = mesh_of(solo, 5, c.theirs);
  CHECK(solo.rpc(mesh[0], message(c.data)));
  CHECK(solo.count(PartKind::idontwant) == c.told);
  CHECK(solo.count(PartKind::message) == 4);
}

TEST_CASE("idontwant: said before the application judges the message, and whatever it says",
          "[gossipsub][idontwant]") {
  const Validation verdict = GENERATE(Validation::accept, Validation::reject, Validation::ignore);
  Solo solo(v12());
  const auto mesh = mesh_of(solo, 5);
  Judge judge(solo, verdict);
  solo.core.set_validator("t", &judge);
  CHECK(solo.rpc(mesh[0], message(kLarge)));
  CHECK(judge.said_before == 4);
}

TEST_CASE("idontwant: not of a message whose signature is forged", "[gossipsub][idontwant]") {
  const KeyPair key = key_of(1);
  GossipSubParams params = v12();
  params.signature_policy = SignaturePolicy::strict_sign;
  params.message_id = MessageIdKind::from_seqno;
  Solo solo(params, nullptr, &key);
  const auto mesh = mesh_of(solo, 5);
  const KeyPair author = key_of(2);
  const RpcPart good = make_signed_message(as_bytes("t"), as_bytes(kLarge), author.peer_id(), 7, author);
  // One byte of the payload changed, under the same id.
  std::vector<std::uint8_t> bytes(good.bytes.begin(), good.bytes.end());
  const auto x = std::search(bytes.begin(), bytes.end(), kLarge.begin(), kLarge.end());
  REQUIRE(x != bytes.end());
  *x ^= 1;
  const RpcPart forged{.kind = PartKind::message, .header = good.header, .bytes = Bytes::copy(bytes)};
  CHECK(solo.rpc(mesh[0], forged));
  CHECK(solo.events_of(Event::rejected) == 1);
  CHECK(solo.count(PartKind::idontwant) == 0);
  CHECK(solo.rpc(mesh[1], good));
  CHECK(solo.count(PartKind::idontwant) == 4);
}

TEST_CASE("idontwant: peers that said it are skipped when the message is relayed", "[gossipsub][idontwant]") {
  Solo solo(v12());
  const auto mesh = mesh_of(solo, 5);
  const RpcPart part = message("small, for it is the sender who decides");
  CHECK(solo.rpc(mesh[1], idontwant(part)));
  CHECK(solo.rpc(mesh[2], idontwant(part)));
  CHECK(solo.rpc(mesh[2], idontwant(message("another"))));
  CHECK(solo.rpc(mesh[0], part));
  const auto relayed = solo.take(PartKind::message);
  REQUIRE(relayed.size() == 2);
  for (const auto& sent : relayed) CHECK((sent.to == mesh[3] || sent.to == mesh[4]));
  CHECK(solo.core.counters().withheld == 2);
  CHECK(solo.core.counters().messages_sent == 2);
  CHECK(solo.events_of(Event::withheld) == 2);
  CHECK(solo.rpc(mesh[0], message("a third")));
  CHECK(solo.count(PartKind::message) == 4);
}

TEST_CASE("idontwant: whoever asks with IWANT afterwards is served", "[gossipsub][idontwant]") {
  Solo solo(v12());
  const auto mesh = mesh_of(solo, 2);
  const RpcPart part = message(kLarge);
  CHECK(solo.rpc(mesh[1], idontwant(part)));
  CHECK(solo.rpc(mesh[0], part));
  CHECK(solo.count(PartKind::message) == 0);
  const MessageId id = id_of(part);
  const ByteView views[] = {id.bytes()};
  std::span<const ByteView> rest = views;
  CHECK(solo.rpc(mesh[1], make_iwant(rest)));
  CHECK(solo.count(PartKind::message, mesh[1]) == 1);
}

TEST_CASE("idontwant: forgotten after its heartbeats", "[gossipsub][idontwant]") {
  const auto [beats, relayed] = GENERATE(table<std::size_t, std::size_t>({{2, 0}, {3, 1}}));
  Solo solo(v12());
  const auto mesh = mesh_of(solo, 2);
  const RpcPart part = message("m");
  CHECK(solo.rpc(mesh[1], idontwant(part)));
  solo.heartbeats(beats);
  CHECK(solo.rpc(mesh[0], part));
  CHECK(solo.count(PartKind::message) == relayed);
}

TEST_CASE("idontwant: a peer that left takes its words with it", "[gossipsub][idontwant]") {
  Solo solo(v12());
  const auto mesh = mesh_of(solo, 2);
  const RpcPart part = message("m");
  CHECK(solo.rpc(mesh[1], idontwant(part)));
  solo.core.on_peer_removed(mesh[1]);
  const PeerIndex next = mesh_of(solo, 1)[0];
  CHECK(next == mesh[1]);  // in the same slot
  CHECK(solo.rpc(mesh[0], part));
  CHECK(solo.count(PartKind::message, next) == 1);
}

TEST_CASE("idontwant: ten ids of an RPC and a thousand RPCs a heartbeat are heard",
          "[gossipsub][idontwant]") {
  Solo solo(v12());
  const auto mesh = mesh_of(solo, 2);
  std::vector<RpcPart> many;
  for (std::size_t i = 0; i < 15; ++i) many.push_back(idontwant(message("m" + std::to_string(i))));
  CHECK(solo.rpc(mesh[1], many));
  for (int i = 0; i < 15; ++i) CHECK(solo.rpc(mesh[0], message("m" + std::to_string(i))));
  CHECK(solo.take(PartKind::message).size() == 5);

  for (std::size_t i = 1; i < 1000; ++i) CHECK(solo.rpc(mesh[1], idontwant(i)));
  CHECK(solo.rpc(mesh[1], idontwant(message("late"))));
  CHECK(solo.rpc(mesh[0], message("late")));
  CHECK(solo.take(PartKind::message).size() == 1);
  solo.heartbeats();
  CHECK(solo.rpc(mesh[1], idontwant(message("later"))));
  CHECK(solo.rpc(mesh[0], message("later")));
  CHECK(solo.count(PartKind::message) == 0);
}

TEST_CASE("idontwant: who speaks less than v1.2 does not listen", "[gossipsub][idontwant]") {
  GossipSubParams params = v12();
  params.version = PeerKind::gossipsub_11;
  Solo solo(params);
  const auto mesh = mesh_of(solo, 2, PeerKind::gossipsub_11);
  CHECK(solo.rpc(mesh[1], idontwant(message("m"))));
  CHECK(solo.rpc(mesh[0], message("m")));
  CHECK(solo.count(PartKind::message, mesh[1]) == 1);
  CHECK_FALSE(
      solo.rpc(mesh[1], RpcPart{.kind = PartKind::idontwant, .header = 0, .bytes = Bytes::copy("\x0a\x05")}));
}

TEST_CASE("idontwant: what is remembered is freed", "[gossipsub][idontwant]") {
  Solo solo(v12());
  const auto mesh = mesh_of(solo, 2);
  const std::size_t before = solo.core.memory();
  for (std::size_t i = 0; i < 500; ++i) CHECK(solo.rpc(mesh[1], idontwant(i)));
  // 500 entries of 16 bytes in 1024 slots, and how many RPCs each of two peers sent.
  CHECK(solo.core.memory() == before + 1024 * 16 + 2 * 2);
  solo.heartbeats(3);
  CHECK(solo.core.memory() == before);
}

TEST_CASE("unwanted messages: a table like a map, under random operations", "[gossipsub][idontwant]") {
  Rng rng(5);
  UnwantedMessages table(rng.next());
  std::map<std::pair<PeerIndex, std::uint64_t>, std::uint64_t> model;
  std::uint64_t heartbeat = 0xfffffff0;  // across the wrap of 32 bits
  for (int step = 0; step < 20000; ++step) {
    const auto peer = static_cast<PeerIndex>(rng.below(6));
    const std::uint64_t message = rng.below(40);
    switch (rng.below(16)) {
      case 0:
        table.on_heartbeat(++heartbeat);
        std::erase_if(model, [&](const auto& entry) { return entry.second <= heartbeat; });
        break;
      case 1:
        table.forget_peer(peer);
        std::erase_if(model, [&](const auto& entry) { return entry.first.first == peer; });
        break;
      case 2:
      case 3:
      case 4:
      case 5:
        CHECK(table.take(peer, message) == (model.erase({peer, message}) > 0));
        break;
      default:
        table.add(peer, message, heartbeat + 3);
        model[{peer, message}] = heartbeat + 3;
    }
    REQUIRE(table.size() == model.size());
  }
  for (const auto& [key, until] : model) CHECK(table.take(key.first, key.second));
  CHECK(table.empty());
  table.on_heartbeat(heartbeat);
  CHECK(table.memory() == 0);
}

TEST_CASE("idontwant: cores that use it deliver everything", "[gossipsub][idontwant]") {
  CoreNet net(40, v12(), 3, true);
  net.join_randomly(12);
  net.subscribe_all("t");
  net.settle();
  for (int i = 0; i < 3; ++i) net.heartbeat();
  for (std::size_t i = 0; i < 10; ++i) {
    CHECK(net.nodes[i]->core.publish("t", as_bytes(kLarge + std::to_string(i)), net.now));
    net.settle();
  }
  CHECK(net.total().delivered == 10 * 39);
  std::uint64_t sent = 0;
  std::uint64_t received = 0;
  for (const auto& node : net.nodes) {
    sent += node->core.counters().idontwant_sent;
    received += node->core.counters().idontwant_received;
  }
  CHECK(sent > 10 * 39);
  CHECK(received == sent);
}

}  // namespace mesocosm
