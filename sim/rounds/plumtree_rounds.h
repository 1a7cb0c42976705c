// Plumtree over HyParView in rounds: nodes join one after the other, membership runs in cycles, and a broadcast runs hop
// by hop until nothing is on its way any more. A letter to a node that failed does not arrive, and its sender is told so
// at once, as by TCP. Plumtree's timers fire when nothing is on its way: they are longer than a broadcast takes.
#pragma once

#include <deque>
#include <memory>
#include <variant>
#include <vector>

#include "sim/rounds/round_net.h"
#include "stack/protocols/hyparview/core.h"
#include "stack/protocols/plumtree/core.h"

namespace mesocosm::rounds {

struct BroadcastOutcome {
  NodeNumber delivered = 0;   // nodes that have the message in the end, its source included
  std::uint64_t payload = 0;  // times that the message arrived somewhere
  std::uint64_t control = 0;  // IHAVE, GRAFT and PRUNE that arrived
  std::uint32_t last_hop = 0;
};

class PlumtreeRounds {
 public:
  // All join by node 0; they are up to stabilize in cycles yet.
  PlumtreeRounds(NodeNumber nodes, const HyParViewParams& membership, const PlumtreeParams& params,
                 std::uint64_t seed);
  ~PlumtreeRounds();

  void run(std::uint32_t cycles);  // of membership
  // So many of those that run fail, drawn at random. If it is `noticed`, their neighbors mend their views before anything
  // else happens, as when connections end with their process; else when they send to them next.
  void fail(NodeNumber count, bool noticed);
  NodeNumber size() const { return static_cast<NodeNumber>(nodes_.size()); }
  NodeNumber alive() const { return alive_; }
  bool runs(NodeNumber node) const;
  NodeNumber draw_alive();  // one that runs, drawn at random
  // The source must run.
  BroadcastOutcome broadcast(NodeNumber source);
  // Who has whom in its active view, of those that run: pairs, by the first.
  std::vector<std::pair<NodeNumber, NodeNumber>> links() const;

 private:
  class Node;
  using AnyMessage = std::variant<HyParViewMessage, PlumtreeMessage>;
  void deliver_all();
  void deliver(const Letter<AnyMessage>& letter);
  bool fire_timers();

  std::vector<std::unique_ptr<Node>> nodes_;
  std::deque<Letter<AnyMessage>> letters_;
  std::vector<NodeNumber> order_;
  NodeNumber alive_;
  Rng draws_;
  Time now_{};
  BroadcastOutcome outcome_;  // of the broadcast at hand
};

}  // namespace mesocosm::rounds
