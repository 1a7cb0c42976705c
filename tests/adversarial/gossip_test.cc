// Attackers who speak gossipsub: RPCs that are broken, messages that lie, and more of everything than anybody needs.
#include <catch2/catch.hpp>

#include "attacks/wire/forgers.h"
#include "attacks/wire/frames.h"
#include "stack/protocols/gossipsub/message.h"
#include "stack/protocols/gossipsub/rpc.h"
#include "tests/adversarial/bystanders.h"
#include "tests/adversarial/siege.h"

using namespace mesocosm;
using namespace mesocosm::wire_attacks;
using namespace mesocosm::testing;

namespace {

constexpr std::string_view kMeshsub = "/meshsub/1.1.0";
constexpr std::string_view kTopic = "topic";  // that the victim subscribes to

VictimOptions gossiping() {
  VictimOptions options;
  options.tcp.upgrade.close_timeout = 100ms;
  options.gossipsub = GossipSubParams::libp2p();
  return options;
}

KeyPair key_of(std::uint8_t byte) {
  SecuritySeed seed;
  seed.fill(byte);
  return KeyPair::from_seed(seed);
}

Bytes control_rpc(const RpcPart& part) {
  const RpcPart parts[] = {part};
  Rpc rest = parts;
  return encode_control_frame(rest, kMaxControlRpc);
}

Bytes on_stream_one(std::uint16_t flags, const Bytes& bytes) { return yamux_data(flags, 1, bytes); }
Bytes opened(const Bytes& rpcs) { return on_stream_one(kSyn, joined({lazy_offer(kMeshsub), rpcs})); }

Bytes frame_of(const RpcPart& message) {
  return message.header > 0 ? message.bytes : joined({message_header(message.bytes.size()), message.bytes});
}

// A message signed by `author`, with this number.
Bytes signed_message(const KeyPair& author, std::uint64_t number) {
  return frame_of(make_signed_message(as_bytes(kTopic), as_bytes("data"), author.peer_id(), number, author));
}

Bytes forged_message(const KeyPair& author, std::uint64_t number) {
  const Bytes frame = signed_message(author, number);
  return Bytes::build(frame.size(), [&](MutableByteView out) {
    std::copy(frame.begin(), frame.end(), out.begin());
    out[out.size() - 1] ^= 1;  // the signature comes last
  });
}

Bytes repeat(const Bytes& piece, std::size_t times) { return concat(std::vector<Bytes>(times, piece)); }

// Each piece on a stream of its own: the one before was reset.
Pour on_new_streams(const Bytes& rpcs) {
  const Bytes opening = joined({lazy_offer(kMeshsub), rpcs});
  return numbered([=](std::uint32_t n) { return yamux_data(kSyn, stream_id(n), opening); });
}

struct Nobody final : GossipSubHandler {
  static Nobody& instance() {
    static Nobody nobody;
    return nobody;
  }
  void on_message(const GossipSubDelivery&) override {}
};

}  // namespace

