// The packet network: implements stack/env/network.h for every host of an Internet model with ns-3's TCP/IP, packet by
// packet. docs/packet-model.md says what is ns-3's and what is not.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "sim/capture/captures.h"
#include "sim/faults/faults.h"
#include "sim/hosts/border.h"
#include "sim/hosts/directory.h"
#include "sim/hosts/links.h"
#include "sim/hosts/middleboxes.h"
#include "sim/kernel/kernel.h"
#include "sim/net/path_model.h"
#include "stack/base/bytes.h"
#include "stack/base/rng.h"
#include "stack/env/network.h"

namespace mesocosm {

// How it behaves, beyond what ns-3 does:
//  - IPv6 beside IPv4 only if asked for, since it costs memory; then there are no NATs and firewalls.
//  - Connecting where nobody listens fails after one round trip (refused; ns-3's TCP ignores the reset), to an address
//    that no host has at once (unreachable).
//  - Every packet passes the NATs and firewalls on its way (docs/nat-model.md).
//  - One at a time in a process: ns-3's simulator is a global.
// Must outlive all that its networks return; the kernel and the model must outlive it.
class PacketNetwork {
 public:
  // `border`: when other processes run some of the hosts; null: this one runs all. It must outlive the network.
  PacketNetwork(Kernel& kernel, const PathModel& model, Rng rng,
                const std::vector<hosts::Behind>& behind = {}, hosts::Border* border = nullptr,
                bool ipv6 = false);
  ~PacketNetwork();
  PacketNetwork(const PacketNetwork&) = delete;
  PacketNetwork& operator=(const PacketNetwork&) = delete;

  // What comes over the border.
  void arrive(const hosts::Crossing& crossing);
  void arrive(const hosts::Listening& listening);

  // The network as this host, one of ours, sees it; the same object each time.
  Network& attach(HostIndex host);

  static bool exists();  // in this process

  hosts::Directory& directory();
  const hosts::Directory& directory() const;
  const hosts::Middleboxes& middleboxes() const;
  Faults& faults();
  void slow_down(HostIndex host, Duration each);
  const hosts::Traffic& traffic(HostIndex host) const;
  std::uint64_t packets_lost() const;

  // Somebody outside of the simulation who is a host of it.
  class Outside {
   public:
    virtual void on_packet(const Bytes& packet) = 0;  // whole, with its checksums

   protected:
    ~Outside() = default;
  };
  // What comes to the host goes to `outside`, and no longer to ns-3. Must outlive the network.
  void hand_over(HostIndex host, Outside& outside);
  // What such a host sends, now. Ignored unless it is an IPv4 packet of at most 1,500 bytes from the host's own address.
  void inject(HostIndex host, ByteView packet);

  // From now on writes what captured hosts send and receive; `captures` must outlive it.
  void capture(capture::Captures& captures);

  struct Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace mesocosm
