// Who has to go when too many handshakes are under way: somebody of the source that has the most of them, so that a
// crowd from few addresses displaces itself, and among equals the one that has had the most time.
#pragma once

#include <cstddef>
#include <span>

#include "stack/base/ip.h"

namespace mesocosm {

// `sources`, at least one, in order of arrival; the index of the one to drop. An IPv6 source is its /64 network, which
// is what one customer has.
std::size_t crowded_out(std::span<const IpAddress> sources);

}  // namespace mesocosm
