// What a simulated network needs to know of the Internet under it: paths between hosts, and each host's
// access link. Implemented by the Internet models of this folder, used by the backends (sim/flow,
// sim/packet).
#pragma once

#include <cstdint>

#include "stack/base/time.h"

namespace mesocosm {

using HostIndex = std::uint32_t;  // dense: 0 .. hosts() - 1

// A host's link to the Internet. Rates in bits per second of IP packets, > 0. A queue is given as the longest
// time that a packet may wait in it at the link's rate (bytes = rate / 8 x time); what would wait longer is
// dropped.
struct AccessLink {
  double up_bps = 0;
  double down_bps = 0;
  Duration up_queue{};
  Duration down_queue{};
};

struct Path {
  Duration
      one_way{};    // propagation and forwarding from host to host, both last miles included, without jitter
  double loss = 0;  // probability that a packet is lost on the way, in [0, 1)
};

// Constant for the life of a World, so that users may keep what they asked for. All calls are cheap (some 10
// ns) and depend on nothing but their arguments.
class PathModel {
 public:
  virtual ~PathModel() = default;

  virtual HostIndex hosts() const = 0;
  virtual Path path(HostIndex from, HostIndex to) const = 0;  // from == to: the loopback path
  // Hosts with the same premises, named by one of them, share its access link and are on a LAN.
  virtual HostIndex premises(HostIndex host) const { return host; }
  virtual const AccessLink& access(HostIndex host) const = 0;
  // The extra delay's quantile `u` in [0, 1), >= 0 and not falling in u. The backend draws u (correlated over
  // time, once for each path and epoch) and keeps packets of a path in order, so the model itself is
  // stateless.
  virtual Duration jitter(HostIndex from, HostIndex to, double u) const = 0;

  // The host's own IPv4 address, in host byte order, and who has one; 0 and kNoHost where the model has no address
  // for it, and sim/hosts numbers it.
  static constexpr HostIndex kNoHost = ~HostIndex{0};
  virtual std::uint32_t address(HostIndex) const { return 0; }
  virtual HostIndex host_of(std::uint32_t) const { return kNoHost; }
};

}  // namespace mesocosm
