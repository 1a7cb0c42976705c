// A Transport in memory, for tests of what stands on the waist: hosts in one MemoryWorld, one latency between
// any two, streams as queues with a window, and a clock that moves when the test says so.
//
//   MemoryWorld world(10ms);                    // one way
//   MemoryHost a(world, 1), b(world, 2);        // each listens on b.address
//   a.swarm.dial(b.id(), {&b.address, 1});
//   world.run_for(1s);
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "stack/base/assert.h"
#include "stack/env/env.h"
#include "stack/env/timer_queue.h"
#include "stack/swarm/swarm.h"

namespace mesocosm::testing {

// Timers and calls in order of (time, arming), each in a turn of its own.
class ManualClock final : public Clock {
 public:
  ~ManualClock() override {
    calls_.clear();
    while (Timer* timer = queue_.pop(kNever)) set_home(*timer, nullptr);
  }

  Time now() const override { return now_; }
  std::int64_t unix_nanoseconds() const override {
    return 1'700'000'000'000'000'000 + now_.time_since_epoch().count();
  }
  void arm(Timer& timer, Time at) override {
    disarm(timer);
    set_home(timer, this);
    queue_.push(timer, std::max(at, now_));
  }
  void disarm(Timer& timer) noexcept override {
    if (!timer.armed()) return;
    queue_.remove(timer);
    set_home(timer, nullptr);
  }
  void defer(Task& task) override { tasks_.push(task); }

  void call_at(Time at, std::function<void()> call) {
    calls_.push_front(std::make_unique<Call>(*this, std::move(call)));
    calls_.front()->self = calls_.begin();
    arm(*calls_.front(), at);
  }

  // Runs `code` as a turn: what it deferred happens before this returns.
  template <class Code>
  void turn(Code&& code) {
    code();
    tasks_.run_all();
  }
  void run_until(Time end) {
    tasks_.run_all();
    while (Timer* timer = queue_.pop(end)) {
      now_ = std::max(now_, timer->deadline());
      set_home(*timer, nullptr);
      timer->on_timer();
      tasks_.run_all();
    }
    now_ = std::max(now_, end);
  }
  void run_for(Duration duration) { run_until(now_ + duration); }
  // The number of timers and calls that are still to come.
  std::size_t pending() const { return queue_.size(); }

 private:
  struct Call final : Timer {
    Call(ManualClock& owner, std::function<void()> what) : clock(owner), call(std::move(what)) {}
    void on_timer() override {
      const auto keep = std::move(*self);
      clock.calls_.erase(self);
      call();
    }
    ManualClock& clock;
    std::function<void()> call;
    std::list<std::unique_ptr<Call>>::iterator self;
  };

  Time now_{};
  TimerQueue queue_;
  std::list<std::unique_ptr<Call>> calls_;
  TaskList tasks_;
};

class MemoryListening;
class MemoryConnection;
class MemoryStream;

class MemoryWorld {
 public:
  explicit MemoryWorld(Duration one_way_latency = 10ms) : latency(one_way_latency) {}

  Duration latency;
  std::size_t window = 256 * 1024;    // of each stream and direction, in bytes
  std::set<std::string> black_holes;  // addresses that never answer
  ManualClock clock;
  std::map<std::string, MemoryListening*> listening;

  void run_for(Duration duration) { clock.run_for(duration); }
  template <class Code>
  void turn(Code&& code) {
    clock.turn(std::forward<Code>(code));
  }
  void after(Duration delay, std::function<void()> call) {
    clock.call_at(clock.now() + delay, std::move(call));
  }
};

struct StreamPipe {
  MemoryStream* end[2] = {nullptr, nullptr};  // opener, acceptor
};
struct ConnectionPipe {
  MemoryConnection* end[2] = {nullptr, nullptr};  // dialer, listener
};

class MemoryStream final : public Stream {
 public:
  MemoryStream(MemoryWorld& world, MemoryConnection& connection, std::shared_ptr<StreamPipe> pipe, int side,
               ProtocolId protocol, bool can_send, Events* events);
  ~MemoryStream() override;

