// Overlays: who dials whom at the start.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "stack/base/rng.h"

namespace mesocosm {

using Edge = std::pair<std::uint32_t, std::uint32_t>;  // dialer, dialed

// Every node dials `dials` different others of the group, drawn uniformly; no pair is connected twice.
// Requires dials < nodes.size().
std::vector<Edge> random_overlay(std::span<const std::uint32_t> nodes, std::size_t dials, const Rng& rng);

// Each of `from` dials `dials` different ones of `to`, drawn uniformly; in random order. Requires dials <= to.size().
std::vector<Edge> random_approaches(std::span<const std::uint32_t> from, std::span<const std::uint32_t> to,
                                    std::size_t dials, const Rng& rng);

// `count` different members of `group`, in drawing order (Floyd 1987). Requires count <= group.size().
std::vector<std::uint32_t> sample(std::span<const std::uint32_t> group, std::size_t count, Rng& rng);

}  // namespace mesocosm
