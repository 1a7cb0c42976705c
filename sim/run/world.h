// World: nodes on a backend, given work by a script, recorded. It runs once.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "sim/mpi/ranks.h"
#include "sim/net/internet.h"
#include "sim/net/nat.h"
#include "sim/run/application.h"
#include "sim/run/backend.h"
#include "sim/run/overlay.h"
#include "stack/node/node.h"
#include "stack/observe/log_lines.h"
#include "stack/protocols/gossipsub/gossipsub.h"
#include "stack/protocols/gossipsub/variants.h"

namespace mesocosm {

class MetricSampler;
class RankedRun;
class Churn;
struct ChurnPlan;
class FaultScript;
struct FaultRule;
enum class Presence : std::uint8_t;
class Recorder;
class RecordSink;
class ScrapePage;

// A user's mistake: a wrong parameter, a file that cannot be used. Thrown at the configuration edge only.
class ConfigError : public std::invalid_argument {
 public:
  using std::invalid_argument::invalid_argument;
};

// Something failed on the way, such as a full disk. What was recorded is kept.
class RunError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

enum class TransportKind : std::uint8_t { tcp, websocket };  // what a node listens at; it dials both

// What a node runs, besides identify, ping and perf.
struct NodeKind {
  std::optional<GossipSubParams> gossipsub;  // valid ones
  GossipSubPolicyFactory policy;             // of GossipSub; none: the specification's
  PubSubFactory pubsub;                      // in GossipSub's place
  std::vector<SecurityProtocol> securities = UpgradeOptions{}.securities;  // the best first; at least one
  bool early_muxer = true;                       // negotiate the muxer inside the security handshake
  TransportKind transport = TransportKind::tcp;  // websocket: with the full stack
  Duration
      keepalive{};  // connections are pinged so often, and end when no answer came by the next time; 0: never
  std::int64_t clock_drift = 0;  // ppm by which its clock runs fast; simulated only, as are the two below
  Duration clock_offset{};       // by which its calendar is ahead
  Duration slowdown{};  // that it takes for each packet of data that comes to it, one after the other
};

// What is told of a run besides its trace. All of it may be read while the run goes on.
struct Observation {
  Duration metrics_every = 1s;      // metrics are sampled into the record so often; 0: never
  std::string log = {};             // LogLevels::parse; empty: no lines
  std::string log_file = "-";       // "-": standard error
  std::string log_format = "text";  // or "json"
  std::string scrape_page = {};     // "127.0.0.1:9464": serve metrics there, on "real"; empty: nowhere
};

// As whom a node comes back: with its key, or with a new one.
enum class Identity : std::uint8_t { keep, fresh };

enum class StackKind : std::uint8_t { full, collapsed };

class World {
 public:
  using Action = std::function<void()>;

  // A simulated world on an Internet model, whose tables are in `data_folder`. Throws ConfigError.
  static std::unique_ptr<World> flow(std::uint64_t seed, StackKind stack, const InternetConfig& internet,
                                     const std::string& data_folder);
  // The same packet by packet, with the full stack; one at a time in a process. Throws ConfigError. With `ranks`, the
  // processes that run it together, each of which makes the same World and gives it the same work: each runs the
  // nodes of its share, and the first one keeps the record.
  static std::unique_ptr<World> packet(std::uint64_t seed, const InternetConfig& internet,
                                       const std::string& data_folder,
                                       std::unique_ptr<Ranks> ranks = nullptr);
  // The loopback interface, in real time. Node i listens on TCP port `port` + i; 0: on any free port.
  static std::unique_ptr<World> real(std::uint64_t seed, std::uint16_t port = 0);

  explicit World(std::uint64_t seed);
  World(const World&) = delete;
  World& operator=(const World&) = delete;
  ~World();

