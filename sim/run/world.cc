#include "sim/run/world.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <utility>

#include "sim/hosts/directory.h"
#include "sim/record/metric_sampler.h"
#include "sim/record/recorder.h"
#include "sim/run/churn.h"
#include "sim/run/fault_script.h"
#include "sim/run/flow_backend.h"
#include "sim/run/packet_backend.h"
#include "sim/run/ranked_run.h"
#include "sim/run/real_backend.h"
#include "sim/run/skewed_clock.h"
#include "stack/env/node_log.h"
#include "stack/protocols/gossipsub/gossipsub.h"
#include "stack/scrape/scrape_page.h"

namespace mesocosm {
namespace {

// What byte streams carry beside the protocols' payloads: negotiation, encryption and multiplexing.
constexpr std::string_view kOverhead = "overhead";
constexpr Duration kTrafficInterval = 5s;  // of the bytes-by-protocol series

// What the network counts beside the nodes.
struct NetworkMetrics {
  explicit NetworkMetrics(Metrics& metrics)
      : lost(metrics
                 .counter({"mesocosm_packets_lost_total",
                           "Packets that simulated hosts sent and that were lost on the way, in full "
                           "queues or to faults",
                           {}})
                 .with({})) {}
  Counter& lost;
};

struct MiddleboxMetrics {
  explicit MiddleboxMetrics(Metrics& metrics)
      : stopped(metrics.counter({"mesocosm_middlebox_stopped_total",
                                 "Packets that NATs and firewalls did not let through, by why",
                                 {"reason"}})) {}
  Family<Counter>& stopped;
};

// How long a node that leaves waits for what it said to be sent.
constexpr Duration kFarewell = 2s;

void add(TrafficCounters& sum, const TrafficCounters& more) {
  for (const auto& entry : more.entries()) {
    TrafficCounters::Entry& known = sum.of(entry->protocol);
    known.in += entry->in;
    known.out += entry->out;
  }
  sum.wire.in += more.wire.in;
  sum.wire.out += more.wire.out;
}

std::string name_of(NodeIndex node) { return "node " + std::to_string(node); }

Multiaddr listen_address(const Backend& backend, NodeIndex node, TransportKind transport) {
  const Multiaddr tcp = backend.listen_address(node);
  return transport == TransportKind::tcp ? tcp : Multiaddr::websocket(*tcp.tcp_endpoint());
}

// For the record: "blackhole 500 | 300 | 200" by nodes in each group, "delay 200000 us 20 > 980" one way.
std::string describe(const Fault& fault) {
  std::string text;
  switch (fault.effect) {
    case FaultEffect::blackhole:
      text = "blackhole";
      break;
    case FaultEffect::refuse:
      text = "refuse";
      break;
    case FaultEffect::delay:
      text = "delay " + std::to_string(fault.delay / 1us) + " us";
      break;
    case FaultEffect::loss:
      text = "loss " + std::to_string(fault.share);
      break;
  }
  std::string_view between = " ";
  for (const Fault::Paths& paths : fault.paths) {
    text += std::string(between) + std::to_string(paths.from.size());
    between = fault.both_ways ? " | " : " > ";
  }
  if (!fault.paths.empty()) text += std::string(between) + std::to_string(fault.paths.back().to.size());
  return text;
}

void refuse_packet_models(const PathModel& internet) {
  const std::string where = " exist on the packet backend only (backend=\"packet\")";
  if (internet.routers() != nullptr) throw ConfigError("internet: routers" + where);
  if (internet.wifi() != nullptr) throw ConfigError("internet: radios" + where);
  if (internet.discipline() != QueueDiscipline::drop_tail) {
    throw ConfigError("internet: queue disciplines other than drop_tail" + where);
  }
}

}  // namespace

// One node with all that is its own. Members are destroyed in reverse order: the node first.
struct World::Member {
  Member(Rng node_rng, std::unique_ptr<Entropy> secrets, const NodeKind& what)
      : origin(node_rng), rng(node_rng), entropy(std::move(secrets)), kind(what) {
    draw_identity();
  }
  void draw_identity() {
    std::array<std::uint8_t, 32> seed{};
    entropy->fill(seed);
    key = KeyPair::from_seed(seed);
    peer = key->peer_id();
  }

