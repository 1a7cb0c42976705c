#include "sim/faults/faults.h"

#include <algorithm>
#include <bit>

namespace mesocosm {

HostSet::HostSet(std::span<const Host> hosts) {
  for (const Host host : hosts) insert(host);
}

void HostSet::insert(Host host) {
  if (host / 64 >= words_.size()) words_.resize(host / 64 + 1);
  words_[host / 64] |= std::uint64_t{1} << (host % 64);
}

void HostSet::erase(Host host) {
  if (contains(host)) words_[host / 64] &= ~(std::uint64_t{1} << (host % 64));
}

std::size_t HostSet::size() const {
  std::size_t count = 0;
  for (const std::uint64_t word : words_) count += static_cast<std::size_t>(std::popcount(word));
  return count;
}

// Each group and all later ones: as many pairs of sets as groups, not as pairs of groups.
std::vector<Fault::Paths> Fault::among(std::span<const Hosts> groups) {
  std::vector<Paths> paths;
  for (std::size_t i = 0; i + 1 < groups.size(); ++i) {
    Paths& next = paths.emplace_back(Paths{HostSet(groups[i]), {}});
    for (const Hosts later : groups.subspan(i + 1)) {
      for (const HostSet::Host host : later) next.to.insert(host);
    }
  }
  return paths;
}

bool Fault::hits(HostSet::Host from, HostSet::Host to) const {
  return std::any_of(paths.begin(), paths.end(), [&](const Paths& pair) {
    return (pair.from.contains(from) && pair.to.contains(to)) ||
           (both_ways && pair.from.contains(to) && pair.to.contains(from));
  });
}

Faults::Id Faults::add(Fault fault) {
  active_.emplace_back(++last_, std::move(fault));
  return last_;
}

bool Faults::heal(Id id) {
  const auto found =
      std::find_if(active_.begin(), active_.end(), [&](const auto& entry) { return entry.first == id; });
  if (found == active_.end()) return false;
  active_.erase(found);
  return true;
}

void Faults::switch_off(HostSet::Host host) {
  if (off(host)) return;
  off_.insert(host);
  ++hosts_off_;
}

void Faults::switch_on(HostSet::Host host) {
  if (!off(host)) return;
  off_.erase(host);
  --hosts_off_;
}

PathState Faults::path(HostSet::Host from, HostSet::Host to) const {
  PathState state;
  if (from == to) return state;
  bool silent = off(from) || off(to);
  state.lost = silent;
  for (const auto& [id, fault] : active_) {
    if (!fault.hits(from, to)) continue;
    state.delay += fault.delay;
    state.loss += (1 - state.loss) * fault.share;
    if (fault.effect == FaultEffect::delay || fault.effect == FaultEffect::loss) continue;
    state.lost = true;
    if (fault.effect == FaultEffect::blackhole) silent = true;
  }
  state.refused = state.lost && !silent;
  return state;
}

}  // namespace mesocosm
