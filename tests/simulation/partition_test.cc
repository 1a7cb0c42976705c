// A gossiping network is cut in half and healed, on every simulated tier.
//
//   west: 20 nodes ──┤├── east: 20 nodes          each node dials 5 others, and again every 5 s if it must
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "sim/run/world.h"

using namespace mesocosm;

namespace {

constexpr NodeIndex kNodes = 40;
constexpr NodeIndex kHalf = kNodes / 2;
constexpr Duration kRedial = 5s;
constexpr Duration kHeartbeat = 1s;
constexpr int kRecovery = 8;  // heartbeats from healing until the mesh is whole again

struct Gossip {
  explicit Gossip(std::unique_ptr<World> made) : world(std::move(made)) {
    NodeKind kind;
    kind.gossipsub.emplace();
    kind.keepalive = 30s;  // as go-libp2p has it
    for (NodeIndex i = 0; i < kNodes; ++i) all.push_back(world->add_node(kind));
    world->start("", "{}");
    for (const NodeIndex node : all) world->subscribe(node, "blocks");
    world->bootstrap(world->overlay(all, 5), 1s, kRedial);
    run(10s);
  }

  void run(Duration until) { REQUIRE(world->advance(Time(until), 3600s)); }
  const GossipSub& gossipsub(NodeIndex node) const { return *world->node(node).gossipsub(); }
  // Deliveries at the nodes [first, last) since the last call for them.
  std::uint64_t delivered(NodeIndex first, NodeIndex last) {
    std::uint64_t count = 0;
    seen.resize(kNodes);
    for (NodeIndex node = first; node < last; ++node) {
      const std::uint64_t now = gossipsub(node).counters().delivered;
      count += now - std::exchange(seen[node], now);
    }
    return count;
  }
  std::uint64_t west() { return delivered(0, kHalf); }
  std::uint64_t east() { return delivered(kHalf, kNodes); }
  void publish(NodeIndex node) { world->publish_random(node, "blocks", 1000); }

  // Links of the mesh from one half to the other, as both ends see them.
  std::size_t bridges() const {
    std::size_t count = 0;
    for (NodeIndex a = 0; a < kHalf; ++a) {
      const auto peers = gossipsub(a).mesh_peers("blocks");
      for (NodeIndex b = kHalf; b < kNodes; ++b) {
        const auto back = gossipsub(b).mesh_peers("blocks");
        const auto has = [](const auto& list, const PeerId& peer) {
          return std::find(list.begin(), list.end(), peer) != list.end();
        };
        if (has(peers, world->peer_id(b)) && has(back, world->peer_id(a))) ++count;
      }
    }
    return count;
  }
  // Everybody has a full mesh, as far as there are peers for it.
  bool full_mesh() const {
    const GossipSubParams params;
    return std::all_of(all.begin(), all.end(), [&](NodeIndex node) {
      const std::size_t peers = gossipsub(node).peers("blocks").size();
      return gossipsub(node).mesh_peers("blocks").size() >= std::min<std::size_t>(params.d_low, peers);
    });
  }
  Fault cut(FaultEffect effect = FaultEffect::blackhole) const {
    const std::span<const NodeIndex> nodes(all);
    return {.effect = effect, .paths = Fault::between(nodes.first(kHalf), nodes.last(kHalf))};
  }

  std::unique_ptr<World> world;
  std::vector<NodeIndex> all;
  std::vector<std::uint64_t> seen;
};

std::unique_ptr<World> make(const std::string& tier) {
  const UniformLatency internet{.low = 30ms, .high = 70ms, .link = {}};
#ifdef MESOCOSM_NS3
  if (tier == "packet") return World::packet(1, internet, "");
#endif
  return World::flow(1, tier == "collapsed" ? StackKind::collapsed : StackKind::full, internet, "");
}

std::vector<std::string> tiers() {
#ifdef MESOCOSM_NS3
  return {"full", "collapsed", "packet"};
#else
  return {"full", "collapsed"};
#endif
}

}  // namespace

TEST_CASE("a network cut in half works in each half, and as one again after healing", "[partition]") {
  const std::string tier = GENERATE(from_range(tiers()));
  const FaultEffect effect = GENERATE(FaultEffect::blackhole, FaultEffect::refuse);
  INFO(tier << (effect == FaultEffect::refuse ? " refuse" : " blackhole"));
  Gossip net(make(tier));
  CHECK(net.full_mesh());
  CHECK(net.bridges() > 0);
  net.publish(0);
  net.run(11s);
  CHECK(net.west() + net.east() == kNodes - 1);

  const Faults::Id fault = net.world->fault("cut", net.cut(effect));
  net.publish(0);
  net.publish(kHalf);
  net.run(80s);  // connections that are not answered end within two keepalives
  CHECK(net.west() == kHalf - 1);
  CHECK(net.east() == kHalf - 1);
  CHECK(net.bridges() == 0);

  net.world->heal(fault);
  net.run(80s + kRecovery * kHeartbeat);
  CHECK(net.full_mesh());
  CHECK(net.bridges() > kHalf);
  net.publish(0);
  net.publish(kHalf);
  net.run(net.world->now().time_since_epoch() +
          1s);  // by the mesh: gossip would come with the next heartbeats
  CHECK(net.west() + net.east() == 2 * (kNodes - 1));
}

TEST_CASE("what is published during a short cut comes to the other side after healing", "[partition]") {
  const std::string tier = GENERATE(from_range(tiers()));
  INFO(tier);
  Gossip net(make(tier));
  const std::size_t bridges = net.bridges();
  const Faults::Id fault = net.world->fault("cut", net.cut());
  net.publish(0);
  net.publish(kHalf);
  net.run(20s);
  CHECK(net.west() == kHalf - 1);
  CHECK(net.east() == kHalf - 1);
  net.world->heal(fault);
  net.run(60s);  // TCP's next retransmissions come by then
  CHECK(net.west() == kHalf);
  CHECK(net.east() == kHalf);
  CHECK(net.bridges() == bridges);  // no connection ended
}

TEST_CASE("worlds have no faults that they were not given", "[partition]") {
  const auto world = World::real(1);
  CHECK_THROWS_WITH(world->fault("cut", {}), Catch::Contains("only simulated paths"));
}
