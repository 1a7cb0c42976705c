// What the Python package hands over as dicts (to_config()), made into the core's values. Wrong values are
// ConfigError.
#pragma once

#include <string>

#include <pybind11/pybind11.h>

#include "sim/net/internet.h"
#include "sim/net/nat.h"
#include "sim/run/session_model.h"
#include "sim/run/world.h"

namespace mesocosm::python {

InternetConfig internet_from(const pybind11::dict& config);
NodeKind node_from(const pybind11::dict& config, World& world);  // what its hooks raise ends the world's run
SessionModel session_from(const pybind11::dict& config);
NatConfig nat_from(const pybind11::dict& config);
SecurityProtocol security_from(const std::string& name);

}  // namespace mesocosm::python
