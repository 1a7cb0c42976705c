// The raw seam on loopback against plain blocking sockets, in the same run: bulk bytes, round trips,
// connections.
//
//     loopback_bench [seconds a figure]
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <thread>

#include <arpa/inet.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stack/asio/asio_env.h"

using namespace mesocosm;

namespace {

constexpr std::size_t kPiece = 64 * 1024;
constexpr std::size_t kPing = 64;

using Stopwatch = std::chrono::steady_clock;

double seconds_since(Stopwatch::time_point start) {
  return std::chrono::duration<double>(Stopwatch::now() - start).count();
}

// --- Plain blocking sockets: one thread at each end ---

struct BlockingPair {
  BlockingPair() {
    const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ::bind(listener, reinterpret_cast<sockaddr*>(&address), size);
    ::listen(listener, 1);
    ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
    client = ::socket(AF_INET, SOCK_STREAM, 0);
    if (::connect(client, reinterpret_cast<sockaddr*>(&address), size) != 0) std::abort();
    server = ::accept(listener, nullptr, nullptr);
    ::close(listener);
    const int on = 1;
    for (const int fd : {client, server}) ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  ~BlockingPair() {
    ::close(client);
    ::close(server);
  }
  int client, server;
};

double blocking_bulk(double seconds) {
  BlockingPair pair;
  std::thread writer([&] {
    const std::vector<char> piece(kPiece, 'x');
    const auto start = Stopwatch::now();
    while (seconds_since(start) < seconds) {
      if (::send(pair.client, piece.data(), piece.size(), MSG_NOSIGNAL) <= 0) break;
    }
    ::shutdown(pair.client, SHUT_WR);
  });
  std::vector<char> buffer(256 * 1024);
  std::uint64_t total = 0;
  const auto start = Stopwatch::now();
  for (ssize_t n; (n = ::recv(pair.server, buffer.data(), buffer.size(), 0)) > 0;) {
    total += static_cast<std::uint64_t>(n);
  }
  const double taken = seconds_since(start);
  writer.join();
  return static_cast<double>(total) / taken;
}

double blocking_round_trips(double seconds) {
  BlockingPair pair;
  std::thread echo([&] {
    char buffer[kPing];
    for (ssize_t n; (n = ::recv(pair.server, buffer, sizeof buffer, MSG_WAITALL)) > 0;) {
      if (::send(pair.server, buffer, static_cast<std::size_t>(n), MSG_NOSIGNAL) <= 0) break;
    }
  });
  char buffer[kPing] = {};
  std::uint64_t count = 0;
  const auto start = Stopwatch::now();
  for (; seconds_since(start) < seconds; ++count) {
    if (::send(pair.client, buffer, sizeof buffer, MSG_NOSIGNAL) <= 0) break;
    if (::recv(pair.client, buffer, sizeof buffer, MSG_WAITALL) <= 0) break;
  }
  const double taken = seconds_since(start);
  ::shutdown(pair.client, SHUT_WR);
  echo.join();
  return static_cast<double>(count) / taken;
}

// --- The seam ---

// Counts what comes, or echoes it.
class Sink final : public ByteStream::Events {
 public:
  Sink(std::unique_ptr<ByteStream> stream, bool echo) : stream_(std::move(stream)), echo_(echo) {
    stream_->set_events(*this);
  }
  std::uint64_t total = 0;
  std::function<void()> done;

 private:
  void on_readable() override {
    for (Bytes bytes; !(bytes = stream_->read(SIZE_MAX)).empty();) {
      total += bytes.size();
      if (echo_) stream_->write(std::move(bytes));
    }
    if (stream_->ended()) stream_->finish();
  }
  void on_writable() override {}
  void on_closed(Error) override {
    if (done) done();
  }

  std::unique_ptr<ByteStream> stream_;
  bool echo_;
};

class Server final : public Listener::Events {
 public:
  explicit Server(bool echo) : echo_(echo) {
    listener_ = network_.listen({IpAddress::v4(INADDR_LOOPBACK), 0}, *this).value();
  }
  Endpoint endpoint() const { return listener_->local(); }
  std::uint64_t total() const {
    std::uint64_t sum = 0;
    for (const auto& sink : sinks_) sum += sink->total;
    return sum;
  }
  AsioLoop loop;

 private:
  void on_accept(std::unique_ptr<ByteStream> stream) override {
    sinks_.push_back(std::make_unique<Sink>(std::move(stream), echo_));
    sinks_.back()->done = [this] { loop.stop(); };
  }
  AsioNetwork network_{loop};
  bool echo_;
  std::unique_ptr<Listener> listener_;
  std::vector<std::unique_ptr<Sink>> sinks_;
};

class Writer final : public ByteStream::Events {
 public:
  Writer(AsioLoop& loop, const Endpoint& to, double seconds)
      : loop_(loop), stream_(network_.connect(to, *this)), left_(from_seconds(seconds)) {}

 private:
  void on_readable() override {}
  void on_writable() override {
    if (end_ == kNever) end_ = loop_.now() + left_;
    if (loop_.now() >= end_) return stream_->finish();
    while (stream_->writable() > 0) stream_->write(piece_);
  }
  void on_closed(Error) override { loop_.stop(); }