  void set_events(Events& events) override { events_ = &events; }
  Bytes read(std::size_t max) override {
    if (inbox_.empty()) return {};
    const Bytes part = inbox_.front().take_front(max);
    if (inbox_.front().empty()) inbox_.pop_front();
    send([size = part.size()](MemoryStream& peer) { peer.grant(size); });
    close_if_done();
    return part;
  }
  bool ended() const override { return peer_finished_ && inbox_.empty(); }
  std::size_t writable() const override {
    return can_send_ && !finished_ && !closed_ ? static_cast<std::size_t>(std::max<std::int64_t>(credit_, 0))
                                               : 0;
  }
  void write(Bytes bytes) override {
    if (closed_ || finished_ || bytes.empty()) return;
    credit_ -= static_cast<std::int64_t>(bytes.size());
    transmit([bytes = std::move(bytes)](MemoryStream& peer) { peer.receive(bytes); });
  }
  void finish() override {
    if (closed_ || finished_) return;
    finished_ = true;
    transmit([](MemoryStream& peer) { peer.receive_end(); });
    close_if_done();
  }
  void reset(std::uint32_t code) override {
    if (closed_) return;
    closed_ = true;
    send([code](MemoryStream& peer) { peer.close({ErrorCode::reset, "code " + std::to_string(code)}); });
  }
  ProtocolId protocol() const override { return protocol_; }
  Connection& connection() override;

 private:
  friend class MemoryConnection;
  using Call = std::function<void(MemoryStream&)>;

  void send(Call call) {
    world_.after(world_.latency, [pipe = pipe_, other = 1 - side_, call = std::move(call)] {
      if (MemoryStream* peer = pipe->end[other]) call(*peer);
    });
  }
  void transmit(Call call) {
    if (can_send_) {
      send(std::move(call));
    } else {
      held_.push_back(std::move(call));
    }
  }
  void negotiated(ProtocolId protocol) {
    if (closed_) return;
    protocol_ = protocol;
    if (can_send_) return;
    can_send_ = true;
    for (Call& call : std::exchange(held_, {})) send(std::move(call));
    if (writable() > 0) events_->on_writable();
  }
  void receive(const Bytes& bytes) {
    if (closed_) return;
    inbox_.push_back(bytes);
    events_->on_readable();
  }
  void receive_end() {
    if (closed_) return;
    peer_finished_ = true;
    close_if_done();
    events_->on_readable();
  }
  void grant(std::size_t size) {
    if (closed_) return;
    const bool was_zero = writable() == 0;
    credit_ += static_cast<std::int64_t>(size);
    if (was_zero && writable() > 0) events_->on_writable();
  }
  void close_if_done() {
    if (!finished_ || !ended() || closing_) return;
    closing_ = true;
    world_.after(Duration{0}, [pipe = pipe_, side = side_] {
      if (MemoryStream* self = pipe->end[side]) self->close({});
    });
  }
  void close(const Error& error) {
    if (closed_) return;
    closed_ = true;
    events_->on_closed(error);
  }

  MemoryWorld& world_;
  MemoryConnection* connection_;  // null when it is gone
  std::shared_ptr<StreamPipe> pipe_;
  int side_;
  Events* events_;
  ProtocolId protocol_;
  std::int64_t credit_;
  std::deque<Bytes> inbox_;
  std::vector<Call> held_;  // until the protocol is negotiated
  bool can_send_;
  bool finished_ = false;
  bool peer_finished_ = false;
  bool closing_ = false;
  bool closed_ = false;
};

class MemoryConnection final : public Connection {
 public:
  MemoryConnection(MemoryWorld& world, std::shared_ptr<ConnectionPipe> pipe, int side, ConnectionInfo info,
                   const ProtocolTable& table)
      : world_(world), pipe_(std::move(pipe)), side_(side), info_(std::move(info)), table_(table) {
    pipe_->end[side_] = this;
  }
  ~MemoryConnection() override {
    pipe_->end[side_] = nullptr;
    for (MemoryStream* stream : streams_) {
      stream->closed_ = true;
      stream->connection_ = nullptr;
    }
    if (!closed_) send([](MemoryConnection& peer) { peer.shut({ErrorCode::reset, "aborted"}); });
  }