TEST_CASE("flood: messages with forged signatures", "[adversarial]") {
  const KeyPair author = key_of(200);
  std::vector<Bytes> forged;  // signing takes the attackers longer than refusing takes the victim
  for (std::uint64_t i = 0; i < 500; ++i) forged.push_back(forged_message(author, i));
  withstand({.attack = "forged messages",
             .pour = [&] { return on_new_streams(concat(forged)); },
             .end = End::goes_on,
             .victim = gossiping()});
}
TEST_CASE("flood: subscriptions that come and go", "[adversarial]") {
  std::vector<Bytes> changes;
  for (const bool subscribe : {true, false}) {
    for (int i = 0; i < 1500; ++i)
      changes.push_back(control_rpc(make_subscription(subscribe, as_bytes("topic " + std::to_string(i)))));
  }
  withstand({.attack = "subscriptions",
             .pour = [&] { return on_new_streams(concat(changes)); },
             .end = End::goes_on,
             .kept = 400 * 1024,  // the room of the table of topics
             .victim = gossiping()},
            [](Victim& victim) {
              CHECK(victim.ask([](Node& node) {  // there is room for our own
                return node.gossipsub()->subscribe("another topic of ours", Nobody::instance()).has_value();
              }));
            });
}
TEST_CASE("flood: gossip of messages that are not there", "[adversarial]") {
  withstand({.attack = "IHAVE",
             .pour =
                 [] {
                   return numbered([](std::uint32_t n) {
                     std::vector<std::string> names;
                     for (std::uint32_t i = 0; i < 1000; ++i)
                       names.push_back(std::to_string(n) + " " + std::to_string(i));
                     std::vector<ByteView> ids;
                     for (const std::string& name : names) ids.push_back(as_bytes(name));
                     std::span<const ByteView> rest = ids;
                     const Bytes rpc = control_rpc(make_ihave(as_bytes(kTopic), rest));
                     return n == 0 ? opened(rpc) : on_stream_one(0, rpc);
                   });
                 },
             .end = End::goes_on,
             .victim = gossiping()});
}
TEST_CASE("flood: grafts for what we have and have not", "[adversarial]") {
  const Bytes grafts = joined({repeat(control_rpc(make_graft(as_bytes("no topic of ours"))), 500),
                               repeat(control_rpc(make_graft(as_bytes(kTopic))), 500)});
  for (const bool deaf : {false, true}) {
    withstand({.attack = deaf ? "grafts, nothing read" : "grafts",
               .pour = [&] { return on_new_streams(grafts); },
               .end = End::goes_on,
               .deaf = deaf,
               .victim = gossiping()});
  }
}

TEST_CASE("broken and lying RPCs", "[adversarial]") {
  Victim victim(gossiping());
  AsioLoop loop;
  RealEnv env(loop, 2);
  std::uint8_t attackers = 0;
  const auto expect = [&](const char* what, const Bytes& rpcs, const std::string& complaint,
                          bool cut = false) {
    INFO(what);
    SecuritySeed seed;
    seed.fill(++attackers);
    const Bytes frames = cut ? joined({opened(rpcs), on_stream_one(kFin, {})}) : opened(rpcs);
    Flood attacker(env.env, victim.endpoint(),
                   {.goal = RawPeer::Goal::secured, .handshake = honest_noise(seed)}, once(frames));
    const std::size_t before = victim.complaints_like(complaint);
    const bool complained = run_until(loop, 20s, [&] { return victim.complaints_like(complaint) > before; });
    if (!complained) {
      for (const auto& [text, times] : victim.complaints()) UNSCOPED_INFO(times << " x " << text);
    }
    CHECK(complained);
    CHECK_FALSE(attacker.gone());  // its stream is reset, not its connection
  };
  const std::string broke = "gossipsub: peer broke the protocol: ",
                    rejected = "gossipsub: message rejected: ";
  const Bytes body = Bytes::copy(std::string(100, '\xff'));
  expect("an RPC over the limit", length_prefixed_as(body, 2 << 20), broke + "too large");
  expect("a length without end", Bytes::copy(std::string(12, '\xff')), broke + "too large");
  expect("an RPC that is no protobuf", length_prefixed_as(body, body.size()), broke + "bad encoding");
  expect("half an RPC, and the end", length_prefixed_as(body, 200), broke + "bad encoding", true);
  const Bytes parts = repeat(Bytes::copy(std::string("\x0a\0", 2)), 20'000);
  expect("parts without end", length_prefixed_as(parts, parts.size()), broke + "too large");

  const KeyPair author = key_of(200), other = key_of(201);
  expect("a signature that does not verify", forged_message(author, 1), rejected + "authentication failed");
  expect("another's signature",
         frame_of(make_signed_message(as_bytes(kTopic), as_bytes("data"), author.peer_id(), 2, other)),
         rejected + "authentication failed");
  const Bytes many = repeat(forged_message(author, 3), 200);
  expect("lies without end", many, broke + "limit reached");
  expect("no signature", frame_of(make_message(as_bytes(kTopic), as_bytes("data"))),
         rejected + "protocol violation");
  CHECK(newcomer(loop, victim, 99, 10s));
}