  const Rng origin;
  Rng rng;  // of this life
  std::unique_ptr<Entropy> entropy;
  NodeKind kind;
  std::optional<KeyPair> key;
  PeerId peer;
  std::unique_ptr<SkewedClock> clock;  // null: it has the true time
  std::unique_ptr<NodeTrace> trace;
  std::unique_ptr<NodeLog> log;              // null: nothing is logged
  std::optional<Tun> device;                 // until the start; of an attached one
  bool attached = false;                     // not a node of ours
  Network* network = nullptr;                // from the start on
  Time joins{};                              // zero: it is there from the start
  std::uint32_t lives = 0;                   // begun
  std::vector<std::string> topics;           // that the script lets it take part in
  std::vector<NodeIndex> contacts;           // whom the script lets it dial
  std::unique_ptr<Application> application;  // null: it accepts everything at once
  std::unique_ptr<TrafficCounters> former;   // of its lives that are over; null: none is
  std::unique_ptr<Node> node;                // null: it is not running
  std::unique_ptr<Farewell> farewell;        // null: it is not leaving
  bool behind = false;                       // a middlebox
};

// A scripted action, once or again and again.
class World::Script final : public Timer {
 public:
  Script(World& world, Action action, Duration interval, std::size_t position)
      : world_(world), action_(std::move(action)), interval_(interval), position_(position) {}

  void on_timer() override {
    if (interval_ > Duration::zero()) world_.backend_->clock().arm_after(*this, interval_);
    try {
      action_();
    } catch (...) {
      world_.fail(std::current_exception());
    }
    if (!armed()) forget();
  }

 private:
  void forget() {  // the last takes its place; destroys this
    auto& scripts = world_.scripts_;
    scripts.back()->position_ = position_;
    std::swap(scripts[position_], scripts.back());
    scripts.pop_back();
  }

  World& world_;
  Action action_;
  Duration interval_;
  std::size_t position_;
};

// A node on its way out: in the first turn its pubsub has said that it leaves its topics; then it says goodbye to its
// peers; then it ends.
class World::Farewell final : public Timer {
 public:
  Farewell(World& world, NodeIndex index) : world_(world), index_(index) {
    world.backend_->clock().arm_after(*this, Duration::zero());
  }

  void on_timer() override {
    if (said_) return world_.end(index_);  // destroys this
    said_ = true;
    Swarm& swarm = world_.members_[index_]->node->swarm();
    for (const PeerId& peer : swarm.connected_peers()) swarm.disconnect(peer);
    world_.backend_->clock().arm_after(*this, kFarewell);
  }

 private:
  World& world_;
  NodeIndex index_;
  bool said_ = false;
};

// Dials a list of edges one after the other, evenly over a while: edge i of n at i/n of it; and so again.
class World::Bootstrap final : public Timer {
 public:
  Bootstrap(World& world, std::vector<Edge> edges, Duration within, Duration redial)
      : world_(world), edges_(std::move(edges)), within_(within), redial_(redial), begin_(world.now()) {
    if (!edges_.empty()) arm_next();
  }

  void on_timer() override {
    const auto [dialer, dialed] = edges_[next_++];
    if (world_.ours(dialer)) world_.dial(dialer, dialed);
    arm_next();
  }

 private:
  void arm_next() {
    if (next_ == edges_.size()) {
      if (redial_ == Duration::zero()) {
        edges_ = {};
        return;
      }
      begin_ += within_;
      within_ = redial_;
      next_ = 0;
    }
    const double share = static_cast<double>(next_) / static_cast<double>(edges_.size());
    world_.backend_->clock().arm(*this, begin_ + from_seconds(to_seconds(within_) * share));
  }

