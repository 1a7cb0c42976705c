// What the networks in rounds have in common: peer ids that are numbers, and letters on their way.
//
// A network in rounds runs protocols' cores without connections, latency or clocks: everybody acts once in a cycle, and
// what is sent arrives at once, in order. It is what papers mean by a cycle-based simulator, and takes a thousandth of
// what a World of as many nodes does. The cores are the same.
#pragma once

#include <array>
#include <cstdint>
#include <numeric>
#include <vector>

#include "stack/base/rng.h"
#include "stack/wire/peer_id.h"

namespace mesocosm::rounds {

using NodeNumber = std::uint32_t;

// Nobody has its key.
inline PeerId peer_of(NodeNumber node) {
  const std::array<std::uint8_t, 4> octets = {
      static_cast<std::uint8_t>(node >> 24), static_cast<std::uint8_t>(node >> 16),
      static_cast<std::uint8_t>(node >> 8), static_cast<std::uint8_t>(node)};
  return PeerId::from_public_key(octets);
}

inline NodeNumber node_of(const PeerId& peer) {
  NodeNumber node = 0;
  for (const std::uint8_t octet : peer.inlined_key()) node = node << 8 | octet;
  return node;
}

template <class Message>
struct Letter {
  NodeNumber from;
  NodeNumber to;
  Message message;
};

// Nodes that act periodically, but not together, act in the same order in every cycle: this one.
inline std::vector<NodeNumber> turn_order(NodeNumber nodes, const Rng& rng) {
  std::vector<NodeNumber> order(nodes);
  std::iota(order.begin(), order.end(), NodeNumber{0});
  Rng draw = rng.fork("order");
  draw.shuffle(std::span(order));
  return order;
}

}  // namespace mesocosm::rounds
