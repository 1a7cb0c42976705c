#include "tests/agreement/transfers.h"

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <optional>

#include "sim/flow/flow_network.h"
#include "sim/kernel/kernel.h"
#ifdef MESOCOSM_NS3
#include "sim/packet/packet_network.h"
#endif
#include "stack/asio/asio_env.h"
#include "stack/base/assert.h"
#include "stack/node/node.h"
#include "stack/transport/tcp_transport.h"
#include "tests/agreement/shaped_linux.h"
#include "tests/simulation/uniform_paths.h"

namespace mesocosm::agreement {
namespace {

constexpr HostIndex kHosts = 3;
constexpr Duration kPatience = 600s;

// What a scenario stands on.
class Ground {
 public:
  virtual ~Ground() = default;
  virtual Clock& clock() = 0;
  virtual Network& network(HostIndex host) = 0;
  virtual IpAddress address(HostIndex host) = 0;
  virtual bool run_until(const std::function<bool()>& done, Duration timeout) = 0;
  virtual std::uint64_t sent(HostIndex host) = 0;  // IP bytes; 0 where nobody knows
  virtual std::uint64_t lost(HostIndex host) = 0;  // packets, likewise
};

UniformPaths paths_of(const Way& way) {
  UniformPaths paths;
  paths.count = kHosts;
  paths.one_way = way.rtt / 2;
  paths.loss = way.loss;
  paths.link = {way.bps, way.bps, way.queue, way.queue};
  return paths;
}

template <typename SimulatedNetwork>
class SimulatedGround final : public Ground {
 public:
  explicit SimulatedGround(const Way& way)
      : paths_(paths_of(way)), network_(kernel_, paths_, Rng(way.seed)) {}
  Clock& clock() override { return kernel_; }
  Network& network(HostIndex host) override { return network_.attach(host); }
  IpAddress address(HostIndex host) override { return network_.directory().address_v4(host); }
  bool run_until(const std::function<bool()>& done, Duration timeout) override {
    const Time end = kernel_.now() + timeout;
    while (!done()) {
      if (kernel_.next_event() > end || !kernel_.step()) {
        kernel_.run_until(end);
        return done();
      }
    }
    return true;
  }
  std::uint64_t sent(HostIndex host) override { return network_.traffic(host).sent; }
  std::uint64_t lost(HostIndex host) override { return network_.traffic(host).packets_lost; }

 private:
  UniformPaths paths_;
  Kernel kernel_;
  SimulatedNetwork network_;
};

class RealGround final : public Ground {
 public:
  RealGround() {
    for (HostIndex host = 0; host < kHosts; ++host) {
      networks_.push_back(std::make_unique<AsioNetwork>(loop_, AsioNetwork::Options{{address(host)}}));
    }
  }
  Clock& clock() override { return loop_; }
  Network& network(HostIndex host) override { return *networks_[host]; }
  IpAddress address(HostIndex host) override { return IpAddress::v4(0x7f000001 + host); }
  bool run_until(const std::function<bool()>& done, Duration timeout) override {
    const Time end = loop_.now() + timeout;
    while (!done()) {
      if (loop_.now() >= end) return false;
      loop_.step(end);
    }
    return true;
  }
  std::uint64_t sent(HostIndex) override { return 0; }
  std::uint64_t lost(HostIndex) override { return 0; }

 private:
  AsioLoop loop_;
  std::vector<std::unique_ptr<AsioNetwork>> networks_;
};

class LinuxGround final : public Ground {
 public:
  explicit LinuxGround(const Way& way)
      : paths_(paths_of(way)), machine_(ShapedLinux::make(paths_, way.seed)) {
    MC_ASSERT(machine_ != nullptr);  // linux_possible() says so
  }
  Clock& clock() override { return machine_->loop(); }
  Network& network(HostIndex host) override { return machine_->network(host); }
  IpAddress address(HostIndex host) override { return machine_->address(host); }
  bool run_until(const std::function<bool()>& done, Duration timeout) override {
    const Time end = machine_->loop().now() + timeout;
    while (!done()) {
      if (machine_->loop().now() >= end) return false;
      machine_->step();
    }
    return true;
  }
  std::uint64_t sent(HostIndex host) override { return machine_->traffic(host).sent; }
  std::uint64_t lost(HostIndex host) override { return machine_->traffic(host).packets_lost; }

