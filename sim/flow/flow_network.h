// The fast network: implements stack/env/network.h for every host of an Internet model, on the event kernel.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "sim/capture/captures.h"
#include "sim/faults/faults.h"
#include "sim/flow/tcp.h"
#include "sim/hosts/directory.h"
#include "sim/hosts/links.h"
#include "sim/hosts/middleboxes.h"
#include "sim/hosts/pool.h"
#include "stack/env/network.h"

namespace mesocosm {

namespace flow {
class HostNetwork;
class DatagramSocket;
class Segments;
struct Parcel;
}  // namespace flow

// How it behaves (docs/flow-model.md has the equations):
//  - Every host has one IPv4 and one IPv6 address. Connecting where nobody listens fails after one round trip
//    (refused), to an address that no host has at once (unreachable).
//  - Into a black hole (sim/faults) connecting fails after the retries of SYN (timeout, 63 s); data waits for
//    retransmission with exponential back-off, goes on after healing, and fails after 100 s without any
//    acknowledgement (timeout). Over a path that refuses, both fail after one round trip (refused, reset).
//  - NATs and firewalls (docs/nat-model.md) see every burst of TCP, without its acknowledgements, and every datagram.
//  - Names are answered after Directory::kResolveTime from what was registered here.
// Must outlive all that its networks return; the kernel and the model must outlive it.
class FlowNetwork final : private flow::Gates {
 public:
  FlowNetwork(Kernel& kernel, const PathModel& model, Rng rng, const std::vector<hosts::Behind>& behind = {});
  ~FlowNetwork();
  FlowNetwork(const FlowNetwork&) = delete;
  FlowNetwork& operator=(const FlowNetwork&) = delete;

  // The network as this host sees it; the same object each time.
  Network& attach(HostIndex host);

  // Addresses and names (sim/hosts/directory.h).
  static constexpr HostIndex kNoHost = hosts::Directory::kNoHost;
  IpAddress address_v4(HostIndex host) const { return directory_.address_v4(host); }
  IpAddress address_v6(HostIndex host) const { return directory_.address_v6(host); }
  HostIndex host_of(const IpAddress& address) const { return directory_.host_of(address); }
  bool owns(HostIndex host, const IpAddress& address) const { return directory_.owns(host, address); }
  hosts::Directory& directory() { return directory_; }
  const hosts::Directory& directory() const { return directory_; }
  const hosts::Middleboxes& middleboxes() const { return middleboxes_; }

  Faults& faults() { return faults_; }
  void slow_down(HostIndex host, Duration each) { links_.slow_down(host, each); }
  const hosts::Traffic& traffic(HostIndex host) const { return links_.traffic(host); }
  std::uint64_t packets_lost() const { return links_.packets_lost(); }
  std::size_t connections() const { return tcp_.connections(); }  // both ends counted as one

  // From now on writes what captured hosts send and receive. Before anything is sent; `captures` must outlive it.
  void capture(capture::Captures& captures);

  // For transports of this folder.
  flow::Tcp& tcp() { return tcp_; }
  Kernel& kernel() { return links_.kernel(); }
  std::uint16_t free_port(HostIndex host, bool v6);  // for TCP
  // Whom `from` reaches at an address, at least as far as a middlebox before it; kNoHost: nobody.
  HostIndex reach(HostIndex from, const IpAddress& address) const;
  flow::Connection& connect(HostIndex from, std::uint16_t from_port, HostIndex to, const Endpoint& dialed);
  Endpoint local(const flow::Connection& connection, int side) const;
  Endpoint remote(const flow::Connection& connection, int side) const;  // as seen through middleboxes

 private:
  friend class flow::HostNetwork;
  friend class flow::DatagramSocket;
  friend struct flow::Parcel;

  // A connection over middleboxes: how each side sees the other.
  struct Seen {
    Endpoint listener;
    Endpoint dialer;
  };
  void on_connect(flow::Connection& connection, const Endpoint& dialed) override;
  NatAction leaves(flow::Connection& connection, const flow::Burst& burst) override;
  NatAction arrives(flow::Connection& connection, const flow::Burst& burst) override;
  void on_gone(const flow::Connection& connection) override;

  Faults faults_;
  hosts::Directory directory_;
  hosts::Middleboxes middleboxes_;
  hosts::Links links_;
  flow::Tcp tcp_;
  capture::Captures* captures_ = nullptr;  // null: nothing is captured
  std::unique_ptr<flow::Segments> segments_;
  std::unique_ptr<hosts::Pool<flow::Parcel>> parcels_;
  std::unordered_map<std::uint64_t, flow::DatagramSocket*> sockets_;  // looked up, never iterated
  std::unordered_map<const flow::Connection*, Seen> seen_;            // looked up, never iterated
  std::vector<std::unique_ptr<flow::HostNetwork>> networks_;
  std::vector<std::uint16_t> next_port_;
};

}  // namespace mesocosm
