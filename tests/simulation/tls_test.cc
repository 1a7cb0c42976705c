// TLS in simulation: all its secrets come from the hosts' seeded entropy and all its dates from the simulated
// clock, so that a run repeats byte for byte.
//
//   host 0, tapped ──20 ms── host 1
#include <array>
#include <memory>
#include <vector>

#include <catch2/catch.hpp>

#include "sim/flow/flow_network.h"
#include "sim/run/world.h"
#include "stack/transport/tcp_transport.h"
#include "tests/simulation/uniform_paths.h"
#include "tests/source_path.h"

using namespace mesocosm;
using mesocosm::testing::source_path;

namespace {

constexpr ProtocolId kSink = "/sink";

TcpOptions tls() {
  TcpOptions options;
  options.upgrade.securities = {SecurityProtocol::tls};
  return options;
}

// Everything that passes a stream, both ways.
class TappedStream final : public ByteStream {
 public:
  TappedStream(std::unique_ptr<ByteStream> stream, std::string& log)
      : stream_(std::move(stream)), log_(log) {}
  void set_events(Events& events) override { stream_->set_events(events); }
  Bytes read(std::size_t max) override {
    Bytes bytes = stream_->read(max);
    log_ += bytes.text();
    return bytes;
  }
  void write(Bytes bytes) override {
    log_ += bytes.text();
    stream_->write(std::move(bytes));
  }
  bool ended() const override { return stream_->ended(); }
  std::size_t writable() const override { return stream_->writable(); }
  void finish() override { stream_->finish(); }
  Endpoint local() const override { return stream_->local(); }
  Endpoint remote() const override { return stream_->remote(); }

 private:
  std::unique_ptr<ByteStream> stream_;
  std::string& log_;
};

class TappedNetwork final : public Network {
 public:
  explicit TappedNetwork(Network& network) : network_(network) {}
  std::unique_ptr<ByteStream> connect(const Endpoint& to, ByteStream::Events& events,
                                      const Endpoint& from) override {
    return std::make_unique<TappedStream>(network_.connect(to, events, from), log);
  }
  Result<std::unique_ptr<Listener>> listen(const Endpoint& at, Listener::Events& events) override {
    return network_.listen(at, events);
  }
  Result<std::unique_ptr<Datagrams>> bind(const Endpoint& at, Datagrams::Events& events) override {
    return network_.bind(at, events);
  }
  std::unique_ptr<Resolution> resolve(std::string_view name, RecordType type,
                                      Resolution::Events& events) override {
    return network_.resolve(name, type, events);
  }
  std::vector<IpAddress> local_addresses() const override { return network_.local_addresses(); }

  std::string log;

