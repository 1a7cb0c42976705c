#include "sim/run/overlay.h"

#include <algorithm>

#include "stack/base/assert.h"

namespace mesocosm {
namespace {

bool contains(const std::vector<std::uint32_t>& items, std::uint32_t item) {
  return std::find(items.begin(), items.end(), item) != items.end();
}

}  // namespace

std::vector<Edge> random_overlay(std::span<const std::uint32_t> nodes, std::size_t dials, const Rng& rng) {
  MC_ASSERT(dials < nodes.size());
  // Each node draws from a generator of its own. A pair may be drawn from both ends; then the later node
  // draws again, unless it has run out of others.
  std::vector<std::vector<std::uint32_t>> neighbours(nodes.size());
  std::vector<Edge> edges;
  edges.reserve(nodes.size() * dials);
  for (std::uint32_t self = 0; self < nodes.size(); ++self) {
    Rng mine = rng.fork("overlay", nodes[self]);
    for (std::size_t made = 0; made < dials && neighbours[self].size() + 1 < nodes.size();) {
      const auto other = static_cast<std::uint32_t>(mine.below(nodes.size()));
      if (other == self || contains(neighbours[self], other)) continue;
      neighbours[self].push_back(other);
      neighbours[other].push_back(self);
      edges.emplace_back(nodes[self], nodes[other]);
      ++made;
    }
  }
  return edges;
}

std::vector<Edge> random_approaches(std::span<const std::uint32_t> from, std::span<const std::uint32_t> to,
                                    std::size_t dials, const Rng& rng) {
  std::vector<Edge> edges;
  edges.reserve(from.size() * dials);
  for (const std::uint32_t node : from) {
    Rng mine = rng.fork("approaches", node);
    for (const std::uint32_t target : sample(to, dials, mine)) edges.emplace_back(node, target);
  }
  Rng order = rng.fork("order of approaches", from.empty() ? 0 : from.front());
  order.shuffle(std::span(edges));
  return edges;
}

std::vector<std::uint32_t> sample(std::span<const std::uint32_t> group, std::size_t count, Rng& rng) {
  MC_ASSERT(count <= group.size());
  std::vector<std::uint32_t> positions;
  for (std::size_t limit = group.size() - count; limit < group.size(); ++limit) {
    const auto drawn = static_cast<std::uint32_t>(rng.below(limit + 1));
    positions.push_back(contains(positions, drawn) ? static_cast<std::uint32_t>(limit) : drawn);
  }
  std::vector<std::uint32_t> members;
  members.reserve(count);
  for (std::uint32_t position : positions) members.push_back(group[position]);
  return members;
}

}  // namespace mesocosm