  World& world_;
  std::vector<Edge> edges_;
  Duration within_;  // this round
  Duration redial_;  // later rounds; 0: there are none
  Time begin_;
  std::size_t next_ = 0;
};

std::unique_ptr<World> World::flow(std::uint64_t seed, StackKind stack, const InternetConfig& config,
                                   const std::string& data_folder) {
  auto world = std::make_unique<World>(seed);
  world->take_internet(config, data_folder);
  refuse_packet_models(*world->internet_);
  world->backend_ = make_flow_backend(*world->internet_, stack, world->rng_.fork("network"));
  return world;
}

std::unique_ptr<World> World::packet(std::uint64_t seed, const InternetConfig& config,
                                     const std::string& data_folder, std::unique_ptr<Ranks> ranks) {
  auto world = std::make_unique<World>(seed);
  world->take_internet(config, data_folder);
  if (ranks != nullptr && (world->internet_->routers() != nullptr || world->internet_->wifi() != nullptr)) {
    throw ConfigError("internet: links and radios that hosts share cannot be divided among processes");
  }
  if (ranks != nullptr) world->ranked_ = std::make_unique<RankedRun>(std::move(ranks));
  world->backend_ = make_packet_backend(*world->internet_, world->rng_.fork("network"), world->ranked_.get());
  return world;
}

std::unique_ptr<World> World::real(std::uint64_t seed, std::uint16_t port) {
  auto world = std::make_unique<World>(seed);
  world->backend_ = make_real_backend(port);
  return world;
}

void World::take_internet(const InternetConfig& config, const std::string& data_folder) {
  auto internet = Internet::make(config, data_folder, rng_.fork("internet"));
  if (!internet) throw ConfigError(internet.error().message());
  internet_ = std::make_unique<Internet>(std::move(*internet));
}

World::World(std::uint64_t seed) : rng_(seed) {}

World::~World() {
  scripts_.clear();
  bootstraps_.clear();
  members_.clear();  // nodes before the ground that they stand on
}

NodeIndex World::add_node(const NodeKind& kind) {
  const auto index = static_cast<NodeIndex>(members_.size());
  if (internet_ != nullptr) internet_->add_host();
  const Rng rng = rng_.fork("node", index);
  members_.push_back(std::make_unique<Member>(rng, backend_->entropy(rng), kind));
  return index;
}

void World::put_behind(const NatConfig& box, std::span<const NodeIndex> nodes) {
  if (const auto valid = box.validate(); !valid) throw ConfigError(valid.error().detail);
  if (ranked_ != nullptr) throw ConfigError("one process has to run a World with NATs or firewalls");
  for (const NodeIndex node : nodes) {
    if (std::exchange(member(node).behind, true)) {
      throw ConfigError(name_of(node) + " is behind a middlebox already");
    }
  }
  backend_->put_behind(box, nodes);
  for (const NodeIndex node : nodes) internet_->move_in(node, nodes.front());
}

World::Member& World::member(NodeIndex node) {
  if (node >= members_.size()) throw ConfigError("there is no " + name_of(node));
  return *members_[node];
}

std::uint32_t World::processes() const { return ranked_ == nullptr ? 1 : ranked_->processes(); }

std::uint32_t World::rank() const { return ranked_ == nullptr ? 0 : ranked_->rank(); }

bool World::ours(NodeIndex node) const { return ranked_ == nullptr || ranked_->ours(node); }

RecordSink& World::sink() {
  if (ranked_ != nullptr) return ranked_->record();
  return *recorder_;
}

const PeerId& World::peer_id(NodeIndex node) const { return const_cast<World*>(this)->member(node).peer; }

const NodeKind& World::kind(NodeIndex node) const { return const_cast<World*>(this)->member(node).kind; }

HostInfo World::place(NodeIndex node) const {
  const_cast<World*>(this)->member(node);
  return internet_ != nullptr ? internet_->info(node) : HostInfo{};
}

std::string World::ip(NodeIndex node) const {
  const_cast<World*>(this)->member(node);
  return internet_ != nullptr ? hosts::Directory::first_v4(*internet_, node).to_string() : "";
}

NodeIndex World::attach(const std::string& netns, const std::string& device) {
  if (recorder_ != nullptr) throw ConfigError("attach: the world runs already");
  auto tun = Tun::open(netns, device);
  if (!tun) throw ConfigError("attach: " + tun.error().detail);
  backend_->run_in_real_time();
  const NodeIndex index = add_node({});
  members_[index]->device.emplace(std::move(*tun));
  members_[index]->attached = true;
  members_[index]->peer = {};  // its own, and not known here
  return index;
}

void World::capture(std::span<const NodeIndex> nodes, const std::string& folder, bool keys) {
  if (recorder_ != nullptr) throw ConfigError("capture: the world runs already");
  if (ranked_ != nullptr) throw ConfigError("capture: a world that several processes run cannot be captured");
  if (captures_ == nullptr) {
    auto captures = std::make_unique<capture::Captures>(backend_->clock());
    backend_->capture(*captures);
    captures_ = std::move(captures);
  }
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) throw ConfigError("capture: cannot make the folder " + folder + ": " + error.message());
  for (NodeIndex node : nodes) {
    const std::string about = name_of(node) + ", " + member(node).peer.to_string();
    if (const auto added = captures_->add(node, folder, about, keys); !added) {
      throw ConfigError("capture: " + added.error().detail);
    }
  }
}

void World::use_ipv6() { backend_->use_ipv6(); }

void World::observe(const Observation& observation) {
  metrics_every_ = observation.metrics_every;
  const auto usable = [](auto&& result) {
    if (!result) throw ConfigError("log: " + result.error().detail);
    return std::move(*result);
  };
  if (!observation.scrape_page.empty()) {
    const auto at = Endpoint::parse(observation.scrape_page);
    if (!at) throw ConfigError("metrics: " + at.error().detail);
    if (backend_->machine() == nullptr) {
      throw ConfigError("metrics: a simulated world has no sockets to serve a page on");
    }
    scrape_at_ = *at;
  }
  const LogFormat format = usable(parse_log_format(observation.log_format));
  log_levels_ = observation.log.empty() ? LogLevels() : usable(LogLevels::parse(observation.log));
  const bool shared = rank() > 0 && observation.log_file != "-";  // each process writes a file of its own
  const std::string path = observation.log_file + (shared ? "." + std::to_string(rank()) : "");
  log_file_ = log_levels_.any() ? usable(LogFile::open(path, format)) : nullptr;
}

