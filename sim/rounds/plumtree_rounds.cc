#include "sim/rounds/plumtree_rounds.h"

#include <algorithm>
#include <utility>

#include "stack/base/assert.h"

namespace mesocosm::rounds {

class PlumtreeRounds::Node final : HyParViewActions, PlumtreeActions {
 public:
  Node(PlumtreeRounds& net, NodeNumber number, const HyParViewParams& membership,
       const PlumtreeParams& params, const Rng& rng)
      : net_(net),
        number_(number),
        hyparview(membership, peer_of(number), rng, *this),
        plumtree(params, peer_of(number), 0, *this) {}

 private:
  void send(const PeerId& to, const HyParViewMessage& message) override {
    net_.letters_.push_back({number_, node_of(to), message});
  }
  void send(const PeerId& to, const PlumtreeMessage& message) override {
    net_.letters_.push_back({number_, node_of(to), message});
  }
  void neighbor_up(const PeerId& peer) override { plumtree.neighbor_up(peer); }
  void neighbor_down(const PeerId& peer) override { plumtree.neighbor_down(peer); }
  void deliver(const Broadcast&, const PeerId&) override { news = true; }
  void duplicate(const Broadcast&, const PeerId&) override {}

  PlumtreeRounds& net_;
  NodeNumber number_;

 public:
  HyParViewCore hyparview;
  PlumtreeCore plumtree;
  bool failed = false;
  bool news = false;  // the letter at hand
};

PlumtreeRounds::PlumtreeRounds(NodeNumber nodes, const HyParViewParams& membership,
                               const PlumtreeParams& params, std::uint64_t seed)
    : alive_(nodes), draws_(Rng(seed).fork("draws")) {
  const Rng rng(seed);
  order_ = turn_order(nodes, rng);
  nodes_.reserve(nodes);
  for (NodeNumber i = 0; i < nodes; ++i) {
    nodes_.push_back(std::make_unique<Node>(*this, i, membership, params, rng.fork("node", i)));
    if (i == 0) continue;
    nodes_[i]->hyparview.join(peer_of(0));
    deliver_all();
  }
}

PlumtreeRounds::~PlumtreeRounds() = default;

void PlumtreeRounds::run(std::uint32_t cycles) {
  for (; cycles > 0; --cycles) {
    for (const NodeNumber node : order_) {
      if (nodes_[node]->failed) continue;
      nodes_[node]->hyparview.on_period();
      deliver_all();
    }
    now_ += 1h;
  }
}

bool PlumtreeRounds::runs(NodeNumber node) const { return !nodes_[node]->failed; }

NodeNumber PlumtreeRounds::draw_alive() {
  MC_ASSERT(alive_ > 0);
  for (;;) {
    const auto node = static_cast<NodeNumber>(draws_.below(nodes_.size()));
    if (!nodes_[node]->failed) return node;
  }
}

void PlumtreeRounds::fail(NodeNumber count, bool noticed) {
  MC_ASSERT(count < alive_);
  for (; count > 0; --count, --alive_) nodes_[draw_alive()]->failed = true;
  if (!noticed) return;
  for (const NodeNumber i : order_) {
    if (nodes_[i]->failed) continue;
    HyParViewCore& core = nodes_[i]->hyparview;
    const std::vector<PeerId> before(core.active().begin(), core.active().end());
    for (const PeerId& peer : before) {
      if (nodes_[node_of(peer)]->failed) core.on_failure(peer);
    }
  }
  deliver_all();
}

void PlumtreeRounds::deliver_all() {
  while (!letters_.empty()) {
    const Letter<AnyMessage> letter = std::move(letters_.front());
    letters_.pop_front();
    deliver(letter);
  }
}

void PlumtreeRounds::deliver(const Letter<AnyMessage>& letter) {
  Node& to = *nodes_[letter.to];
  if (to.failed) {
    nodes_[letter.from]->hyparview.on_failure(peer_of(letter.to));
    return;
  }
  if (const auto* membership = std::get_if<HyParViewMessage>(&letter.message)) {
    MC_ASSERT(to.hyparview.on_message(peer_of(letter.from), *membership).has_value());
    return;
  }
  const PlumtreeMessage& message = std::get<PlumtreeMessage>(letter.message);
  to.news = false;
  MC_ASSERT(to.plumtree.on_message(peer_of(letter.from), message, now_).has_value());
  const bool payload = message.kind == PlumtreeMessage::Kind::gossip;
  ++(payload ? outcome_.payload : outcome_.control);
  if (!to.news) return;
  ++outcome_.delivered;
  outcome_.last_hop = std::max(outcome_.last_hop, message.round + 1);
}

// Whether there were any.
bool PlumtreeRounds::fire_timers() {
  Time next = kNever;
  for (const auto& node : nodes_) {
    if (!node->failed) next = std::min(next, node->plumtree.next_timer());
  }
  if (next == kNever) return false;
  now_ = std::max(now_, next);
  for (const auto& node : nodes_) {
    if (!node->failed) node->plumtree.on_timer(now_);
  }
  return true;
}

BroadcastOutcome PlumtreeRounds::broadcast(NodeNumber source) {
  MC_ASSERT(!nodes_[source]->failed);
  outcome_ = {};
  outcome_.delivered = 1;
  now_ += 1s;
  MC_ASSERT(nodes_[source]->plumtree.publish("broadcast", {}, now_).has_value());
  do {
    deliver_all();
  } while (fire_timers());
  return outcome_;
}

std::vector<std::pair<NodeNumber, NodeNumber>> PlumtreeRounds::links() const {
  std::vector<std::pair<NodeNumber, NodeNumber>> links;
  for (NodeNumber i = 0; i < size(); ++i) {
    if (nodes_[i]->failed) continue;
    for (const PeerId& peer : nodes_[i]->hyparview.active()) links.emplace_back(i, node_of(peer));
  }
  return links;
}

}  // namespace mesocosm::rounds
