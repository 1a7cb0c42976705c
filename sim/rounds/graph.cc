#include "sim/rounds/graph.h"

#include <algorithm>

namespace mesocosm::rounds {
namespace {

// Neighbors in one row after the other, each row sorted and without repetition.
struct Rows {
  std::vector<std::size_t> begin;
  std::vector<NodeNumber> to;
  std::span<const NodeNumber> of(NodeNumber node) const {
    return {to.data() + begin[node], begin[node + 1] - begin[node]};
  }
};

Rows rows_of(NodeNumber nodes, std::vector<std::pair<NodeNumber, NodeNumber>> links) {
  std::sort(links.begin(), links.end());
  links.erase(std::unique(links.begin(), links.end()), links.end());
  Rows rows;
  rows.begin.assign(nodes + 1, 0);
  for (const auto& [from, to] : links) {
    ++rows.begin[from + 1];
    rows.to.push_back(to);
  }
  for (NodeNumber i = 0; i < nodes; ++i) rows.begin[i + 1] += rows.begin[i];
  return rows;
}

double clustering_of(const Rows& rows, NodeNumber node) {
  const auto neighbors = rows.of(node);
  if (neighbors.size() < 2) return 0;
  std::size_t found = 0;
  for (const NodeNumber a : neighbors) {
    const auto others = rows.of(a);
    for (const NodeNumber b : neighbors) found += std::binary_search(others.begin(), others.end(), b) ? 1 : 0;
  }
  return static_cast<double>(found) / static_cast<double>(neighbors.size() * (neighbors.size() - 1));
}

// The sum of the hops to all whom it reaches, and how many they are.
std::pair<std::uint64_t, std::uint64_t> walk_from(NodeNumber source, const Rows& rows,
                                                  std::vector<NodeNumber>& queue,
                                                  std::vector<std::uint32_t>& hops) {
  std::fill(hops.begin(), hops.end(), UINT32_MAX);
  queue.assign(1, source);
  hops[source] = 0;
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < queue.size(); ++i) {
    sum += hops[queue[i]];
    for (const NodeNumber next : rows.of(queue[i])) {
      if (hops[next] != UINT32_MAX) continue;
      hops[next] = hops[queue[i]] + 1;
      queue.push_back(next);
    }
  }
  return {sum, queue.size() - 1};
}

}  // namespace

GraphMeasures measure_graph(NodeNumber nodes, std::span<const std::pair<NodeNumber, NodeNumber>> links,
                            bool directed, NodeNumber sources, std::uint64_t seed) {
  std::vector<std::pair<NodeNumber, NodeNumber>> both(links.begin(), links.end());
  for (const auto& [from, to] : links) both.emplace_back(to, from);
  const Rows undirected = rows_of(nodes, std::move(both));
  const Rows forward = directed ? rows_of(nodes, {links.begin(), links.end()}) : undirected;
  GraphMeasures measures;
  if (nodes < 2) return measures;
  for (NodeNumber node = 0; node < nodes; ++node) measures.clustering += clustering_of(undirected, node);
  measures.clustering /= nodes;

  std::vector<NodeNumber> from = turn_order(nodes, Rng(seed));
  if (sources > 0 && sources < nodes) from.resize(sources);
  std::vector<NodeNumber> queue;
  std::vector<std::uint32_t> hops(nodes);
  std::uint64_t sum = 0;
  std::uint64_t pairs = 0;
  for (const NodeNumber source : from) {
    const auto [length, reached] = walk_from(source, forward, queue, hops);
    sum += length;
    pairs += reached;
  }
  if (pairs > 0) measures.shortest_path = static_cast<double>(sum) / static_cast<double>(pairs);
  measures.reached =
      static_cast<double>(pairs) / (static_cast<double>(from.size()) * static_cast<double>(nodes - 1));
  return measures;
}

}  // namespace mesocosm::rounds
