#include "tests/adversarial/victim.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include <pthread.h>
#include <sys/resource.h>
#include <time.h>

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

struct Deaf final : GossipSubHandler {
  void on_message(const GossipSubDelivery&) override {}
};

}  // namespace

RealEnv::RealEnv(AsioLoop& loop, std::uint64_t seed)
    : network(loop), rng(seed), env{loop, network, rng, entropy, trace} {}

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
    const std::lock_guard lock(victim_.mutex_);
    ++victim_.complaints_[std::string(what) + ": " + error.message()];
  }
  Victim& victim_;
};

Victim::Victim(VictimOptions options) : thread_([this, options] { run(options); }) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return ready_; });
}

Victim::~Victim() {
  {
    const std::lock_guard lock(mutex_);
    quit_ = true;
  }
  loop_.stop();
  thread_.join();
}

void Victim::run(VictimOptions options) {
  RealEnv env(loop_, 1);
  Watcher watcher(*this);
  Deaf deaf;
  NodeConfig config;
  config.listen = {kLoopback};
  config.limits = options.limits;
  config.perf = true;
  config.identify_events = &watcher;
  if (options.gossipsub) config.gossipsub.emplace().params = *options.gossipsub;
  const TransportFactory tcp = tcp_with(options.tcp);
  const auto node = Node::make(env.env, std::move(config), {&tcp, 1});
  MC_ASSERT(node.has_value());
  (*node)->swarm().observe(watcher);
  if (options.gossipsub) MC_ASSERT((*node)->gossipsub()->subscribe("topic", deaf).has_value());
  std::unique_lock lock(mutex_);
  node_ = node->get();
  peer_ = node_->peer_id();
  address_ = node_->swarm().listen_addresses().at(0);
  ready_ = true;
  changed_.notify_all();
  while (!quit_) {
    lock.unlock();
    loop_.run();
    lock.lock();
    if (question_ == nullptr) continue;
    lock.unlock();
    (*question_)(*node_);
    lock.lock();
    question_ = nullptr;
    changed_.notify_all();
  }
  lock.unlock();
  (*node)->swarm().unobserve(watcher);
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

void Victim::ask(const std::function<void(Node&)>& question) {
  std::unique_lock lock(mutex_);
  question_ = &question;
  loop_.stop();
  changed_.wait(lock, [this] { return question_ == nullptr; });
}

std::size_t Victim::memory() {
  std::ptrdiff_t held = 0;
  ask([&](Node&) { held = thread_memory(); });
  return static_cast<std::size_t>(std::max<std::ptrdiff_t>(held, 0));
}

Duration Victim::cpu() {
  clockid_t clock{};
  timespec time{};
  MC_ASSERT(pthread_getcpuclockid(thread_.native_handle(), &clock) == 0 && clock_gettime(clock, &time) == 0);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

// --- Those who behave

Honest::Honest(AsioLoop& loop, std::uint64_t seed, std::optional<GossipSubParams> gossipsub)
    : loop_(loop), env_(loop, seed) {
  NodeConfig config;
  if (gossipsub) config.gossipsub.emplace().params = *gossipsub;
  const TransportFactory tcp = tcp_with({});
  auto node = Node::make(env_.env, std::move(config), {&tcp, 1});
  MC_ASSERT(node.has_value());
  node_ = std::move(*node);
}

Honest::~Honest() = default;

void Honest::connect(const Victim& victim) { node_->swarm().dial(victim.peer(), {&victim.address(), 1}); }

void Honest::keep_pinging(const Victim& victim) {
  pinged_ = victim.peer();
  send();
}

void Honest::send() {
  sent_ = loop_.now();
  pinging_ = true;
  node_->ping()->ping(pinged_, *this);
}

void Honest::on_pong(const PeerId&, Duration round_trip) {
  ++pongs_;
  worst_ = std::max(worst_, round_trip);
  pinging_ = false;
  loop_.arm_after(next_, 10ms);
}

void Honest::on_ping_failed(const PeerId&, const Error&) {
  ++failures_;
  pinging_ = false;
  loop_.arm_after(next_, 10ms);
}

Duration Honest::worst() {
  const Duration waiting = pinging_ ? loop_.now() - sent_ : Duration::zero();
  return std::max(std::exchange(worst_, {}), waiting);
}

bool run_until(AsioLoop& loop, Duration limit, const std::function<bool()>& done) {
  const Time end = loop.now() + limit;
  while (!done()) {
    if (loop.now() >= end) return false;
    loop.run_for(std::min<Duration>(5ms, end - loop.now()));
  }
  return true;
}

Duration newcomer(AsioLoop& loop, const Victim& victim, std::uint64_t seed, Duration limit) {
  const Time begun = loop.now();
  Honest node(loop, seed);
  node.connect(victim);
  const auto connected = [&] { return node.node().swarm().connected(victim.peer()); };
  if (!run_until(loop, limit, connected)) return limit;
  node.keep_pinging(victim);
  run_until(loop, limit - (loop.now() - begun), [&] { return node.pongs() > 0; });
  return std::min(limit, loop.now() - begun);
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
