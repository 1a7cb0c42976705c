// Swarm over the memory transport: dialing, limits, simultaneous connections, notifications, streams.
#include <catch2/catch.hpp>

#include "stack/crypto/peer_record.h"
#include "stack/observe/log_lines.h"
#include "tests/unit/memory_transport.h"
#include "tests/unit/observed.h"

using namespace mesocosm;
using namespace mesocosm::testing;

namespace {

constexpr ProtocolId kEcho = "/test/echo/1";
constexpr ProtocolId kOther = "/test/other/1";

struct Watcher final : SwarmObserver {
  explicit Watcher(MemoryHost& host) { host.swarm.observe(*this); }
  void on_peer_connected(const PeerId& peer) override { up.push_back(peer); }
  void on_peer_disconnected(const PeerId& peer) override { down.push_back(peer); }
  void on_connection(Connection&) override { ++connections; }
  void on_peer_protocols(const PeerId&) override { ++learned; }
  void on_dial_failed(const PeerId&, const Error& error) override { failed.push_back(error); }
  void on_refused(const PeerId&, const Error& error) override { refused.push_back(error); }
  std::vector<PeerId> up, down;
  std::vector<Error> failed, refused;
  int connections = 0;
  int learned = 0;
};

// Keeps what arrives on its streams.
struct Sink final : ProtocolHandler, Stream::Events {
  void on_stream(std::unique_ptr<Stream> taken) override {
    protocol = taken->protocol();
    stream = std::move(taken);
    stream->set_events(*this);
  }
  void on_readable() override {
    while (true) {
      const Bytes part = stream->read(1000);
      if (part.empty()) break;
      text += part.text();
    }
  }
  void on_writable() override { ++writable; }
  void on_closed(Error error) override {
    closed = error;
    stream.reset();
  }
  std::unique_ptr<Stream> stream;
  ProtocolId protocol;
  std::string text;
  int writable = 0;
  std::optional<Error> closed;
};

Multiaddr addr(std::uint32_t host, std::uint16_t port) {
  return Multiaddr::tcp({IpAddress::v4(0x0a000000u + host), port});
}

}  // namespace

TEST_CASE("who listens on the unspecified address tells the machine's own of that family", "[swarm]") {
  MemoryWorld world;
  MemoryHost host(world, 1);
  host.parts.network.addresses = {IpAddress::v4(0x7f000001), IpAddress::parse("2001:db8::1").value(),
                                  IpAddress::v4(0xc0000201)};
  for (const char* address : {"/ip4/0.0.0.0/tcp/1", "/ip4/0.0.0.0/tcp/2/ws", "/ip6/::/tcp/3"}) {
    REQUIRE(host.swarm.listen(Multiaddr::parse(address).value()));
  }
  std::vector<std::string> told;
  for (const Multiaddr& address : host.swarm.listen_addresses()) told.push_back(address.to_string());
  CHECK(told == std::vector<std::string>{"/ip4/10.0.0.1/tcp/4001", "/ip4/127.0.0.1/tcp/1",
                                         "/ip4/192.0.2.1/tcp/1", "/ip4/127.0.0.1/tcp/2/ws",
                                         "/ip4/192.0.2.1/tcp/2/ws", "/ip6/2001:db8::1/tcp/3"});
}

TEST_CASE("a dial connects both sides, which tell their observers once", "[swarm]") {
  MemoryWorld world(10ms);
  MemoryHost a(world, 1), b(world, 2);
  Watcher at_a(a), at_b(b);
  a.dial(b);
  a.dial(b);  // joins the first
  world.run_for(20ms);
  CHECK(a.swarm.connected(b.id()));
  CHECK(b.swarm.connected(a.id()));
  CHECK(at_a.up == std::vector{b.id()});
  CHECK(at_b.up == std::vector{a.id()});
  CHECK(a.swarm.connection_count() == 1);
  CHECK(b.swarm.connected_peers() == std::vector{a.id()});
  REQUIRE(a.trace().events.size() == 1);
  CHECK(a.trace().events[0].kind == TraceKind::connected);
  CHECK(a.trace().events[0].value == 1);
  CHECK(a.trace().events[0].peer == b.id().hash());
  CHECK(b.trace().events[0].value == 0);
  a.dial(b);  // connected already: nothing
  world.run_for(1s);
  CHECK(at_a.connections == 1);

  world.turn([&] { a.swarm.disconnect(b.id()); });
  world.run_for(1s);
  CHECK(at_a.down == std::vector{b.id()});
  CHECK(at_b.down == std::vector{a.id()});
  CHECK(!a.swarm.connected(b.id()));
  CHECK(b.trace().count(TraceKind::disconnected) == 1);
  CHECK(world.clock.pending() == 0);
}

