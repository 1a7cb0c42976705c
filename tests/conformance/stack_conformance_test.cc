// The stack is the same on every backend: two nodes with fixed keys run one script of application traffic
// over TCP, bare or inside a WebSocket, Noise or TLS, and Yamux, and each backend must carry exactly the same
// bytes, in the same order, by the same protocols.
#include <array>
#include <map>
#include <memory>
#include <string>

#include <catch2/catch.hpp>

#include "stack/base/hash.h"
#include "stack/node/node.h"
#include "stack/transport/tcp_transport.h"
#include "tests/conformance/env_conformance.h"

using namespace mesocosm;
using namespace mesocosm::conformance;

namespace {

constexpr ProtocolId kEcho = "/test/echo/1";
constexpr std::uint64_t kUpload = 1'000'000, kDownload = 600'000;

// One node on a host of the backend.
struct Party {
  Party(ConformanceBackend& backend, bool websocket, std::uint8_t host, const TcpOptions& options)
      : rng(host),
        entropy(rng.fork("entropy")),
        env{backend.clock(), backend.network(host), rng, entropy, trace} {
    std::array<std::uint8_t, 32> seed{};
    seed[0] = host;
    NodeConfig config;
    config.key = KeyPair::from_seed(seed);
    config.perf = true;
    const Endpoint any_port{backend.address(host), 0};
    config.listen = {websocket ? Multiaddr::websocket(any_port) : Multiaddr::tcp(any_port)};
    const TransportFactory tcp = [&options](const TransportHost& host) {
      return std::make_unique<TcpTransport>(host.env, host.key, host.protocols, options, &host.traffic);
    };
    auto made = Node::make(env, std::move(config), {&tcp, 1});
    REQUIRE(made);
    node = std::move(*made);
  }

  Rng rng;
  SeededEntropy entropy;
  NoTrace trace;
  Env env;
  std::unique_ptr<Node> node;
};

// Sends messages of seeded sizes and contents within the back-pressure, and hashes what comes back.
struct Talker final : Stream::Events {
  static constexpr int kMessages = 200;

  void pump() {
    while (sent < kMessages && stream->writable() > 0) {
      const std::size_t size = rng.below(sent % 10 == 9 ? 100'000 : 1'000) + 1;
      stream->write(Bytes::build(size, [this](MutableByteView out) {
        for (std::uint8_t& byte : out) byte = static_cast<std::uint8_t>(rng.next());
      }));
      if (++sent == kMessages) stream->finish();
    }
  }
  void on_writable() override { pump(); }
  void on_readable() override {
    for (Bytes part = stream->read(SIZE_MAX); !part.empty(); part = stream->read(SIZE_MAX)) {
      for (const std::uint8_t byte : part) hash = (hash ^ byte) * 0x100000001b3ULL;
      received += part.size();
    }
  }
  void on_closed(Error error) override {
    closed = true;
    CHECK(error.message() == Error{}.message());
  }

  Rng rng{42};
  std::unique_ptr<Stream> stream;
  int sent = 0;
  std::uint64_t received = 0;
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  bool closed = false;
};

struct Echo final : ProtocolHandler, Stream::Events {
  void on_stream(std::unique_ptr<Stream> taken) override {
    stream = std::move(taken);
    stream->set_events(*this);
  }
  void pump() {
    while (const std::size_t room = stream->writable()) {
      const Bytes part = stream->read(room);
      if (part.empty()) break;
      stream->write(part);
    }
    if (stream->ended()) stream->finish();
  }
  void on_readable() override { pump(); }
  void on_writable() override { pump(); }
  void on_closed(Error) override { closed = true; }
  std::unique_ptr<Stream> stream;
  bool closed = false;
};

struct Answers final : PingEvents, PerfEvents {
  void on_pong(const PeerId&, Duration) override { ++pongs; }
  void on_ping_failed(const PeerId&, const Error& error) override { FAIL(error.message()); }
  void on_perf_done(const PeerId&, const PerfResult& result) override { perf = result; }
  void on_perf_failed(const PeerId&, const Error& error) override { FAIL(error.message()); }
  int pongs = 0;
  std::optional<PerfResult> perf;
};

// What must be the same everywhere.
struct Outcome {
  std::uint64_t echo_hash = 0;
  std::uint64_t echo_bytes = 0;
  std::map<std::string, std::pair<std::uint64_t, std::uint64_t>> client, server;  // protocol: bytes in, out
  std::vector<std::string> protocols;
  std::string agent;

