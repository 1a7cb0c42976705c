// What the suite's tests are made of: guards for the promises that hold at every callback, and probes that
// stand at the ends of streams and count.
#pragma once

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "stack/base/bytes.h"
#include "stack/base/hash.h"
#include "tests/conformance/env_conformance.h"

namespace mesocosm::conformance {

inline constexpr Duration kPatience = 60s;

// Runs `test` on each backend, in a section of its name.
template <class Test>
void each_backend(Test&& test) {
  if (backends().empty()) FAIL("no backend is registered");
  for (const BackendEntry& entry : backends()) {
    DYNAMIC_SECTION(entry.name) {
      const std::unique_ptr<ConformanceBackend> env = entry.make();
      if (env == nullptr) {
        WARN(entry.name << " is not possible on this machine");
      } else {
        test(*env);
      }
    }
  }
}

// The same for what only networks without loss can promise.
template <class Test>
void each_backend_keeping_datagrams(Test&& test) {
  each_backend([&](ConformanceBackend& env) {
    if (!env.loses_datagrams()) test(env);
  });
}

// The same for what only streams whose directions end by themselves can promise.
template <class Test>
void each_backend_half_closing(Test&& test) {
  each_backend([&](ConformanceBackend& env) {
    if (env.half_closes()) test(env);
  });
}

inline void wait_for(ConformanceBackend& env, const std::function<bool()>& predicate) {
  REQUIRE(env.run_until(predicate, kPatience));
}
inline void wait_quietly(ConformanceBackend& env) {
  static_cast<void>(env.run_until([] { return false; }, env.quiet()));
}

// Calls into the environment go through call(), callbacks begin with a CallbackScope: the two never overlap,
// and callbacks do not nest.
inline int calls_going_on = 0;
inline int callbacks_going_on = 0;

template <class Function>
decltype(auto) call(Function&& function) {
  struct Scope {
    Scope() { ++calls_going_on; }
    ~Scope() { --calls_going_on; }
  } scope;
  return function();
}

class CallbackScope {
 public:
  explicit CallbackScope(Clock& clock) : clock_(clock), began_(clock.now()) {
    CHECK(calls_going_on == 0);
    CHECK(callbacks_going_on == 0);
    ++callbacks_going_on;
  }
  ~CallbackScope() {
    --callbacks_going_on;
    if (clock_.now() != began_) FAIL_CHECK("the time changed within a turn");
  }
  CallbackScope(const CallbackScope&) = delete;
  CallbackScope& operator=(const CallbackScope&) = delete;

 private:
  Clock& clock_;
  Time began_;
};

class FunctionTimer final : public Timer {
 public:
  FunctionTimer(Clock& clock, std::function<void()> function)
      : clock_(clock), function_(std::move(function)) {}
  void on_timer() override {
    CallbackScope scope(clock_);
    const auto function = function_;  // which may destroy this timer
    function();
  }

 private:
  Clock& clock_;
  std::function<void()> function_;
};

class FunctionTask final : public Task {
 public:
  explicit FunctionTask(std::function<void()> function) : function_(std::move(function)) {}
  void on_turn_end() override {
    CHECK(calls_going_on == 0);
    CHECK(callbacks_going_on == 0);
    const auto function = function_;
    function();
  }

 private:
  std::function<void()> function_;
};

// Bytes that show when a piece is missing, doubled or moved: a period that is prime, so that no block size
// hides it.
class Pattern {
 public:
  explicit Pattern(std::uint64_t seed) {
    for (std::size_t i = 0; i < bytes_.size(); ++i) {
      bytes_[i] = static_cast<std::uint8_t>(mix64(seed * 1'000'003 + i % kPeriod));
    }
  }
  Bytes at(std::uint64_t offset, std::size_t size) const {
    return Bytes::build(size, [&](MutableByteView out) {
      for (std::size_t done = 0; done < size;) {
        const ByteView piece = piece_at(offset + done, size - done);
        std::copy(piece.begin(), piece.end(), out.begin() + static_cast<std::ptrdiff_t>(done));
        done += piece.size();
      }
    });
  }
  bool matches(std::uint64_t offset, ByteView bytes) const {
    while (!bytes.empty()) {
      const ByteView piece = piece_at(offset, bytes.size());
      if (!equal(piece, bytes.first(piece.size()))) return false;
      offset += piece.size();
      bytes = bytes.subspan(piece.size());
    }
    return true;
  }

 private:
  static constexpr std::size_t kPeriod = 65521;
  ByteView piece_at(std::uint64_t offset, std::size_t size) const {
    const std::size_t start = offset % kPeriod;
    return ByteView(bytes_).subspan(start, std::min(size, bytes_.size() - start));
  }
  std::array<std::uint8_t, 2 * kPeriod> bytes_;
};

// One end of a stream. Reads what comes (unless told otherwise) and checks it against the other side's
// pattern; sends its own pattern, respecting writable().
class StreamProbe final : public ByteStream::Events {
 public:
  StreamProbe(ConformanceBackend& env, std::uint64_t sends, std::uint64_t receives)
      : env_(env), out_(sends), in_(receives) {}

