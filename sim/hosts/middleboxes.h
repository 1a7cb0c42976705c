// The NATs and firewalls of a simulated network, and who is behind which.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "sim/hosts/directory.h"
#include "sim/net/nat.h"
#include "sim/net/path_model.h"
#include "stack/base/rng.h"

namespace mesocosm::hosts {

// One middlebox and the hosts behind it, at one premises of the path model.
struct Behind {
  NatConfig box;
  std::vector<HostIndex> hosts;
};

// Hosts behind a NAT have private IPv4 addresses, 10.0.0.0 + 1 + index; the NAT has the public one of its first host.
// Behind a firewall they keep their own. The box stands between the hosts' common access link and a LAN, on which
// they reach each other directly by their own addresses.
class Middleboxes {
 public:
  // Assigns the private addresses. The model has the hosts of each middlebox at the same premises.
  Middleboxes(const std::vector<Behind>& behind, Directory& directory, const PathModel& model,
              const Rng& rng);

  bool any() const { return !boxes_.empty(); }

  // Whose access link a packet from `asking` to an address goes to; kNoHost: nobody's, as for others' private
  // addresses. For a NAT's address: a host behind it.
  HostIndex host_of(HostIndex asking, const IpAddress& address) const;
  // Whether packets from `from` to an address of host_of() pass a middlebox.
  bool crosses(HostIndex from, HostIndex to, const IpAddress& address) const;

  // What becomes of a packet. If it is forwarded, `packet` is as the next one sees it, and `host` where it goes: for one
  // that leaves, a host whose middlebox is still to be passed, by arrive().
  struct Passage {
    NatAction action = NatAction::forward;
    NatPacket packet;
    HostIndex host = Directory::kNoHost;
  };
  Passage leave(Time now, HostIndex from, const NatPacket& packet);
  Passage arrive(Time now, HostIndex from, HostIndex to, const NatPacket& packet);
  // What arrive() would do, to whom.
  Passage judge(Time now, HostIndex from, HostIndex to, const NatPacket& packet) const;

  // Packets that were not forwarded, by NatReason.
  using Counts = std::array<std::uint64_t, kNatReasons>;
  const Counts& stopped() const { return stopped_; }

 private:
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};

  std::uint32_t box_of(HostIndex host) const { return host < box_of_.size() ? box_of_[host] : kNone; }
  bool is_nat_address(std::uint32_t box, const IpAddress& address) const;
  Passage passage(HostIndex to, const NatPacket& packet, const NatDecision& decision) const;
  void count(const NatDecision& decision);

  const Directory& directory_;
  std::vector<Nat> boxes_;
  std::vector<HostIndex> first_host_;              // of each box
  std::vector<std::uint32_t> box_of_;              // by host; empty: there are none
  std::map<IpAddress, std::uint32_t> by_address_;  // NATs, by external address
  Counts stopped_{};
};

}  // namespace mesocosm::hosts
