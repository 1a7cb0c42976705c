// Split: which of several processes runs which host, so that no short link joins two of them.
#pragma once

#include <cstdint>
#include <vector>

#include "sim/net/internet.h"
#include "stack/base/result.h"

namespace mesocosm {

struct Split {
  std::vector<std::uint16_t> rank_of;  // by host
  Duration lookahead{};                // no path between hosts of different ranks is shorter; > 0
};

// Divides the hosts by place into `ranks` parts of about the same size, and among the divisions that are even
// enough (no part more than a tenth above the mean, if there is such a division) takes the one whose shortest link
// between parts is longest. Depends on the Internet and its hosts alone. Errors: limit, when there are not so many
// groups of hosts with a latency between them.
Result<Split> split(const Internet& internet, std::uint32_t ranks);

}  // namespace mesocosm
