// The simulated ground: the event kernel and the flow network over an Internet model.
#pragma once

#include <memory>

#include "sim/run/backend.h"
#include "sim/run/world.h"

namespace mesocosm {

std::unique_ptr<Backend> make_flow_backend(const PathModel& internet, StackKind stack, const Rng& rng);

}  // namespace mesocosm