void World::start(const std::string& path, const std::string& provenance) {
  if (ranked_ != nullptr) ranked_->divide(*internet_);
  RecorderOptions options;
  if (rank() == 0) options.path = path;
  auto recorder = Recorder::open(std::move(options));
  if (!recorder) throw ConfigError(recorder.error().detail);
  recorder_ = std::move(*recorder);
  recorder_->set_attribute("provenance", provenance);
  if (ranked_ != nullptr && ranked_->keeps_record()) ranked_->set_recorder(recorder_.get());
  if (scrape_at_) {
    auto page = ScrapePage::open(backend_->clock(), *backend_->machine(), metrics_, *scrape_at_);
    if (!page) throw ConfigError("metrics: cannot listen: " + page.error().message());
    scrape_page_ = std::move(*page);
  }
  for (NodeIndex index = 0; index < members_.size(); ++index) {
    record_place(index);
    if (!ours(index)) continue;
    Member& m = *members_[index];
    if (!m.attached) m.network = &backend_->attach(index);
    if (m.kind.slowdown > Duration::zero()) backend_->slow_down(index, m.kind.slowdown);
    if (m.kind.clock_drift != 0 || m.kind.clock_offset != Duration::zero()) {
      if (internet_ == nullptr) throw ConfigError("clock: real nodes have the machine's");
      m.clock = std::make_unique<SkewedClock>(backend_->clock(), m.kind.clock_drift, m.kind.clock_offset);
    }
    if (m.joins == Time{}) begin(index);
  }
  if (backend_->packets_lost()) metrics_.of<NetworkMetrics>();
  if (backend_->middleboxes() != nullptr) metrics_.of<MiddleboxMetrics>();
  if (captures_ != nullptr) name_addresses();
  arm_samples();
}

void World::begin(NodeIndex index) {
  Member& m = *members_[index];
  if (m.attached) return backend_->hand_over(index, std::move(*m.device));
  ++m.lives;
  if (m.trace == nullptr) m.trace = std::make_unique<NodeTrace>(sink(), backend_->clock(), index);
  if (log_file_ != nullptr && m.log == nullptr) {
    const auto times = internet_ != nullptr ? NodeLog::Times::since_start : NodeLog::Times::utc;
    m.log =
        std::make_unique<NodeLog>(log_levels_, *log_file_, backend_->clock(), times, std::to_string(index));
  }
  Clock& clock = m.clock != nullptr ? static_cast<Clock&>(*m.clock) : backend_->clock();
  const Env env{
      clock, *m.network, m.rng, *m.entropy, *m.trace, metrics_, m.log != nullptr ? *m.log : Log::none()};
  UpgradeOptions upgrade;
  upgrade.securities = m.kind.securities;
  upgrade.early_muxer = m.kind.early_muxer;
  upgrade.keepalive = m.kind.keepalive;
  if (captures_ != nullptr) upgrade.key_log = captures_->key_log(index);
  const TransportFactory transport = backend_->transport_factory(index, upgrade);
  NodeConfig config;
  config.key = m.key;
  config.listen = {listen_address(*backend_, index, m.kind.transport)};
  config.perf = true;
  if (m.kind.gossipsub) {
    GossipSubOptions& gossipsub = config.gossipsub.emplace();
    gossipsub.params = *m.kind.gossipsub;
    if (m.kind.policy) gossipsub.policy = m.kind.policy();
    if (internet_ != nullptr)
      gossipsub.checks = &message_checks_;  // on real sockets each node does its own work
  }
  config.pubsub = m.kind.pubsub;
  auto node = Node::make(env, std::move(config), std::span(&transport, 1));
  if (!node) throw ConfigError(name_of(index) + " cannot listen: " + node.error().message());
  m.node = std::move(*node);
  if (m.application != nullptr) m.application->attend(*m.node->gossipsub());
}

// So that Wireshark shows nodes by their numbers.
void World::name_addresses() {
  std::vector<std::pair<IpAddress, std::string>> names;
  for (NodeIndex index = 0; index < members_.size(); ++index) {
    for (const IpAddress& ip : backend_->attach(index).local_addresses()) {
      names.emplace_back(ip, "node-" + std::to_string(index));
    }
  }
  captures_->names(names);
}

