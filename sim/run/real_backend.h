// The real ground: every node on the loopback interface, in real time, on TCP port `port` + its index, or any
// if 0.
#pragma once

#include <cstdint>
#include <memory>

#include "sim/run/backend.h"

namespace mesocosm {

std::unique_ptr<Backend> make_real_backend(std::uint16_t port);

}  // namespace mesocosm
