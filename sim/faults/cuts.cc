#include "sim/faults/cuts.h"

#include <algorithm>

namespace mesocosm {
namespace {

std::uint64_t pair_of(Cuts::Host a, Cuts::Host b) {
  return std::uint64_t{std::min(a, b)} << 32 | std::max(a, b);
}

}  // namespace

void Cuts::set_blocked(Host a, Host b, bool blocked) {
  if (blocked) {
    pairs_.insert(pair_of(a, b));
  } else {
    pairs_.erase(pair_of(a, b));
  }
  update();
}

void Cuts::set_isolated(Host host, bool isolated) {
  if (isolated) {
    isolated_.insert(host);
  } else {
    isolated_.erase(host);
  }
  update();
}

void Cuts::partition(std::span<const std::uint8_t> group_of) {
  group_of_.assign(group_of.begin(), group_of.end());
  update();
}

void Cuts::heal_all() {
  pairs_.clear();
  isolated_.clear();
  group_of_.clear();
  update();
}

bool Cuts::blocked(Host a, Host b) const {
  if (!any_ || a == b) return false;
  const auto group = [this](Host host) {
    return host < group_of_.size() ? group_of_[host] : std::uint8_t{0};
  };
  if (group(a) != group(b)) return true;
  if (!isolated_.empty() && (isolated_.contains(a) || isolated_.contains(b))) return true;
  return !pairs_.empty() && pairs_.contains(pair_of(a, b));
}

void Cuts::update() { any_ = !pairs_.empty() || !isolated_.empty() || !group_of_.empty(); }

}  // namespace mesocosm
