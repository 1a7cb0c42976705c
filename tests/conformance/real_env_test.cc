// What only the real environment promises: its runs, the machine's limits and errors, its secrets.
#include <cerrno>
#include <cstdio>
#include <set>
#include <thread>

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "stack/asio/asio_env.h"
#include "stack/asio/socket.h"
#include "tests/conformance/probes.h"

namespace mesocosm::conformance {
namespace {

const IpAddress kLoopback = IpAddress::v4(0x7f000001);

class Accepted final : public Listener::Events {
 public:
  void on_accept(std::unique_ptr<ByteStream> stream) override {
    stream->set_events(nobody_);
    streams.push_back(std::move(stream));
  }
  std::vector<std::unique_ptr<ByteStream>> streams;

 private:
  class Nobody final : public ByteStream::Events {
    void on_readable() override {}
    void on_writable() override {}
    void on_closed(Error) override {}
  } nobody_;
};

class Watch final : public ByteStream::Events {
 public:
  bool connected = false;
  std::optional<Error> closed;

 private:
  void on_readable() override {}
  void on_writable() override { connected = true; }
  void on_closed(Error error) override { closed = std::move(error); }
};

class Failure final : public Resolution::Events {
 public:
  Error error;

 private:
  void on_resolved(std::vector<IpAddress>) override {}
  void on_text(std::vector<std::string>) override {}
  void on_failed(Error why) override { error = std::move(why); }
};

// What an AsioInput gave, and whether it ended; may stop the reading at a byte.
class Input final : public AsioInput::Events {
 public:
  Input(AsioLoop& loop, int fd) : reader(std::make_unique<AsioInput>(loop, fd, *this)) {}
  std::string text;
  int ends = 0;
  char stop_at = 0;
  std::unique_ptr<AsioInput> reader;

