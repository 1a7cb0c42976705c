// The epidemic baselines' parameters from the dicts that the Python package hands over. Wrong values are ConfigError.
#pragma once

#include <pybind11/pybind11.h>

#include "stack/protocols/cyclon/core.h"
#include "stack/protocols/hyparview/core.h"
#include "stack/protocols/plumtree/core.h"
#include "stack/protocols/pubsub/pubsub.h"
#include "stack/protocols/rumors/core.h"

namespace mesocosm::python {

RumorsParams rumors_from(const pybind11::dict& config);
HyParViewParams hyparview_from(const pybind11::dict& config);
PlumtreeParams plumtree_from(const pybind11::dict& config);
// The protocol that a node runs in GossipSub's place.
PubSubFactory epidemic_from(const pybind11::dict& config);
CyclonParams cyclon_from(const pybind11::dict& config);

}  // namespace mesocosm::python