 private:
  UniformPaths paths_;
  std::unique_ptr<ShapedLinux> machine_;
};

std::unique_ptr<Ground> ground(Tier tier, const Way& way) {
  if (tier == Tier::flow) return std::make_unique<SimulatedGround<FlowNetwork>>(way);
  if (tier == Tier::real) return std::make_unique<RealGround>();
  if (tier == Tier::shaped_linux) return std::make_unique<LinuxGround>(way);
#ifdef MESOCOSM_NS3
  return std::make_unique<SimulatedGround<PacketNetwork>>(way);
#else
  MC_ASSERT(false);  // callers ask for it where it exists
  return nullptr;
#endif
}

// --- Byte streams

struct Writer final : ByteStream::Events {
  explicit Writer(Clock& on) : clock(on) {}
  void on_readable() override {}
  void on_closed(Error) override {}
  void on_writable() override { pump(); }
  void pump() {
    while (left > 0 && stream->writable() > 0) {
      const std::uint64_t size = std::min<std::uint64_t>({left, kPage, stream->writable()});
      stream->write(zeros.slice(0, size));
      left -= size;
      written += size;
    }
  }
  static constexpr std::uint64_t kPage = 16'384;
  Clock& clock;
  std::unique_ptr<ByteStream> stream;
  Bytes zeros = Bytes::build(kPage, [](MutableByteView out) { std::fill(out.begin(), out.end(), 0); });
  std::uint64_t left = 0, written = 0;
};

struct Reader final : ByteStream::Events, Listener::Events {
  explicit Reader(Clock& on) : clock(on) {}
  void on_accept(std::unique_ptr<ByteStream> accepted) override {
    stream = std::move(accepted);
    stream->set_events(*this);
  }
  void on_writable() override {}
  void on_closed(Error) override {}
  void on_readable() override {
    if (piece == 0) take(SIZE_MAX);
  }
  void take(std::uint64_t most) {
    while (most > 0) {
      const Bytes bytes = stream->read(most);
      if (bytes.empty()) return;
      most -= bytes.size();
      received += bytes.size();
      last = clock.now();
    }
  }
  void read_slowly() {
    take(piece);
    clock.arm_after(turn, interval);
  }
  Clock& clock;
  std::unique_ptr<Listener> listener;
  std::unique_ptr<ByteStream> stream;
  std::uint64_t piece = 0, received = 0;  // piece 0: all that there is
  Duration interval{};
  Time last{};
  MemberTimer<&Reader::read_slowly> turn{*this};
};

// A connection from host 0.
struct Channel {
  Channel(Ground& on, HostIndex to) : ground(on), writer(on.clock()), reader(on.clock()) {
    auto listener = on.network(to).listen({on.address(to), 0}, reader);
    MC_ASSERT(listener.has_value());
    reader.listener = std::move(*listener);
    writer.stream = on.network(0).connect({on.address(to), reader.listener->local().port}, writer);
    // A byte goes first: ns-3's listener learns of a connection whose last ACK was lost only by data.
    writer.left = 1;
    const bool open = on.run_until([&] { return reader.received == 1; }, kPatience);
    MC_ASSERT(open);
    writer.written = reader.received = 0;
  }
  Ground& ground;
  Writer writer;
  Reader reader;
};

Outcome carry(Ground& ground, const std::vector<std::unique_ptr<Channel>>& channels, std::uint64_t bytes) {
  static_cast<void>(ground.run_until([] { return false; }, 1s));  // what opening left on its way
  const Time begin = ground.clock().now();
  const std::uint64_t sent = ground.sent(0), answered = ground.sent(1), lost = ground.lost(0);
  for (const auto& channel : channels) {
    channel->writer.left = bytes;
    channel->writer.pump();
    if (channel->reader.piece > 0) channel->reader.read_slowly();
  }
  Outcome outcome;
  const auto done = [&] {
    for (const auto& channel : channels) {
      outcome.most_ahead = std::max(outcome.most_ahead, channel->writer.written - channel->reader.received);
    }
    return std::all_of(channels.begin(), channels.end(),
                       [&](const auto& channel) { return channel->reader.received == bytes; });
  };
  if (!ground.run_until(done, kPatience)) return {};
  for (const auto& channel : channels) outcome.taken.push_back(channel->reader.last - begin);
  static_cast<void>(ground.run_until([] { return false; }, 1s));  // the last acknowledgements
  outcome.lost = ground.lost(0) - lost;
  outcome.sent = ground.sent(0) - sent;
  outcome.answered = ground.sent(1) - answered;
  return outcome;
}

// --- Nodes

struct Host final : Trace, PerfEvents {
  Host(Ground& ground, HostIndex index, std::uint64_t seed)
      : clock(ground.clock()),
        rng(Rng(seed).fork("node", index)),
        entropy(rng.fork("entropy")),
        env{ground.clock(), ground.network(index), rng, entropy, *this} {
    NodeConfig config;
    config.perf = true;
    config.listen = {Multiaddr::tcp({ground.address(index), 0})};
    const TransportFactory tcp = [](const TransportHost& host) {
      return std::make_unique<TcpTransport>(host.env, host.key, host.protocols, TcpOptions{}, &host.traffic);
    };
    auto made = Node::make(env, std::move(config), {&tcp, 1});
    MC_ASSERT(made.has_value());
    node = std::move(*made);
  }
  void record(const TraceEvent& event) override {
    if (event.kind != TraceKind::connected) return;
    connected = clock.now();
    sent_then = node->traffic().wire.out;
  }
  void on_perf_done(const PeerId&, const PerfResult& result) override { perf = result; }
  void on_perf_failed(const PeerId&, const Error&) override {}

