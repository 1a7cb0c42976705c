// Peers that a node comes to trust too much: who is somebody else than was dialed, and who lies about itself.
#include <catch2/catch.hpp>

#include "attacks/wire/frames.h"
#include "stack/crypto/peer_record.h"
#include "stack/protocols/identify/identify_core.h"
#include "stack/wire/framing.h"
#include "stack/wire/protobuf.h"
#include "tests/adversarial/victim.h"

using namespace mesocosm;
using namespace mesocosm::testing;
using namespace mesocosm::wire_attacks;

namespace {

KeyPair key_of(std::uint8_t byte) {
  std::array<std::uint8_t, 32> seed;
  seed.fill(byte);
  return KeyPair::from_seed(seed);
}

// A host that listens, and answers identify with whatever it was given.
class Impostor final : private ProtocolHandler, private Stream::Events {
 public:
  Impostor(AsioLoop& loop, Bytes answer, bool ends)
      : env_(loop, 7),
        key_(key_of(77)),
        swarm_(env_.env, key_.peer_id()),
        answer_(std::move(answer)),
        ends_(ends) {
    swarm_.add_transport(std::make_unique<TcpTransport>(env_.env, key_, swarm_.protocol_table()));
    swarm_.handle(kIdentifyProtocol, *this);
    address_ = swarm_.listen(Multiaddr::tcp({IpAddress::v4(0x7f000001), 0})).value();
  }
  const Multiaddr& address() const { return address_; }
  PeerId peer() const { return key_.peer_id(); }
  const KeyPair& key() const { return key_; }

 private:
  void on_stream(std::unique_ptr<Stream> stream) override {
    stream_ = std::move(stream);
    stream_->set_events(*this);
    stream_->write(answer_);
    if (ends_) stream_->finish();
  }
  void on_readable() override {
    while (!stream_->read(SIZE_MAX).empty()) {
    }
  }
  void on_writable() override {}
  void on_closed(Error) override {}

  RealEnv env_;
  KeyPair key_;
  Swarm swarm_;
  Bytes answer_;
  bool ends_;
  Multiaddr address_;
  std::unique_ptr<Stream> stream_;
};

void dial(Victim& victim, const PeerId& whom, const Multiaddr& where) {
  victim.ask([&](Node& node) {
    node.swarm().dial(whom, {&where, 1});
    return true;
  });
}

}  // namespace

TEST_CASE("somebody else than was dialed", "[adversarial]") {
  Victim victim;
  AsioLoop loop;
  Impostor impostor(loop, {}, true);
  dial(victim, key_of(1).peer_id(), impostor.address());
  const std::string complaint = "dial: peer mismatch: " + impostor.address().to_string();
  CHECK(run_until(loop, 20s, [&] { return victim.complaints_like(complaint) == 1; }));
  CHECK(newcomer(loop, victim, 99, 20s));
}

TEST_CASE("lies about oneself", "[adversarial]") {
  Victim victim;
  AsioLoop loop;
  const auto tell = [&](const char* what, const Bytes& answer, const char* complaint, bool ends = true) {
    INFO(what);
    Impostor impostor(loop, answer, ends);
    const std::size_t before = victim.complaints_like(complaint);
    dial(victim, impostor.peer(), impostor.address());
    const bool complained = run_until(loop, 20s, [&] { return victim.complaints_like(complaint) > before; });
    if (!complained) {
      for (const auto& [text, times] : victim.complaints()) UNSCOPED_INFO(times << " x " << text);
    }
    CHECK(complained);
    CHECK_FALSE(
        victim.ask([&](Node& node) { return node.swarm().peers().knows_protocols(impostor.peer()); }));
    victim.ask([&](Node& node) {
      node.swarm().disconnect(impostor.peer());
      return true;
    });
    CHECK(run_until(loop, 20s, [&] {
      return !victim.ask([&](Node& node) { return node.swarm().connected(impostor.peer()); });
    }));
  };
  const auto message = [](const std::function<void(ProtoWriter&)>& fill) {
    ByteWriter out;
    ProtoWriter proto(out);
    proto.string(3, "/some/protocol");
    fill(proto);
    return length_prefixed(out.view());
  };
  const KeyPair other = key_of(2);
  tell("nothing", {}, "identify: bad encoding: no identify message");
  tell("no protobuf", length_prefixed(as_bytes(std::string(10, '\xff'))), "identify: bad encoding");
  tell("half a message", message([](ProtoWriter&) {}).slice(0, 9), "identify: bad encoding");
  tell("a message longer than it says", length_prefixed_as(as_bytes("\x1a\x01x\x1a\x01y"), 3),
       "identify: bad encoding");
  tell("a length over the limit", length_prefixed_as(as_bytes("x"), 1 << 20), "identify: bad encoding");
  tell("more than anybody says", Bytes::copy(std::string(20'000, 'x')), "identify: too large", false);
  tell("another's key", message([&](ProtoWriter& proto) { proto.bytes(1, other.public_key().serialized()); }),
       "identify: authentication failed");
  CHECK(newcomer(loop, victim, 99, 20s));
}

TEST_CASE("another's signed record is not believed", "[adversarial]") {
  Victim victim;
  AsioLoop loop;
  const KeyPair other = key_of(2);
  const std::vector<Multiaddr> addresses{Multiaddr::parse("/ip4/192.0.2.1/tcp/1").value()};
  const Bytes good = seal_peer_record(key_of(77), 5, addresses);
  const Bytes forged = Bytes::build(good.size(), [&](MutableByteView out) {
    std::copy(good.begin(), good.end(), out.begin());
    out[out.size() - 1] ^= 1;
  });
  const PeerId peer = key_of(77).peer_id();
  const auto told = [&](const Bytes& record) {
    ByteWriter out;
    ProtoWriter proto(out);
    proto.string(3, "/some/protocol");
    proto.bytes(8, record);
    Impostor impostor(loop, length_prefixed(out.view()), true);
    victim.ask([&](Node& node) {
      node.swarm().peers().forget(peer);
      return true;
    });
    dial(victim, impostor.peer(), impostor.address());
    CHECK(run_until(loop, 20s, [&] {
      return victim.ask([&](Node& node) { return node.swarm().peers().knows_protocols(peer); });
    }));
    const bool believed =
        victim.ask([&](Node& node) { return !node.swarm().peers().signed_record(peer).empty(); });
    victim.ask([&](Node& node) {
      node.swarm().disconnect(peer);
      return true;
    });
    CHECK(run_until(loop, 20s,
                    [&] { return !victim.ask([&](Node& node) { return node.swarm().connected(peer); }); }));
    return believed;
  };
  CHECK_FALSE(told(seal_peer_record(other, 5, addresses)));
  CHECK_FALSE(told(forged));
  CHECK(told(good));
}
