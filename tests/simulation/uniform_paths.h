// A path model for tests: every path and every access link alike.
#pragma once

#include <vector>

#include "sim/net/path_model.h"

namespace mesocosm {

struct UniformPaths final : PathModel {
  HostIndex count = 2;
  Duration one_way = 20ms;
  double loss = 0;
  Duration spread{};  // jitter is uniform in [0, spread)
  AccessLink link{100e6, 100e6, 200ms, 200ms};
  std::vector<HostIndex> shared;  // by host: with whom it shares premises; beyond the end: with nobody

  HostIndex hosts() const override { return count; }
  Path path(HostIndex from, HostIndex to) const override {
    if (from == to) return {50us, 0};
    return premises(from) == premises(to) ? Path{500us, 0} : Path{one_way, loss};
  }
  HostIndex premises(HostIndex host) const override { return host < shared.size() ? shared[host] : host; }
  const AccessLink& access(HostIndex) const override { return link; }
  Duration jitter(HostIndex, HostIndex, double u) const override {
    return Duration(static_cast<std::int64_t>(u * static_cast<double>(spread.count())));
  }
};

}  // namespace mesocosm
