// The simulated ground packet by packet: the event kernel and ns-3's TCP/IP over an Internet model.
#pragma once

#include <memory>

#include "sim/run/backend.h"
#include "sim/run/ranked_run.h"
#include "sim/run/world.h"

namespace mesocosm {

// Throws ConfigError when this build has no packet tier (MESOCOSM_NS3=OFF), or when another packet World is alive.
// `ranked`: when other processes run some of the nodes; null: this one runs all.
std::unique_ptr<Backend> make_packet_backend(const PathModel& internet, const Rng& rng, RankedRun* ranked);

}  // namespace mesocosm
