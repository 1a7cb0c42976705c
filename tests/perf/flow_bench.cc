// The flow network alone: small messages a second between N hosts of degree 8 over collapsed connections and
// over plain byte streams, kernel events a message, and bytes a connection end.
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <deque>
#include <memory>
#include <vector>

#include <malloc.h>

#include "sim/flow/collapsed_transport.h"
#include "tests/simulation/uniform_paths.h"

using namespace mesocosm;

namespace {

constexpr ProtocolId kProtocol = "/bench";
constexpr std::size_t kDegree = 8;

struct OnlyBench final : ProtocolTable {
  ProtocolId find(std::string_view offered) const override {
    return offered == kProtocol ? kProtocol : ProtocolId{};
  }
};

std::size_t heap() { return mallinfo2().uordblks; }

struct Peer;

struct Reader final : Stream::Events {  // of one stream
  Reader(Peer& peer, std::unique_ptr<Stream> stream) : peer(peer), stream(std::move(stream)) {}
  void on_readable() override;
  void on_writable() override {}
  void on_closed(Error) override {}
  Peer& peer;
  std::unique_ptr<Stream> stream;
};

// Every message that arrives is passed on to the next host, for ever.
struct Peer final : Connection::Events, Listening::Events, Dial::Events, Stream::Events {
  Peer(FlowNetwork& network, HostIndex host)
      : network(network),
        entropy(Rng(host)),
        env{network.kernel(), network.attach(host), rng, entropy, trace} {}
  void start(const PublicKey& key, const ProtocolTable& table) {
    transport = std::make_unique<CollapsedTransport>(network, number(), env, key, table);
    listening = std::move(*transport->listen(Multiaddr::tcp({network.address_v4(number()), 4001}), *this));
  }
  HostIndex number() const { return network.host_of(env.network.local_addresses().front()); }
  void on_connection(std::unique_ptr<Connection> made) override { keep(std::move(made)); }
  void on_connected(std::unique_ptr<Connection> made) override {
    Connection& connection = keep(std::move(made));
    out.push_back(connection.open({&kProtocol, 1}, true, *this));
  }
  Connection& keep(std::unique_ptr<Connection> made) {
    made->set_events(*this);
    connections.push_back(std::move(made));
    return *connections.back();
  }
  void on_failed(Error error) override { std::printf("failed: %s\n", error.message().c_str()); }
  void on_stream(std::unique_ptr<Stream> stream) override {
    in.push_back(std::make_unique<Reader>(*this, std::move(stream)));
    in.back()->stream->set_events(*in.back());
  }
  void on_closed(Error) override {}
  void on_writable() override {}
  void on_readable() override {}
  FlowNetwork& network;
  Rng rng{1};
  SeededEntropy entropy;
  NoTrace trace;
  Env env;
  std::unique_ptr<CollapsedTransport> transport;
  std::unique_ptr<Listening> listening;
  std::vector<std::unique_ptr<Dial>> dials;
  std::vector<std::unique_ptr<Connection>> connections;
  std::vector<std::unique_ptr<Reader>> in;
  std::vector<std::unique_ptr<Stream>> out;
  std::uint64_t received = 0;
  std::size_t turn = 0;
};

void Reader::on_readable() {
  while (true) {
    Bytes bytes = stream->read(SIZE_MAX);
    if (bytes.empty()) return;
    ++peer.received;
    peer.out[peer.turn++ % peer.out.size()]->write(std::move(bytes));
  }
}

void run(HostIndex hosts) {
  UniformPaths paths;
  paths.count = hosts;
  paths.one_way = 50ms;
  paths.spread = 20ms;
  Kernel kernel;
  FlowNetwork network(kernel, paths, Rng(1));
  OnlyBench table;
  std::array<std::uint8_t, 32> seed{1};
  const PublicKey key = KeyPair::from_seed(seed).public_key();
  std::deque<Peer> peers;
  for (HostIndex i = 0; i < hosts; ++i) peers.emplace_back(network, i).start(key, table);
  const std::size_t before = heap();
  Rng rng(7);
  for (HostIndex i = 0; i < hosts; ++i) {
    for (std::size_t j = 0; j < kDegree; ++j) {
      const auto to = static_cast<HostIndex>((i + 1 + rng.below(hosts - 1)) % hosts);
      peers[i].dials.push_back(
          peers[i].transport->dial(Multiaddr::tcp({network.address_v4(to), 4001}), nullptr, peers[i]));
    }
  }
  kernel.run_until(Time(5s));
  for (Peer& peer : peers) peer.dials.clear();
  malloc_trim(0);
  const double each = static_cast<double>(heap() - before) / (2.0 * kDegree * hosts);

  const Bytes message = Bytes::build(1000, [](MutableByteView out) { std::fill(out.begin(), out.end(), 1); });
  for (Peer& peer : peers) {
    for (int i = 0; i < 4; ++i) peer.out[static_cast<std::size_t>(i)]->write(message);
  }
  kernel.run_until(Time(6s));
  const auto received = [&] {
    std::uint64_t sum = 0;
    for (const Peer& peer : peers) sum += peer.received;
    return sum;
  };
  const std::uint64_t messages = received(), events = kernel.events();
  const std::clock_t start = std::clock();  // CPU time
  const double wanted = 2e6;                // messages
  kernel.run_until(Time(6s) + from_seconds(wanted / (4.0 * hosts / 0.06)));
  const double taken = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  const auto done = static_cast<double>(received() - messages);
  std::printf("%-8u %14.0f %12.0f %16.2f %18.0f\n", hosts, done / taken, 1e9 * taken / done,
              static_cast<double>(kernel.events() - events) / done, each);
}

}  // namespace

int main(int argc, char** argv) {
  std::printf("%-8s %14s %12s %16s %18s\n", "hosts", "messages/s", "ns/message", "events/message",
              "B/connection end");
  if (argc > 1) {
    run(static_cast<HostIndex>(std::atoi(argv[1])));
    return 0;
  }
  for (const HostIndex hosts : {100u, 1'000u, 10'000u}) run(hosts);
}
