// Identify: the core's reading and judging, and pairs over the memory transport.
#include "stack/protocols/identify/identify.h"

#include <catch2/catch.hpp>

#include "stack/crypto/peer_record.h"
#include "stack/wire/framing.h"
#include "tests/unit/memory_transport.h"
#include "tests/unit/observed.h"

using namespace mesocosm;
using namespace mesocosm::testing;

namespace {

KeyPair key_of(std::uint8_t index) {
  std::array<std::uint8_t, 32> seed{};
  seed[0] = index;
  return KeyPair::from_seed(seed);
}

Multiaddr addr(std::uint16_t port) { return Multiaddr::tcp({IpAddress::v4(0xc0000201), port}); }

IdentifyMessage sample(const KeyPair& key) {
  IdentifyMessage message;
  message.public_key = key.public_key().serialized();
  message.listen_addresses = {addr(1).bytes(), addr(2).bytes()};
  message.protocols = {Bytes::copy("/a/1"), Bytes::copy("/b/1")};
  message.protocol_version = Bytes::copy("ipfs/0.1.0");
  message.agent_version = Bytes::copy("test/1");
  return message;
}

Bytes wire(const IdentifyMessage& message) {
  return concat(IdentifyTemplate(message).frames(message.observed_address));
}

Result<IdentifyMessage> read(const std::vector<Bytes>& parts) {
  IdentifyReader reader;
  for (const Bytes& part : parts) {
    if (const auto taken = reader.on_bytes(part); !taken) return tl::unexpected(taken.error());
  }
  return reader.finish();
}

// A host with a real key that speaks identify.
struct IdentifyHost : IdentifyEvents {
  IdentifyHost(MemoryWorld& world, std::uint8_t index, IdentifyConfig config = {})
      : key(key_of(index)),
        host(world, index, key.public_key().serialized()),
        identify(host.env, host.swarm, key, config, this) {}
  void on_identified(const PeerId&, const IdentifyFacts& facts) override { learned.push_back(facts); }
  void on_identify_failed(const PeerId&, const Error& error) override { errors.push_back(error.code); }
  PeerStore& peers() { return host.swarm.peers(); }
  const PeerId& id() const { return host.id(); }

  KeyPair key;
  MemoryHost host;
  std::vector<IdentifyFacts> learned;
  std::vector<ErrorCode> errors;
  Identify identify;
};

struct Nobody final : ProtocolHandler, Stream::Events {
  void on_stream(std::unique_ptr<Stream> taken) override {
    stream = std::move(taken);
    stream->set_events(*this);
    if (!answer.empty()) stream->write(answer), stream->finish();
  }
  void on_readable() override {
    while (!stream->read(1000).empty()) {
    }
  }
  void on_writable() override {}
  void on_closed(Error) override { stream.reset(); }
  std::unique_ptr<Stream> stream;
  Bytes answer;
};

}  // namespace

TEST_CASE("an identify message reads as it was written, however it is cut", "[identify]") {
  const KeyPair key = key_of(1);
  IdentifyMessage message = sample(key);
  message.observed_address = addr(9).bytes();
  message.signed_record = seal_peer_record(key, 5, std::vector{addr(3)});
  const Bytes all = wire(message);
  for (std::size_t step : {std::size_t{1}, std::size_t{7}, std::size_t{100}, all.size()}) {
    std::vector<Bytes> parts;
    for (std::size_t at = 0; at < all.size(); at += step) parts.push_back(all.slice(at, step));
    const auto got = read(parts);
    REQUIRE(got);
    CHECK(got->public_key == message.public_key);
    CHECK(got->listen_addresses == message.listen_addresses);
    CHECK(got->protocols == message.protocols);
    CHECK(got->observed_address == message.observed_address);
    CHECK(got->agent_version.text() == "test/1");
    CHECK(got->signed_record == message.signed_record);
  }
}

TEST_CASE("frames share the template's buffer with every receiver", "[identify]") {
  const IdentifyTemplate mine(sample(key_of(1)));
  const auto a = mine.frames(addr(1).bytes()), b = mine.frames({});
  CHECK(a[1].data() == b[1].data());
  CHECK(a[2].empty());
  const auto got = read({a[0], a[1]});
  REQUIRE(got);
  CHECK(got->public_key.data() > a[1].data());  // a slice, not a copy
  CHECK(got->public_key.data() < a[1].data() + a[1].size());
  CHECK(got->observed_address == addr(1).bytes());
}

TEST_CASE("a large message is split, and merged again", "[identify]") {
  const KeyPair key = key_of(1);
  IdentifyMessage message = sample(key);
  for (int i = 0; i < 200; ++i) message.protocols.push_back(Bytes::copy("/protocol/" + std::to_string(i)));
  message.signed_record = seal_peer_record(key, 5, std::vector{addr(3)});
  const auto frames = IdentifyTemplate(message).frames({});
  CHECK(!frames[2].empty());
  const auto got = read({frames[0], frames[1], frames[2]});
  REQUIRE(got);
  CHECK(got->protocols.size() == 202);
  CHECK(got->signed_record == message.signed_record);
}

