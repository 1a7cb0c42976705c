// Ping and perf: their cores, and pairs over the memory transport.
#include <catch2/catch.hpp>

#include "stack/protocols/perf/perf.h"
#include "stack/protocols/ping/ping.h"
#include "tests/unit/memory_transport.h"
#include "tests/unit/observed.h"

using namespace mesocosm;
using namespace mesocosm::testing;

namespace {

struct Results final : PingEvents, PerfEvents {
  void on_pong(const PeerId&, Duration round_trip) override { pongs.push_back(round_trip); }
  void on_ping_failed(const PeerId&, const Error& error) override { errors.push_back(error.code); }
  void on_perf_done(const PeerId&, const PerfResult& result) override { perf.push_back(result); }
  void on_perf_failed(const PeerId&, const Error& error) override { errors.push_back(error.code); }
  std::vector<Duration> pongs;
  std::vector<PerfResult> perf;
  std::vector<ErrorCode> errors;
};

struct Pair {
  explicit Pair(Duration latency = 10ms) : world(latency), a(world, 1), b(world, 2) {
    a.dial(b);
    world.run_for(1s);
  }
  MemoryWorld world;
  MemoryHost a, b;
  Results results;
};

// A peer that answers with what the test says.
struct Liar final : ProtocolHandler, Stream::Events {
  void on_stream(std::unique_ptr<Stream> taken) override {
    stream = std::move(taken);
    stream->set_events(*this);
  }
  void on_readable() override {
    while (!stream->read(1000).empty()) {
    }
    if (!answer.empty()) stream->write(Bytes::copy(answer));
    if (finish) stream->finish();
  }
  void on_writable() override {}
  void on_closed(Error) override { stream.reset(); }
  std::unique_ptr<Stream> stream;
  std::string answer;
  bool finish = false;
};

}  // namespace

TEST_CASE("the ping core takes an echo in pieces, and nothing else", "[ping]") {
  PingPayload payload;
  payload.fill(7);
  PingCore core;
  const Time start{5s};
  const Bytes sent = core.send(payload, start);
  CHECK(sent.size() == 32);
  CHECK(core.on_bytes(sent.slice(0, 31), start + 1ms).value() == std::nullopt);
  CHECK(core.on_bytes(sent.slice(31), start + 2ms).value() == Duration{2ms});
  CHECK(core.on_bytes({}, start).value() == std::nullopt);
  SECTION("again") {
    core.send(payload, start);
    CHECK(core.on_bytes(sent, start + 3ms).value() == Duration{3ms});
  }
  SECTION("unasked") { CHECK(core.on_bytes(sent, start).error().code == ErrorCode::protocol_violation); }
  SECTION("too much") {
    core.send(payload, start);
    CHECK(!core.on_bytes(Bytes::copy(std::string(33, char{7})), start));
    CHECK(!core.on_bytes(sent, start));
  }
  SECTION("a wrong byte") {
    core.send(payload, start);
    CHECK(core.on_bytes(sent.slice(0, 4), start));
    CHECK(!core.on_bytes(Bytes::copy("x"), start));
  }
}

TEST_CASE("a ping measures exactly one round trip", "[ping]") {
  Pair pair;
  Ping ping_a(pair.a.env, pair.a.swarm), ping_b(pair.b.env, pair.b.swarm);
  const bool lazy = GENERATE(false, true);
  if (lazy) pair.a.swarm.set_peer_protocols(pair.b.id(), {std::string(kPingProtocol)});
  pair.world.turn([&] { ping_a.ping(pair.b.id(), pair.results); });
  pair.world.run_for(lazy ? 20ms : 40ms);  // the negotiation comes first
  CHECK(pair.results.pongs == std::vector<Duration>{20ms});
  REQUIRE(pair.a.trace().count(TraceKind::ping) == 1);
  CHECK(pair.a.trace().events.back().value == 20'000'000);
  CHECK(pair.a.trace().events.back().peer == pair.b.id().hash());
  CHECK(observed(pair.a.metrics(), "libp2p_ping_rtt_seconds_sum") == std::vector<std::string>{"0.02"});
  pair.world.run_for(1s);
  CHECK(pair.a.swarm.connection(pair.b.id())->stream_count() == 0);
  CHECK(pair.b.swarm.connection(pair.a.id())->stream_count() == 0);
  CHECK(pair.world.clock.pending() == 0);
}