 private:
  Network& network_;
};

struct Host final : Dial::Events, Listening::Events, Connection::Events, Stream::Events, ProtocolTable {
  Host(Kernel& kernel, Network& network, std::uint64_t seed)
      : rng(seed),
        entropy(rng.fork("entropy")),
        env{kernel, network, rng, entropy, trace},
        transport(env, KeyPair::from_seed(std::array<std::uint8_t, 32>{1}), *this, tls()) {}
  ProtocolId find(std::string_view) const override { return kSink; }
  void on_connected(std::unique_ptr<Connection> made) override {
    connection = std::move(made);
    connection->set_events(*this);
    stream = connection->open({&kSink, 1}, true, *this);
    stream->write(Bytes::copy(std::string(50'000, 'x')));
    stream->finish();
  }
  void on_connection(std::unique_ptr<Connection> made) override {
    connection = std::move(made);
    connection->set_events(*this);
  }
  void on_stream(std::unique_ptr<Stream> made) override {
    stream = std::move(made);
    stream->set_events(*this);
  }
  void on_readable() override {
    for (Bytes part = stream->read(SIZE_MAX); !part.empty(); part = stream->read(SIZE_MAX))
      received += part.size();
  }
  void on_writable() override {}
  void on_failed(Error error) override { FAIL(error.message()); }
  void on_closed(Error) override {}

  Rng rng;
  SeededEntropy entropy;
  NoTrace trace;
  Env env;
  TcpTransport transport;
  std::unique_ptr<Listening> listening;
  std::unique_ptr<Dial> dial;
  std::unique_ptr<Connection> connection;
  std::unique_ptr<Stream> stream;
  std::size_t received = 0;
};

// What passes between two hosts that connect and talk.
std::string conversation(std::uint64_t seed, Duration start = 0s) {
  Kernel kernel;
  UniformPaths paths;
  FlowNetwork network(kernel, paths, Rng(1));
  TappedNetwork tap(network.attach(0));
  Host a(kernel, tap, seed), b(kernel, network.attach(1), seed + 1);
  b.listening = *b.transport.listen(Multiaddr::tcp({network.address_v4(1), 4001}), b);
  kernel.run_until(Time{} + start);
  a.dial = a.transport.dial(b.listening->address(), nullptr, a);
  kernel.run_until(Time{} + start + 10s);
  CHECK(b.received == 50'000);
  REQUIRE(b.connection != nullptr);
  CHECK(b.connection->info().security == "/tls/1.0.0");
  return tap.log;
}

std::uint64_t fingerprint(std::uint64_t seed, StackKind stack, const NodeKind& kind) {
  const auto world = World::flow(seed, stack, MeasuredMix{"ethereum_2025"}, source_path("data"));
  std::vector<NodeIndex> all;
  for (int i = 0; i < 12; ++i) all.push_back(world->add_node(kind));
  world->start("", "{}");
  for (NodeIndex node : all) world->subscribe(node, "blocks");
  world->bootstrap(world->overlay(all, 3), 1s);
  world->call_at(Time(4s), [&] { world->publish_random(all[0], "blocks", 20'000); });
  REQUIRE(world->advance(Time(8s), 3600s));
  std::uint64_t delivered = 0;
  for (NodeIndex node : all) delivered += world->node(node).gossipsub()->counters().delivered;
  CHECK(delivered == all.size() - 1);
  return world->finish("complete", 0);
}

}  // namespace

TEST_CASE("a TLS connection repeats byte for byte from its seed and its time", "[tls]") {
  const std::string first = conversation(1);
  CHECK(first.size() > 51'000);
  CHECK(conversation(1) == first);
  CHECK(conversation(2) != first);
  CHECK(conversation(1, 1s) != first);  // other dates in the certificates
  CHECK(conversation(1) == first);      // whatever was made in this process before
}

TEST_CASE("worlds over TLS have one fingerprint a seed", "[tls][world]") {
  NodeKind kind;
  kind.gossipsub.emplace();
  kind.securities = {SecurityProtocol::tls};
  kind.early_muxer = GENERATE(true, false);
  for (const StackKind stack : {StackKind::full, StackKind::collapsed}) {
    const std::uint64_t first = fingerprint(7, stack, kind);
    CHECK(fingerprint(7, stack, kind) == first);
    CHECK(fingerprint(8, stack, kind) != first);
    NodeKind noise = kind;
    noise.securities = {SecurityProtocol::noise};
    CHECK(fingerprint(7, stack, noise) != first);
  }
}

TEST_CASE("nodes of different securities meet where they have one in common", "[tls][world]") {
  for (const StackKind stack : {StackKind::full, StackKind::collapsed}) {
    const auto world = World::flow(1, stack, UniformLatency{}, source_path("data"));
    NodeKind noise, tls, both;
    noise.securities = {SecurityProtocol::noise};
    tls.securities = {SecurityProtocol::tls};
    both.securities = {SecurityProtocol::noise, SecurityProtocol::tls};
    for (const NodeKind& kind : {noise, tls, both}) world->add_node(kind);
    world->start("", "{}");
    world->bootstrap({{0, 1}, {2, 0}, {2, 1}}, 1s);
    REQUIRE(world->advance(Time(5s), 3600s));
    const auto security = [&](NodeIndex from, NodeIndex to) {
      const Connection* connection = world->node(from).swarm().connection(world->peer_id(to));
      return connection == nullptr ? std::string("none") : std::string(connection->info().security);
    };
    CHECK(security(0, 1) == "none");
    CHECK(security(2, 0) == "/noise");
    CHECK(security(2, 1) == "/tls/1.0.0");
    CHECK(security(1, 2) == "/tls/1.0.0");
    world->finish("complete", 0);
  }
}
