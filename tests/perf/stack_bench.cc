// The real stack on loopback sockets, TCP + Noise + Yamux, against the raw byte streams under it, in the same
// run: bulk bytes (the perf protocol), streams (a ping each) and handshakes.
//
//     stack_bench [seconds a figure]
#include <array>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "stack/asio/asio_env.h"
#include "stack/node/node.h"
#include "stack/transport/tcp_transport.h"

namespace mesocosm {
namespace {

constexpr std::size_t kPiece = 64 * 1024;
const IpAddress kLoopback = IpAddress::v4(0x7f000001);

// ---- Raw byte streams ----

class RawSink final : public Listener::Events, ByteStream::Events {
 public:
  explicit RawSink(AsioLoop& loop) : loop_(loop), network_(loop) {
    listener_ = network_.listen({kLoopback, 0}, *this).value();
  }
  Endpoint endpoint() const { return listener_->local(); }
  std::uint64_t total = 0;

 private:
  void on_accept(std::unique_ptr<ByteStream> stream) override {
    stream_ = std::move(stream);
    stream_->set_events(*this);
  }
  void on_readable() override {
    for (Bytes bytes; !(bytes = stream_->read(SIZE_MAX)).empty();) total += bytes.size();
    if (stream_->ended()) stream_->finish();
  }
  void on_writable() override {}
  void on_closed(Error) override { loop_.stop(); }

  AsioLoop& loop_;
  AsioNetwork network_;
  std::unique_ptr<Listener> listener_;
  std::unique_ptr<ByteStream> stream_;
};

class RawSource final : ByteStream::Events {
 public:
  RawSource(AsioLoop& loop, const Endpoint& to, std::uint64_t size)
      : loop_(loop), network_(loop), stream_(network_.connect(to, *this)), left_(size) {}

 private:
  void on_readable() override {}
  void on_writable() override {
    while (left_ > 0 && stream_->writable() > 0) {
      const Bytes piece = piece_.slice(0, left_);
      left_ -= piece.size();
      stream_->write(piece);
    }
    if (left_ == 0) stream_->finish();
  }
  void on_closed(Error) override { loop_.stop(); }