void World::record_place(NodeIndex index) {
  const Member& m = *members_[index];
  const HostInfo info = place(index);
  const std::string id = m.peer.to_string();
  NodeRow row;
  row.index = index;
  row.peer_hash = m.peer.hash();
  row.peer_id = id;
  row.country = info.country;
  row.city = info.city;
  row.region = info.region;
  row.asn = info.asn;
  const std::string address = ip(index);
  row.address = address;
  row.latitude = static_cast<float>(info.at.lat);
  row.longitude = static_cast<float>(info.at.lon);
  row.hosting = info.hosting ? "hosting" : "residential";
  row.up_bps = static_cast<std::uint64_t>(info.up_bps);
  row.down_bps = static_cast<std::uint64_t>(info.down_bps);
  row.last_mile_ns = info.last_mile.count();
  row.joined = std::max(now(), m.joins);
  recorder_->add_node(row);
}

std::optional<Endpoint> World::scrape_page() const {
  return scrape_page_ == nullptr ? std::nullopt : std::optional(scrape_page_->local());
}

// --- what scripts do

Time World::now() const { return backend_->clock().now(); }

Node& World::node(NodeIndex index) {
  Member& m = member(index);
  if (recorder_ != nullptr && !ours(index)) throw ConfigError(name_of(index) + " runs in another process");
  if (m.attached) throw ConfigError(name_of(index) + " was attached: what it does is its own business");
  if (m.node == nullptr) {
    throw ConfigError(name_of(index) + (recorder_ == nullptr ? " is not running" : " is down"));
  }
  return *m.node;
}

// Throws for what is never a node of ours, and before the start.
void World::expect_node(NodeIndex index) {
  if (recorder_ == nullptr || member(index).node != nullptr || member(index).attached) node(index);
}

// The script lets a node do something: whether this process is to do it.
bool World::work(NodeIndex index, std::string_view what, std::uint64_t detail) {
  member(index);
  if (ranked_ == nullptr || recorder_ == nullptr) return true;
  ranked_->step(what, detail ^ mix64(index));
  return ours(index);
}

// Where others dial it.
Multiaddr World::address(NodeIndex index) {
  const bool down = recorder_ != nullptr && member(index).node == nullptr;
  if (ours(index) && !member(index).attached && !down) {
    return node(index).swarm().listen_addresses().front();
  }
  return listen_address(*backend_, index, member(index).kind.transport);
}

PubSub& World::pubsub(NodeIndex index) {
  PubSub* pubsub = node(index).pubsub();
  if (pubsub == nullptr) throw ConfigError(name_of(index) + " runs no pubsub");
  return *pubsub;
}

void World::bootstrap(std::vector<Edge> edges, Duration within, Duration redial) {
  for (const auto& [dialer, dialed] : edges) {
    if (work(dialer, "dials", dialed)) expect_node(dialer);
    if (work(dialed, "dialed", dialer)) expect_node(dialed);
    if (ranked_ == nullptr) members_[dialer]->contacts.push_back(dialed);
  }
  bootstraps_.push_back(std::make_unique<Bootstrap>(*this, std::move(edges), within, redial));
}

void World::subscribe(NodeIndex index, std::string_view topic) {
  if (!work(index, "subscribe", hash64(as_bytes(topic)))) return;
  Member& m = member(index);
  const bool down = recorder_ != nullptr && !up(index) && (m.kind.gossipsub || m.kind.pubsub);
  if (!down) {
    const auto subscribed = pubsub(index).subscribe(topic);
    if (!subscribed) throw ConfigError(name_of(index) + " cannot subscribe: " + subscribed.error().message());
  }
  if (!weaknesses_.empty() && m.kind.gossipsub) {
    application(m, index).attend(m.node != nullptr ? m.node->gossipsub() : nullptr, topic);
  }
  if (std::find(m.topics.begin(), m.topics.end(), topic) == m.topics.end()) m.topics.emplace_back(topic);
}

void World::unsubscribe(NodeIndex index, std::string_view topic) {
  if (!work(index, "unsubscribe", hash64(as_bytes(topic)))) return;
  if (recorder_ == nullptr || up(index)) pubsub(index).unsubscribe(topic);
  std::erase(member(index).topics, topic);
}

void World::publish(NodeIndex node, std::string_view topic, const Bytes& data) {
  if (!work(node, "publish", hash64(as_bytes(topic), data.size()))) return;
  const auto published = pubsub(node).publish(topic, data);
  if (!published) throw ConfigError(name_of(node) + " cannot publish: " + published.error().message());
}

void World::publish_random(NodeIndex node, std::string_view topic, std::size_t size) {
  // From the node's generator and the time, so that what other nodes publish does not change it.
  Rng rng = member(node).rng.fork("payload", static_cast<std::uint64_t>(now().time_since_epoch().count()));
  publish(node, topic, Bytes::build(size, [&](MutableByteView out) { SeededEntropy(rng).fill(out); }));
}

// --- what applications say of messages

