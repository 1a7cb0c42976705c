// Which hosts cannot reach which: cut pairs, isolated hosts and partitions. Kept apart from the networks that
// obey it.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_set>
#include <vector>

namespace mesocosm {

// A cut is a black hole: what is sent over it is lost without notice, in both directions. Cuts of the three
// kinds add up; each is healed by its own call. All are in force from the call on, for what is sent after it.
class Cuts {
 public:
  using Host = std::uint32_t;

  void set_blocked(Host a, Host b, bool blocked);  // one pair
  void set_isolated(Host host, bool isolated);     // one host from everybody else
  // Hosts reach each other only within the same group: group_of[host]; hosts beyond the end are in group 0.
  // An empty span heals the partition.
  void partition(std::span<const std::uint8_t> group_of);
  void heal_all();

  bool any() const { return any_; }
  bool blocked(Host a, Host b) const;  // a host always reaches itself

 private:
  void update();

  bool any_ = false;
  std::unordered_set<std::uint64_t> pairs_;  // looked up, never iterated
  std::unordered_set<Host> isolated_;
  std::vector<std::uint8_t> group_of_;
};

}  // namespace mesocosm