 private:
  void on_input(Bytes bytes) override {
    text += bytes.text();
    if (stop_at != 0 && text.find(stop_at) != std::string::npos) reader.reset();
  }
  void on_input_end() override { ++ends; }
};

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

TEST_CASE("a run ends at its time, or when it is stopped", "[real]") {
  AsioLoop loop;
  const Time start = loop.now();
  CHECK_FALSE(loop.run_until(start + 5ms));
  CHECK(loop.now() >= start + 5ms);

  FunctionTimer stopper(loop, [&] { loop.stop(); });
  loop.arm_after(stopper, 1ms);
  CHECK(loop.run_for(1h));
  loop.arm_after(stopper, 1ms);
  CHECK(loop.run());

  loop.stop();  // before the run
  CHECK(loop.run_for(1h));
  CHECK_FALSE(loop.run_for(1ms));

  std::thread other([&] {
    std::this_thread::sleep_for(5ms);
    loop.stop();
  });
  CHECK(loop.run());
  other.join();
}

TEST_CASE("poll runs what is ready and does not wait", "[real]") {
  AsioLoop loop;
  int fired = 0;
  FunctionTimer due(loop, [&] { ++fired; });
  FunctionTimer far(loop, [&] { FAIL_CHECK("too early"); });
  loop.arm(due, loop.now());
  loop.arm_after(far, 1h);
  const Time start = loop.now();
  for (int i = 0; i < 100 && fired == 0; ++i) loop.poll();
  CHECK(fired == 1);
  CHECK(loop.now() - start < 10s);
}

TEST_CASE("an idle loop sleeps, far deadlines included", "[real]") {
  AsioLoop loop;
  FunctionTimer far(loop, [] {}), never(loop, [] {});
  loop.arm(far, loop.now() + 200h);
  loop.arm(never, kNever);
  const double before = cpu_seconds();
  loop.run_for(50ms);
  CHECK(cpu_seconds() - before < 0.025);
}

TEST_CASE("without descriptors accepting pauses, and goes on when there are some", "[real]") {
  AsioLoop server_loop, client_loop;  // apart, so that nothing is called while there are none
  AsioNetwork server(server_loop), client(client_loop);
  Accepted accepted;
  const auto listener = server.listen({kLoopback, 0}, accepted).value();
  Watch first, second, third;
  const auto a = client.connect(listener->local(), first);
  const auto b = client.connect(listener->local(), second);
  for (int i = 0; i < 100 && !(first.connected && second.connected); ++i) client_loop.run_for(1ms);
  REQUIRE(first.connected);

  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  const rlimit none{3, before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  const auto c = client.connect(listener->local(), third);
  const double cpu = cpu_seconds();
  server_loop.run_for(150ms);
  const double spent = cpu_seconds() - cpu;
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);

  CHECK(accepted.streams.empty());
  CHECK(spent < 0.075);
  client_loop.run_for(1ms);
  REQUIRE(third.closed.has_value());
  CHECK(third.closed->code == ErrorCode::limit);
  for (int i = 0; i < 100 && accepted.streams.size() < 2; ++i) server_loop.run_for(5ms);
  CHECK(accepted.streams.size() == 2);
}

TEST_CASE("a network with addresses of its own uses only those", "[real]") {
  AsioLoop loop;
  const IpAddress own = IpAddress::v4(0x7f000005);
  AsioNetwork network(loop, {{own}}), other(loop);
  CHECK(network.local_addresses() == std::vector<IpAddress>{own});
  CHECK_FALSE(other.local_addresses().empty());
  Accepted accepted;
  const auto listener = network.listen({IpAddress(), 0}, accepted).value();
  CHECK(listener->local().ip == own);
  Watch client;
  const auto stream = network.connect(listener->local(), client);
  for (int i = 0; i < 100 && accepted.streams.empty(); ++i) loop.run_for(1ms);
  REQUIRE(accepted.streams.size() == 1);
  CHECK(accepted.streams[0]->remote().ip == own);
}

TEST_CASE("the system's errors keep their meaning and say where", "[real]") {
  AsioLoop loop;
  AsioNetwork network(loop);
  Accepted accepted;
  const auto listened = network.listen({IpAddress::v4(0xcb007107), 4001}, accepted);  // 203.0.113.7
  REQUIRE_FALSE(listened.has_value());
  CHECK(listened.error().code == ErrorCode::io);
  CHECK(listened.error().detail.find("listen on 203.0.113.7:4001") == 0);

  CHECK(asio::code_of(ECONNREFUSED) == ErrorCode::refused);
  CHECK(asio::code_of(EPIPE) == ErrorCode::reset);
  CHECK(asio::code_of(ECONNRESET) == ErrorCode::reset);
  CHECK(asio::code_of(EHOSTUNREACH) == ErrorCode::unreachable);
  CHECK(asio::code_of(ENETUNREACH) == ErrorCode::unreachable);
  CHECK(asio::code_of(ETIMEDOUT) == ErrorCode::timeout);
  CHECK(asio::code_of(EMFILE) == ErrorCode::limit);
  CHECK(asio::code_of(EAFNOSUPPORT) == ErrorCode::unsupported);
  CHECK(asio::code_of(EIO) == ErrorCode::io);
}

TEST_CASE("a port that cannot be left from is told with the local endpoint", "[real]") {
  AsioLoop loop;
  AsioNetwork network(loop);
  Watch client;
  const auto stream = network.connect({kLoopback, 9}, client, {IpAddress::v4(0xcb007107), 4001});
  for (int i = 0; i < 100 && !client.closed; ++i) loop.run_for(1ms);
  REQUIRE(client.closed.has_value());
  CHECK(client.closed->code == ErrorCode::io);
  CHECK(client.closed->detail.find("connect from 203.0.113.7:4001") == 0);
}

TEST_CASE("input of a pipe comes in turns, and its end once", "[real]") {
  AsioLoop loop;
  int pipe[2];
  REQUIRE(::pipe(pipe) == 0);
  const int flags = ::fcntl(pipe[0], F_GETFL);
  {
    Input input(loop, pipe[0]);
    loop.run_for(5ms);
    CHECK(input.text.empty());
    REQUIRE(::write(pipe[1], "one\n", 4) == 4);
    CHECK(input.text.empty());
    loop.run_for(5ms);
    CHECK(input.text == "one\n");
    REQUIRE(::write(pipe[1], "two\n", 4) == 4);
    loop.run_for(5ms);
    CHECK(input.text == "one\ntwo\n");
    ::close(pipe[1]);
    loop.run_for(5ms);
    CHECK(input.ends == 1);
    loop.run_for(5ms);
    CHECK(input.ends == 1);
  }
  CHECK(::fcntl(pipe[0], F_GETFL) == flags);  // as it was, and still open
  ::close(pipe[0]);
}

TEST_CASE("input stops when its reader is destroyed in the callback", "[real]") {
  AsioLoop loop;
  int pipe[2];
  REQUIRE(::pipe(pipe) == 0);
  Input input(loop, pipe[0]);
  input.stop_at = 'x';
  REQUIRE(::write(pipe[1], "ax", 2) == 2);
  loop.run_for(5ms);
  REQUIRE(::write(pipe[1], "more", 4) == 4);
  loop.run_for(5ms);
  CHECK(input.text == "ax");
  CHECK(input.ends == 0);
  ::close(pipe[0]);
  ::close(pipe[1]);
}

TEST_CASE("input that the event queue does not watch is read too", "[real]") {
  AsioLoop loop;
  SECTION("a file") {
    std::FILE* const file = std::tmpfile();
    REQUIRE(file != nullptr);
    std::fputs("content", file);
    std::rewind(file);
    Input input(loop, ::fileno(file));
    loop.run_for(5ms);
    CHECK(input.text == "content");
    CHECK(input.ends == 1);
    input.reader.reset();
    std::fclose(file);
  }
  SECTION("no descriptor at all") {
    Input input(loop, -1);
    loop.run_for(5ms);
    CHECK(input.ends == 1);
  }
}

TEST_CASE("text records are unsupported", "[real]") {
  AsioLoop loop;
  AsioNetwork network(loop);
  Failure failure;
  const auto resolution = network.resolve("_dnsaddr.example.org", RecordType::text, failure);
  CHECK(failure.error.ok());
  loop.run_for(1ms);
  CHECK(failure.error.code == ErrorCode::unsupported);
}

TEST_CASE("secrets differ and fill every byte", "[real]") {
  SystemEntropy entropy;
  std::array<std::uint8_t, 1000> a{}, b{};
  entropy.fill(a);
  entropy.fill(b);
  CHECK(a != b);
  CHECK(std::set<std::uint8_t>(a.begin(), a.end()).size() > 200);
  CHECK(std::count(a.end() - 100, a.end(), 0) < 20);
  entropy.fill({});
}

}  // namespace
}  // namespace mesocosm::conformance