Application& World::application(Member& m, NodeIndex index) {
  if (m.application == nullptr) {
    m.application = std::make_unique<Application>(index, m.kind.gossipsub->validation_delay, weaknesses_,
                                                  [this](std::exception_ptr why) { fail(std::move(why)); });
  }
  return *m.application;
}

void World::judge(NodeIndex index, std::string_view topic, std::shared_ptr<const Judge> judge) {
  if (!work(index, "validate", hash64(as_bytes(topic)))) return;
  Member& m = member(index);
  if (!m.kind.gossipsub) throw ConfigError(name_of(index) + " does not run gossipsub");
  application(m, index).set_judge(topic, std::move(judge));
  m.application->attend(m.node != nullptr ? m.node->gossipsub() : nullptr, topic);
}

Weakness::Mark World::add_weakness(const Ruling& ruling) {
  if (recorder_ != nullptr) throw ConfigError("weakness: the world runs already");
  Weakness known{.mark = {}, .ruling = ruling};
  SeededEntropy(rng_.fork("weakness", weaknesses_.size())).fill(known.mark);
  weaknesses_.push_back(known);
  return known.mark;
}

std::optional<NodeIndex> World::find(const PeerId& peer) {
  if (by_peer_.empty()) {
    for (NodeIndex node = 0; node < members_.size(); ++node) {
      if (!members_[node]->attached) by_peer_[members_[node]->peer.hash()] = node;
    }
  }
  const auto known = by_peer_.find(peer.hash());
  return known == by_peer_.end() ? std::nullopt : std::optional(known->second);
}

// --- nodes that come and go

World::Member& World::mortal(NodeIndex index) {
  Member& m = member(index);
  if (ranked_ != nullptr) throw ConfigError("nodes cannot come and go in a world that several processes run");
  if (m.attached)
    throw ConfigError(name_of(index) + " was attached: whether it is there is its own business");
  return m;
}

void World::join_at(std::span<const NodeIndex> nodes, Time at) {
  if (recorder_ != nullptr) throw ConfigError("join: the world runs already");
  if (at <= Time{}) return;
  for (const NodeIndex node : nodes) mortal(node).joins = at;
  call_at(at, [this, late = std::vector(nodes.begin(), nodes.end())] {
    for (const NodeIndex node : late) {
      if (members_[node]->lives == 0) restart(node);
    }
  });
}

bool World::up(NodeIndex index) const {
  const Member& m = const_cast<World*>(this)->member(index);
  if (recorder_ == nullptr) return m.joins == Time{};
  return !ours(index) || m.attached || (m.node != nullptr && m.farewell == nullptr);
}

void World::crash(NodeIndex index) {
  Member& m = mortal(index);
  if (backend_->faults() == nullptr) {
    throw ConfigError(
        "crash: a real node cannot vanish, its kernel ends its connections; use leave or restart");
  }
  if (m.node == nullptr) return;
  backend_->faults()->switch_off(index);  // first: so that nothing of its end is heard
  end(index);
  note_presence(index, Presence::crashed);
}

void World::leave(NodeIndex index) {
  Member& m = mortal(index);
  if (m.node == nullptr || m.farewell != nullptr) return;
  for (const std::string& topic : m.topics) pubsub(index).unsubscribe(topic);
  m.farewell = std::make_unique<Farewell>(*this, index);
  note_presence(index, Presence::left);
}

void World::restart(NodeIndex index, Identity identity) {
  Member& m = mortal(index);
  if (recorder_ == nullptr) throw ConfigError("restart: " + name_of(index) + " has not begun");
  const bool first = m.lives == 0;
  if (m.node != nullptr) end(index);
  if (backend_->faults() != nullptr) backend_->faults()->switch_on(index);
  if (identity == Identity::fresh && !first) {
    m.draw_identity();
    if (!by_peer_.empty()) by_peer_[m.peer.hash()] = index;
  }
  m.rng = m.origin.fork("life", m.lives);
  begin(index);
  note_presence(index, first ? Presence::joined : Presence::restarted);
  for (const std::string& topic : m.topics) {
    if (!pubsub(index).subscribe(topic)) throw ConfigError(name_of(index) + " cannot subscribe to " + topic);
  }
  for (const NodeIndex contact : m.contacts) dial(index, contact);
}

void World::churn(std::span<const NodeIndex> nodes, const ChurnPlan& plan) {
  for (const NodeIndex node : nodes) mortal(node);
  if (plan.until <= plan.start) throw ConfigError("churn: it ends before it begins");
  const Rng rng = rng_.fork("churn", churns_.size());
  churns_.push_back(std::make_unique<Churn>(*this, nodes, plan, rng));
}

