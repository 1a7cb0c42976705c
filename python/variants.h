// The variants of GossipSub that this process knows by name: the shipped ones, and those that were loaded.
#pragma once

#include "stack/protocols/gossipsub/variants.h"

namespace mesocosm::python {

GossipSubVariants& variants();

}  // namespace mesocosm::python
