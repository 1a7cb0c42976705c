// Hosts with radios in place of access links: Wi-Fi without access points, over which OLSR finds ways of several hops.
// Included by this folder's .cc files only, after ns3.h. Wi-Fi's headers are in wifi.cc alone, since they are long to compile.
#pragma once

#include <memory>

#include <ns3/node.h>

#include "sim/faults/faults.h"
#include "sim/net/path_model.h"
#include "stack/base/ip.h"
#include "stack/base/rng.h"

namespace mesocosm::packet {

class WifiGround {
 public:
  WifiGround(const WifiAdhoc& config, const Faults& faults, const Rng& rng);
  ~WifiGround();
  WifiGround(const WifiGround&) = delete;
  WifiGround& operator=(const WifiGround&) = delete;

  // Gives a new node its radio, its place and motion, and an IP stack; in the order of hosts.
  void join(const ns3::Ptr<ns3::Node>& node, HostIndex host, const IpAddress& address);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mesocosm::packet
