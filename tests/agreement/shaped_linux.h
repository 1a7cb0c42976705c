// Linux's own TCP over the simulated links: hosts are network namespaces of this process, and every IP packet that a
// host's kernel sends goes through hosts::Links in real time. The namespaces exist in this process alone and end with it;
// it needs the right to make them (root) and /dev/net/tun.
#pragma once

#include <memory>
#include <vector>

#include "sim/hosts/links.h"
#include "sim/hosts/pool.h"
#include "sim/kernel/kernel.h"
#include "stack/asio/asio_env.h"

namespace mesocosm::agreement {

class ShapedLinux {
 public:
  // Null: not possible here. The model outlives it. CUBIC, and the buffers that Linux has by default.
  static std::unique_ptr<ShapedLinux> make(const PathModel& model, std::uint64_t seed);
  ~ShapedLinux();

  AsioLoop& loop() { return loop_; }
  Network& network(HostIndex host);  // sockets of that host
  IpAddress address(HostIndex host) const;
  const hosts::Traffic& traffic(HostIndex host) const { return links_.traffic(host); }
  void step();  // moves what is ready, or waits a little

 private:
  class HostNetwork;
  struct Flight;

  ShapedLinux(const PathModel& model, std::uint64_t seed);
  bool add_host(HostIndex host);
  void take(HostIndex from);
  void send(HostIndex from, const std::uint8_t* packet, std::size_t size);
  void wait();

  Kernel kernel_;  // its time is the loop's
  Faults faults_;
  hosts::Links links_;
  AsioLoop loop_;
  std::vector<int> namespaces_, tuns_;  // descriptors, by host
  std::vector<std::unique_ptr<HostNetwork>> networks_;
  std::vector<std::vector<Time>> fifo_;  // [from][to]
  hosts::Pool<Flight> flights_;
};

}  // namespace mesocosm::agreement