  bool operator==(const Outcome&) const = default;
};

std::map<std::string, std::pair<std::uint64_t, std::uint64_t>> table(const Node& node) {
  std::map<std::string, std::pair<std::uint64_t, std::uint64_t>> bytes;
  for (const auto& entry : node.traffic().entries()) bytes[entry->protocol] = {entry->in, entry->out};
  // Holds addresses and a time: as long as the backend's addresses are.
  bytes.erase(std::string(kIdentifyProtocol));
  return bytes;
}

struct Variant {
  SecurityProtocol security;
  bool early_muxer;
  std::string_view name;
};
constexpr Variant kVariants[] = {{SecurityProtocol::noise, true, "/noise"},
                                 {SecurityProtocol::noise, false, "/noise"},
                                 {SecurityProtocol::tls, true, "/tls/1.0.0"},
                                 {SecurityProtocol::tls, false, "/tls/1.0.0"}};

TcpOptions options_of(const Variant& variant) {
  TcpOptions options;
  options.upgrade.securities = {variant.security};
  options.upgrade.early_muxer = variant.early_muxer;
  return options;
}

Outcome run(ConformanceBackend& backend, bool websocket, const Variant& variant) {
  const TcpOptions options = options_of(variant);
  Party client(backend, websocket, 0, options), server(backend, websocket, 1, options);
  Echo echo;
  server.node->swarm().handle(kEcho, echo);
  const PeerId whom = server.node->peer_id();
  const auto addresses = server.node->swarm().listen_addresses();
  const auto wait = [&](const char* what, const std::function<bool()>& done) {
    INFO(what);
    REQUIRE(backend.run_until(done, 60s));
  };

  client.node->swarm().dial(whom, addresses);
  wait("identified each other", [&] {
    return client.node->swarm().peers().speaks(whom, kEcho) &&
           server.node->swarm().peers().speaks(client.node->peer_id(), kPingProtocol);
  });
  CHECK(client.node->swarm().peers().addresses(whom) == addresses);
  CHECK(!client.node->swarm().peers().signed_record(whom).empty());
  CHECK(client.node->swarm().connection(whom)->info().security == variant.name);
  CHECK(client.node->swarm().connection(whom)->info().remote.contains(AddressCode::ws) == websocket);

  Answers answers;
  client.node->ping()->ping(whom, answers);
  wait("ping", [&] { return answers.pongs == 1; });
  client.node->perf()->run(whom, kUpload, kDownload, answers);
  wait("perf", [&] { return answers.perf.has_value(); });
  CHECK(answers.perf->downloaded == kDownload);

  Talker talker;
  talker.stream = client.node->swarm().open(whom, {&kEcho, 1}, talker);
  talker.pump();
  wait("echo", [&] { return talker.closed && echo.closed; });
  CHECK(client.node->swarm().connection_count() == 1);

  Outcome outcome{talker.hash,
                  talker.received,
                  table(*client.node),
                  table(*server.node),
                  client.node->swarm().peers().protocols(whom),
                  {}};
  talker.stream.reset();
  echo.stream.reset();
  return outcome;
}

// The backend's clock, but people's time is two days behind.
class SlowCalendar final : public Clock {
 public:
  explicit SlowCalendar(Clock& clock) : clock_(clock) {}
  Time now() const override { return clock_.now(); }
  std::int64_t unix_nanoseconds() const override {
    return clock_.unix_nanoseconds() - std::chrono::nanoseconds(48h).count();
  }
  void arm(Timer& timer, Time at) override { clock_.arm(timer, at); }
  void disarm(Timer& timer) noexcept override { clock_.disarm(timer); }
  void defer(Task& task) override { clock_.defer(task); }

