#include "sim/rounds/cyclon_rounds.h"

#include <utility>

#include "stack/base/assert.h"

namespace mesocosm::rounds {

class CyclonRounds::Node final : CyclonActions {
 public:
  Node(CyclonRounds& net, NodeNumber number, const CyclonParams& params, const Rng& rng)
      : net_(net), number_(number), core(params, peer_of(number), rng, *this) {}

 private:
  void send(const PeerId& to, const CyclonMessage& message) override {
    net_.letters_.push_back({number_, node_of(to), message});
  }

  CyclonRounds& net_;
  NodeNumber number_;

 public:
  CyclonCore core;
};

CyclonRounds::CyclonRounds(NodeNumber nodes, const CyclonParams& params, CyclonStart start,
                           std::uint64_t seed) {
  const Rng rng(seed);
  Rng views = rng.fork("views");
  order_ = turn_order(nodes, rng);
  nodes_.reserve(nodes);
  for (NodeNumber i = 0; i < nodes; ++i) {
    nodes_.push_back(std::make_unique<Node>(*this, i, params, rng.fork("node", i)));
  }
  for (NodeNumber i = 0; i < nodes; ++i) {
    CyclonCore& core = nodes_[i]->core;
    if (start == CyclonStart::random) {
      while (core.view().size() < std::min<std::size_t>(params.view, nodes - 1))
        core.introduce(peer_of(static_cast<NodeNumber>(views.below(nodes))));
    } else if (i > 0 && start == CyclonStart::join) {
      core.join(peer_of(0));
      deliver();
    } else if (i > 0) {
      core.introduce(peer_of(start == CyclonStart::chain ? i - 1 : 0));
    }
  }
}

CyclonRounds::~CyclonRounds() = default;

void CyclonRounds::deliver() {
  while (!letters_.empty()) {
    const Letter<CyclonMessage> letter = std::move(letters_.front());
    letters_.pop_front();
    MC_ASSERT(nodes_[letter.to]->core.on_message(peer_of(letter.from), letter.message).has_value());
  }
}

void CyclonRounds::run(std::uint32_t cycles) {
  for (; cycles > 0; --cycles) {
    for (const NodeNumber node : order_) {
      nodes_[node]->core.on_period();
      deliver();
    }
  }
}

std::vector<std::pair<NodeNumber, NodeNumber>> CyclonRounds::links() const {
  std::vector<std::pair<NodeNumber, NodeNumber>> links;
  for (NodeNumber i = 0; i < size(); ++i) {
    for (const CyclonEntry& entry : nodes_[i]->core.view()) links.emplace_back(i, node_of(entry.peer));
  }
  return links;
}

}  // namespace mesocosm::rounds
