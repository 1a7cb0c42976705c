// What a simulated network needs to know of the Internet under it: paths between hosts, and each host's
// access link. Implemented by the Internet models of this folder, used by the backends (sim/flow,
// sim/packet).
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "stack/base/time.h"

namespace mesocosm {

using HostIndex = std::uint32_t;  // dense: 0 .. hosts() - 1
using RouterIndex = std::uint32_t;

class Routers;

// Which packets wait, which leave next and which are dropped (sim/net/packet_queue.h).
enum class QueueDiscipline : std::uint8_t { drop_tail, codel, fq_codel };

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
// Radios of 802.11a in a rectangle, without access points. What is within range of another hears it.
struct WifiAdhoc {
  double width_m = 500;
  double height_m = 500;
  double range_m = 150;
  std::uint32_t rate_mbps = 24;  // one of 802.11a's
  // Hosts stay where they are, or go to a random place at a random speed, pause there, and go on (random waypoint).
  double slowest_mps = 0;
  double fastest_mps = 0;  // 0: they stay
  Duration pause{};
  std::vector<std::pair<double, double>> positions;  // host i begins at positions[i % size]; empty: anywhere
};

class PathModel {
 public:
  // Where a host's access link ends, and how long that takes without queues.
  struct Attachment {
    RouterIndex router = 0;
    Duration latency{};
  };

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

  // --- What only networks of packets know.
  // Of access links.
  virtual QueueDiscipline discipline() const { return QueueDiscipline::drop_tail; }
  // Links that several paths share; null: none. Then a path is both hosts' attachments and the routers' way between.
  virtual const Routers* routers() const { return nullptr; }
  virtual Attachment attachment(HostIndex) const { return {}; }
  // Radios in place of paths and access links; null: none.
  virtual const WifiAdhoc* wifi() const { return nullptr; }
};

}  // namespace mesocosm