  AsioLoop& loop_;
  AsioNetwork network_{loop_};
  std::unique_ptr<ByteStream> stream_;
  Duration left_;
  Time end_ = kNever;
  Bytes piece_ = Bytes::copy(ByteView(std::vector<std::uint8_t>(kPiece, 'x')));
};

class Pinger final : public ByteStream::Events {
 public:
  Pinger(AsioLoop& loop, const Endpoint& to, double seconds)
      : loop_(loop), stream_(network_.connect(to, *this)), left_(from_seconds(seconds)) {}
  std::uint64_t round_trips = 0;

 private:
  void on_readable() override {
    for (Bytes bytes; !(bytes = stream_->read(SIZE_MAX)).empty();) waiting_ -= bytes.size();
    if (waiting_ > 0) return;
    ++round_trips;
    if (loop_.now() < end_) return ping();
    stream_->finish();
  }
  void on_writable() override {
    end_ = loop_.now() + left_;
    ping();
  }
  void on_closed(Error) override { loop_.stop(); }
  void ping() {
    waiting_ = kPing;
    stream_->write(piece_);
  }

  AsioLoop& loop_;
  AsioNetwork network_{loop_};
  std::unique_ptr<ByteStream> stream_;
  Duration left_;
  Time end_{};
  std::size_t waiting_ = 0;
  Bytes piece_ = Bytes::copy(ByteView(std::vector<std::uint8_t>(kPing, 'x')));
};

double seam_bulk(double seconds) {
  Server server(false);
  std::thread writer([&, to = server.endpoint()] {
    AsioLoop loop;
    Writer client(loop, to, seconds);
    loop.run();
  });
  const auto start = Stopwatch::now();
  server.loop.run();
  const double taken = seconds_since(start);
  writer.join();
  return static_cast<double>(server.total()) / taken;
}

double seam_bulk_one_thread(double seconds) {
  Server server(false);
  Writer client(server.loop, server.endpoint(), seconds);
  const auto start = Stopwatch::now();
  server.loop.run();
  return static_cast<double>(server.total()) / seconds_since(start);
}

double seam_round_trips(double seconds) {
  Server server(true);
  std::thread echo([&] { server.loop.run(); });
  AsioLoop loop;
  Pinger client(loop, server.endpoint(), seconds);
  const auto start = Stopwatch::now();
  loop.run();
  const double taken = seconds_since(start);
  echo.join();
  return static_cast<double>(client.round_trips) / taken;
}

// Streams that connect, both ends in one loop, and what they weigh when idle.
class Idle final : public ByteStream::Events {
 public:
  void on_readable() override {}
  void on_writable() override {}
  void on_closed(Error) override {}
};

class Collector final : public Listener::Events {
 public:
  explicit Collector(Idle& idle) : idle_(idle) {}
  void on_accept(std::unique_ptr<ByteStream> stream) override {
    stream->set_events(idle_);
    streams.push_back(std::move(stream));
  }
  std::vector<std::unique_ptr<ByteStream>> streams;

 private:
  Idle& idle_;
};

void connections(int count) {
  AsioLoop loop;
  AsioNetwork network(loop);
  Idle idle;
  Collector accepted(idle);
  accepted.streams.reserve(static_cast<std::size_t>(count));
  const auto listener = network.listen({IpAddress::v4(INADDR_LOOPBACK), 0}, accepted).value();
  std::vector<std::unique_ptr<ByteStream>> clients;
  clients.reserve(static_cast<std::size_t>(count));
  const std::size_t before = ::mallinfo2().uordblks + ::mallinfo2().hblkhd;
  const auto start = Stopwatch::now();
  while (accepted.streams.size() < static_cast<std::size_t>(count)) {
    for (int i = 0; i < 100 && clients.size() < static_cast<std::size_t>(count); ++i) {
      clients.push_back(network.connect(listener->local(), idle));
    }
    loop.step(loop.now() + 1s);
    loop.poll();
  }
  const double taken = seconds_since(start);
  loop.run_for(50ms);
  const std::size_t after = ::mallinfo2().uordblks + ::mallinfo2().hblkhd;
  std::printf("connections   %8.0f /s   %zu bytes an idle stream (process memory, without the kernel's)\n",
              count / taken, (after - before) / 2 / static_cast<std::size_t>(count));
}

}  // namespace

int main(int argc, char** argv) {
  const double seconds = argc > 1 ? std::atof(argv[1]) : 1.0;
  const double plain = blocking_bulk(seconds), seam = seam_bulk(seconds),
               alone = seam_bulk_one_thread(seconds);
  std::printf("bulk          seam %7.0f MB/s   blocking sockets %7.0f MB/s   ratio %.2f\n", seam / 1e6,
              plain / 1e6, seam / plain);
  std::printf("bulk          both ends in one thread %7.0f MB/s\n", alone / 1e6);
  const double plain_trips = blocking_round_trips(seconds), seam_trips = seam_round_trips(seconds);
  std::printf("round trips   seam %7.0f /s      blocking sockets %7.0f /s      ratio %.2f\n", seam_trips,
              plain_trips, seam_trips / plain_trips);
  connections(400);
  return 0;
}