  void set_events(Events& events) override { events_ = &events; }
  const ConnectionInfo& info() const override { return info_; }
  std::unique_ptr<Stream> open(std::span<const ProtocolId> offers, bool lazy,
                               Stream::Events& events) override {
    auto pipe = std::make_shared<StreamPipe>();
    auto stream = std::make_unique<MemoryStream>(
        world_, *this, pipe, 0, offers.size() == 1 ? offers[0] : ProtocolId{}, lazy, &events);
    std::vector<ProtocolId> list(offers.begin(), offers.end());
    send([pipe, list = std::move(list)](MemoryConnection& peer) { peer.accept(pipe, list); });
    return stream;
  }
  std::size_t stream_count() const override { return streams_.size(); }
  void close(std::uint32_t code) override {
    if (closing_ || closed_) return;
    closing_ = true;
    const Error why = code == 0 ? Error{} : Error{ErrorCode::reset, "code " + std::to_string(code)};
    send([why](MemoryConnection& peer) { peer.shut(why); });
    world_.after(Duration{0}, [pipe = pipe_, side = side_] {
      if (MemoryConnection* self = pipe->end[side]) self->shut({ErrorCode::cancelled, "closed here"});
    });
  }

 private:
  friend class MemoryStream;
  friend class MemoryTransport;

  void send(std::function<void(MemoryConnection&)> call) {
    world_.after(world_.latency, [pipe = pipe_, other = 1 - side_, call = std::move(call)] {
      if (MemoryConnection* peer = pipe->end[other]) call(*peer);
    });
  }
  void accept(const std::shared_ptr<StreamPipe>& pipe, const std::vector<ProtocolId>& offers) {
    if (closed_) return;
    for (ProtocolId offer : offers) {
      const ProtocolId found = table_.find(offer);
      if (found.empty()) continue;
      world_.after(world_.latency, [pipe, offer] {
        if (MemoryStream* opener = pipe->end[0]) opener->negotiated(offer);
      });
      events_->on_stream(std::make_unique<MemoryStream>(world_, *this, pipe, 1, found, true, nullptr));
      return;
    }
    world_.after(world_.latency, [pipe] {
      if (MemoryStream* opener = pipe->end[0])
        opener->close({ErrorCode::negotiation_failed, "no such protocol"});
    });
  }
  void shut(const Error& error) {
    if (closed_) return;
    closed_ = true;
    const auto pipe = pipe_;
    while (pipe->end[side_] == this) {
      const auto open = std::find_if(streams_.begin(), streams_.end(), [](auto* s) { return !s->closed_; });
      if (open == streams_.end()) break;
      (*open)->close({ErrorCode::reset, "connection closed"});
    }
    if (pipe->end[side_] == this) events_->on_closed(error);
  }

  MemoryWorld& world_;
  std::shared_ptr<ConnectionPipe> pipe_;
  int side_;
  ConnectionInfo info_;
  const ProtocolTable& table_;
  Events* events_ = nullptr;
  std::vector<MemoryStream*> streams_;
  bool closing_ = false;
  bool closed_ = false;
};

inline MemoryStream::MemoryStream(MemoryWorld& world, MemoryConnection& connection,
                                  std::shared_ptr<StreamPipe> pipe, int side, ProtocolId protocol,
                                  bool can_send, Events* events)
    : world_(world),
      connection_(&connection),
      pipe_(std::move(pipe)),
      side_(side),
      events_(events),
      protocol_(protocol),
      credit_(static_cast<std::int64_t>(world.window)),
      can_send_(can_send) {
  pipe_->end[side_] = this;
  connection.streams_.push_back(this);
}
inline MemoryStream::~MemoryStream() {
  pipe_->end[side_] = nullptr;
  if (connection_ != nullptr) std::erase(connection_->streams_, this);
  if (!closed_ && !(finished_ && ended())) {
    send([](MemoryStream& peer) { peer.close({ErrorCode::reset, "stream dropped"}); });
  }
}
inline Connection& MemoryStream::connection() {
  MC_ASSERT(connection_ != nullptr);
  return *connection_;
}

class MemoryTransport;

class MemoryListening final : public Listening {
 public:
  MemoryListening(MemoryWorld& world, MemoryTransport& transport, Multiaddr address, Events& events)
      : world_(world), transport_(transport), address_(std::move(address)), events_(events) {
    world_.listening[address_.to_string()] = this;
  }
  ~MemoryListening() override { world_.listening.erase(address_.to_string()); }
  Multiaddr address() const override { return address_; }

