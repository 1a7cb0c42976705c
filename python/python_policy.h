// Variants of GossipSub that are written in Python: policies whose hooks are methods of a Python object.
#pragma once

#include <exception>
#include <functional>

#include <pybind11/pybind11.h>

#include "stack/protocols/gossipsub/variants.h"

namespace mesocosm::python {

// Makes the policies of one kind of node. `variant` is a class, which is called for each node, or an instance, of which
// each node gets a copy. `base` makes the policy for what the variant does not replace; empty: the specification's.
// `failed` is told what a hook raised; from then on none is called.
GossipSubPolicyFactory python_policy(pybind11::object variant, GossipSubPolicyFactory base,
                                     std::function<void(std::exception_ptr)> failed);

}  // namespace mesocosm::python
