// The simulated ground packet by packet: the event kernel and ns-3's TCP/IP over an Internet model.
#pragma once

#include <memory>

#include "sim/run/backend.h"
#include "sim/run/world.h"

namespace mesocosm {

// Throws ConfigError when this build has no packet tier (MESOCOSM_NS3=OFF), or when another packet World is alive.
std::unique_ptr<Backend> make_packet_backend(const PathModel& internet, const Rng& rng);

}  // namespace mesocosm
