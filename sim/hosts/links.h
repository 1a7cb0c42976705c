// The network's layers below transport protocols: each host's access link in both directions, and the paths
// between hosts. Equations and sources: docs/flow-model.md. Queues are drop-tail; where the model asks for another
// discipline, access links take no time here: who has such queues (sim/packet) puts them before depart() and land().
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "sim/faults/faults.h"
#include "sim/kernel/kernel.h"
#include "sim/net/path_model.h"
#include "stack/base/rng.h"

namespace mesocosm::hosts {

// IP bytes of a host since the start, headers included. Pure acknowledgements are not counted (they cost no
// events).
struct Traffic {
  std::uint64_t sent = 0;
  std::uint64_t received = 0;
  std::uint64_t packets_lost = 0;  // of what this host sent: on the way, in queues, or to faults
};

// A burst of packets that leave a host back to back. `wire` counts IP bytes; all packets but the last have
// kPacket.
struct Departure {
  Time first_in;                   // when the first packet reaches the receiver's access link
  Time last_in;                    // when the last one does
  std::uint32_t wire;              // bytes that do
  std::uint32_t lost;              // packets that do not
  std::uint32_t after_first_loss;  // packets that arrive although an earlier one is lost
  bool refused = false;            // a fault lost them all, and the sender is to be told by a reset
};
struct Landing {
  Time at;             // when the last packet has come through the receiver's access link
  Time first;          // when the first one has
  std::uint32_t lost;  // the last ones, for which the queue had no room
};

class Links {
 public:
  static constexpr std::uint32_t kPacket = 1500;
  static constexpr Duration kJitterEpoch = 100ms;  // a path's jitter is drawn anew so often

  Links(Kernel& kernel, const PathModel& model, Rng rng, const Faults& faults);

  // Sends now. `fifo` is the path's last arrival so far: packets of one flow never overtake each other.
  Departure depart(HostIndex from, HostIndex to, std::uint32_t wire, std::uint32_t packets, const Path& path,
                   Time& fifo);
  // The burst's first packet arrives now: takes the receiver's access link, after what arrived before.
  Landing land(HostIndex from, HostIndex to, std::uint32_t wire, std::uint32_t packets, Time last_in);

  // From now on a host takes so long for each packet of data that has come in, one after the other.
  void slow_down(HostIndex host, Duration each);

  // What faults do to the path now.
  PathState state(HostIndex from, HostIndex to) const {
    return faults_.any() ? faults_.path(from, to) : PathState{};
  }

  bool off(HostIndex host) const { return faults_.off(host); }  // it has no power

  // Without jitter and links: how long the far end's answer takes.
  Duration round_trip(HostIndex from, HostIndex to) const {
    return model_.path(from, to).one_way + state(from, to).delay + model_.path(to, from).one_way +
           state(to, from).delay;
  }

  // A packet of this host was lost by somebody else, such as a queue that several hosts share.
  void lost(HostIndex from) { ++hosts_[from].traffic.packets_lost; }

  void prefetch(HostIndex host) const { __builtin_prefetch(&hosts_[host].down, 1); }
  // Whether no access link is between them: they are one, or on one LAN.
  bool together(HostIndex a, HostIndex b) const {
    return a == b || (!line_of_.empty() && line(a) == line(b));
  }

  Kernel& kernel() { return kernel_; }
  const PathModel& model() const { return model_; }
  // How long the slower of two hosts' access links takes for so many bytes from one to the other.
  Duration passing_time(HostIndex from, HostIndex to, std::uint32_t wire) const {
    return std::max(hosts_[line(from)].up.time(wire), hosts_[line(to)].down.time(wire));
  }
  HostIndex hosts() const { return static_cast<HostIndex>(hosts_.size()); }
  const Traffic& traffic(HostIndex host) const { return hosts_[host].traffic; }
  std::uint64_t packets_lost() const;  // of all hosts

 private:
  // One direction of an access link: a FIFO queue with a rate.
  struct Link {
    std::uint64_t time_per_byte;  // ns << kShift
    Time free_at;
    Duration queue;
    Duration time(std::uint64_t bytes) const {
      return Duration(static_cast<std::int64_t>((bytes * time_per_byte) >> kShift));
    }
  };
  struct Host {
    Link up, down;
    Traffic traffic;
  };
  // What takes in packets, of a host that is slow.
  struct Server {
    Duration each{};
    Time free_at{};
  };
  static constexpr int kShift = 20;
  static constexpr std::uint32_t kNoData = 100;  // IP bytes: acknowledgements have fewer

  Landing come_in(HostIndex from, HostIndex to, std::uint32_t wire, std::uint32_t packets, Time last_in);
  static void serve(Server& server, std::uint32_t packets, Landing& landing);

  static Link link(double bps, Duration queue);
  static std::uint32_t overflow(const Link& link, Duration backlog, std::uint32_t wire,
                                std::uint32_t packets);
  static std::uint32_t without(std::uint32_t wire, std::uint32_t packets, std::uint32_t lost);
  Duration jitter(HostIndex from, HostIndex to) const;
  HostIndex line(HostIndex host) const { return line_of_.empty() ? host : line_of_[host]; }

  Kernel& kernel_;
  const PathModel& model_;
  const Faults& faults_;
  std::uint64_t loss_seed_;
  std::uint64_t jitter_seed_;
  std::vector<Host> hosts_;
  std::vector<Server> servers_;     // empty: nobody is slow
  std::vector<HostIndex> line_of_;  // whose access link a host uses; empty: each has its own
};

}  // namespace mesocosm::hosts