std::uint32_t World::fail(const FaultRule& rule, std::span<const NodeIndex> nodes) {
  if (internet_ == nullptr) throw ConfigError("fault points: real nodes have none");
  if (ranked_ != nullptr) throw ConfigError("fault points: one process has to run the world");
  std::vector<std::pair<NodeIndex, const Entropy*>> who;
  for (const NodeIndex node : nodes) who.emplace_back(node, mortal(node).entropy.get());
  if (fault_points_ == nullptr && FaultPoints::installed() != nullptr) {
    throw ConfigError("fault points: of one World at a time in a process");
  }
  if (fault_points_ == nullptr) fault_points_ = std::make_unique<FaultScript>(rng_);
  const FaultScript::Id id = fault_points_->add(rule, who);
  const std::string_view name = FaultPoints::all().at(static_cast<std::size_t>(rule.point)).name;
  recorder_->event(now(), "fault point",
                   "#" + std::to_string(id) + " " + std::string(name) + " of " + std::to_string(who.size()));
  return id;
}

void World::end_fail(std::uint32_t rule) {
  if (fault_points_ == nullptr || !fault_points_->end(rule)) return;
  recorder_->event(now(), "fault point ends", "#" + std::to_string(rule));
}

std::uint64_t World::fired(std::uint32_t rule) const {
  return fault_points_ == nullptr ? 0 : fault_points_->fired(rule);
}

// Its process is gone; what its connections then say is the host's business. Nobody who is gone is subscribed.
void World::end(NodeIndex index) {
  Member& m = *members_[index];
  if (m.farewell == nullptr) {
    for (const std::string& topic : m.topics) {
      m.trace->record({.kind = TraceKind::unsubscribed, .label = topic});
    }
  }
  if (m.former == nullptr) m.former = std::make_unique<TrafficCounters>();
  add(*m.former, m.node->traffic());
  m.node.reset();
  m.farewell.reset();
}

void World::note_presence(NodeIndex index, Presence change) {
  const PeerId& peer = members_[index]->peer;
  recorder_->presence(now(), index, change, peer.hash(), peer.to_string());
}

// Bootstrap lists know who a node is now, as those do who find peers by asking others.
void World::dial(NodeIndex dialer, NodeIndex dialed) {
  if (!up(dialer)) return;
  Swarm& swarm = node(dialer).swarm();
  if (swarm.connected(peer_id(dialed))) return;
  const Multiaddr at = address(dialed);
  swarm.dial(peer_id(dialed), std::span(&at, 1));
}

Faults& World::faults() {
  Faults* const faults = backend_->faults();
  if (faults == nullptr) throw ConfigError("only simulated paths can be cut or delayed");
  return *faults;
}

Faults::Id World::fault(std::string_view name, Fault fault) {
  Faults& all = faults();
  const std::string what = describe(fault);
  if (ranked_ != nullptr) ranked_->step(name, hash64(as_bytes(what)));
  const Faults::Id id = all.add(std::move(fault));
  recorder_->event(now(), name, "#" + std::to_string(id) + " " + what);
  return id;
}

void World::heal(Faults::Id fault) {
  if (faults().heal(fault)) recorder_->event(now(), "heal", "#" + std::to_string(fault));
}

void World::heal() {
  if (backend_->faults() != nullptr) backend_->faults()->heal_all();
  recorder_->event(now(), "heal", "all");
}

void World::tell(std::string_view name, std::string_view detail) {
  if (recorder_ == nullptr) throw ConfigError(std::string(name) + ": the world does not run yet");
  recorder_->event(now(), name, detail);
}

void World::call_at(Time at, Action action) { call_every(at, Duration::zero(), std::move(action)); }

void World::call_every(Time first, Duration interval, Action action) {
  scripts_.push_back(std::make_unique<Script>(*this, std::move(action), interval, scripts_.size()));
  backend_->clock().arm(*scripts_.back(), first);
}

std::vector<NodeIndex> World::sample(std::span<const NodeIndex> group, std::size_t count) {
  // The draw depends on the seed, the group, the time and how often the group was asked at that time.
  if (now() != last_draw_) draws_.clear();
  last_draw_ = now();
  const auto time = static_cast<std::uint64_t>(now().time_since_epoch().count());
  const std::uint64_t who =
      hash64({reinterpret_cast<const std::uint8_t*>(group.data()), group.size_bytes()}, time);
  const auto before = static_cast<std::uint64_t>(std::count(draws_.begin(), draws_.end(), who));
  draws_.push_back(who);
  Rng rng = rng_.fork("sample", who ^ mix64(before));
  return mesocosm::sample(group, count, rng);
}

std::vector<Edge> World::overlay(std::span<const NodeIndex> group, std::size_t dials) const {
  return random_overlay(group, dials, rng_);
}

