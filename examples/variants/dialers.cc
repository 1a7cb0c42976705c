// Dialers, the variant of dialers.py, in C++: the same choices from the same draws, and so the same runs.
#include <algorithm>
#include <vector>

#include "stack/protocols/gossipsub/plugin.h"

namespace {

using namespace mesocosm;

class Dialers final : public GossipSubPolicy {
 public:
  explicit Dialers(const VariantSettings& settings) : quota_(static_cast<std::size_t>(settings["quota"])) {}

  void choose_mesh(GossipSubCore& core, TopicIndex topic, Time now, MeshChange& change) override {
    GossipSubPolicy::choose_mesh(core, topic, now, change);
    const auto in = [](PeerIndex peer, const auto& peers) {
      return std::find(peers.begin(), peers.end(), peer) != peers.end();
    };
    std::vector<PeerIndex> mesh;
    for (const PeerIndex peer : core.topic(topic).mesh) {
      if (!in(peer, change.prune)) mesh.push_back(peer);
    }
    mesh.insert(mesh.end(), change.graft.begin(), change.graft.end());
    const auto dialed = [&](PeerIndex peer) { return core.peer(peer).outbound; };
    const auto have = static_cast<std::size_t>(std::count_if(mesh.begin(), mesh.end(), dialed));
    std::vector<PeerIndex> others;
    core.graft_candidates(topic, now, others);
    std::erase_if(others, [&](PeerIndex peer) { return !dialed(peer) || in(peer, mesh); });
    sample_peers(core.rng(), others, quota_ - std::min(quota_, have));
    change.graft.insert(change.graft.end(), others.begin(), others.end());
  }

 private:
  std::size_t quota_;
};

}  // namespace

MESOCOSM_VARIANTS({.name = "dialers",
                   .summary = "GossipSub v1.0 with places in the mesh for peers that it dialed.",
                   .options = {{"quota", 2, "How many places."}},
                   .adjust = [](GossipSubParams& params,
                                const VariantSettings&) { params.version = PeerKind::gossipsub_10; },
                   .policy = policy_maker<Dialers>()})