TEST_CASE("a dial that fails says why, never inside the call", "[swarm]") {
  MemoryWorld world(10ms);
  MemoryHost a(world, 1), b(world, 2), c(world, 3);
  Watcher at_a(a);
  const auto fails_with = [&](const PeerId& peer, std::vector<Multiaddr> addresses, Duration after) {
    at_a.failed.clear();
    world.turn([&] {
      a.swarm.dial(peer, addresses);
      CHECK(at_a.failed.empty());
    });
    world.run_for(after - 1ns);
    if (after > 0ns) CHECK(at_a.failed.empty());
    world.run_for(1ns);
    REQUIRE(at_a.failed.size() == 1);
    return at_a.failed[0].code;
  };
  CHECK(fails_with(b.id(), {}, 1ns * 0) == ErrorCode::not_found);
  CHECK(fails_with(a.id(), {a.address}, 0ns) == ErrorCode::unsupported);
  CHECK(fails_with(b.id(), {Multiaddr::udp({IpAddress::v4(1), 1})}, 0ns) == ErrorCode::unsupported);
  CHECK(fails_with(b.id(), {addr(9, 9)}, 20ms) == ErrorCode::refused);
  CHECK(at_a.failed[0].detail.find("/ip4/10.0.0.9/tcp/9") == 0);
  CHECK(fails_with(b.id(), {c.address}, 20ms) == ErrorCode::peer_mismatch);
  CHECK(fails_with(b.id(), {b.address.with_peer(c.id())}, 0ns) == ErrorCode::not_found);  // another peer's
  world.black_holes.insert(addr(8, 8).to_string());
  CHECK(fails_with(b.id(), {addr(8, 8)}, 15s) == ErrorCode::timeout);
  CHECK(a.trace().count(TraceKind::dial_failed) == 7);
  CHECK(world.clock.pending() == 0);
}

TEST_CASE("addresses are staggered; a refusal brings the next at once; the first connection wins",
          "[swarm]") {
  MemoryWorld world(10ms);
  MemoryHost a(world, 1), b(world, 2);
  Watcher at_a(a);
  world.black_holes.insert(addr(8, 8).to_string());
  // t=0 black hole; t=250 ms refused (at 270 ms); t=270 ms the right one (at 290 ms).
  world.turn([&] { a.swarm.dial(b.id(), std::vector{addr(8, 8), addr(9, 9), b.address.with_peer(b.id())}); });
  world.run_for(289ms);
  CHECK(at_a.up.empty());
  world.run_for(1ms);
  CHECK(at_a.up.size() == 1);
  CHECK(at_a.failed.empty());
  world.run_for(60s);
  CHECK(at_a.connections == 1);
  CHECK(world.clock.pending() == 0);
}

TEST_CASE("the peer store's addresses are dialed too", "[swarm]") {
  MemoryWorld world(10ms);
  MemoryHost a(world, 1), b(world, 2);
  a.swarm.peers().add_addresses(b.id(), std::vector{b.address});
  world.turn([&] { a.swarm.dial(b.id()); });
  world.run_for(1s);
  CHECK(a.swarm.connected(b.id()));
}

TEST_CASE("dials over the limit wait for their turn", "[swarm]") {
  MemoryWorld world(10ms);
  SwarmLimits limits;
  limits.pending_dials = 1;
  MemoryHost a(world, 1, limits), b(world, 2), c(world, 3), d(world, 4);
  Watcher at_a(a);
  world.turn([&] {
    for (MemoryHost* other : {&b, &c, &d}) a.swarm.dial(other->id(), {&other->address, 1});
  });
  world.run_for(20ms);
  CHECK(at_a.up == std::vector{b.id()});
  world.run_for(20ms);
  CHECK(at_a.up == std::vector{b.id(), c.id()});
  d.dial(a);  // comes to us, then ours to d is not needed
  world.run_for(10ms);
  CHECK(at_a.up == std::vector{b.id(), c.id(), d.id()});
}

