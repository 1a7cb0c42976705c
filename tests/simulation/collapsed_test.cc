// The collapsed transport against the full stack, both over the flow network, and its promises.
//
//   host 0 ──up 100 Mbit/s──▶ 20 ms ──▶ down 100 Mbit/s── host 1          (and back, alike)
#include <array>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "sim/flow/collapsed_transport.h"
#include "stack/transport/tcp_transport.h"
#include "tests/simulation/cut.h"
#include "tests/simulation/uniform_paths.h"
#include "tests/source_path.h"

using namespace mesocosm;
using mesocosm::testing::source_path;

namespace {

enum class Kind { full, collapsed };

struct Table final : ProtocolTable {
  std::vector<std::string_view> names{"/echo", "/sink"};
  ProtocolId find(std::string_view offered) const override {
    for (std::string_view name : names) {
      if (name == offered) return name;
    }
    return {};
  }
};

struct Talker final : Stream::Events {
  explicit Talker(Kernel& kernel) : kernel(kernel) {}
  void on_readable() override {
    while (reading) {
      const Bytes bytes = stream->read(SIZE_MAX);
      if (bytes.empty()) break;
      received += bytes.size();
      last = kernel.now();
      if (echo) stream->write(bytes);
    }
    if (reading && stream->ended() && echo) stream->finish();
    if (when_readable) when_readable();
  }
  void on_writable() override {
    ++writables;
    pump();
  }
  void on_closed(Error why) override {
    closed = why.code;
    if (when_closed) when_closed();
  }
  void pump() {
    while (to_send > 0 && stream->writable() > 0) {
      const std::size_t size = std::min<std::size_t>(to_send, 65'536);
      stream->write(zeros.slice(0, size));
      to_send -= size;
    }
  }
  Kernel& kernel;
  std::unique_ptr<Stream> stream;
  Bytes zeros = Bytes::build(65'536, [](MutableByteView out) { std::fill(out.begin(), out.end(), 0); });
  bool echo = false, reading = true;
  std::size_t to_send = 0, received = 0;
  int writables = 0;
  Time last{};
  std::optional<ErrorCode> closed;
  std::function<void()> when_readable, when_closed;
};

struct Host final : Connection::Events, Listening::Events, Dial::Events {
  Host(FlowNetwork& network, HostIndex host, Kind kind, const UpgradeOptions& options)
      : kernel(network.kernel()),
        entropy(Rng(host)),
        env{kernel, network.attach(host), rng, entropy, trace},
        key([&] {
          std::array<std::uint8_t, 32> seed{};
          seed[0] = static_cast<std::uint8_t>(host + 1);
          return KeyPair::from_seed(seed);
        }()) {
    if (kind == Kind::full) {
      TcpOptions tcp;
      tcp.upgrade = options;
      transport = std::make_unique<TcpTransport>(env, key, table, tcp, &traffic);
    } else {
      transport = std::make_unique<CollapsedTransport>(network, host, env, key.public_key(), table, &traffic,
                                                       options);
    }
    listening = std::move(*transport->listen(Multiaddr::tcp({network.address_v4(host), 4001}), *this));
  }
  void on_connection(std::unique_ptr<Connection> made) override { keep(std::move(made)); }
  void on_connected(std::unique_ptr<Connection> made) override { keep(std::move(made)); }
  void keep(std::unique_ptr<Connection> made) {
    made->set_events(*this);
    opened = kernel.now();
    connection = std::move(made);
  }
  void on_failed(Error error) override { failed = error.code, failure = error.message(); }
  void on_stream(std::unique_ptr<Stream> stream) override {
    inbound.push_back(std::make_unique<Talker>(kernel));
    inbound.back()->stream = std::move(stream);
    inbound.back()->echo = inbound.back()->stream->protocol() == "/echo";
    inbound.back()->stream->set_events(*inbound.back());
  }
  void on_closed(Error error) override { closed = error.code; }

  Talker& open(std::vector<ProtocolId> offers, bool lazy) {
    outbound.push_back(std::make_unique<Talker>(kernel));
    outbound.back()->stream = connection->open(offers, lazy, *outbound.back());
    return *outbound.back();
  }

  Kernel& kernel;
  Rng rng{1};
  SeededEntropy entropy;
  NoTrace trace;
  Env env;
  KeyPair key;
  Table table;
  TrafficCounters traffic;
  std::unique_ptr<Transport> transport;
  std::unique_ptr<Listening> listening;
  std::unique_ptr<Dial> dial;
  std::unique_ptr<Connection> connection;
  Time opened = kNever;
  std::optional<ErrorCode> failed, closed;
  std::string failure;
  std::vector<std::unique_ptr<Talker>> inbound, outbound;
};

struct Two {
  explicit Two(Kind kind, const UpgradeOptions& as = {}, const UpgradeOptions& bs = {})
      : network(kernel, paths, Rng(1)), a(network, 0, kind, as), b(network, 1, kind, bs) {}
  void connect() {
    const PeerId peer = b.key.peer_id();
    a.dial = a.transport->dial(b.listening->address(), &peer, a);
    run(1s);
    REQUIRE(a.connection != nullptr);
    REQUIRE(b.connection != nullptr);
  }
  void run(Duration more) { kernel.run_until(kernel.now() + more); }

  UniformPaths paths;
  Kernel kernel;
  FlowNetwork network;
  Host a, b;
};

UpgradeOptions offering(std::vector<SecurityProtocol> securities, bool early_muxer = true) {
  UpgradeOptions options;
  options.securities = std::move(securities);
  options.early_muxer = early_muxer;
  return options;
}

constexpr SecurityProtocol kNoise = SecurityProtocol::noise, kTls = SecurityProtocol::tls;

bool near(Duration a, Duration b, Duration tolerance) { return a - b <= tolerance && b - a <= tolerance; }

}  // namespace

TEST_CASE("the collapsed handshakes are the full stack's, byte by byte", "[collapsed]") {
  std::ifstream file(source_path("tests/golden/handshake.txt"));
  REQUIRE(file);
  const auto next_line = [&] {
    std::string line;
    std::getline(file, line);
    return line;
  };
  for (const CollapsedSecurity& security : kCollapsedSecurities) {
    for (const bool alone : {true, false}) {
      for (const auto* messages : {&security.early, &security.late}) {
        const std::string title = next_line();
        INFO(title);
        CHECK(title.find(security.protocol == kNoise ? "TCP, Noise" : "TCP, TLS") == 0);
        CHECK((title.find("the first of two") == std::string::npos) == alone);
        CHECK((title.find("by multistream") == std::string::npos) == (messages == &security.early));
        std::vector<unsigned> turns(messages->begin(), messages->end());
        if (turns.back() == 0) turns.pop_back();
        if (alone) {  // the third message goes with the first, the fourth with the second
          turns[0] += turns[2];
          turns[1] += turns[3];
          turns.erase(turns.begin() + 2, turns.begin() + 4);
        }
        for (std::size_t i = 0; i < turns.size(); ++i) {
          std::string who;
          unsigned bytes = 0;
          std::istringstream(next_line()) >> who >> bytes;
          CHECK(who == (i % 2 == 0 ? "dialer" : "listener"));
          // An ECDSA signature in DER is up to two bytes longer or shorter, and a certificate's flight has two.
          const unsigned tolerance = security.protocol == kTls ? 4 : 0;
          CHECK(std::max(bytes, turns[i]) - std::min(bytes, turns[i]) <= tolerance);
        }
        CHECK(next_line().find("  dialer sends") == 0);
        CHECK(next_line().find("  open after") == 0);
      }
    }
  }
}

TEST_CASE("connecting takes the same time and the same bytes as with the full stack", "[collapsed]") {
  struct Case {
    UpgradeOptions a, b;
    std::uint64_t byte_tolerance;  // each side's; of TLS, whose signatures differ in length
  };
  const Case cases[] = {
      {{}, {}, 0},
      {offering({kNoise}), offering({kNoise}), 0},
      {offering({kNoise}, false), offering({kNoise}, false), 0},
      {offering({kNoise, kTls}, false), offering({kNoise, kTls}, false), 0},
      {offering({kTls}), offering({kTls}), 6},
      {offering({kTls}, false), offering({kTls}, false), 6},
      {offering({kNoise, kTls}), offering({kTls}), 6},
      {offering({kTls, kNoise}), offering({kNoise, kTls}), 6},
      {offering({kTls, kNoise}), offering({kNoise}), 0},
  };
  for (const Case& test : cases) {
    Two full(Kind::full, test.a, test.b), collapsed(Kind::collapsed, test.a, test.b);
    full.connect();
    collapsed.connect();
    const ConnectionInfo& info = collapsed.a.connection->info();
    INFO(info.security << (info.early_muxer ? ", early muxer" : ""));
    CHECK(near(full.a.opened - Time{}, collapsed.a.opened - Time{}, 1us));
    CHECK(near(full.b.opened - Time{}, collapsed.b.opened - Time{}, 1us));
    const auto same = [&](std::uint64_t a, std::uint64_t b) {
      CHECK(std::max(a, b) - std::min(a, b) <= test.byte_tolerance);
    };
    same(full.a.traffic.wire.out, collapsed.a.traffic.wire.out);
    same(full.a.traffic.wire.in, collapsed.a.traffic.wire.in);
    for (HostIndex host : {0u, 1u}) {
      same(full.network.traffic(host).sent, collapsed.network.traffic(host).sent);
      same(full.network.traffic(host).received, collapsed.network.traffic(host).received);
    }
    CHECK(info.peer == collapsed.b.key.peer_id());
    CHECK(info.peer_public_key == collapsed.b.key.public_key().serialized());
    CHECK(info.local == full.a.connection->info().local);
    CHECK(info.remote == full.a.connection->info().remote);
    for (const bool dialer : {true, false}) {
      const ConnectionInfo& ours = (dialer ? collapsed.a : collapsed.b).connection->info();
      const ConnectionInfo& theirs = (dialer ? full.a : full.b).connection->info();
      CHECK(ours.security == theirs.security);
      CHECK(ours.muxer == theirs.muxer);
      CHECK(ours.early_muxer == theirs.early_muxer);
    }
    CHECK(collapsed.b.connection->info().peer == collapsed.a.key.peer_id());
    CHECK(collapsed.b.connection->info().remote == full.b.connection->info().remote);
  }
}

TEST_CASE("without a security protocol in common nobody connects", "[collapsed]") {
  for (const Kind kind : {Kind::full, Kind::collapsed}) {
    INFO((kind == Kind::full ? "full" : "collapsed"));
    Two two(kind, offering({kTls}), offering({kNoise}));
    two.a.dial = two.a.transport->dial(two.b.listening->address(), nullptr, two.a);
    two.run(5s);
    CHECK(two.a.failure == "negotiation failed: the peer does not speak /tls/1.0.0");
    CHECK(two.b.connection == nullptr);
    two.a.dial.reset();
    two.run(10s);
    CHECK(two.network.connections() == 0);
  }
}

TEST_CASE("streams take the same time and bytes as with the full stack", "[collapsed]") {
  struct Case {
    std::size_t size;
    bool lazy;
    Duration time_tolerance;
    double byte_tolerance;
  };
  const Case cases[] = {{100, true, 1us, 0},
                        {100, false, 1us, 0},
                        {1'000, true, 1us, 0},
                        {131'072, false, 5ms, 0.002},
                        {5'000'000, false, 60ms, 0.002}};
  const UpgradeOptions options = offering({GENERATE(SecurityProtocol::noise, SecurityProtocol::tls)});
  for (const Case& test : cases) {
    INFO(test.size << " bytes" << (test.lazy ? ", lazily" : ""));
    Duration time[2];
    double sent[2];
    for (const Kind kind : {Kind::full, Kind::collapsed}) {
      Two two(kind, options, options);
      two.connect();
      const Time start = two.kernel.now();
      const std::uint64_t before = two.network.traffic(0).sent;
      Talker& talker = two.a.open({"/sink"}, test.lazy);
      talker.to_send = test.size;
      talker.pump();
      two.run(20s);
      REQUIRE(two.b.inbound.size() == 1);
      REQUIRE(two.b.inbound[0]->received == test.size);
      time[static_cast<int>(kind)] = two.b.inbound[0]->last - start;
      sent[static_cast<int>(kind)] = static_cast<double>(two.network.traffic(0).sent - before);
      CHECK(two.a.traffic.of("/sink").out == test.size);
      CHECK(two.b.traffic.of("/sink").in == test.size);
    }
    CAPTURE(time[0].count(), time[1].count(), sent[0], sent[1]);
    CHECK(near(time[0], time[1], test.time_tolerance));
    CHECK(std::abs(sent[0] - sent[1]) <= test.byte_tolerance * sent[0]);
  }
}

TEST_CASE("a small message over an idle collapsed connection takes two events and is not copied",
          "[collapsed]") {
  Two two(Kind::collapsed);
  two.connect();
  Talker& talker = two.a.open({"/sink"}, true);
  two.run(1s);
  const std::uint64_t before = two.kernel.events();
  two.b.inbound.at(0)->reading = false;
  const Bytes message = Bytes::copy("a message");
  talker.stream->write(message);
  two.run(1s);
  CHECK(two.kernel.events() - before == 2);
  CHECK(two.b.inbound[0]->stream->read(SIZE_MAX).data() == message.data());
}

TEST_CASE("streams agree on the first common protocol, or fail", "[collapsed]") {
  for (const Kind kind : {Kind::full, Kind::collapsed}) {
    Two two(kind);
    two.connect();
    Talker& agreed = two.a.open({"/unknown", "/echo", "/sink"}, false);
    Talker& refused = two.a.open({"/unknown"}, false);
    Talker& rash = two.a.open({"/unknown"}, true);
    CHECK(agreed.stream->protocol().empty());
    agreed.stream->write(Bytes::copy("hello"));
    two.run(1s);
    CHECK(agreed.stream->protocol() == "/echo");
    CHECK(agreed.received == 5);
    CHECK(refused.closed == ErrorCode::negotiation_failed);
    CHECK(rash.closed == ErrorCode::negotiation_failed);
    agreed.stream->finish();
    two.run(1s);
    CHECK(agreed.closed == ErrorCode::none);
    CHECK(two.b.inbound.at(0)->closed == ErrorCode::none);
    CHECK(two.a.connection->stream_count() == 0);
  }
}

TEST_CASE("a reader that stops holds up its own stream only", "[collapsed]") {
  Two two(Kind::collapsed);
  two.connect();
  Talker& stuck = two.a.open({"/sink"}, true);
  two.run(1s);
  two.b.inbound.at(0)->reading = false;
  stuck.to_send = 10'000'000;
  stuck.pump();
  Talker& echo = two.a.open({"/echo"}, true);
  echo.to_send = 1'000'000;
  echo.pump();
  two.run(5s);
  CHECK(echo.received == 1'000'000);
  CHECK(10'000'000 - stuck.to_send <= 256 * 1024 + 65'536);
  CHECK(stuck.stream->writable() == 0);
  two.b.inbound[0]->reading = true;
  two.b.inbound[0]->on_readable();
  two.run(20s);
  CHECK(two.b.inbound[0]->received == 10'000'000);
}

TEST_CASE("wrong peers, nobody, and what is no TCP address", "[collapsed]") {
  Two two(Kind::collapsed);
  const PeerId self = two.a.key.peer_id();
  const auto failure = [&](const Multiaddr& address, const PeerId* peer) {
    two.a.failed.reset();
    two.a.dial = two.a.transport->dial(address, peer, two.a);
    CHECK(!two.a.failed);
    two.run(5s);
    return two.a.failed;
  };
  CHECK(failure(two.b.listening->address(), &self) == ErrorCode::peer_mismatch);
  CHECK(failure(two.b.listening->address().with_peer(self), nullptr) == ErrorCode::peer_mismatch);
  CHECK(failure(Multiaddr::tcp({two.network.address_v4(1), 9}), nullptr) == ErrorCode::refused);
  CHECK(failure(*Multiaddr::parse("/ip4/9.9.9.9/tcp/1"), nullptr) == ErrorCode::unreachable);
  CHECK(failure(*Multiaddr::parse("/ip4/1.0.0.2/udp/4001"), nullptr) == ErrorCode::unsupported);
  CHECK(two.b.transport->listen(two.b.listening->address(), two.b).error().code == ErrorCode::address_in_use);
  two.a.dial.reset();
  two.run(10s);
  CHECK(two.b.connection == nullptr);
  CHECK(two.network.connections() == 0);
}

TEST_CASE("closing costs what it costs the full stack", "[collapsed]") {
  const UpgradeOptions options = offering({GENERATE(SecurityProtocol::noise, SecurityProtocol::tls)});
  std::uint64_t sent[2];
  for (const Kind kind : {Kind::full, Kind::collapsed}) {
    Two two(kind, options, options);
    two.connect();
    const std::uint64_t before = two.a.traffic.wire.out;
    two.a.connection->close();
    two.run(1s);
    CHECK(two.b.closed == ErrorCode::none);
    sent[static_cast<int>(kind)] = two.a.traffic.wire.out - before;
  }
  CHECK(sent[0] == sent[1]);
}

TEST_CASE("a keepalive costs what it costs the full stack, and finds a dead connection in as long",
          "[collapsed]") {
  UpgradeOptions options = offering({GENERATE(SecurityProtocol::noise, SecurityProtocol::tls)});
  options.keepalive = 30s;
  std::uint64_t sent[2];
  for (const Kind kind : {Kind::full, Kind::collapsed}) {
    INFO((kind == Kind::full ? "full" : "collapsed"));
    Two two(kind, options, options);
    two.connect();
    const std::uint64_t before = two.a.traffic.wire.out;
    two.run(99s);
    CHECK(!two.a.closed);
    CHECK(!two.b.closed);
    sent[static_cast<int>(kind)] = two.a.traffic.wire.out - before;
    two.network.faults().add(cut({0}, {1}));
    two.run(49s);  // it is 149 s: the pings of 120 s are not answered by 150 s
    CHECK(!two.a.closed);
    two.run(2s);
    CHECK(two.a.closed == ErrorCode::timeout);
    CHECK(two.b.closed == ErrorCode::timeout);
  }
  CHECK(sent[0] == sent[1]);
}

TEST_CASE("reset, close and destruction reach the peer", "[collapsed]") {
  for (const Kind kind : {Kind::full, Kind::collapsed}) {
    Two two(kind);
    two.connect();
    Talker& reset = two.a.open({"/sink"}, true);
    Talker& closed = two.a.open({"/sink"}, true);
    two.run(1s);
    reset.stream->reset(7);
    two.run(1s);
    CHECK(two.b.inbound.at(0)->closed == ErrorCode::reset);
    CHECK(!reset.closed);
    closed.stream->write(Bytes::copy("before the end"));
    two.a.connection->close();
    two.run(1s);
    CHECK(two.b.inbound.at(1)->received == 14);
    CHECK(closed.closed == ErrorCode::cancelled);
    CHECK(two.b.inbound[1]->closed == ErrorCode::reset);
    CHECK(two.a.closed == ErrorCode::none);
    CHECK(two.b.closed == ErrorCode::none);
    two.a.connection.reset();
    two.b.connection.reset();

    two.a.closed.reset();
    two.b.closed.reset();
    two.connect();
    Talker& left = two.a.open({"/sink"}, true);
    two.run(1s);
    two.a.connection.reset();
    left.stream->write(Bytes::copy("into the void"));
    two.run(1s);
    CHECK(two.b.closed == ErrorCode::reset);
    CHECK(two.b.inbound.back()->closed == ErrorCode::reset);
    CHECK(!left.closed);
    CHECK(left.stream->writable() == 0);
  }
}

TEST_CASE("anything may be destroyed in any callback of a collapsed connection", "[collapsed]") {
  for (int what = 0; what < 6; ++what) {
    Two two(Kind::collapsed);
    two.connect();
    Talker& first = two.a.open({"/echo"}, true);
    Talker& second = two.a.open({"/echo"}, true);
    first.stream->write(Bytes::copy("x"));
    second.stream->write(Bytes::copy("y"));
    const auto strike = [&, what] {
      if (what % 3 == 0) first.stream.reset();
      if (what % 3 == 1) second.stream.reset();
      if (what % 3 == 2) two.a.connection.reset();
    };
    (what < 3 ? first.when_readable : first.when_closed) = strike;
    two.kernel.run_until(two.kernel.now() + 30ms);
    if (what >= 3) first.stream->finish();
    two.run(10s);
    two.a.connection.reset();
    two.b.connection.reset();
    two.run(10s);
    CHECK(two.network.connections() == 0);
  }
}

TEST_CASE("a cut during the handshake ends it on both sides", "[collapsed]") {
  Two two(Kind::collapsed);
  const PeerId peer = two.b.key.peer_id();
  two.a.dial = two.a.transport->dial(two.b.listening->address(), &peer, two.a);
  two.run(70ms);  // TCP is connected, the first message has arrived
  two.network.faults().add(cut({0}, {1}));
  two.run(11s);
  CHECK(two.a.failed == ErrorCode::timeout);
  two.run(200s);
  CHECK(two.network.connections() == 0);
}
