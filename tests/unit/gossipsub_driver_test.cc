// GossipSub over swarms and streams in memory.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "stack/crypto/keys.h"
#include "stack/crypto/peer_record.h"
#include "stack/protocols/gossipsub/gossipsub.h"
#include "tests/unit/gossipsub_harness.h"
#include "tests/unit/memory_transport.h"
#include "tests/unit/observed.h"

namespace mesocosm {
namespace {

using testing::MemoryHost;
using testing::MemoryWorld;
using testing::observed;
using testing::unsigned_params;

KeyPair key_of(std::uint32_t number) {
  std::array<std::uint8_t, 32> seed{};
  seed[0] = static_cast<std::uint8_t>(number);
  seed[1] = static_cast<std::uint8_t>(number >> 8);
  return KeyPair::from_seed(seed);
}

struct Inbox final : GossipSubHandler {
  void on_message(const GossipSubDelivery& delivery) override {
    payloads.push_back(std::string(as_text(delivery.message.data)));
    from.push_back(delivery.from);
  }
  std::vector<std::string> payloads;
  std::vector<PeerId> from;
};

GossipSubOptions options_of(GossipSubParams params, const KeyPair& key) {
  GossipSubOptions options;
  options.params = params;
  options.key = &key;
  return options;
}

// A host that runs GossipSub.
struct Gossiper {
  Gossiper(MemoryWorld& world, std::uint32_t index, GossipSubParams params = unsigned_params())
      : key(key_of(index)),
        host(world, index, key.public_key().serialized()),
        gossip(host.env, host.swarm, options_of(params, key)) {}

  // Dials, and learns what identify would tell.
  void meet(Gossiper& other, std::vector<std::string> speaks = {"/meshsub/1.1.0"}) {
    host.swarm.set_peer_protocols(other.host.id(), std::move(speaks));
    host.dial(other.host);
  }
  Result<MessageId> publish(std::string_view topic, std::string_view data) {
    Result<MessageId> result;
    host.world.turn([&] { result = gossip.publish(topic, as_bytes(data)); });
    return result;
  }
  void subscribe(std::string_view topic) {
    host.world.turn([&] { CHECK(gossip.subscribe(topic, inbox)); });
  }

  KeyPair key = key_of(0);
  Inbox inbox;
  MemoryHost host;
  GossipSub gossip;
};

// A peer whose bytes the test writes.
struct RawPeer final : ProtocolHandler, Stream::Events {
  RawPeer(MemoryWorld& world, std::uint32_t index) : host(world, index) {
    host.swarm.handle("/meshsub/1.1.0", *this);
  }
  void open_to(Gossiper& other) {
    host.dial(other.host);
    host.world.run_for(1s);
    const ProtocolId offer = "/meshsub/1.1.0";
    outbound = host.swarm.open(other.host.id(), {&offer, 1}, *this);
    host.world.run_for(1s);
  }
  void write(Bytes bytes) {
    host.world.turn([&] { outbound->write(std::move(bytes)); });
    host.world.run_for(100ms);
  }
  void write(const RpcPart& part) {
    Rpc rest(&part, 1);
    write(part.kind == PartKind::message ? part.bytes : encode_control_frame(rest, kMaxControlRpc));
  }
  void on_stream(std::unique_ptr<Stream> stream) override {
    inbound = std::move(stream);
    inbound->set_events(*this);
  }
  void on_readable() override {
    if (!reading || inbound == nullptr) return;
    for (Bytes input = inbound->read(SIZE_MAX); !input.empty(); input = inbound->read(SIZE_MAX)) {
      while (!input.empty()) {
        auto frame = reader.next(input);
        REQUIRE(frame);
        if (!*frame) break;
        std::vector<RpcPart> parts;
        REQUIRE(decode_rpc(**frame, parts));
        got.push_back(parts);
      }
    }
  }
  void on_writable() override {}
  void on_closed(Error error) override { closed.push_back(error.code); }