 private:
  friend class MemoryTransport;
  MemoryWorld& world_;
  MemoryTransport& transport_;
  Multiaddr address_;
  Events& events_;
};

// Connects by the listener's full address; a dial takes one round trip, the listener knows after half of it.
class MemoryTransport final : public Transport {
 public:
  MemoryTransport(MemoryWorld& world, PeerId local, Bytes public_key, const ProtocolTable& table)
      : world_(world), local_(local), public_key_(std::move(public_key)), table_(table) {}

  bool can_dial(const Multiaddr& address) const override { return address.contains(AddressCode::tcp); }
  std::unique_ptr<Dial> dial(const Multiaddr& address, const PeerId* peer, Dial::Events& events) override {
    auto dial = std::make_unique<Dialing>(events);
    const std::string key = address.without_peer().to_string();
    if (world_.black_holes.contains(key)) return dial;
    world_.after(world_.latency, [this, state = dial->state, key, address, peer = peer ? *peer : PeerId{}] {
      if (state->events != nullptr) arrive(state, key, address, peer);
    });
    return dial;
  }
  Result<std::unique_ptr<Listening>> listen(const Multiaddr& address, Listening::Events& events) override {
    if (!can_dial(address)) return fail(ErrorCode::unsupported, "not /tcp");
    if (world_.listening.contains(address.to_string()))
      return fail(ErrorCode::address_in_use, address.to_string());
    return std::make_unique<MemoryListening>(world_, *this, address, events);
  }

 private:
  struct DialState {
    Dial::Events* events;  // null: cancelled
  };
  struct Dialing final : Dial {
    explicit Dialing(Events& events) : state(std::make_shared<DialState>(DialState{&events})) {}
    ~Dialing() override { state->events = nullptr; }
    std::shared_ptr<DialState> state;
  };

  void arrive(const std::shared_ptr<DialState>& dial, const std::string& key, const Multiaddr& address,
              const PeerId& peer) {
    const auto found = world_.listening.find(key);
    if (found == world_.listening.end()) return refuse(dial, {ErrorCode::refused, key});
    MemoryListening& listener = *found->second;
    MemoryTransport& other = listener.transport_;
    if (!peer.empty() && peer != other.local_) return refuse(dial, {ErrorCode::peer_mismatch, key});

    auto pipe = std::make_shared<ConnectionPipe>();
    world_.after(world_.latency, [this, dial, pipe, address, remote = other.local_, key = other.public_key_] {
      Dial::Events* events = std::exchange(dial->events, nullptr);
      if (events == nullptr) {  // cancelled: this transport may be gone
        if (MemoryConnection* end = pipe->end[1]) end->shut({ErrorCode::reset, "dial cancelled"});
        return;
      }
      events->on_connected(std::make_unique<MemoryConnection>(
          world_, pipe, 0, info(remote, key, {}, address, Direction::outbound), table_));
    });
    listener.events_.on_connection(std::make_unique<MemoryConnection>(
        world_, pipe, 1, info(local_, public_key_, address, {}, Direction::inbound), other.table_));
  }
  static ConnectionInfo info(const PeerId& peer, const Bytes& key, const Multiaddr& local,
                             const Multiaddr& remote, Direction direction) {
    return {.peer = peer,
            .peer_public_key = key,
            .local = local,
            .remote = remote,
            .direction = direction,
            .security = "/memory",
            .muxer = "/memory"};
  }
  void refuse(const std::shared_ptr<DialState>& dial, Error error) {
    world_.after(world_.latency, [dial, error = std::move(error)] {
      if (Dial::Events* events = std::exchange(dial->events, nullptr)) events->on_failed(error);
    });
  }