  // --- before the start
  NodeIndex add_node(const NodeKind& kind);  // places it and draws its identity
  // Puts nodes behind a middlebox of their own, at the place and on the access link of the first of them. Throws
  // ConfigError.
  void put_behind(const NatConfig& box, std::span<const NodeIndex> nodes);
  // A node that is no node of ours: whatever runs in a network namespace (`ip netns add`), over a tun device there. The
  // world then runs in real time. Packet only. Throws ConfigError.
  NodeIndex attach(const std::string& netns, const std::string& device);
  std::size_t size() const { return members_.size(); }
  const PeerId& peer_id(NodeIndex node) const;
  const NodeKind& kind(NodeIndex node) const;
  std::optional<NodeIndex> find(const PeerId& peer);  // who is called so, or was before it took another name
  HostInfo place(NodeIndex node) const;               // on "real": nowhere
  std::string ip(NodeIndex node) const;               // IPv4; on "real": none
  std::uint64_t data_hash() const { return internet_ ? internet_->data_hash() : 0; }  // of the Internet model

  // The processes that run it, and which of them this one is.
  std::uint32_t processes() const;
  std::uint32_t rank() const;
  // Writes what nodes see on their links to FOLDER/node-INDEX.pcapng, with the keys that decrypt it if wanted. Throws
  // ConfigError.
  void capture(std::span<const NodeIndex> nodes, const std::string& folder, bool keys);

  // They are not there until then: nobody listens at their addresses.
  void join_at(std::span<const NodeIndex> nodes, Time at);

  // From the start on, the applications of all nodes rule so on messages whose payload begins with what is returned.
  // Throws ConfigError after the start.
  Weakness::Mark add_weakness(const Ruling& ruling);

  // All nodes listen on IPv6, and dial each other there. Throws ConfigError on "real".
  void use_ipv6();

  // Throws ConfigError for what cannot be read or opened.
  void observe(const Observation& observation);

  // Opens the record (empty path: none is kept, the fingerprint is), builds the nodes and lets them listen.
  void start(const std::string& path, const std::string& provenance);

  // --- after the start
  Time now() const;
  // Dials them, evenly over a while; then again and again those that are not connected, each once in `redial`
  // (0: never).
  void bootstrap(std::vector<Edge> edges, Duration within, Duration redial = {});
  void subscribe(NodeIndex node, std::string_view topic);
  void unsubscribe(NodeIndex node, std::string_view topic);
  void publish(NodeIndex node, std::string_view topic, const Bytes& data);
  void publish_random(NodeIndex node, std::string_view topic, std::size_t size);
  // The application's word on messages in a topic, from now on and over restarts; null: it accepts everything. What the
  // judge throws leaves advance(). ConfigError for nodes without GossipSub.
  void judge(NodeIndex node, std::string_view topic, std::shared_ptr<const Judge> judge);
  // A fault of the paths between nodes, from now on; `name` is what the record calls it: "cut", "partition", ..
  // ConfigError on "real".
  Faults::Id fault(std::string_view name, Fault fault);
  void heal(Faults::Id fault);  // nothing if it was healed before
  void heal();                  // all
  // For the record: something that the scenario did, such as beginning an attack.
  void tell(std::string_view name, std::string_view detail);

  // --- Nodes that come and go, in a turn in which none of them is at work, as those of scripts are. Nothing happens to
  // one that is not up, except by restart(). ConfigError where several processes run the world.
  // Without power at once: nothing reaches anybody any more, nor it. Simulated only.
  void crash(NodeIndex node);
  // Ends its subscriptions, says goodbye on its connections, and is gone when that is said.
  void leave(NodeIndex node);
  // It begins anew, dials whom bootstrap() let it dial, and subscribes to what it was told to. One that is up ends
  // first: its host resets its connections.
  void restart(NodeIndex node, Identity identity = Identity::keep);
  // From the plan's start on lets them come and go. ConfigError as above.
  void churn(std::span<const NodeIndex> nodes, const ChurnPlan& plan);
  bool up(NodeIndex node) const;  // was there from the start or has joined, and has not gone

  // From now on a fault point of the stack fires on the nodes, until it is ended. ConfigError on "real", and where
  // several processes run the world.
  std::uint32_t fail(const FaultRule& rule, std::span<const NodeIndex> nodes);
  void end_fail(std::uint32_t rule);
  std::uint64_t fired(std::uint32_t rule) const;  // how often so far

