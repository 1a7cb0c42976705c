#include "tests/adversarial/victim.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include <sys/resource.h>

#include "stack/base/assert.h"
#include "tests/adversarial/memory_meter.h"

namespace mesocosm::testing {
namespace {

const Multiaddr kLoopback = Multiaddr::tcp({IpAddress::v4(0x7f000001), 0});

TransportFactory tcp_with(TcpOptions options) {
  return [options](const TransportHost& host) {
    TcpOptions own = options;
    own.max_pending_inbound = host.limits.pending_inbound;
    return std::make_unique<TcpTransport>(host.env, host.key, host.protocols, own, &host.traffic);
  };
}

}  // namespace

// Writes down why connections end.
class Victim::Watcher final : public SwarmObserver, public IdentifyEvents {
 public:
  explicit Watcher(Victim& victim) : victim_(victim) {}
  void on_inbound_failed(const Multiaddr&, const Error& error) override { write("inbound", error); }
  void on_refused(const PeerId&, const Error& error) override { write("refused", error); }
  void on_dial_failed(const PeerId&, const Error& error) override { write("dial", error); }
  void on_connection_closed(const Connection&, const Error& error) override { write("closed", error); }
  void on_identified(const PeerId&, const IdentifyFacts&) override {}
  void on_identify_failed(const PeerId&, const Error& error) override { write("identify", error); }

 private:
  void write(const char* what, const Error& error) {
    victim_.write_down(std::string(what) + ": " + error.message());
  }
  Victim& victim_;
};

// What protocols log with an error.
class Victim::ComplaintLog final : public Log {
 public:
  explicit ComplaintLog(Victim& victim) : Log(levels()), victim_(victim) {}

 private:
  static LogLevels levels() {
    LogLevels levels;
    levels.set(LogComponent::gossipsub, LogLevel::info);
    return levels;
  }
  void on_line(LogComponent component, LogLevel, std::string_view message,
               std::span<const LogField> fields) override {
    for (const LogField& field : fields) {
      if (field.key != "error") continue;
      victim_.write_down(std::string(to_string(component)) + ": " + std::string(message) + ": " +
                         std::string(field.value.text()));
    }
  }
  Victim& victim_;
};

void Victim::write_down(std::string complaint) {
  const std::lock_guard lock(mutex_);
  ++complaints_[std::move(complaint)];
}

Victim::Victim(const VictimOptions& options)
    : thread_([&](AsioLoop& loop) { begin(loop, options); }, [this] { end(); }) {}

Victim::~Victim() = default;

void Victim::begin(AsioLoop& loop, const VictimOptions& options) {
  log_ = std::make_unique<ComplaintLog>(*this);
  env_ = std::make_unique<RealEnv>(loop, 1, *log_);
  watcher_ = std::make_unique<Watcher>(*this);
  NodeConfig config;
  config.listen = {kLoopback};
  config.limits = options.limits;
  config.perf = true;
  config.identify_events = watcher_.get();
  if (options.gossipsub) config.gossipsub.emplace().params = *options.gossipsub;
  const TransportFactory tcp = tcp_with(options.tcp);
  auto node = Node::make(env_->env, std::move(config), {&tcp, 1});
  MC_ASSERT(node.has_value());
  node_ = std::move(*node);
  node_->swarm().observe(*watcher_);
  if (options.gossipsub) MC_ASSERT(node_->gossipsub()->subscribe("topic", deaf_).has_value());
  peer_ = node_->peer_id();
  address_ = node_->swarm().listen_addresses().at(0);
}

void Victim::end() {
  node_->swarm().unobserve(*watcher_);
  node_.reset();
  env_.reset();
}

Complaints Victim::complaints() const {
  const std::lock_guard lock(mutex_);
  return complaints_;
}

std::size_t Victim::complaints_like(std::string_view part) const {
  std::size_t count = 0;
  for (const auto& [text, times] : complaints()) {
    if (text.find(part) != std::string::npos) count += times;
  }
  return count;
}

std::size_t Victim::memory() {
  const std::ptrdiff_t held = ask([](Node&) { return thread_memory(); });
  return static_cast<std::size_t>(std::max<std::ptrdiff_t>(held, 0));
}

// --- Those who behave

Honest::Honest(AsioLoop& loop, Victim& victim, std::uint64_t seed)
    : loop_(loop), victim_(victim), env_(loop, seed) {
  const TransportFactory tcp = tcp_with({});
  auto node = Node::make(env_.env, {}, {&tcp, 1});
  MC_ASSERT(node.has_value());
  node_ = std::move(*node);
}

Honest::~Honest() = default;

void Honest::connect() { node_->swarm().dial(victim_.peer(), {&victim_.address(), 1}); }
bool Honest::connected() const { return node_->swarm().connected(victim_.peer()); }

void Honest::send() {
  sent_ = loop_.now();
  work_ = victim_.cpu();
  pinging_ = true;
  node_->ping()->ping(victim_.peer(), *this);
}

void Honest::note() {
  worst_.clock = std::max(worst_.clock, loop_.now() - sent_);
  worst_.work = std::max(worst_.work, victim_.cpu() - work_);
}

void Honest::on_pong(const PeerId&, Duration) {
  ++pongs_;
  note();
  pinging_ = false;
  loop_.arm_after(next_, 10ms);
}

void Honest::on_ping_failed(const PeerId&, const Error&) {
  ++failures_;
  pinging_ = false;
  loop_.arm_after(next_, 10ms);
}

Wait Honest::worst() {
  if (pinging_) note();
  return std::exchange(worst_, {});
}

bool run_until(AsioLoop& loop, Duration limit, const std::function<bool()>& done) {
  const Time end = loop.now() + limit;
  while (!done()) {
    if (loop.now() >= end) return false;
    loop.run_for(std::min<Duration>(5ms, end - loop.now()));
  }
  return true;
}

std::optional<Wait> newcomer(AsioLoop& loop, Victim& victim, std::uint64_t seed, Duration limit) {
  const Time begun = loop.now();
  const Duration work = victim.cpu();
  Honest node(loop, victim, seed);
  node.connect();
  if (!run_until(loop, limit, [&] { return node.connected(); })) return std::nullopt;
  node.keep_pinging();
  if (!run_until(loop, limit - (loop.now() - begun), [&] { return node.pongs() > 0; })) return std::nullopt;
  return Wait{loop.now() - begun, victim.cpu() - work};
}

void need_descriptors(std::size_t count) {
  rlimit limit{};
  MC_ASSERT(getrlimit(RLIMIT_NOFILE, &limit) == 0);
  if (limit.rlim_cur >= count) return;
  limit.rlim_cur = std::min<rlim_t>(count, limit.rlim_max);
  if (limit.rlim_cur < count || setrlimit(RLIMIT_NOFILE, &limit) != 0)
    throw std::runtime_error("this test needs " + std::to_string(count) +
                             " descriptors, and the system allows " + std::to_string(limit.rlim_max) +
                             " (ulimit -Hn)");
}

}  // namespace mesocosm::testing
