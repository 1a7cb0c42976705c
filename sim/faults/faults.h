// Faults of the paths between hosts: cuts, partitions, refusals, detours, and hosts without power. Kept apart from the
// networks that obey them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "stack/base/time.h"

namespace mesocosm {

// A set of hosts: a bit for each.
class HostSet {
 public:
  using Host = std::uint32_t;

  HostSet() = default;
  explicit HostSet(std::span<const Host> hosts);

  void insert(Host host);
  void erase(Host host);
  bool contains(Host host) const {
    return host / 64 < words_.size() && (words_[host / 64] >> (host % 64) & 1) != 0;
  }
  std::size_t size() const;

 private:
  std::vector<std::uint64_t> words_;
};

enum class FaultEffect : std::uint8_t {
  blackhole,  // packets are lost without notice
  refuse,  // packets are lost, and what belongs to a connection is answered with a reset after a round trip
  delay,   // packets take longer, in order
  loss,    // a share of the packets is lost, each by itself
};

// What is wrong, and with which paths: those from a host of `from` to a host of `to` in one of the pairs.
struct Fault {
  FaultEffect effect = FaultEffect::blackhole;
  Duration delay{};       // of FaultEffect::delay: added to the one-way latency
  double share = 0;       // of FaultEffect::loss
  bool both_ways = true;  // also from `to` to `from`
  struct Paths {
    HostSet from, to;
  };
  std::vector<Paths> paths;

  using Hosts = std::span<const HostSet::Host>;
  static std::vector<Paths> between(Hosts from, Hosts to) { return {{HostSet(from), HostSet(to)}}; }
  // All paths from one group to another. Groups are disjoint; those who are in none are left alone.
  static std::vector<Paths> among(std::span<const Hosts> groups);

  bool hits(HostSet::Host from, HostSet::Host to) const;
};

// What a packet meets on a path now.
struct PathState {
  bool lost = false;
  bool refused = false;  // lost, and the sender is told
  Duration delay{};
  double loss = 0;  // the share of packets that is lost
};

// The faults in force. Each is there from the call on, for what is sent after it, until it is healed; they add up,
// and where one loses packets without notice nobody is told.
class Faults {
 public:
  using Id = std::uint32_t;

  Id add(Fault fault);
  bool heal(Id id);  // false: there is no such fault (any more)
  void heal_all() { active_.clear(); }

  // A host without power: nothing comes from it or to it, and nobody is told, until it is on again. heal_all() leaves
  // it off.
  void switch_off(HostSet::Host host);
  void switch_on(HostSet::Host host);
  bool off(HostSet::Host host) const { return hosts_off_ > 0 && off_.contains(host); }

  // Without faults a network asks no more than this.
  bool any() const { return !active_.empty() || hosts_off_ > 0; }
  // Looks at each fault. A host always reaches itself.
  PathState path(HostSet::Host from, HostSet::Host to) const;

 private:
  std::vector<std::pair<Id, Fault>> active_;
  Id last_ = 0;
  HostSet off_;
  std::size_t hosts_off_ = 0;
};

}  // namespace mesocosm