  Node& node(NodeIndex index);
  std::uint64_t turns() const;                         // that were taken; 0 on "real"
  const Metrics& metrics() const { return metrics_; }  // of all nodes together
  std::optional<Endpoint> scrape_page() const;         // where they are served
  Multiaddr address(
      NodeIndex node);  // where it listens; of an attached one, or one that is not up: where it should
  Lateness lateness() const { return backend_->lateness(); }

  // --- at any time
  // Calls `action` at a time, or first at a time and then at every interval. What it throws leaves advance().
  void call_at(Time at, Action action);
  void call_every(Time first, Duration interval, Action action);
  std::vector<NodeIndex> sample(std::span<const NodeIndex> group, std::size_t count);
  std::vector<Edge> overlay(std::span<const NodeIndex> group, std::size_t dials) const;
  std::vector<Edge> approaches(std::span<const NodeIndex> from, std::span<const NodeIndex> to,
                               std::size_t dials) const;

  // Runs what happens before `until`, for about `wall` of real time at most; returns whether `until` was
  // reached. Throws what an action threw, and RunError when recording fails.
  bool advance(Time until, Duration wall);
  // Ends advance(), which throws this: for what cannot throw where it is. The first one counts.
  void fail(std::exception_ptr why);
  // Takes the final counters and closes the record; returns the fingerprint. There are no nodes afterwards.
  std::uint64_t finish(const std::string& ended, double wall_seconds);

 private:
  struct Member;
  class Script;
  class Bootstrap;
  class Farewell;

  Faults& faults();
  void take_internet(const InternetConfig& config, const std::string& data_folder);
  Member& member(NodeIndex node);
  RecordSink& sink();
  bool ours(NodeIndex node) const;  // this process runs it
  bool work(NodeIndex node, std::string_view what, std::uint64_t detail);
  PubSub& pubsub(NodeIndex index);
  Member& mortal(NodeIndex index);
  void begin(NodeIndex index);
  void end(NodeIndex index);
  void note_presence(NodeIndex index, Presence change);
  Application& application(Member& m, NodeIndex index);
  void dial(NodeIndex dialer, NodeIndex dialed);
  void expect_node(NodeIndex index);
  void name_addresses();
  void record_place(NodeIndex index);
  void arm_samples();
  void sample_metrics();
  void sample_traffic();
  void flush_log();
  void release();

  Rng rng_;
  Metrics metrics_;
  LogLevels log_levels_;
  std::unique_ptr<LogFile> log_file_;  // null: nothing is logged
  std::optional<Endpoint> scrape_at_;
  Duration metrics_every_ = Observation{}.metrics_every;
  std::unique_ptr<MetricSampler> sampler_;   // null: metrics are not recorded
  SharedMessageChecks message_checks_{512};  // what one node found out of a message, the others need not
  std::unique_ptr<Internet> internet_;       // null on "real"
  std::unique_ptr<RankedRun> ranked_;        // null: this process runs all nodes
  std::unique_ptr<Recorder> recorder_;
  Duration ran_{};                               // wall time given to advance(), about
  Duration unsaved_{};                           // of which since the record was flushed
  std::unique_ptr<capture::Captures> captures_;  // null: nothing is captured
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<ScrapePage> scrape_page_;
  std::vector<Weakness> weaknesses_;
  std::unordered_map<std::uint64_t, NodeIndex> by_peer_;  // hashes of peer ids; empty until find() was called
  std::vector<std::unique_ptr<Member>> members_;
  std::unique_ptr<FaultScript> fault_points_;  // null: none fires
  std::vector<std::unique_ptr<Churn>> churns_;
  std::vector<std::unique_ptr<Script>> scripts_;
  std::vector<std::unique_ptr<Bootstrap>> bootstraps_;
  std::exception_ptr failure_;        // what a scripted action threw
  std::vector<std::uint64_t> draws_;  // of sample() at last_draw_, by hash of the group
  Time last_draw_{};
};

}  // namespace mesocosm