TEST_CASE("simultaneous connections are both kept, up to the limit of one peer", "[swarm]") {
  MemoryWorld world(10ms);
  SwarmLimits limits;
  limits.per_peer = GENERATE(1, 2);
  MemoryHost a(world, 1, limits), b(world, 2, limits);
  Watcher at_a(a), at_b(b);
  world.turn([&] {
    a.swarm.dial(b.id(), {&b.address, 1});
    b.swarm.dial(a.id(), {&a.address, 1});
  });
  world.run_for(1s);
  CHECK(at_a.failed.empty());
  CHECK(at_a.up.size() == 1);
  CHECK(at_b.up.size() == 1);
  if (limits.per_peer == 2) {
    CHECK(a.swarm.connection_count() == 2);
    CHECK(b.swarm.connection_count() == 2);
    // Streams are opened on the oldest: for each side the one that came from the other.
    CHECK(a.swarm.connection(b.id())->info().direction == Direction::inbound);
    CHECK(b.swarm.connection(a.id())->info().direction == Direction::inbound);
    // One goes, the peers are still connected.
    world.turn([&] { a.swarm.connection(b.id())->close(); });
    world.run_for(1s);
    CHECK(at_a.down.empty());
    CHECK(a.swarm.connection(b.id())->info().direction == Direction::outbound);
  }
  world.turn([&] { a.swarm.disconnect(b.id()); });
  world.run_for(1s);
  CHECK(at_a.down.size() == 1);
  CHECK(at_b.down.size() == 1);
  CHECK(b.swarm.connection_count() == 0);
}

TEST_CASE("limits refuse inbound connections by name", "[swarm]") {
  MemoryWorld world(10ms);
  SwarmLimits limits;
  const bool in_all = GENERATE(false, true);
  (in_all ? limits.connections : limits.inbound) = 2;
  MemoryHost a(world, 1, limits), b(world, 2), c(world, 3), d(world, 4);
  Watcher at_a(a), at_d(d);
  b.dial(a);
  c.dial(a);
  world.run_for(1s);
  d.dial(a);
  world.run_for(1s);
  CHECK(a.swarm.connection_count() == 2);
  CHECK(!d.swarm.connected(a.id()));  // was, until the refusal came
  CHECK(at_d.down.size() == 1);
  REQUIRE(at_a.refused.size() == 1);
  CHECK(at_a.refused[0].message() ==
        (in_all ? "limit reached: connections: 2" : "limit reached: inbound: 2"));
  a.dial(d);
  world.run_for(1s);
  CHECK(a.swarm.connected(d.id()) == !in_all);
}