std::vector<Edge> World::approaches(std::span<const NodeIndex> from, std::span<const NodeIndex> to,
                                    std::size_t dials) const {
  return random_approaches(from, to, dials, rng_);
}

// --- running

std::uint64_t World::turns() const { return backend_->events(); }

bool World::advance(Time until, Duration wall) {
  const bool reached = backend_->advance(until, wall);
  ran_ += wall;
  unsaved_ += wall;
  if (unsaved_ >= std::max<Duration>(5s, ran_ / 10)) {  // what a killed process loses, at most
    unsaved_ = {};
    static_cast<void>(recorder_->flush());
  }
  flush_log();
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
  if (!recorder_->ok()) throw RunError(recorder_->error().detail);
  return reached;
}

void World::fail(std::exception_ptr why) {
  if (!failure_) failure_ = std::move(why);
  backend_->stop();
}

// Who reads along, or finds what a killed process left, sees whole lines.
void World::flush_log() {
  if (log_file_ == nullptr) return;
  if (const auto flushed = log_file_->flush(); !flushed) throw RunError(flushed.error().detail);
}

void World::arm_samples() {
  call_every(Time{} + kTrafficInterval, kTrafficInterval, [this] { sample_traffic(); });
  if (metrics_every_ == Duration::zero()) return;
  if (ranked_ == nullptr && recorder_->path().empty()) return;
  sampler_ = std::make_unique<MetricSampler>(metrics_, sink());
  call_every(Time{}, metrics_every_, [this] { sample_metrics(); });
}

void World::sample_metrics() {
  if (const auto lost = backend_->packets_lost()) {
    Counter& counter = metrics_.of<NetworkMetrics>().lost;
    counter.add(*lost - counter.value());
  }
  if (const hosts::Middleboxes* const boxes = backend_->middleboxes()) {
    Family<Counter>& stopped = metrics_.of<MiddleboxMetrics>().stopped;
    for (std::size_t i = 0; i < kNatReasons; ++i) {
      const std::uint64_t count = boxes->stopped()[i];
      if (count == 0) continue;
      Counter& counter = stopped.with({to_string(static_cast<NatReason>(i))});
      counter.add(count - counter.value());
    }
  }
  sampler_->sample(now());
}

void World::sample_traffic() {
  for (NodeIndex index = 0; index < members_.size(); ++index) {
    const Member& m = *members_[index];
    if (m.node == nullptr && m.former == nullptr) continue;  // not there yet, or the start failed before it
    TrafficCounters sum;
    if (m.former != nullptr) {
      add(sum, *m.former);
      if (m.node != nullptr) add(sum, m.node->traffic());
    }
    const TrafficCounters& traffic = m.former != nullptr ? sum : m.node->traffic();
    Traffic payload;
    for (const auto& entry : traffic.entries()) {
      sink().bytes(now(), index, entry->protocol, entry->in, entry->out);
      payload.in += entry->in;
      payload.out += entry->out;
    }
    // Payload that waits in a queue is counted but not on the wire yet.
    sink().bytes(now(), index, kOverhead, std::max(traffic.wire.in, payload.in) - payload.in,
                 std::max(traffic.wire.out, payload.out) - payload.out);
  }
}

std::uint64_t World::finish(const std::string& ended, double wall_seconds) {
  if (recorder_ == nullptr) {
    if (ranked_ != nullptr) {
      ranked_->conclude(ended, 0);
      ranked_->part();
    }
    return 0;
  }
  sample_traffic();
  if (sampler_ != nullptr) sample_metrics();
  RankedRun::End all{.failure = "", .turns = backend_->events()};
  if (ranked_ != nullptr) all = ranked_->conclude(ended, all.turns);
  const bool surprise = ended == "complete" && !all.failure.empty();
  const std::uint64_t fingerprint = recorder_->fingerprint();
  recorder_->set_attribute("wall_seconds", std::to_string(wall_seconds));
  recorder_->set_attribute("turns", std::to_string(all.turns));
  const auto closed = recorder_->close(surprise ? "failed: " + all.failure : ended, now());
  if (ranked_ != nullptr) ranked_->part();
  if (!closed) throw RunError(closed.error().detail);
  if (captures_ != nullptr) {
    if (const auto captured = captures_->close(); !captured) throw RunError(captured.error().detail);
  }
  flush_log();
  release();
  if (surprise) throw RunError(all.failure);
  return fingerprint;
}

// Nodes and the ground go, so that another world on ns-3 may come, and scripts, which in Python refer to their world.
void World::release() {
  scripts_.clear();
  bootstraps_.clear();
  for (const auto& m : members_) {
    m->node.reset();
    m->kind.policy = {};
    m->application.reset();
  }
  if (fault_points_ != nullptr) fault_points_->withdraw();
  backend_->end();
}

}  // namespace mesocosm