TEST_CASE("what is too much or malformed is an error", "[identify]") {
  const Bytes one = wire(sample(key_of(1)));
  CHECK(read({}).error().code == ErrorCode::bad_encoding);
  CHECK(read({one.slice(0, one.size() - 1)}).error().code == ErrorCode::bad_encoding);
  CHECK(read({Bytes::copy(std::string(8193, '\1'))}).error().code == ErrorCode::too_large);
  CHECK(read(std::vector<Bytes>(10, one)));
  CHECK(read(std::vector<Bytes>(11, one)).error().code == ErrorCode::bad_encoding);
  const std::uint8_t huge[] = {0xff, 0xff, 0xff, 0x7f};
  CHECK(!read({Bytes::copy(huge)}));
}

TEST_CASE("a message is believed only where it is its peer's", "[identify]") {
  const KeyPair key = key_of(1), other = key_of(2);
  IdentifyMessage message = sample(key);
  message.listen_addresses.push_back(addr(7).with_peer(key.peer_id()).bytes());
  message.listen_addresses.push_back(addr(8).with_peer(other.peer_id()).bytes());
  message.listen_addresses.push_back(Bytes::copy("nonsense"));
  SECTION("without a record") {
    const auto facts = judge_identify(message, key.peer_id());
    REQUIRE(facts);
    CHECK(facts->addresses == std::vector{addr(1), addr(2), addr(7)});
    CHECK(facts->protocols == std::vector<std::string>{"/a/1", "/b/1"});
    CHECK(facts->agent == "test/1");
    CHECK(facts->protocol_version == "ipfs/0.1.0");
    CHECK(facts->record.empty());
  }
  SECTION("a valid record beats the addresses") {
    message.signed_record = seal_peer_record(key, 5, std::vector{addr(3)});
    const auto facts = judge_identify(message, key.peer_id());
    REQUIRE(facts);
    CHECK(facts->addresses == std::vector{addr(3)});
    CHECK(facts->seq == 5);
    CHECK(facts->record == message.signed_record);
    CHECK(judge_identify(message, key.peer_id(), false)->record.empty());
  }
  SECTION("another's record, and a broken one, are ignored") {
    message.signed_record = seal_peer_record(other, 5, std::vector{addr(3)});
    CHECK(judge_identify(message, key.peer_id())->addresses.size() == 3);
    const Bytes good = seal_peer_record(key, 5, std::vector{addr(3)});
    message.signed_record = Bytes::build(good.size(), [&](MutableByteView out) {
      std::copy(good.begin(), good.end(), out.begin());
      out.back() ^= 1;
    });
    CHECK(judge_identify(message, key.peer_id())->record.empty());
  }
  SECTION("another's key is refused") {
    CHECK(judge_identify(message, other.peer_id()).error().code == ErrorCode::authentication);
    message.public_key = {};
    CHECK(judge_identify(message, other.peer_id()));
  }
}

TEST_CASE("two hosts identify each other on connecting", "[identify]") {
  MemoryWorld world(10ms);
  IdentifyHost a(world, 1, {.agent = "agent-a"}), b(world, 2);
  a.host.dial(b.host);
  world.run_for(50ms);  // dial 20, negotiation and answer 20 + 10 for the listener's dispatch
  REQUIRE(a.learned.size() == 1);
  REQUIRE(b.learned.size() == 1);
  CHECK(b.learned[0].agent == "agent-a");
  CHECK(b.learned[0].addresses == std::vector{a.host.address});
  CHECK(a.learned[0].protocols == std::vector<std::string>{"/ipfs/id/1.0.0", "/ipfs/id/push/1.0.0"});
  CHECK(b.learned[0].observed == b.host.address);
  CHECK(a.peers().speaks(b.id(), kIdentifyPushProtocol));
  CHECK(a.peers().addresses(b.id()) == std::vector{b.host.address});
  CHECK(open_peer_record(a.peers().signed_record(b.id()))->peer == b.id());
  world.run_for(1s);
  CHECK(a.host.swarm.connection(b.id())->stream_count() == 0);
  CHECK(b.host.swarm.connection(a.id())->stream_count() == 0);
  CHECK(world.clock.pending() == 0);
}

TEST_CASE("over a transport that shares slices, all receivers keep one copy of a record", "[identify]") {
  MemoryWorld world(10ms);
  IdentifyHost a(world, 1), b(world, 2), c(world, 3);
  a.host.dial(b.host);
  c.host.dial(b.host);
  world.run_for(1s);
  const Bytes kept = a.peers().signed_record(b.id());
  CHECK(kept == b.identify.own_record());
  CHECK(kept.data() == c.peers().signed_record(b.id()).data());
}

