// TCP + Noise + Yamux on loopback, each end in a thread of its own: handshakes, round trips and bulk bytes,
// beside what sealing alone costs.
//
//     transport_bench [seconds a figure]
#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "stack/asio/asio_env.h"
#include "stack/transport/tcp_transport.h"

using namespace mesocosm;

namespace {

using Stopwatch = std::chrono::steady_clock;

double seconds_since(Stopwatch::time_point start) {
  return std::chrono::duration<double>(Stopwatch::now() - start).count();
}

KeyPair key_pair(std::uint8_t seed) {
  std::array<std::uint8_t, 32> bytes;
  bytes.fill(seed);
  return KeyPair::from_seed(bytes);
}

struct Table final : ProtocolTable {
  ProtocolId find(std::string_view offered) const override {
    return offered == "/sink" ? ProtocolId("/sink") : offered == "/echo" ? ProtocolId("/echo") : ProtocolId();
  }
};

// One end: a host on its own loop.
struct Host : Connection::Events, Listening::Events, Dial::Events {
  AsioLoop loop;
  AsioNetwork network{loop};
  Rng rng{1};
  SeededEntropy entropy{Rng(2)};
  NoTrace trace;
  Env env{loop, network, rng, entropy, trace};
  KeyPair key;
  Table table;
  TcpTransport transport;
  std::unique_ptr<Listening> listening;
  std::unique_ptr<Dial> dial;
  std::vector<std::unique_ptr<Connection>> connections;

  struct Reader final : Stream::Events {
    std::unique_ptr<Stream> stream;
    bool echo = false;
    std::atomic<std::uint64_t>* received = nullptr;
    void on_readable() override {
      while (true) {
        Bytes bytes = stream->read(SIZE_MAX);
        if (bytes.empty()) return;
        received->fetch_add(bytes.size(), std::memory_order_relaxed);
        if (echo) stream->write(std::move(bytes));
      }
    }
    void on_writable() override {}
    void on_closed(Error) override {}
  };
  std::vector<std::unique_ptr<Reader>> readers;
  std::atomic<std::uint64_t> received{0};

  explicit Host(std::uint8_t seed) : key(key_pair(seed)), transport(env, key, table) {}
  void listen() {
    listening = std::move(*transport.listen(*Multiaddr::parse("/ip4/127.0.0.1/tcp/0"), *this));
  }
  void on_connection(std::unique_ptr<Connection> connection) override { keep(std::move(connection)); }
  void on_connected(std::unique_ptr<Connection> connection) override {
    keep(std::move(connection));
    loop.stop();
  }
  void keep(std::unique_ptr<Connection> connection) {
    connection->set_events(*this);
    connections.push_back(std::move(connection));
  }
  void on_failed(Error error) override {
    std::fprintf(stderr, "dial: %s\n", error.message().c_str());
    std::exit(1);
  }
  void on_stream(std::unique_ptr<Stream> stream) override {
    auto& reader = *readers.emplace_back(std::make_unique<Reader>());
    reader.stream = std::move(stream);
    reader.stream->set_events(reader);
    reader.echo = reader.stream->protocol() == "/echo";
    reader.received = &received;
  }
  void on_closed(Error) override {}
};

struct Writer final : Stream::Events {
  std::unique_ptr<Stream> stream;
  Bytes piece;
  void push() {
    while (stream->writable() > 0) stream->write(piece);
  }
  void on_readable() override {}
  void on_writable() override { push(); }
  void on_closed(Error) override {}
};

struct Pinger final : Stream::Events {
  std::unique_ptr<Stream> stream;
  std::size_t got = 0;
  std::uint64_t rounds = 0;
  void on_readable() override {
    while (true) {
      const Bytes bytes = stream->read(SIZE_MAX);
      if (bytes.empty()) return;
      got += bytes.size();
      if (got < 64) continue;
      got = 0;
      ++rounds;
      stream->write(Bytes::copy(std::string(64, 'x')));
    }
  }
  void on_writable() override {}
  void on_closed(Error) override {}
};

void run(double seconds) {
  std::atomic<bool> stop{false};
  std::atomic<std::uint16_t> port{0};
  std::atomic<std::uint64_t>* received = nullptr;
  std::thread server([&] {
    Host host(1);
    host.listen();
    received = &host.received;
    port = host.listening->address().tcp_endpoint()->port;
    while (!stop) host.loop.run_for(10ms);
    host.readers.clear();
    host.connections.clear();
  });
  while (port == 0) std::this_thread::yield();
  {
    Host client(2);
    const Multiaddr address = Multiaddr::tcp({IpAddress::v4(0x7f000001), port});
    const auto connect = [&] {
      client.dial = client.transport.dial(address, nullptr, client);
      client.loop.run();
    };
    std::uint64_t handshakes = 0;
    auto start = Stopwatch::now();
    while (seconds_since(start) < seconds) {
      connect();
      client.connections.clear();
      ++handshakes;
    }
    std::printf("handshakes, one at a time     %10.0f /s\n",
                static_cast<double>(handshakes) / seconds_since(start));
    connect();
    Connection& connection = *client.connections.back();

    Pinger pinger;
    const ProtocolId echo[] = {"/echo"};
    pinger.stream = connection.open(echo, true, pinger);
    pinger.stream->write(Bytes::copy(std::string(64, 'x')));
    start = Stopwatch::now();
    client.loop.run_for(from_seconds(seconds));
    std::printf("round trips of 64 bytes       %10.0f /s\n",
                static_cast<double>(pinger.rounds) / seconds_since(start));
    pinger.stream.reset();

    for (const int streams : {1, 16}) {
      std::vector<std::unique_ptr<Writer>> writers;
      const ProtocolId sink[] = {"/sink"};
      for (int i = 0; i < streams; ++i) {
        auto writer = std::make_unique<Writer>();
        writer->piece = Bytes::copy(std::string(64 * 1024, 'x'));
        writer->stream = connection.open(sink, true, *writer);
        writer->push();
        writers.push_back(std::move(writer));
      }
      client.loop.run_for(200ms);
      const std::uint64_t before = *received;
      start = Stopwatch::now();
      client.loop.run_for(from_seconds(seconds));
      std::printf("bulk, %2d stream%s             %10.0f MB/s\n", streams, streams == 1 ? " " : "s",
                  static_cast<double>(*received - before) / seconds_since(start) / 1e6);
    }
    client.connections.clear();
  }
  stop = true;
  server.join();
}

void seal_alone(double seconds) {
  NoiseKey key{};
  NoiseTransport transport(key, key);
  std::vector<std::uint8_t> frame(kNoiseMaxPlaintext + kNoiseOverhead);
  std::uint64_t bytes = 0;
  const auto start = Stopwatch::now();
  while (seconds_since(start) < seconds) {
    for (int i = 0; i < 16; ++i) transport.seal_frame(frame);
    bytes += 16 * kNoiseMaxPlaintext;
  }
  std::printf("sealing full frames alone     %10.0f MB/s\n",
              static_cast<double>(bytes) / seconds_since(start) / 1e6);
}

}  // namespace

int main(int argc, char** argv) {
  const double seconds = argc > 1 ? std::atof(argv[1]) : 2;
  seal_alone(seconds / 4);
  run(seconds);
  return 0;
}