TEST_CASE("streams reach their handlers; lazily only when the protocol is known", "[swarm]") {
  MemoryWorld world(10ms);
  MemoryHost a(world, 1), b(world, 2);
  Sink client, server;
  b.swarm.handle(kEcho, server);
  CHECK(b.swarm.protocols() == std::vector{kEcho});
  const ProtocolId offers[] = {kOther, kEcho};
  CHECK(a.swarm.open(b.id(), offers, client) == nullptr);
  a.dial(b);
  world.run_for(20ms);

  SECTION("negotiated among several") {
    world.turn([&] { client.stream = a.swarm.open(b.id(), offers, client); });
    CHECK(client.stream->protocol().empty());
    CHECK(client.stream->writable() == 0);
    world.turn([&] { client.stream->write(Bytes::copy("hello")); });
    world.run_for(20ms);
    CHECK(client.stream->protocol() == kEcho);
    CHECK(client.writable == 1);
    CHECK(server.text.empty());
    world.run_for(10ms);
    CHECK(server.text == "hello");
    CHECK(server.protocol == kEcho);
  }
  SECTION("lazy") {
    Watcher at_a(a);
    world.turn([&] { a.swarm.set_peer_protocols(b.id(), {std::string(kEcho)}); });
    CHECK(at_a.learned == 1);
    a.swarm.set_peer_protocols(b.id(), {std::string(kEcho)});
    CHECK(at_a.learned == 1);  // nothing new
    world.turn([&] {
      client.stream = a.swarm.open(b.id(), {&offers[1], 1}, client);
      client.stream->write(Bytes::copy("hello"));
    });
    world.run_for(10ms);
    CHECK(server.text == "hello");
  }
  SECTION("refused") {
    world.turn([&] { client.stream = a.swarm.open(b.id(), {&offers[0], 1}, client); });
    world.run_for(20ms);
    REQUIRE(client.closed);
    CHECK(client.closed->code == ErrorCode::negotiation_failed);
  }
  SECTION("no longer handled") {
    world.turn([&] { client.stream = a.swarm.open(b.id(), {&offers[1], 1}, client); });
    b.swarm.unhandle(kEcho);
    CHECK(b.swarm.protocols().empty());
    world.run_for(1s);
    REQUIRE(client.closed);
    CHECK(client.closed->code == ErrorCode::negotiation_failed);
  }
  SECTION("the connection goes: streams first, then the peer") {
    world.turn([&] { client.stream = a.swarm.open(b.id(), {&offers[1], 1}, client); });
    world.run_for(1s);
    world.turn([&] { b.swarm.disconnect(a.id()); });
    CHECK(b.swarm.open(a.id(), {&offers[1], 1}, client) == nullptr);  // saying goodbye
    world.run_for(1s);
    CHECK(client.closed);
    CHECK(server.closed);
    CHECK(!a.swarm.connected(b.id()));
  }
}

TEST_CASE("connections are counted as they come and go", "[swarm][observe]") {
  using Lines = std::vector<std::string>;
  const std::string kind =
      "transport=\"tcp\",security=\"/memory\",muxer=\"/memory\",early_muxer=\"false\",ip_version=\"ip4\"} ";
  const std::string of_a = "{dir=\"outbound\"," + kind;
  MemoryWorld world(10ms);
  MemoryHost a(world, 1), b(world, 2), c(world, 3);
  const auto seen = [&](const char* name) { return observed(a.metrics(), name); };
  a.dial(b);
  CHECK(seen("libp2p_swarm_pending_dials") == Lines{"1"});
  CHECK(seen("libp2p_rcmgr_connections")[2] == "{dir=\"outbound\",scope=\"transient\"} 1");
  world.run_for(20ms);
  CHECK(seen("libp2p_swarm_pending_dials") == Lines{"0"});
  CHECK(seen("libp2p_rcmgr_connections") == Lines{"{dir=\"inbound\",scope=\"system\"} 0",
                                                  "{dir=\"outbound\",scope=\"system\"} 1",
                                                  "{dir=\"outbound\",scope=\"transient\"} 0"});
  CHECK(seen("libp2p_swarm_connections_opened_total") == Lines{of_a + "1"});
  CHECK(seen("libp2p_swarm_key_types_total") == Lines{"{dir=\"outbound\",key_type=\"Ed25519\"} 1"});
  CHECK(seen("libp2p_swarm_handshake_latency_seconds_sum") == Lines{"{" + kind + "0.02"});
  CHECK(observed(b.metrics(), "libp2p_rcmgr_connections")[0] == "{dir=\"inbound\",scope=\"system\"} 1");
  world.run_for(1500ms);
  world.turn([&] { a.swarm.disconnect(b.id()); });
  world.run_for(1s);
  CHECK(seen("libp2p_swarm_connections_closed_total") == Lines{of_a + "1"});
  CHECK(seen("libp2p_swarm_connection_ends_total") == Lines{"{dir=\"outbound\",error=\"cancelled\"} 1"});
  CHECK(seen("libp2p_swarm_connection_duration_seconds_bucket")[4].find("le=\"1\"} 0") != std::string::npos);
  CHECK(seen("libp2p_swarm_connection_duration_seconds_bucket")[5].find("le=\"2\"} 1") != std::string::npos);

  // Two addresses of c: one refuses, one is another peer's; then nobody answers.
  world.black_holes.insert(addr(8, 8).to_string());
  world.turn([&] { a.swarm.dial(c.id(), std::vector{addr(9, 9), b.address}); });
  world.run_for(1s);
  world.turn([&] { a.swarm.dial(c.id(), std::vector{addr(8, 8)}); });
  world.run_for(20s);
  CHECK(seen("libp2p_swarm_dial_errors_total") ==
        Lines{"{transport=\"tcp\",error=\"peer mismatch\",ip_version=\"ip4\"} 1",
              "{transport=\"tcp\",error=\"refused\",ip_version=\"ip4\"} 1",
              "{transport=\"tcp\",error=\"timeout\",ip_version=\"ip4\"} 1"});
  CHECK(seen("libp2p_swarm_dials_per_peer_total") == Lines{"{outcome=\"failed\",num_dials=\"1\"} 1",
                                                           "{outcome=\"failed\",num_dials=\"2\"} 1",
                                                           "{outcome=\"success\",num_dials=\"1\"} 1"});
  CHECK(seen("libp2p_swarm_dial_latency_seconds_sum")[0] == "{outcome=\"failed\",num_dials=\"1\"} 15");

  // A host that goes takes back what it has in the gauges. Its metrics are those of a World: they outlive it.
  Metrics shared;
  {
    MemoryEnv parts(world, 7);
    Env env{world.clock, parts.network, parts.rng, parts.entropy, parts.trace, shared};
    Swarm swarm(env, PeerId::from_public_key(fake_public_key(7)));
    swarm.add_transport(std::make_unique<MemoryTransport>(world, swarm.local_peer(), fake_public_key(7),
                                                          swarm.protocol_table()));
    world.turn([&] { swarm.dial(b.id(), {&b.address, 1}); });
    world.run_for(1s);
    world.turn([&] { swarm.dial(c.id(), std::vector{addr(8, 8)}); });
    world.run_for(1s);
    CHECK(observed(shared, "libp2p_rcmgr_connections")[1] == "{dir=\"outbound\",scope=\"system\"} 1");
    CHECK(observed(shared, "libp2p_rcmgr_connections")[2] == "{dir=\"outbound\",scope=\"transient\"} 1");
    CHECK(observed(shared, "libp2p_swarm_pending_dials") == Lines{"1"});
  }
  CHECK(observed(shared, "libp2p_rcmgr_connections")[1] == "{dir=\"outbound\",scope=\"system\"} 0");
  CHECK(observed(shared, "libp2p_rcmgr_connections")[2] == "{dir=\"outbound\",scope=\"transient\"} 0");
  CHECK(observed(shared, "libp2p_swarm_pending_dials") == Lines{"0"});
  CHECK(observed(shared, "libp2p_swarm_connection_ends_total") ==
        Lines{"{dir=\"outbound\",error=\"cancelled\"} 1"});
}