  void connect(int host, const Endpoint& to, const Endpoint& from = {}) {
    stream = call([&] { return env_.network(host).connect(to, *this, from); });
  }
  void adopt(std::unique_ptr<ByteStream> accepted) {
    stream = std::move(accepted);
    call([&] { stream->set_events(*this); });
  }
  void destroy() {
    gone_ = true;
    call([&] { stream.reset(); });
  }

  // Sends `size` more bytes of the pattern, as writable() allows, then perhaps finishes.
  void send(std::uint64_t size, bool then_finish = false) {
    to_send_ += size;
    finish_ = then_finish;
    pump();
  }
  // Writes the next `size` bytes of the pattern at once, whatever writable() says.
  void write(std::size_t size) {
    call([&] { stream->write(out_.at(sent, size)); });
    sent += size;
    to_send_ = std::max(to_send_, sent);
  }
  void finish() {
    call([&] { stream->finish(); });
  }
  // Reads until nothing is left.
  void drain() {
    while (read_once(SIZE_MAX)) {
    }
  }
  bool read_once(std::size_t max) {
    const Bytes bytes = call([&] { return stream->read(max); });
    if (bytes.size() > max) FAIL_CHECK("read more than asked for");
    if (!in_.matches(received, bytes)) intact = false;
    received += bytes.size();
    return !bytes.empty();
  }
  bool ended() const { return stream->ended(); }
  std::size_t writable() const { return stream->writable(); }

  std::unique_ptr<ByteStream> stream;

  std::size_t reads = SIZE_MAX;    // at most so much a read; 0: on_readable reads nothing
  bool reads_once = false;         // one read in each on_readable, not to empty
  std::size_t piece = 16 * 1024;   // size of the writes that send() makes
  std::function<void()> readable;  // called last in the callback of that name, and may destroy
  std::function<void()> became_writable;
  std::function<void()> was_closed;

  int readables = 0;
  int writables = 0;
  std::optional<Error> closed;
  std::uint64_t sent = 0;
  std::uint64_t received = 0;
  bool intact = true;

 private:
  void on_readable() override {
    CallbackScope scope(env_.clock());
    check_alive();
    ++readables;
    if (reads > 0) {
      while (read_once(reads) && !reads_once) {
      }
    }
    if (const auto hook = readable) hook();
  }
  void on_writable() override {
    CallbackScope scope(env_.clock());
    check_alive();
    ++writables;
    pump();
    if (const auto hook = became_writable) hook();
  }
  void on_closed(Error error) override {
    CallbackScope scope(env_.clock());
    check_alive();
    closed = std::move(error);
    if (const auto hook = was_closed) hook();
  }
  void check_alive() {
    if (gone_) FAIL_CHECK("a callback after destruction");
    if (closed) FAIL_CHECK("a callback after on_closed");
  }
  void pump() {
    if (stream == nullptr) return;
    while (sent < to_send_ && writable() > 0) {
      const std::size_t size = std::min<std::uint64_t>(piece, to_send_ - sent);
      call([&] { stream->write(out_.at(sent, size)); });
      sent += size;
    }
    if (sent == to_send_ && std::exchange(finish_, false)) finish();
  }

  ConformanceBackend& env_;
  Pattern out_;
  Pattern in_;
  std::uint64_t to_send_ = 0;
  bool finish_ = false;
  bool gone_ = false;
};

// A listener on host 1 that hands its streams to a function.
class ListenerProbe final : public Listener::Events {
 public:
  using Accept = std::function<void(std::unique_ptr<ByteStream>)>;

  explicit ListenerProbe(ConformanceBackend& env, int host = 1) : env_(env), host_(host) {}
  void listen(Accept accept, std::uint16_t port = 0) {
    accept_ = std::move(accept);
    auto made = call([&] { return env_.network(host_).listen({env_.address(host_), port}, *this); });
    REQUIRE(made.has_value());
    listener = std::move(*made);
  }
  Endpoint endpoint() const { return listener->local(); }
  void destroy() {
    call([&] { listener.reset(); });
  }

  std::unique_ptr<Listener> listener;
  int accepted = 0;

 private:
  void on_accept(std::unique_ptr<ByteStream> stream) override {
    CallbackScope scope(env_.clock());
    if (listener == nullptr) FAIL_CHECK("a callback after destruction");
    ++accepted;
    const auto accept = accept_;
    accept(std::move(stream));
  }

  ConformanceBackend& env_;
  int host_;
  Accept accept_;
};

// A client on host 0 and the server end of its stream on host 1.
struct Pair {
  explicit Pair(ConformanceBackend& environment) : env(environment) {
    listener.listen([this](std::unique_ptr<ByteStream> stream) { server.adopt(std::move(stream)); });
  }
  void connect() {
    client.connect(0, listener.endpoint());
    wait_for(env, [&] { return client.writables > 0 && server.stream != nullptr; });
  }

  ConformanceBackend& env;
  ListenerProbe listener{env};
  StreamProbe client{env, 1, 2};
  StreamProbe server{env, 2, 1};
};

// A port on that host where nobody listens.
inline Endpoint free_endpoint(ConformanceBackend& env, int host) {
  ListenerProbe listener(env, host);
  listener.listen([](std::unique_ptr<ByteStream>) {});
  return listener.endpoint();
}

}  // namespace mesocosm::conformance
