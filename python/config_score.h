// Peer scoring's configuration, from the package's dicts.
#pragma once

#include <memory>

#include <pybind11/pybind11.h>

#include "stack/protocols/gossipsub/params.h"

namespace mesocosm::python {

// Sets score and thresholds. Throws ConfigError if they make no sense.
void read_score(const pybind11::dict& config, GossipSubParams& params);

}  // namespace mesocosm::python