  AsioLoop& loop_;
  AsioNetwork network_;
  std::unique_ptr<ByteStream> stream_;
  std::uint64_t left_;
  Bytes piece_ = Bytes::copy(ByteView(std::vector<std::uint8_t>(kPiece, 0)));
};

// Seconds for `size` bytes, each end in a thread of its own or both in one.
double raw_bulk(std::uint64_t size, bool two_threads) {
  AsioLoop server_loop;
  RawSink sink(server_loop);
  const Time start = server_loop.now();
  std::thread other;
  std::unique_ptr<RawSource> source;
  if (two_threads) {
    other = std::thread([to = sink.endpoint(), size] {
      AsioLoop loop;
      RawSource client(loop, to, size);
      loop.run();
    });
  } else {
    source = std::make_unique<RawSource>(server_loop, sink.endpoint(), size);
  }
  while (sink.total < size) server_loop.step(server_loop.now() + 1s);
  const double taken = to_seconds(server_loop.now() - start);
  if (other.joinable()) {
    server_loop.run_for(100ms);
    other.join();
  }
  return taken;
}

// ---- The stack ----

struct Host {
  Host(AsioLoop& loop, std::uint8_t index, bool listens)
      : network(loop), rng(index), env{loop, network, rng, entropy, trace} {
    NodeConfig config;
    config.identify.reset();
    config.perf = true;
    if (listens) config.listen = {Multiaddr::tcp({kLoopback, 0})};
    const TransportFactory tcp = [](const TransportHost& of) {
      return std::make_unique<TcpTransport>(of.env, of.key, of.protocols, TcpOptions{}, &of.traffic);
    };
    node = std::move(*Node::make(env, std::move(config), {&tcp, 1}));
  }
  AsioNetwork network;
  Rng rng;
  SystemEntropy entropy;
  NoTrace trace;
  Env env;
  std::unique_ptr<Node> node;
};

struct Target {
  PeerId peer;
  std::vector<Multiaddr> addresses;
};
Target target_of(Host& host) { return {host.node->peer_id(), host.node->swarm().listen_addresses()}; }

void connect(AsioLoop& loop, Host& client, const Target& server) {
  client.node->swarm().dial(server.peer, server.addresses);
  while (!client.node->swarm().connected(server.peer)) loop.step(loop.now() + 1s);
  client.node->swarm().set_peer_protocols(server.peer,
                                          {std::string(kPingProtocol), std::string(kPerfProtocol)});
}

struct PerfWait final : PerfEvents {
  void on_perf_done(const PeerId&, const PerfResult&) override { done = true; }
  void on_perf_failed(const PeerId&, const Error& error) override {
    std::fprintf(stderr, "%s\n", error.message().c_str());
    std::exit(1);
  }
  bool done = false;
};

struct PingLoop final : PingEvents {
  PingLoop(Host& from, PeerId to) : host(from), peer(to) { host.node->ping()->ping(peer, *this); }
  void on_pong(const PeerId&, Duration) override {
    ++count;
    host.node->ping()->ping(peer, *this);
  }
  void on_ping_failed(const PeerId&, const Error& error) override {
    std::fprintf(stderr, "%s\n", error.message().c_str());
    std::exit(1);
  }
  Host& host;
  PeerId peer;
  std::uint64_t count = 0;
};

// Runs `with(loop, client, target)` while the server runs in another thread, or in the same loop.
template <class With>
void with_server(bool two_threads, With&& with) {
  AsioLoop loop;
  if (!two_threads) {
    Host server(loop, 1, true), client(loop, 2, false);
    const Target target = target_of(server);
    connect(loop, client, target);
    with(loop, client, target);
    return;
  }
  AsioLoop server_loop;
  Host server(server_loop, 1, true);
  std::thread other([&] { server_loop.run(); });
  {
    Host client(loop, 2, false);
    const Target target = target_of(server);
    connect(loop, client, target);
    with(loop, client, target);
  }
  server_loop.stop();
  other.join();
}

double stack_bulk(std::uint64_t up, std::uint64_t down, bool two_threads) {
  double taken = 0;
  with_server(two_threads, [&](AsioLoop& loop, Host& client, const Target& server) {
    PerfWait wait;
    const Time start = loop.now();
    client.node->perf()->run(server.peer, up, down, wait);
    while (!wait.done) loop.step(loop.now() + 1s);
    taken = to_seconds(loop.now() - start);
  });
  return taken;
}

double stack_pings(double seconds, int parallel, bool two_threads) {
  double rate = 0;
  with_server(two_threads, [&](AsioLoop& loop, Host& client, const Target& server) {
    std::vector<std::unique_ptr<PingLoop>> pings;
    for (int i = 0; i < parallel; ++i) pings.push_back(std::make_unique<PingLoop>(client, server.peer));
    const Time start = loop.now();
    loop.run_for(from_seconds(seconds));
    std::uint64_t count = 0;
    for (const auto& ping : pings) count += ping->count;
    rate = static_cast<double>(count) / to_seconds(loop.now() - start);
    client.node->swarm().disconnect(server.peer);
  });
  return rate;
}

// Dials, hangs up, and dials again.
struct Redialer final : SwarmObserver {
  Redialer(AsioLoop& loop, std::uint8_t index, const Target& to) : host(loop, index, false), target(to) {
    host.node->swarm().observe(*this);
    dial();
  }
  void dial() { host.node->swarm().dial(target.peer, target.addresses); }
  void on_peer_connected(const PeerId& peer) override {
    ++count;
    if (!stopping) host.node->swarm().disconnect(peer);
  }
  void on_peer_disconnected(const PeerId&) override {
    if (!stopping) dial();
  }
  void on_dial_failed(const PeerId&, const Error& error) override {
    std::fprintf(stderr, "%s\n", error.message().c_str());
    std::exit(1);
  }
  Host host;
  Target target;
  std::uint64_t count = 0;
  bool stopping = false;
};

double handshakes(double seconds) {
  AsioLoop loop;
  Host server(loop, 1, true);
  std::vector<std::unique_ptr<Redialer>> clients;
  for (std::uint8_t i = 0; i < 8; ++i) {
    clients.push_back(std::make_unique<Redialer>(loop, static_cast<std::uint8_t>(i + 2), target_of(server)));
  }
  const Time start = loop.now();
  loop.run_for(from_seconds(seconds));
  const double taken = to_seconds(loop.now() - start);
  std::uint64_t count = 0;
  for (const auto& client : clients) {
    count += client->count;
    client->stopping = true;
  }
  return static_cast<double>(count) / taken;
}

int run(double seconds) {
  const auto mb = [](std::uint64_t size, double taken) { return static_cast<double>(size) / taken / 1e6; };
  for (const bool two : {true, false}) {
    const char* where = two ? "two threads" : "one thread";
    const double trial = raw_bulk(256 << 20, two);
    const auto raw_size = static_cast<std::uint64_t>((256 << 20) / trial * seconds);
    const double raw = mb(raw_size, raw_bulk(raw_size, two));
    const double once = stack_bulk(64 << 20, 0, two);
    const auto size = static_cast<std::uint64_t>((64 << 20) / once * seconds);
    const double up = mb(size, stack_bulk(size, 0, two)), down = mb(size, stack_bulk(0, size, two));
    std::printf("bulk, %-11s   up %6.0f MB/s   down %6.0f MB/s   raw streams %6.0f MB/s   ratio %.2f\n",
                where, up, down, raw, up / raw);
  }
  std::printf(
      "streams with a ping   one at a time %6.0f /s   64 at once %6.0f /s   (both ends in one thread)\n",
      stack_pings(seconds, 1, false), stack_pings(seconds, 64, false));
  std::printf("handshakes            %6.0f /s   (both ends in one thread)\n", handshakes(seconds));
  return 0;
}

}  // namespace
}  // namespace mesocosm

int main(int argc, char** argv) { return mesocosm::run(argc > 1 ? std::atof(argv[1]) : 1.0); }
