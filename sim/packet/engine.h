// ns-3's simulator on our event kernel: what ns-3 schedules are timers of the kernel, each a turn, in one order
// with everything else. So time, stepping and the fingerprint are the kernel's, as on the flow backend, and
// cancelling is real (ns-3's own queues keep the dead until their time).
#pragma once

#include <cstdint>
#include <memory>

#include "sim/kernel/kernel.h"

namespace mesocosm {

// While it exists, ns-3 runs on this kernel: one at a time in a process, since ns-3's simulator is a global. Its
// destruction frees all that ns-3 still holds of the simulation and puts ns-3's defaults back.
class Ns3Engine {
 public:
  // `seed` is for ns-3's own generators, such as those of Wi-Fi and queue disciplines.
  Ns3Engine(Kernel& kernel, std::uint64_t seed);
  ~Ns3Engine();
  Ns3Engine(const Ns3Engine&) = delete;
  Ns3Engine& operator=(const Ns3Engine&) = delete;

  static bool exists();
};

}  // namespace mesocosm