TEST_CASE("pings fail by name", "[ping]") {
  Pair pair;
  Ping ping(pair.a.env, pair.a.swarm);
  Liar liar;
  const auto fails_with = [&](const PeerId& peer, Duration within) {
    pair.world.turn([&] { ping.ping(peer, pair.results); });
    CHECK(pair.results.errors.empty());
    pair.world.run_for(within);
    REQUIRE(pair.results.errors.size() == 1);
    return std::exchange(pair.results.errors, {}).front();
  };
  CHECK(fails_with(PeerId::from_public_key(fake_public_key(9)), 0s) == ErrorCode::not_found);
  CHECK(fails_with(pair.b.id(), 20ms) == ErrorCode::negotiation_failed);
  pair.b.swarm.handle(kPingProtocol, liar);
  CHECK(fails_with(pair.b.id(), 10s) == ErrorCode::timeout);
  liar.answer = "liar";
  CHECK(fails_with(pair.b.id(), 40ms) == ErrorCode::protocol_violation);
  liar.answer = "";
  liar.finish = true;
  CHECK(fails_with(pair.b.id(), 40ms) == ErrorCode::reset);
  CHECK(pair.results.pongs.empty());
  CHECK(observed(pair.a.metrics(), "libp2p_ping_rtt_seconds_count") == std::vector<std::string>{"0"});
  CHECK(observed(pair.a.metrics(), "libp2p_ping_failures_total") ==
        std::vector<std::string>{"{error=\"negotiation failed\"} 1", "{error=\"not found\"} 1",
                                 "{error=\"protocol violation\"} 1", "{error=\"reset\"} 1",
                                 "{error=\"timeout\"} 1"});
}

TEST_CASE("an idle ping stream of a peer's is dropped", "[ping]") {
  Pair pair;
  Ping ping(pair.b.env, pair.b.swarm);
  Liar client;
  pair.world.turn([&] { client.stream = pair.a.swarm.open(pair.b.id(), {&kPingProtocol, 1}, client); });
  pair.world.run_for(59s);
  CHECK(pair.b.swarm.connection(pair.a.id())->stream_count() == 1);
  pair.world.run_for(2s);
  CHECK(pair.b.swarm.connection(pair.a.id())->stream_count() == 0);
  CHECK(client.stream == nullptr);
}

TEST_CASE("the perf cores count exactly", "[perf]") {
  PerfClientCore client(100'000, 70'000);
  PerfServerCore server;
  CHECK(!client.sent_all());
  std::uint64_t sent = 0;
  while (!client.sent_all()) {
    const Bytes part = client.next(40'000);
    sent += part.size();
    server.on_bytes(part.slice(0, 3));
    server.on_bytes(part.slice(3));
  }
  CHECK(sent == 100'008);
  CHECK(server.next(100).empty());
  CHECK(!client.on_end());
  REQUIRE(server.on_end());
  CHECK(server.next(1 << 20).size() == 65536);
  CHECK(server.next(1 << 20).size() == 70'000 - 65536);
  CHECK(server.replied());
  CHECK(client.on_bytes(70'000));
  CHECK(client.on_end());
  CHECK(!client.on_bytes(1));
  PerfServerCore cut;
  cut.on_bytes(Bytes::copy("1234567"));
  CHECK(!cut.on_end());
}

TEST_CASE("perf moves what was asked for, within the window", "[perf]") {
  Pair pair;
  pair.world.window = 100'000;
  Perf perf_a(pair.a.env, pair.a.swarm), perf_b(pair.b.env, pair.b.swarm);
  const std::uint64_t up = GENERATE(0, 1, 1'000'000), down = GENERATE(0, 300'000);
  pair.world.turn([&] { perf_a.run(pair.b.id(), up, down, pair.results); });
  pair.world.run_for(60s);
  CHECK(pair.results.errors.empty());
  REQUIRE(pair.results.perf.size() == 1);
  const PerfResult& result = pair.results.perf[0];
  CHECK(result.uploaded == up);
  CHECK(result.downloaded == down);
  // A window a round trip: 1,000,008 bytes are 11 windows, thus 10 round trips of waiting.
  CHECK(result.upload == (up == 1'000'000 ? Duration{200ms} : Duration{0}));
  CHECK(result.download == (down == 0 ? Duration{20ms} : Duration{60ms}));
  CHECK(pair.a.swarm.connection(pair.b.id())->stream_count() == 0);
  CHECK(pair.b.swarm.connection(pair.a.id())->stream_count() == 0);
}

TEST_CASE("perf fails by name", "[perf]") {
  Pair pair;
  Perf perf(pair.a.env, pair.a.swarm);
  Liar liar;
  const auto fails_with = [&](const PeerId& peer) {
    pair.world.turn([&] { perf.run(peer, 0, 10, pair.results); });
    CHECK(pair.results.errors.empty());
    pair.world.run_for(1s);
    REQUIRE(pair.results.errors.size() == 1);
    return std::exchange(pair.results.errors, {}).front();
  };
  CHECK(fails_with(PeerId::from_public_key(fake_public_key(9))) == ErrorCode::not_found);
  CHECK(fails_with(pair.b.id()) == ErrorCode::negotiation_failed);
  pair.b.swarm.handle(kPerfProtocol, liar);
  liar.answer = "more than ten bytes";
  CHECK(fails_with(pair.b.id()) == ErrorCode::protocol_violation);
  liar.answer = "few";
  liar.finish = true;
  CHECK(fails_with(pair.b.id()) == ErrorCode::protocol_violation);
}
