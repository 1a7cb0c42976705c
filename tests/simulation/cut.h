// Faults as tests write them.
#pragma once

#include <initializer_list>

#include "sim/faults/faults.h"

namespace mesocosm {

inline Fault cut(std::initializer_list<HostSet::Host> from, std::initializer_list<HostSet::Host> to,
                 FaultEffect effect = FaultEffect::blackhole, bool both_ways = true) {
  return {.effect = effect,
          .both_ways = both_ways,
          .paths = Fault::between({from.begin(), from.size()}, {to.begin(), to.size()})};
}

}  // namespace mesocosm
