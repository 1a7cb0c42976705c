// TCP + Noise or TLS + Yamux on loopback, each end in a thread of its own: handshakes, round trips and bulk bytes,
// beside what sealing alone costs.
//
//     transport_bench [seconds a figure]
#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "stack/asio/asio_env.h"
#include "stack/secure/noise.h"
#include "stack/secure/tls_channel.h"
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

  Host(std::uint8_t seed, const TcpOptions& options)
      : key(key_pair(seed)), transport(env, key, table, options) {}
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

void run(std::string_view name, SecurityProtocol security, bool early_muxer, double seconds) {
  TcpOptions options;
  options.upgrade.securities = {security};
  options.upgrade.early_muxer = early_muxer;
  std::printf("%s\n", std::string(name).c_str());
  std::atomic<bool> stop{false};
  std::atomic<std::uint16_t> port{0};
  std::atomic<std::uint64_t>* received = nullptr;
  std::thread server([&] {
    Host host(1, options);
    host.listen();
    received = &host.received;
    port = host.listening->address().tcp_endpoint()->port;
    while (!stop) host.loop.run_for(10ms);
    host.readers.clear();
    host.connections.clear();
  });
  while (port == 0) std::this_thread::yield();
  {
    Host client(2, options);
    const Multiaddr address = Multiaddr::tcp({IpAddress::v4(0x7f000001), port});
    const auto connect = [&] {
      client.dial = client.transport.dial(address, nullptr, client);
      client.loop.run();
    };
    std::vector<double> handshakes;
    auto start = Stopwatch::now();
    while (seconds_since(start) < seconds) {
      const auto begun = Stopwatch::now();
      connect();
      handshakes.push_back(1e3 * seconds_since(begun));
      client.connections.clear();
    }
    std::sort(handshakes.begin(), handshakes.end());
    std::printf("  handshake, p50 and p90      %10.3f ms %7.3f ms\n", handshakes[handshakes.size() / 2],
                handshakes[handshakes.size() * 9 / 10]);
    if (!early_muxer) {
      stop = true;
      server.join();
      return;
    }
    connect();
    Connection& connection = *client.connections.back();

    Pinger pinger;
    const ProtocolId echo[] = {"/echo"};
    pinger.stream = connection.open(echo, true, pinger);
    pinger.stream->write(Bytes::copy(std::string(64, 'x')));
    start = Stopwatch::now();
    client.loop.run_for(from_seconds(seconds));
    std::printf("  round trips of 64 bytes     %10.0f /s\n",
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
      std::printf("  bulk, %2d stream%s           %10.0f MB/s\n", streams, streams == 1 ? " " : "s",
                  static_cast<double>(*received - before) / seconds_since(start) / 1e6);
    }
    client.connections.clear();
  }
  stop = true;
  server.join();
}

void seal_alone(std::string_view name, SecureChannel& channel, double seconds) {
  const FrameShape shape = channel.shape();
  std::vector<std::uint8_t> frame(shape.max_plaintext + shape.overhead());
  std::uint64_t bytes = 0;
  const auto start = Stopwatch::now();
  while (seconds_since(start) < seconds) {
    for (int i = 0; i < 16; ++i) channel.seal_frame(frame);
    bytes += 16 * shape.max_plaintext;
  }
  std::printf("sealing alone, %-14s %10.0f MB/s\n", std::string(name).c_str(),
              static_cast<double>(bytes) / seconds_since(start) / 1e6);
}

}  // namespace

int main(int argc, char** argv) {
  const double seconds = argc > 1 ? std::atof(argv[1]) : 2;
  const NoiseKey key{};
  NoiseTransport noise(key, key);
  TlsChannel gcm(AeadCipher::aes_128_gcm, key, key), chacha(AeadCipher::chacha20_poly1305, key, key);
  seal_alone("Noise", noise, seconds / 4);
  seal_alone("TLS, AES-GCM", gcm, seconds / 4);
  seal_alone("TLS, ChaCha20", chacha, seconds / 4);
  run("Noise", SecurityProtocol::noise, true, seconds);
  run("Noise, muxer by multistream", SecurityProtocol::noise, false, seconds);
  run("TLS", SecurityProtocol::tls, true, seconds);
  run("TLS, muxer by multistream", SecurityProtocol::tls, false, seconds);
  return 0;
}