  MemoryHost host;
  bool reading = true;
  std::unique_ptr<Stream> inbound;
  std::unique_ptr<Stream> outbound;
  LengthPrefixReader reader{1 << 20};
  std::vector<std::vector<RpcPart>> got;  // RPC by RPC
  std::vector<ErrorCode> closed;
};

}  // namespace

TEST_CASE("gossipsub driver: two hosts", "[gossipsub]") {
  for (bool sign : {false, true}) {
    MemoryWorld world(10ms);
    const GossipSubParams params = sign ? GossipSubParams{} : unsigned_params();
    Gossiper a(world, 1, params), b(world, 2, params);
    a.subscribe("t");
    b.subscribe("t");
    a.meet(b);
    world.run_for(3s);
    CHECK(a.gossip.mesh_peers("t") == std::vector<PeerId>{b.host.id()});
    CHECK(b.gossip.mesh_peers("t") == std::vector<PeerId>{a.host.id()});
    CHECK(b.gossip.peers("t") == std::vector<PeerId>{a.host.id()});

    const auto id = a.publish("t", "hello");
    REQUIRE(id);
    world.run_for(1s);
    CHECK(b.inbox.payloads == std::vector<std::string>{"hello"});
    CHECK(b.inbox.from == std::vector<PeerId>{a.host.id()});
    CHECK(a.inbox.payloads.empty());
    REQUIRE(b.publish("t", "and back"));
    world.run_for(1s);
    CHECK(a.inbox.payloads == std::vector<std::string>{"and back"});

    const auto& events = b.host.trace().events;
    const auto delivered =
        std::find_if(events.begin(), events.end(), [](auto& e) { return e.kind == TraceKind::delivered; });
    REQUIRE(delivered != events.end());
    CHECK(delivered->peer == a.host.id().hash());
    CHECK(delivered->subject == id->hash());
    CHECK(delivered->value == 5);
    CHECK(delivered->label == "t");
    CHECK(a.host.trace().count(TraceKind::published) == 1);
    CHECK(a.host.trace().count(TraceKind::grafted) == 1);
    CHECK(a.gossip.counters().messages_sent == 1);
    CHECK(b.gossip.counters().messages_received == 1);
    CHECK(b.gossip.counters().duplicates == 0);
    CHECK(a.gossip.traffic().bytes_sent == b.gossip.traffic().bytes_received);
    CHECK(a.gossip.traffic().streams_reset == 0);
  }
}

TEST_CASE("gossipsub driver: subscriptions and GRAFT travel in one RPC, a message in its own",
          "[gossipsub]") {
  MemoryWorld world(10ms);
  Gossiper a(world, 1);
  RawPeer raw(world, 2);
  a.subscribe("x");
  a.subscribe("y");
  raw.open_to(a);
  REQUIRE(raw.got.size() == 1);
  REQUIRE(raw.got[0].size() == 2);
  CHECK(raw.got[0][0].kind == PartKind::subscription);
  raw.write(make_subscription(true, as_bytes("x")));
  raw.write(make_subscription(true, as_bytes("y")));
  world.run_for(2s);
  REQUIRE(raw.got.size() == 2);
  REQUIRE(raw.got[1].size() == 2);  // both grafts
  CHECK(raw.got[1][1].kind == PartKind::graft);
  REQUIRE(a.publish("x", "data"));
  world.run_for(100ms);
  REQUIRE(raw.got.size() == 3);
  CHECK(raw.got[2].size() == 1);
  CHECK(as_text(decode_message(raw.got[2][0])->data) == "data");
}

TEST_CASE("gossipsub driver: a message in pieces, and several in an RPC", "[gossipsub]") {
  MemoryWorld world(1ms);
  Gossiper a(world, 1);
  RawPeer raw(world, 2), other(world, 3);
  a.subscribe("t");
  raw.open_to(a);
  other.open_to(a);
  other.write(make_subscription(true, as_bytes("t")));
  world.run_for(2s);
  other.got.clear();
  const std::string big(100000, 'b');
  const RpcPart part = make_message(as_bytes("t"), as_bytes(big));
  world.turn([&] {
    for (std::size_t at = 0; at < part.bytes.size(); at += 1400)
      raw.outbound->write(part.bytes.slice(at, 1400));
  });
  world.run_for(100ms);
  REQUIRE(a.inbox.payloads.size() == 1);
  CHECK(a.inbox.payloads[0] == big);
  REQUIRE(other.got.size() == 1);  // passed on
  CHECK(equal(other.got[0][0].body(), part.body()));

  const RpcPart one = make_message(as_bytes("t"), as_bytes("one"));
  const RpcPart two = make_message(as_bytes("t"), as_bytes("two"));
  const Bytes rpc[] = {one.bytes.slice(1), two.bytes.slice(1)};
  const Bytes joined = concat(rpc);
  raw.write(length_prefixed(joined));
  CHECK(a.inbox.payloads.size() == 3);
  REQUIRE(other.got.size() == 3);
  CHECK(equal(other.got[2][0].body(), two.body()));
}

TEST_CASE("gossipsub driver: who does not speak pubsub is left alone", "[gossipsub]") {
  MemoryWorld world(10ms);
  Gossiper a(world, 1);
  MemoryHost plain(world, 2);
  a.subscribe("t");
  a.host.dial(plain);
  world.run_for(1s);
  CHECK(a.gossip.peers().empty());
  CHECK(a.host.swarm.connected(plain.id()));

  // Nor if identify was wrong about it.
  a.host.swarm.set_peer_protocols(plain.id(), {"/meshsub/1.1.0"});
  CHECK(a.gossip.peers().size() == 1);
  world.run_for(10s);
  CHECK(a.gossip.peers().empty());
}

TEST_CASE("gossipsub driver: the best common protocol is chosen", "[gossipsub]") {
  MemoryWorld world(10ms);
  Gossiper a(world, 1), b(world, 2), c(world, 3);
  for (Gossiper* g : {&a, &b, &c}) g->subscribe("t");
  a.meet(b, {"/floodsub/1.0.0"});
  a.meet(c, {"/floodsub/1.0.0", "/meshsub/1.0.0"});
  world.run_for(5s);
  const GossipSubCore& core = a.gossip.core();
  CHECK(core.peer(core.find_peer(b.host.id())).kind == PeerKind::floodsub);
  CHECK(core.peer(core.find_peer(c.host.id())).kind == PeerKind::gossipsub_10);
  CHECK(core.peer(core.find_peer(b.host.id())).outbound);
  const GossipSubCore& other = b.gossip.core();
  CHECK(other.peer(other.find_peer(a.host.id())).kind == PeerKind::floodsub);  // the stream that came
  CHECK_FALSE(other.peer(other.find_peer(a.host.id())).outbound);
  REQUIRE(b.publish("t", "through a"));
  world.run_for(1s);
  CHECK(c.inbox.payloads == std::vector<std::string>{"through a"});
}

TEST_CASE("gossipsub driver: malformed bytes end the stream", "[gossipsub]") {
  for (const std::string& bad : {std::string("\x02\x0a\x05", 3), std::string("\xff\xff\xff\xff\x0f", 5),
                                 std::string("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80", 10)}) {
    MemoryWorld world(10ms);
    Gossiper a(world, 1);
    RawPeer raw(world, 2);
    raw.open_to(a);
    raw.write(Bytes::copy(bad));
    CHECK(a.gossip.traffic().streams_reset == 1);
    CHECK(raw.closed == std::vector<ErrorCode>{ErrorCode::reset});
    CHECK(a.gossip.peers().size() == 1);  // it may try again
    world.run_for(3s);
  }
}

TEST_CASE("gossipsub driver: counts messages by topic, RPCs and the mesh", "[gossipsub][observe]") {
  using Lines = std::vector<std::string>;
  MemoryWorld world(10ms);
  Gossiper a(world, 1), b(world, 2);
  RawPeer raw(world, 3);
  const auto seen = [](const Metrics& metrics, const std::string& name) {
    return observed(metrics, "libp2p_gossipsub_" + name);
  };
  const Metrics& metrics = a.host.metrics();
  a.subscribe("t");
  b.subscribe("t");
  a.meet(b);
  raw.open_to(a);
  raw.write(make_subscription(true, as_bytes("t")));
  world.run_for(2s);
  CHECK(seen(metrics, "subscriptions") == Lines{"{topic=\"t\"} 1"});
  CHECK(seen(metrics, "mesh_peers") == Lines{"{topic=\"t\"} 2"});
  CHECK(seen(metrics, "grafts_total") == Lines{"{topic=\"t\"} 2"});
  CHECK(seen(metrics, "peers") == Lines{"{protocol=\"/meshsub/1.1.0\"} 2"});
  const auto parts = [&](const std::string& direction, const std::string& kind) {
    const std::string labels = "{dir=\"" + direction + "\",kind=\"" + kind + "\"} ";
    for (const std::string& line : seen(metrics, "rpc_parts_total")) {
      if (line.starts_with(labels)) return std::stoi(line.substr(labels.size()));
    }
    return -1;
  };
  CHECK(parts("outbound", "graft") == 2);

  const RpcPart message = make_message(as_bytes("t"), as_bytes("12345"));
  raw.write(message);
  raw.write(message);
  raw.write(message);
  raw.write(make_message(as_bytes("never heard of"), as_bytes("1")));
  REQUIRE(b.publish("t", "1234567"));
  REQUIRE(a.publish("t", "hello"));
  REQUIRE(a.publish("elsewhere", "hello"));
  world.run_for(100ms);
  CHECK(seen(metrics, "messages_delivered_total") == Lines{"{topic=\"elsewhere\"} 0", "{topic=\"t\"} 2"});
  CHECK(seen(metrics, "delivered_bytes_total")[1] == "{topic=\"t\"} 12");
  CHECK(seen(metrics, "messages_duplicate_total")[1] == "{topic=\"t\"} 2");
  CHECK(seen(metrics, "duplicate_bytes_total")[1] == "{topic=\"t\"} 10");
  CHECK(seen(metrics, "messages_published_total") == Lines{"{topic=\"elsewhere\"} 1", "{topic=\"t\"} 1"});
  // From b: its own; from raw: 4. To them: the first of raw to b, the one of b to raw, and "t"'s own to both.
  CHECK(parts("inbound", "message") == 5);
  CHECK(parts("outbound", "message") == 4);
  const GossipSubTraffic& traffic = a.gossip.traffic();
  CHECK(seen(metrics, "rpcs_total") == Lines{"{dir=\"inbound\"} " + std::to_string(traffic.rpcs_received),
                                             "{dir=\"outbound\"} " + std::to_string(traffic.rpcs_sent)});
  CHECK(seen(metrics, "rpc_bytes_total")[1] == "{dir=\"outbound\"} " + std::to_string(traffic.bytes_sent));
  CHECK(seen(metrics, "rpc_bytes_total")[0].back() != '0');

  raw.write(Bytes::copy("\x02\x0a\x05"));
  CHECK(seen(metrics, "streams_reset_total") == Lines{"1"});
  CHECK(seen(metrics, "heartbeat_delay_seconds_sum") == Lines{"0"});
  CHECK(seen(metrics, "heartbeat_delay_seconds_count")[0] == std::to_string(a.gossip.core().heartbeats()));

  world.turn([&] { b.gossip.unsubscribe("t"); });
  world.run_for(1s);
  CHECK(seen(metrics, "mesh_peers") == Lines{"{topic=\"elsewhere\"} 0", "{topic=\"t\"} 1"});
  CHECK(seen(metrics, "prunes_total")[1] == "{topic=\"t\"} 1");
  CHECK(seen(b.host.metrics(), "subscriptions") == Lines{"{topic=\"t\"} 0"});
}

TEST_CASE("gossipsub driver: what goes takes its part of the gauges with it", "[gossipsub][observe]") {
  MemoryWorld world(10ms);
  Gossiper b(world, 2);
  b.subscribe("t");
  MemoryHost host(world, 1);
  Metrics shared;
  Env env{world.clock, host.parts.network, host.parts.rng, host.parts.entropy, host.parts.trace, shared};
  const KeyPair key = key_of(1);
  {
    Inbox inbox;
    GossipSub gossip(env, host.swarm, options_of(unsigned_params(), key));
    world.turn([&] { CHECK(gossip.subscribe("t", inbox)); });
    host.swarm.set_peer_protocols(b.host.id(), {"/meshsub/1.1.0"});
    host.dial(b.host);
    world.run_for(3s);
    CHECK(observed(shared, "libp2p_gossipsub_mesh_peers")[0] == "{topic=\"t\"} 1");
    CHECK(observed(shared, "libp2p_gossipsub_peers")[0] == "{protocol=\"/meshsub/1.1.0\"} 1");
    CHECK(observed(shared, "libp2p_gossipsub_subscriptions")[0] == "{topic=\"t\"} 1");
    host.swarm.unobserve(gossip);
  }
  CHECK(observed(shared, "libp2p_gossipsub_mesh_peers")[0] == "{topic=\"t\"} 0");
  CHECK(observed(shared, "libp2p_gossipsub_peers")[0] == "{protocol=\"/meshsub/1.1.0\"} 0");
  CHECK(observed(shared, "libp2p_gossipsub_subscriptions")[0] == "{topic=\"t\"} 0");
}

TEST_CASE("gossipsub metrics: topics beyond the bound are counted together", "[gossipsub][observe]") {
  Metrics metrics;
  auto& gossipsub = metrics.of<GossipSubMetrics>();
  GossipSubTopicMetrics& first = gossipsub.topic("0");
  for (int i = 0; i < 200; ++i) gossipsub.topic(std::to_string(i)).published.add();
  CHECK(&gossipsub.topic("0") == &first);
  CHECK(&gossipsub.topic("199") == &gossipsub.topic("64"));
  CHECK(&gossipsub.topic("199") != &gossipsub.topic("63"));
  const auto lines = observed(metrics, "libp2p_gossipsub_messages_published_total");
  REQUIRE(lines.size() == GossipSubMetrics::kMaxTopics + 1);
  CHECK(lines.back() == "{topic=\"other\"} 136");
}

TEST_CASE("gossipsub driver: a slow peer loses the oldest messages, not control", "[gossipsub]") {
  MemoryWorld world(10ms);
  world.window = 5000;
  Gossiper a(world, 1);
  RawPeer raw(world, 2);
  a.subscribe("t");
  raw.open_to(a);
  raw.write(make_subscription(true, as_bytes("t")));
  world.run_for(2s);
  const std::size_t before = raw.got.size();
  raw.reading = false;
  for (int i = 0; i < 400; ++i) REQUIRE(a.publish("t", std::string(990, 'x') + std::to_string(1000 + i)));
  // Window 5000: some messages pass, 256 wait, the rest is dropped.
  const std::uint64_t dropped = a.gossip.traffic().messages_dropped;
  CHECK(dropped >= 130);
  CHECK(dropped < 144);
  CHECK(a.gossip.backlog() == 256);
  world.turn([&] { a.gossip.unsubscribe("t"); });
  raw.reading = true;
  world.turn([&] { raw.on_readable(); });
  world.run_for(5s);
  CHECK(a.gossip.traffic().messages_dropped == dropped);
  CHECK(a.gossip.backlog() == 0);
  std::vector<std::string> numbers;
  std::size_t prunes = 0;
  for (std::size_t i = before; i < raw.got.size(); ++i) {
    for (const RpcPart& part : raw.got[i]) {
      if (part.kind == PartKind::prune) ++prunes;
      if (part.kind == PartKind::message)
        numbers.push_back(std::string(as_text(decode_message(part)->data)).substr(990));
    }
  }
  CHECK(prunes == 1);
  CHECK(numbers.size() == 400 - dropped);
  CHECK(numbers.back() == "1399");
  CHECK(std::is_sorted(numbers.begin(), numbers.end()));
}

TEST_CASE("gossipsub driver: peers go and come back", "[gossipsub]") {
  MemoryWorld world(10ms);
  GossipSubParams params = unsigned_params();
  Gossiper a(world, 1, params), b(world, 2, params);
  a.subscribe("t");
  b.subscribe("t");
  a.meet(b);
  world.run_for(3s);
  CHECK(a.gossip.mesh_peers("t").size() == 1);
  world.turn([&] { a.host.swarm.disconnect(b.host.id()); });
  world.run_for(1s);
  CHECK(a.gossip.peers().empty());
  CHECK(b.gossip.peers().empty());
  CHECK(a.gossip.mesh_peers("t").empty());
  a.meet(b);
  world.run_for(3s);
  CHECK(a.gossip.mesh_peers("t").size() == 1);
  REQUIRE(a.publish("t", "again"));
  world.run_for(1s);
  CHECK(b.inbox.payloads == std::vector<std::string>{"again"});
}

TEST_CASE("gossipsub driver: a stream that fails is opened again", "[gossipsub]") {
  MemoryWorld world(10ms);
  Gossiper a(world, 1);
  RawPeer raw(world, 2);
  a.subscribe("t");
  a.host.swarm.set_peer_protocols(raw.host.id(), {"/meshsub/1.1.0"});
  a.host.dial(raw.host);
  world.run_for(1s);
  CHECK(raw.got.size() == 1);
  world.turn([&] { raw.inbound->reset(); });
  world.run_for(20ms);
  CHECK(a.gossip.peers().empty());
  world.run_for(2s);
  CHECK(a.gossip.peers().size() == 1);
  CHECK(raw.got.size() == 2);  // greeted again
}

TEST_CASE("gossipsub driver: a handler may publish, subscribe and leave", "[gossipsub]") {
  struct Echo final : GossipSubHandler {
    explicit Echo(GossipSub& to) : gossip(to) {}
    void on_message(const GossipSubDelivery& delivery) override {
      ++calls;
      CHECK(gossip.publish("answers", delivery.message.data));
      gossip.unsubscribe(delivery.topic);
    }
    GossipSub& gossip;
    int calls = 0;
  };
  MemoryWorld world(10ms);
  Gossiper a(world, 1), b(world, 2);
  a.subscribe("answers");
  Echo echo(b.gossip);
  world.turn([&] { CHECK(b.gossip.subscribe("questions", echo)); });
  a.meet(b);
  world.run_for(2s);
  world.turn([&] {  // flood to b without being in the topic
    CHECK(a.gossip.publish("questions", as_bytes("1")));
    CHECK(a.gossip.publish("questions", as_bytes("2")));
  });
  world.run_for(2s);
  CHECK(echo.calls == 1);
  CHECK(a.inbox.payloads == std::vector<std::string>{"1"});
  CHECK_FALSE(b.gossip.subscribed("questions"));
}

TEST_CASE("gossipsub driver: offered peers are connected to if their records are theirs", "[gossipsub]") {
  MemoryWorld world(10ms);
  Gossiper a(world, 1), good(world, 3), bad(world, 4);
  RawPeer raw(world, 2);
  a.subscribe("t");
  raw.open_to(a);
  const PeerInfo offered[] = {
      {good.host.id(), seal_peer_record(good.key, 1, {&good.host.address, 1})},
      {bad.host.id(), seal_peer_record(good.key, 1, {&bad.host.address, 1})},  // signed by another
  };
  raw.write(make_prune(as_bytes("t"), 60, offered));
  world.run_for(1s);
  CHECK(a.host.swarm.connected(good.host.id()));
  CHECK_FALSE(a.host.swarm.connected(bad.host.id()));
  CHECK(a.gossip.counters().px_connects == 2);
  CHECK_FALSE(a.host.swarm.peers().signed_record(good.host.id()).empty());
}

TEST_CASE("gossipsub driver: explicit peers are dialed and dialed again", "[gossipsub]") {
  MemoryWorld world(10ms);
  GossipSubParams params = unsigned_params();
  params.direct_connect_ticks = 5;
  Gossiper a(world, 1, params), b(world, 2, params);
  world.turn([&] { a.gossip.add_direct_peer(b.host.id(), {&b.host.address, 1}); });
  b.gossip.add_direct_peer(a.host.id());
  a.subscribe("t");
  b.subscribe("t");
  world.run_for(1s);
  CHECK(a.host.swarm.connected(b.host.id()));
  a.host.swarm.set_peer_protocols(b.host.id(), {"/meshsub/1.1.0"});
  world.run_for(2s);
  CHECK(a.gossip.mesh_peers("t").empty());
  REQUIRE(a.publish("t", "direct"));
  world.run_for(1s);
  CHECK(b.inbox.payloads == std::vector<std::string>{"direct"});
  world.turn([&] { b.host.swarm.disconnect(a.host.id()); });
  world.run_for(6s);
  CHECK(a.host.swarm.connected(b.host.id()));
}

TEST_CASE("gossipsub driver: thirty hosts, everything everywhere, the same twice", "[gossipsub]") {
  const auto run = [] {
    MemoryWorld world(20ms);
    std::vector<std::unique_ptr<Gossiper>> all;
    for (std::uint32_t i = 0; i < 30; ++i) all.push_back(std::make_unique<Gossiper>(world, i + 1));
    Rng rng(9);
    for (auto& g : all) {
      g->subscribe("t");
      for (int k = 0; k < 6; ++k) {
        Gossiper& other = *all[rng.below(all.size())];
        if (&other != g.get()) g->meet(other);
      }
    }
    world.run_for(5s);
    for (std::size_t i = 0; i < 10; ++i) {
      REQUIRE(all[i * 3]->publish("t", "message " + std::to_string(i)));
      world.run_for(500ms);
    }
    world.run_for(5s);
    std::uint64_t fingerprint = 0;
    std::uint64_t sent = 0, received = 0, bytes_sent = 0, bytes_received = 0, delivered = 0;
    for (auto& g : all) {
      sent += g->gossip.counters().messages_sent;
      received += g->gossip.counters().messages_received;
      delivered += g->inbox.payloads.size();
      bytes_sent += g->gossip.traffic().bytes_sent;
      bytes_received += g->gossip.traffic().bytes_received;
      CHECK(g->gossip.memory() < 16 * 1024);
      for (const auto& e : g->host.trace().events) {
        fingerprint =
            mix64(fingerprint ^ e.peer ^ mix64(e.subject) ^ e.value ^ static_cast<std::uint64_t>(e.kind));
      }
    }
    CHECK(delivered == 10 * 29);
    CHECK(sent == received);
    CHECK(bytes_sent == bytes_received);
    return fingerprint;
  };
  CHECK(run() == run());
}

TEST_CASE("gossipsub driver: a validator that takes its time", "[gossipsub]") {
  struct Slow final : DeferredValidator {
    void begin(const Message&, const PeerId&, ValidationHandle handle) override {
      handles.push_back(handle);
      if (at_once) handle.answer(Validation::accept);
    }
    bool at_once = false;
    std::vector<ValidationHandle> handles;
  } slow;
  MemoryWorld world(10ms);
  Gossiper a(world, 1);
  auto b = std::make_unique<Gossiper>(world, 2);
  a.subscribe("t");
  b->subscribe("t");
  b->gossip.set_deferred_validator("t", &slow);
  a.meet(*b);
  world.run_for(3s);
  const auto published = [&](const char* data) {
    CHECK(a.publish("t", data));
    world.run_for(1s);
    return b->inbox.payloads;
  };
  CHECK(published("one").empty());
  REQUIRE(slow.handles.size() == 1);
  world.turn([&] {
    slow.handles[0].answer(Validation::accept);
    slow.handles[0].answer(Validation::reject);  // too late
  });
  CHECK(b->inbox.payloads == std::vector<std::string>{"one"});
  slow.at_once = true;
  CHECK(published("two") == std::vector<std::string>{"one", "two"});
  slow.at_once = false;
  CHECK(published("three").size() == 2);
  world.turn([&] { b.reset(); });
  slow.handles.back().answer(Validation::accept);  // nobody is there any more
  world.run_for(1s);
}

TEST_CASE("gossipsub driver: validators whose word takes work wait for a processor", "[gossipsub]") {
  struct Working final : DeferredValidator {
    void begin(const Message& message, const PeerId&, ValidationHandle handle) override {
      const auto work = std::stoi(std::string(as_text(message.data)));
      handle.answer_after(Duration(work * 1ms), work == 7 ? Validation::reject : Validation::accept);
    }
  } working;
  // What is there so long after messages of 100, 300, 7, 90 and 0 ms of work came, and 5 ms more.
  const auto there_after = [&](std::uint16_t workers, std::vector<Duration> looks) {
    MemoryWorld world(10ms);
    GossipSubParams params = unsigned_params();
    params.validation_workers = workers;
    Gossiper a(world, 1), b(world, 2, params);
    a.subscribe("t");
    b.subscribe("t");
    b.gossip.set_deferred_validator("t", &working);
    a.meet(b);
    world.run_for(3s);
    for (const char* work : {"100", "300", "7", "90", "0"}) CHECK(a.publish("t", work));
    world.run_for(15ms);
    std::vector<std::vector<std::string>> seen;
    Duration at{};
    for (const Duration look : looks) {
      world.run_for(look - std::exchange(at, look));
      seen.push_back(b.inbox.payloads);
    }
    CHECK(b.gossip.counters().rejected == 1);
    return seen;
  };
  using Seen = std::vector<std::vector<std::string>>;
  CHECK(there_after(1, {90ms, 110ms, 390ms, 480ms, 520ms}) ==
        Seen{{}, {"100"}, {"100"}, {"100", "300"}, {"100", "300", "90", "0"}});
  CHECK(there_after(2, {110ms, 210ms, 310ms}) ==
        Seen{{"100"}, {"100", "90", "0"}, {"100", "90", "0", "300"}});
  CHECK(there_after(9, {10ms, 92ms, 110ms}) == Seen{{"0"}, {"0", "90"}, {"0", "90", "100"}});
}

}  // namespace mesocosm
