// The fast network: implements stack/env/network.h for every host of an Internet model, on the event kernel.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "sim/faults/cuts.h"
#include "sim/flow/links.h"
#include "sim/flow/pool.h"
#include "sim/flow/tcp.h"
#include "stack/env/network.h"

namespace mesocosm {

namespace flow {
class HostNetwork;
class DatagramSocket;
struct Parcel;
}  // namespace flow

// How it behaves (docs/flow-model.md has the equations):
//  - Every host has one IPv4 and one IPv6 address. Connecting where nobody listens fails after one round trip
//    (refused), to an address that no host has at once (unreachable), over a cut after the retries of SYN
//    (timeout, 63 s).
//  - Over a cut, data waits for retransmission with exponential back-off, goes on after healing, and fails
//    after 100 s without any acknowledgement (timeout).
//  - Names are answered after kResolveTime from what was registered here.
// Must outlive all that its networks return; the kernel and the model must outlive it.
class FlowNetwork {
 public:
  static constexpr Duration kResolveTime = 20ms;

  FlowNetwork(Kernel& kernel, const PathModel& model, Rng rng);
  ~FlowNetwork();
  FlowNetwork(const FlowNetwork&) = delete;
  FlowNetwork& operator=(const FlowNetwork&) = delete;

  // The network as this host sees it; the same object each time.
  Network& attach(HostIndex host);

  // Unless assigned otherwise: 1.0.0.1 + index, and 2a00:: + 1 + index.
  IpAddress address_v4(HostIndex host) const;
  IpAddress address_v6(HostIndex host) const;
  void assign_address(HostIndex host, const IpAddress& address);  // replaces the one of its version
  // The host with that address; kNoHost: nobody.
  static constexpr HostIndex kNoHost = ~HostIndex{0};
  HostIndex host_of(const IpAddress& address) const;
  bool owns(HostIndex host, const IpAddress& address) const;  // may listen on it

  void register_name(const std::string& name, std::vector<IpAddress> addresses);
  void register_text(const std::string& name, std::vector<std::string> records);

  Cuts& cuts() { return cuts_; }
  const flow::Traffic& traffic(HostIndex host) const { return links_.traffic(host); }
  std::size_t connections() const { return tcp_.connections(); }  // both ends counted as one

  // For transports of this folder.
  flow::Tcp& tcp() { return tcp_; }
  Kernel& kernel() { return links_.kernel(); }
  std::uint16_t free_port(HostIndex host, bool v6);  // for TCP
  Endpoint endpoint(const flow::Connection& connection, int side) const;

 private:
  friend class flow::HostNetwork;
  friend class flow::DatagramSocket;
  friend struct flow::Parcel;
  struct Record {
    std::vector<IpAddress> addresses;
    std::vector<std::string> texts;
  };
  struct Addresses {
    IpAddress v4, v6;
  };

  Cuts cuts_;
  flow::Links links_;
  flow::Tcp tcp_;
  std::unique_ptr<flow::Pool<flow::Parcel>> parcels_;
  std::unordered_map<std::uint64_t, flow::DatagramSocket*> sockets_;  // looked up, never iterated
  std::unordered_map<HostIndex, Addresses> assigned_;
  std::map<IpAddress, HostIndex> hosts_;  // of assigned addresses
  std::vector<std::unique_ptr<flow::HostNetwork>> networks_;
  std::vector<std::uint16_t> next_port_;
  std::map<std::string, Record, std::less<>> names_;
};

}  // namespace mesocosm
