// The stack is the same on every backend: two nodes with fixed keys run one script of application traffic
// over TCP, Noise and Yamux, and each backend must carry exactly the same bytes, in the same order, by the
// same protocols.
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
  Party(ConformanceBackend& backend, std::uint8_t host)
      : rng(host),
        entropy(rng.fork("entropy")),
        env{backend.clock(), backend.network(host), rng, entropy, trace} {
    std::array<std::uint8_t, 32> seed{};
    seed[0] = host;
    NodeConfig config;
    config.key = KeyPair::from_seed(seed);
    config.perf = true;
    config.listen = {Multiaddr::tcp({backend.address(host), 0})};
    const TransportFactory tcp = [](const TransportHost& host) {
      return std::make_unique<TcpTransport>(host.env, host.key, host.protocols, TcpOptions{}, &host.traffic);
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

Outcome run(ConformanceBackend& backend) {
  Party client(backend, 0), server(backend, 1);
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
  CHECK(client.node->swarm().connection(whom)->info().security == "/noise");

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

}  // namespace

TEST_CASE("the full stack carries the same application bytes on every backend", "[stack]") {
  std::optional<Outcome> first;
  std::string first_name;
  for (const BackendEntry& entry : backends()) {
    if (!entry.make) continue;
    INFO(entry.name << ", compared with " << first_name);
    const auto backend = entry.make();
    if (backend == nullptr) continue;  // not possible on this machine
    const Outcome outcome = run(*backend);
    CHECK(outcome.echo_bytes == 1'141'883);
    CHECK(outcome.client.at(std::string(kPingProtocol)) == std::pair<std::uint64_t, std::uint64_t>(32, 32));
    CHECK(outcome.client.at(std::string(kPerfProtocol)) ==
          std::pair<std::uint64_t, std::uint64_t>(kDownload, kUpload + 8));
    if (!first) {
      first = outcome;
      first_name = entry.name;
    } else {
      CHECK(outcome == *first);
    }
  }
  REQUIRE(first);
}