TEST_CASE("what a limit refuses is counted, and logged with its name", "[swarm][observe]") {
  MemoryWorld world(10ms);
  SwarmLimits limits;
  limits.inbound = 1;
  MemoryHost a(world, 1, limits), b(world, 2), c(world, 3);
  struct Lines final : Log {
    Lines() : Log(LogLevels(LogLevel::info)) {}
    void on_line(LogComponent component, LogLevel level, std::string_view message,
                 std::span<const LogField> fields) override {
      text += format_log_line(LogFormat::text, {"0", level, component, "", message, fields});
    }
    std::string text;
  } log;
  MemoryEnv parts(world, 7);
  Env env{world.clock, parts.network, parts.rng, parts.entropy, parts.trace, parts.metrics, log};
  Swarm swarm(env, PeerId::from_public_key(fake_public_key(7)), limits);
  swarm.add_transport(std::make_unique<MemoryTransport>(world, swarm.local_peer(), fake_public_key(7),
                                                        swarm.protocol_table()));
  const Multiaddr address = addr(7, 4001);
  REQUIRE(swarm.listen(address));
  for (MemoryHost* host : {&b, &c}) {
    world.turn([&] { host->swarm.dial(swarm.local_peer(), {&address, 1}); });
    world.run_for(1s);
  }
  CHECK(observed(parts.metrics, "libp2p_rcmgr_blocked_resources_total") ==
        std::vector<std::string>{"{dir=\"inbound\",scope=\"system\",resource=\"connection\"} 1"});
  CHECK(log.text ==
        "time=0 level=info component=swarm msg=listening address=/ip4/10.0.0.7/tcp/4001\n"
        "time=0 level=info component=swarm msg=\"connection refused\" peer=" +
            c.id().to_string() + " dir=inbound address=\"\" error=\"limit reached: inbound: 1\"\n");
}