 private:
  Clock& clock_;
};

// A host with a TCP transport and nothing above it. On every connection it opens a stream and writes.
struct BareHost final : Dial::Events, Listening::Events, Connection::Events, Stream::Events, ProtocolTable {
  BareHost(ConformanceBackend& backend, Clock& clock, std::uint8_t number)
      : rng(number),
        entropy(rng.fork("entropy")),
        env{clock, backend.network(number), rng, entropy, trace},
        transport(env, KeyPair::from_seed(std::array<std::uint8_t, 32>{number}), *this,
                  options_of({SecurityProtocol::tls, true, {}})) {}

  ProtocolId find(std::string_view) const override { return kEcho; }
  void on_connected(std::unique_ptr<Connection> made) override {
    connection = std::move(made);
    connection->set_events(*this);
    stream = connection->open({&kEcho, 1}, true, *this);
    stream->write(Bytes::copy(std::string(1000, 'x')));
  }
  void on_failed(Error error) override { errors.push_back(error.message()); }
  void on_connection(std::unique_ptr<Connection>) override { ++accepted; }
  void on_refused(const Multiaddr&, const Error& error) override { errors.push_back(error.message()); }
  void on_stream(std::unique_ptr<Stream>) override {}
  void on_readable() override {}
  void on_writable() override {}
  void on_closed(Error error) override {
    errors.push_back(error.message());
  }  // the stream's, then the connection's

  Rng rng;
  SeededEntropy entropy;
  NoTrace trace;
  Env env;
  TcpTransport transport;
  std::unique_ptr<Listening> listening;
  std::unique_ptr<Dial> dial;
  std::unique_ptr<Connection> connection;
  std::unique_ptr<Stream> stream;
  std::vector<std::string> errors;
  int accepted = 0;
};

}  // namespace

// The dialer of TLS is done before the listener has looked at its certificate; what it wrote meanwhile must not
// hide the listener's reason from it.
TEST_CASE("whom the listener refuses at the end of TLS learns why", "[stack]") {
  for (const BackendEntry& entry : backends()) {
    if (!entry.make) continue;
    const auto backend = entry.make();
    if (backend == nullptr) continue;
    INFO(entry.name);
    SlowCalendar calendar(backend->clock());
    BareHost server(*backend, calendar, 1);
    server.listening = *server.transport.listen(Multiaddr::tcp({backend->address(1), 0}), server);
    for (int round = 1; round <= 20; ++round) {
      BareHost client(*backend, backend->clock(), 0);
      client.dial = client.transport.dial(server.listening->address(), nullptr, client);
      REQUIRE(backend->run_until(
          [&] {
            return client.errors.size() == 2 && server.errors.size() == static_cast<std::size_t>(round);
          },
          60s));
      CHECK(client.errors[1] == "authentication failed: tls: refused by the peer: bad certificate");
      CHECK(server.errors.back() == "authentication failed: tls: the certificate is not valid yet");
    }
    CHECK(server.accepted == 0);
  }
}

TEST_CASE("the full stack carries the same application bytes on every backend", "[stack]") {
  const bool websocket = GENERATE(false, true);
  std::optional<Outcome> first;
  std::string first_name;
  for (const BackendEntry& entry : backends()) {
    for (const Variant& variant : kVariants) {
      const std::string name =
          entry.name + " " + std::string(variant.name) + (variant.early_muxer ? ", early muxer" : "");
      INFO(name << (websocket ? " with /ws" : "") << ", compared with " << first_name);
      const auto backend = entry.make();
      if (backend == nullptr) continue;                    // not possible on this machine
      if (websocket && !backend->half_closes()) continue;  // a WebSocket already
      const Outcome outcome = run(*backend, websocket, variant);
      CHECK(outcome.echo_bytes == 1'141'883);
      CHECK(outcome.client.at(std::string(kPingProtocol)) == std::pair<std::uint64_t, std::uint64_t>(32, 32));
      CHECK(outcome.client.at(std::string(kPerfProtocol)) ==
            std::pair<std::uint64_t, std::uint64_t>(kDownload, kUpload + 8));
      if (!first) {
        first = outcome;
        first_name = name;
      } else {
        CHECK(outcome == *first);
      }
    }
  }
  REQUIRE(first);
}
