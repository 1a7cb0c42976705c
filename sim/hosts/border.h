// What a simulated network needs to know when other processes run some of its hosts, and what it tells them.
#pragma once

#include <cstdint>
#include <vector>

#include "sim/net/path_model.h"
#include "stack/base/time.h"

namespace mesocosm::hosts {

// A packet on its way to a host of another process: it has left its sender's access link and is to take its
// receiver's.
struct Crossing {
  HostIndex from = 0, to = 0;
  std::uint32_t wire = 0;   // IP bytes
  std::uint64_t order = 0;  // for Kernel::arm_arrival
  Time first_in{}, last_in{};
  std::vector<std::uint8_t> packet;  // as the network writes it
};

// A host begins or ends to listen, which decides how others' connecting fails.
struct Listening {
  HostIndex host = 0;
  std::uint16_t port = 0;
  bool begins = false;
};

class Border {
 public:
  virtual ~Border() = default;
  virtual bool ours(HostIndex host) const = 0;  // this process runs it; the same for the life of a World
  virtual void send(Crossing crossing) = 0;
  virtual void tell(const Listening& listening) = 0;
};

}  // namespace mesocosm::hosts