  Clock& clock;
  Rng rng;
  SeededEntropy entropy;
  Env env;
  std::unique_ptr<Node> node;
  std::optional<Time> connected;
  std::uint64_t sent_then = 0;  // bytes on its streams when it was connected
  std::optional<PerfResult> perf;
};

// Two nodes, one of which has dialed the other.
struct Pair {
  Pair(Ground& on, std::uint64_t seed) : ground(on), dialer(on, 0, seed), dialed(on, 1, seed) {
    begin = on.clock().now();
    dialer.node->swarm().dial(dialed.node->peer_id(), dialed.node->swarm().listen_addresses());
    open = on.run_until([&] { return dialer.connected && dialed.connected; }, kPatience);
  }
  Ground& ground;
  Host dialer, dialed;
  Time begin{};
  bool open = false;
};

}  // namespace

bool linux_possible() { return ShapedLinux::make(paths_of({}), 1) != nullptr; }

Outcome bulk(Tier tier, const Way& way, std::uint64_t bytes) {
  const auto on = ground(tier, way);
  std::vector<std::unique_ptr<Channel>> channels;
  channels.push_back(std::make_unique<Channel>(*on, 1));
  return carry(*on, channels, bytes);
}

Outcome shared_uplink(Tier tier, const Way& way, std::uint64_t bytes) {
  const auto on = ground(tier, way);
  std::vector<std::unique_ptr<Channel>> channels;
  for (const HostIndex to : {1u, 2u}) channels.push_back(std::make_unique<Channel>(*on, to));
  return carry(*on, channels, bytes);
}

Outcome blocks(Tier tier, const Way& way, std::uint64_t bytes) {
  constexpr int kBlocks = 10;
  const auto on = ground(tier, way);
  Channel channel(*on, 1);
  Writer& writer = channel.writer;
  const Time begin = on->clock().now();
  const std::uint64_t sent = on->sent(0), answered = on->sent(1);
  Outcome outcome;
  const auto write = [&](Duration at, std::uint64_t size) {
    static_cast<void>(on->run_until([] { return false; }, begin + at - on->clock().now()));
    writer.left += size;
    writer.pump();
  };
  Duration heartbeat = 700ms;
  for (int block = 1; block <= kBlocks; ++block) {
    for (; heartbeat < block * 4s; heartbeat += 700ms) write(heartbeat, 100);
    write(block * 4s, bytes);
    const std::uint64_t whole = writer.written + writer.left;
    if (!on->run_until([&] { return channel.reader.received == whole; }, kPatience)) return {};
    outcome.taken.push_back(channel.reader.last - begin - block * 4s);
  }
  outcome.sent = on->sent(0) - sent;
  outcome.answered = on->sent(1) - answered;
  return outcome;
}

Outcome slow_reader(Tier tier, const Way& way, std::uint64_t bytes, std::uint64_t piece, Duration interval) {
  const auto on = ground(tier, way);
  std::vector<std::unique_ptr<Channel>> channels;
  channels.push_back(std::make_unique<Channel>(*on, 1));
  channels.front()->reader.piece = piece;
  channels.front()->reader.interval = interval;
  return carry(*on, channels, bytes);
}

Outcome setup(Tier tier, const Way& way) {
  const auto on = ground(tier, way);
  const Pair pair(*on, way.seed);
  if (!pair.open) return {};
  Outcome outcome;
  outcome.taken = {*pair.dialer.connected - pair.begin};
  outcome.sent = pair.dialer.sent_then;
  outcome.answered = pair.dialed.sent_then;
  return outcome;
}

Outcome exchange(Tier tier, const Way& way, std::uint64_t bytes) {
  const auto on = ground(tier, way);
  Pair pair(*on, way.seed);
  if (!pair.open) return {};
  static_cast<void>(on->run_until([] { return false; }, 5s));  // identify
  const std::uint64_t sent = on->sent(0), answered = on->sent(1);
  pair.dialer.node->perf()->run(pair.dialed.node->peer_id(), 1, bytes, pair.dialer);
  if (!on->run_until([&] { return pair.dialer.perf.has_value(); }, kPatience)) return {};
  Outcome outcome;
  outcome.taken = {pair.dialer.perf->upload + pair.dialer.perf->download};
  outcome.sent = on->sent(0) - sent;
  outcome.answered = on->sent(1) - answered;
  return outcome;
}

}  // namespace mesocosm::agreement
