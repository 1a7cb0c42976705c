// Cyclon in rounds: every node shuffles once in a cycle, one after the other, and exchanges are atomic.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "sim/rounds/round_net.h"
#include "stack/protocols/cyclon/core.h"

namespace mesocosm::rounds {

// How a network begins: each node knows the one before it, all know node 0, or each knows as many as its view holds,
// drawn at random; or they join by walks, one after the other, all with node 0 as introducer.
enum class CyclonStart : std::uint8_t { chain, star, random, join };

class CyclonRounds {
 public:
  CyclonRounds(NodeNumber nodes, const CyclonParams& params, CyclonStart start, std::uint64_t seed);
  ~CyclonRounds();

  void run(std::uint32_t cycles);
  NodeNumber size() const { return static_cast<NodeNumber>(nodes_.size()); }
  // Who knows whom: pairs of (knower, known), by knower.
  std::vector<std::pair<NodeNumber, NodeNumber>> links() const;

 private:
  class Node;
  void deliver();

  std::deque<Letter<CyclonMessage>> letters_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::vector<NodeNumber> order_;
};

}  // namespace mesocosm::rounds