TEST_CASE("a change is pushed, once a turn, and only a change", "[identify]") {
  MemoryWorld world(10ms);
  IdentifyHost a(world, 1), b(world, 2);
  Nobody handler;
  a.host.dial(b.host);
  world.run_for(1s);
  const Bytes record = b.identify.own_record();
  world.turn([&] {
    b.host.swarm.handle("/new/1", handler);
    b.host.swarm.handle("/new/2", handler);
  });
  world.run_for(1s);
  REQUIRE(a.learned.size() == 2);
  CHECK(a.peers().speaks(b.id(), "/new/2"));
  CHECK(b.identify.own_record() == record);  // the addresses are the same
  world.turn([&] {
    b.host.swarm.handle("/new/3", handler);
    b.host.swarm.unhandle("/new/3");
  });
  world.run_for(1s);
  CHECK(a.learned.size() == 2);
  world.turn([&] { CHECK(b.host.swarm.listen(addr(77))); });
  world.run_for(1s);
  REQUIRE(a.learned.size() == 3);
  const auto seen = [](const IdentifyHost& at, const std::string& name) {
    return observed(at.host.metrics(), "libp2p_identify_" + name);
  };
  using Lines = std::vector<std::string>;
  CHECK(seen(a, "identify_total") == Lines{"{dir=\"inbound\"} 1", "{dir=\"outbound\"} 1"});
  CHECK(seen(a, "identify_push_total") == Lines{"{dir=\"inbound\"} 2", "{dir=\"outbound\"} 0"});
  CHECK(seen(b, "identify_push_total") == Lines{"{dir=\"inbound\"} 0", "{dir=\"outbound\"} 2"});
  CHECK(seen(b, "identify_pushes_triggered_total") == Lines{"2"});
  CHECK(seen(a, "protocols_received_sum") == Lines{"10"});  // 2 of its own, then with the handler's 4, twice
  CHECK(seen(a, "addrs_received_sum") == Lines{"4"});
  CHECK(a.peers().addresses(b.id()) == std::vector{b.host.address, addr(77)});
  CHECK(a.learned[2].seq > a.learned[0].seq);
  CHECK(b.learned.size() == 1);
  CHECK(a.host.swarm.connection(b.id())->stream_count() == 0);
  CHECK(world.clock.pending() == 0);
}

TEST_CASE("a partial push changes what it tells only", "[identify]") {
  MemoryWorld world(10ms);
  IdentifyHost a(world, 1);
  const KeyPair key = key_of(2);
  MemoryHost b(world, 2, key.public_key().serialized());
  Nobody opener, server;
  server.answer = wire(sample(key));
  b.swarm.handle(kIdentifyProtocol, server);
  b.dial(a.host);
  world.run_for(1s);
  REQUIRE(a.learned.size() == 1);
  CHECK(a.peers().addresses(b.id()) == std::vector{addr(1), addr(2)});
  const auto push = [&](const IdentifyMessage& message) {
    world.turn([&] {
      opener.stream = b.swarm.open(a.id(), {&kIdentifyPushProtocol, 1}, opener);
      opener.stream->write(wire(message));
      opener.stream->finish();
    });
    world.run_for(1s);
    CHECK(opener.stream == nullptr);
  };
  IdentifyMessage part;
  part.listen_addresses = {addr(5).bytes()};
  push(part);
  CHECK(a.peers().addresses(b.id()) == std::vector{addr(5)});
  CHECK(a.peers().protocols(b.id()) == std::vector<std::string>{"/a/1", "/b/1"});
  part = {};
  part.protocols = {Bytes::copy("/c/1")};
  part.signed_record = seal_peer_record(key, 9, std::vector{addr(6)});
  push(part);
  CHECK(a.peers().addresses(b.id()) == std::vector{addr(6)});
  CHECK(a.peers().protocols(b.id()) == std::vector<std::string>{"/c/1"});
  part = {};
  part.listen_addresses = {addr(5).bytes()};  // unsigned after signed: not believed
  push(part);
  CHECK(a.peers().addresses(b.id()) == std::vector{addr(6)});
  part.signed_record = seal_peer_record(key, 8, std::vector{addr(7)});  // older
  push(part);
  CHECK(a.peers().addresses(b.id()) == std::vector{addr(6)});
}

TEST_CASE("identify fails by name", "[identify]") {
  MemoryWorld world(10ms);
  IdentifyHost a(world, 1);
  MemoryHost b(world, 2);
  Nobody server;
  const auto fails = [&] {
    a.errors.clear();
    a.host.dial(b);
    world.run_for(40s);
    world.turn([&] { a.host.swarm.disconnect(b.id()); });
    world.run_for(1s);
    REQUIRE(a.errors.size() == 1);
    return a.errors[0];
  };
  CHECK(fails() == ErrorCode::negotiation_failed);
  b.swarm.handle(kIdentifyProtocol, server);
  CHECK(fails() == ErrorCode::timeout);
  server.answer = Bytes::copy("\5bad");
  CHECK(fails() == ErrorCode::bad_encoding);
  server.answer = wire(sample(key_of(3)));
  CHECK(fails() == ErrorCode::authentication);
  server.answer = Bytes::copy(std::string(9000, 'x'));
  CHECK(fails() == ErrorCode::too_large);
  CHECK(observed(a.host.metrics(), "libp2p_identify_errors_total") ==
        std::vector<std::string>{"{error=\"authentication failed\"} 1", "{error=\"bad encoding\"} 1",
                                 "{error=\"negotiation failed\"} 1", "{error=\"timeout\"} 1",
                                 "{error=\"too large\"} 1"});
  CHECK(a.learned.empty());
}