  MemoryWorld& world_;
  PeerId local_;
  Bytes public_key_;
  const ProtocolTable& table_;
};

class NoNetwork final : public Network {
 public:
  std::unique_ptr<ByteStream> connect(const Endpoint&, ByteStream::Events&, const Endpoint&) override {
    return nullptr;
  }
  Result<std::unique_ptr<Listener>> listen(const Endpoint&, Listener::Events&) override {
    return fail(ErrorCode::unsupported);
  }
  Result<std::unique_ptr<Datagrams>> bind(const Endpoint&, Datagrams::Events&) override {
    return fail(ErrorCode::unsupported);
  }
  std::unique_ptr<Resolution> resolve(std::string_view, RecordType, Resolution::Events&) override {
    return nullptr;
  }
  std::vector<IpAddress> local_addresses() const override { return addresses; }

  std::vector<IpAddress> addresses;
};

class RecordingTrace final : public Trace {
 public:
  struct Entry {
    TraceKind kind;
    std::uint64_t peer, subject, value;
    std::string label;
  };
  std::vector<Entry> events;

  void record(const TraceEvent& e) override {
    events.push_back({e.kind, e.peer, e.subject, e.value, std::string(e.label)});
  }
  std::size_t count(TraceKind kind) const {
    return static_cast<std::size_t>(
        std::count_if(events.begin(), events.end(), [kind](const Entry& e) { return e.kind == kind; }));
  }
};

// An environment of a MemoryWorld: everything but a network.
struct MemoryEnv {
  MemoryEnv(MemoryWorld& world, std::uint64_t seed) : rng(seed), entropy(rng.fork("entropy")) {
    static_cast<void>(world);
  }
  NoNetwork network;
  Rng rng;
  SeededEntropy entropy;
  RecordingTrace trace;
  Metrics metrics;
};

// The Ed25519 PublicKey protobuf of a key that nobody holds, for tests that sign nothing.
inline Bytes fake_public_key(std::uint64_t index) {
  return Bytes::build(36, [index](MutableByteView out) {
    const std::uint8_t head[4] = {0x08, 0x01, 0x12, 0x20};
    std::copy(head, head + 4, out.begin());
    Rng rng(index);
    for (std::size_t i = 4; i < out.size(); ++i) out[i] = static_cast<std::uint8_t>(rng.next());
  });
}

// A swarm over a MemoryTransport, listening on /ip4/10.x.y.z/tcp/4001.
struct MemoryHost {
  explicit MemoryHost(MemoryWorld& in, std::uint32_t index, SwarmLimits limits = {})
      : MemoryHost(in, index, fake_public_key(index), limits) {}
  MemoryHost(MemoryWorld& in, std::uint32_t index, const Bytes& public_key, SwarmLimits limits = {})
      : world(in),
        parts(in, index),
        env{in.clock, parts.network, parts.rng, parts.entropy, parts.trace, parts.metrics},
        address(Multiaddr::tcp({IpAddress::v4(0x0a000000u + index), 4001})),
        swarm(env, PeerId::from_public_key(public_key), limits) {
    swarm.add_transport(
        std::make_unique<MemoryTransport>(world, swarm.local_peer(), public_key, swarm.protocol_table()));
    MC_ASSERT(swarm.listen(address).has_value());
  }

  const PeerId& id() const { return swarm.local_peer(); }
  const RecordingTrace& trace() const { return parts.trace; }
  const Metrics& metrics() const { return parts.metrics; }
  void dial(const MemoryHost& other) {
    world.turn([&] { swarm.dial(other.id(), {&other.address, 1}); });
  }

  MemoryWorld& world;
  MemoryEnv parts;
  Env env;
  Multiaddr address;
  Swarm swarm;
};

}  // namespace mesocosm::testing
