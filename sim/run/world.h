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
#include <vector>

#include "sim/net/internet.h"
#include "sim/run/backend.h"
#include "sim/run/overlay.h"
#include "stack/node/node.h"

namespace mesocosm {

class Recorder;

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

enum class StackKind : std::uint8_t { full, collapsed };

class World {
 public:
  using Action = std::function<void()>;

  // A simulated world. `internet` places the nodes and is theirs to use until the end.
  static std::unique_ptr<World> flow(std::uint64_t seed, StackKind stack, Internet internet);
  // The loopback interface, in real time.
  static std::unique_ptr<World> real(std::uint64_t seed);

  World(std::uint64_t seed, std::optional<Internet> internet);
  World(const World&) = delete;
  World& operator=(const World&) = delete;
  ~World();

  // --- before the start
  NodeIndex add_node(NodeConfig config);  // places it and draws its identity
  std::size_t size() const { return members_.size(); }
  const PeerId& peer_id(NodeIndex node) const;
  HostInfo place(NodeIndex node) const;  // on "real": nowhere

  // Opens the record (empty path: none is kept, the fingerprint is), builds the nodes and lets them listen.
  void start(const std::string& path, const std::string& provenance);

  // --- after the start
  Time now() const;
  void connect(NodeIndex dialer, NodeIndex dialed, Duration delay);
  void subscribe(NodeIndex node, std::string_view topic);
  void unsubscribe(NodeIndex node, std::string_view topic);
  void publish(NodeIndex node, std::string_view topic, Bytes data);
  void publish_random(NodeIndex node, std::string_view topic, std::size_t size);
  void cut(std::span<const NodeIndex> one_side, std::span<const NodeIndex> other_side);
  void heal();
  Node& node(NodeIndex index);

  // --- at any time
  // Calls `action` at a time, or first at a time and then at every interval. What it throws leaves advance().
  void call_at(Time at, Action action);
  void call_every(Time first, Duration interval, Action action);
  std::vector<NodeIndex> sample(std::span<const NodeIndex> group, std::size_t count);
  std::vector<Edge> overlay(std::span<const NodeIndex> group, std::size_t dials) const;

  // Runs until `until` (exclusive) or for about `wall` of real time; returns now().
  Time advance(Time until, Duration wall);
  // Takes the final counters and closes the record; returns the fingerprint.
  std::uint64_t finish(const std::string& ended, double wall_seconds);

 private:
  struct Member;
  class Script;

  Member& member(NodeIndex node);
  GossipSub& gossipsub(NodeIndex node);
  void sample_traffic();
  void check_recorder();

  Rng rng_;
  std::unique_ptr<Internet> internet_;  // null on "real"
  std::unique_ptr<Recorder> recorder_;
  std::unique_ptr<Backend> backend_;
  std::vector<std::unique_ptr<Member>> members_;
  std::vector<std::unique_ptr<Script>> scripts_;
  std::exception_ptr failure_;  // what a scripted action threw
  std::uint64_t samples_drawn_ = 0;
  Time last_sample_{};
};

}  // namespace mesocosm
