// What papers measure of an overlay's graph.
#pragma once

#include <cstdint>
#include <span>
#include <utility>

#include "sim/rounds/round_net.h"

namespace mesocosm::rounds {

struct GraphMeasures {
  double clustering =
      0;  // of a node: links among its neighbors, over those that could be; the mean of all nodes
  double shortest_path = 0;  // hops between two nodes, the mean of those that reach each other
  double reached = 0;        // share of such pairs
};

// Clustering is of the graph without directions. Shortest paths are from `sources` nodes, drawn at random (0: all), and
// follow directions if `directed`.
GraphMeasures measure_graph(NodeNumber nodes, std::span<const std::pair<NodeNumber, NodeNumber>> links,
                            bool directed, NodeNumber sources, std::uint64_t seed);

}  // namespace mesocosm::rounds