TEST_CASE("observers may dial, disconnect and leave inside their callbacks", "[swarm]") {
  MemoryWorld world(10ms);
  MemoryHost a(world, 1), b(world, 2), c(world, 3);
  struct Nervous final : SwarmObserver {
    void on_peer_connected(const PeerId& peer) override {
      host->swarm.disconnect(peer);
      host->swarm.unobserve(*this);
    }
    MemoryHost* host;
  } nervous;
  nervous.host = &a;
  a.swarm.observe(nervous);
  Watcher at_a(a);
  a.dial(b);
  a.dial(c);
  world.run_for(1s);
  CHECK(at_a.up.size() == 2);
  CHECK(at_a.down == std::vector{b.id()});
  CHECK(a.swarm.connected_peers() == std::vector{c.id()});
}

TEST_CASE("a swarm that is destroyed cancels its dials and aborts its connections", "[swarm]") {
  MemoryWorld world(10ms);
  MemoryHost b(world, 2), c(world, 3);
  Watcher at_b(b);
  {
    MemoryHost a(world, 1);
    a.dial(b);
    world.run_for(1s);
    a.dial(c);
    world.run_for(5ms);
  }
  world.run_for(1s);
  CHECK(b.swarm.connection_count() == 0);
  CHECK(at_b.down.size() == 1);
  CHECK(c.swarm.connection_count() == 0);
}

TEST_CASE("the peer store is bounded, shares protocol lists, and takes newer records only", "[swarm]") {
  PeerStore store;
  const auto id = [](std::uint64_t i) { return PeerId::from_public_key(fake_public_key(i)); };
  CHECK(!store.knows_protocols(id(1)));
  store.set_protocols(id(1), {"/a", "/b", "", "/bad\n"});
  store.set_protocols(id(2), {"/a", "/b"});
  CHECK(store.protocols(id(1)) == std::vector<std::string>{"/a", "/b"});
  CHECK(store.speaks(id(2), "/b"));
  CHECK(!store.speaks(id(2), "/"));
  CHECK(!store.speaks(id(2), "/a\n/b"));
  store.set_protocols(id(2), {});
  CHECK(store.knows_protocols(id(2)));
  CHECK(store.speaks(id(1), "/a"));

  const std::vector many{addr(1, 1), addr(1, 2), addr(1, 1)};
  store.add_addresses(id(3), many);
  CHECK(store.addresses(id(3)) == std::vector{addr(1, 1), addr(1, 2)});
  for (std::uint16_t port = 1; port < 100; ++port) store.add_addresses(id(3), std::vector{addr(1, port)});
  CHECK(store.addresses(id(3)).size() == PeerStore::kMaxAddressesPerPeer);

  std::array<std::uint8_t, 32> seed{};
  const KeyPair key = KeyPair::from_seed(seed);
  const PeerId signer = key.peer_id();
  const auto record = [&](std::uint64_t seq) {
    return seal_peer_record(
        key, seq, std::vector{addr(2, 1), addr(2, 2).with_peer(signer), addr(2, 3).with_peer(id(1))});
  };
  store.add_addresses(signer, many);
  CHECK(store.set_certified(signer, 7, record(7)));
  CHECK(!store.set_certified(signer, 7, record(7)));
  CHECK(!store.set_certified(signer, 6, record(6)));
  CHECK(store.addresses(signer) == std::vector{addr(2, 1), addr(2, 2)});
  CHECK(store.signed_record(signer) == record(7));
  store.add_addresses(signer, many);
  CHECK(store.addresses(signer).size() == 2);
  CHECK(store.set_certified(signer, 8, record(8)));

  store.pin(id(1), true);
  for (std::uint64_t i = 100; i < 100 + PeerStore::kMaxPeers; ++i) store.add_addresses(id(i), many);
  CHECK(store.size() == PeerStore::kMaxPeers);
  CHECK(store.speaks(id(1), "/a"));  // pinned
  CHECK(store.addresses(id(3)).empty());
  store.pin(id(1), false);
  store.forget(id(1));
  CHECK(!store.knows_protocols(id(1)));
}
