#include "stack/protocols/gossipsub/policy.h"

#include <algorithm>

#include "stack/protocols/gossipsub/core.h"
#include "stack/protocols/gossipsub/sample.h"

namespace mesocosm {
namespace {

// One look at one topic's mesh, step by step as the specification has it (v1.0 "Mesh Maintenance"; v1.1
// "Outbound Mesh Quotas", "Heartbeat Maintenance", "Opportunistic Grafting").
class MeshKeeper {
 public:
  MeshKeeper(GossipSubCore& core, TopicIndex topic, Time now, MeshChange& change)
      : core_(core), params_(core.params()), topic_(topic), now_(now), change_(change) {
    const PeerSet& mesh = core.topic(topic).mesh;
    mesh_.assign(mesh.begin(), mesh.end());
  }

  void drop_negative() {
    std::erase_if(mesh_, [&](PeerIndex peer) {
      const bool bad = core_.score(peer) < 0;
      if (bad) change_.prune.push_back(peer);
      return bad;
    });
  }

  void fill() {
    if (mesh_.size() >= params_.d_low) return;
    std::vector<PeerIndex> candidates = this->candidates();
    sample_peers(core_.rng(), candidates, params_.d - mesh_.size());
    take(candidates);
  }

  // Keeps D: the best D_score by score, the rest by chance, and among them D_out that we dialed if there are
  // so many.
  void thin_out() {
    if (mesh_.size() <= params_.d_high) return;
    core_.rng().shuffle(std::span(mesh_));
    std::stable_sort(mesh_.begin(), mesh_.end(),
                     [&](PeerIndex a, PeerIndex b) { return core_.score(a) > core_.score(b); });
    if (mesh_.size() > params_.d_score) core_.rng().shuffle(std::span(mesh_).subspan(params_.d_score));
    const auto dialed = [&](PeerIndex peer) { return core_.peer(peer).outbound; };
    std::size_t kept_outbound = outbound(params_.d);
    // Later outbound peers take the places of the last kept inbound ones.
    for (std::size_t in = params_.d, out = params_.d; kept_outbound < params_.d_out && in < mesh_.size();
         ++in) {
      if (!dialed(mesh_[in])) continue;
      while (out > 0 && dialed(mesh_[out - 1])) --out;
      if (out == 0) break;
      std::swap(mesh_[in], mesh_[out - 1]);
      ++kept_outbound;
    }
    change_.prune.insert(change_.prune.end(), mesh_.begin() + params_.d, mesh_.end());
    mesh_.resize(params_.d);
  }

  void fill_outbound() {
    if (mesh_.size() < params_.d_low) return;
    const std::size_t have = outbound(mesh_.size());
    if (have >= params_.d_out) return;
    std::vector<PeerIndex> candidates = this->candidates();
    std::erase_if(candidates, [&](PeerIndex peer) { return !core_.peer(peer).outbound; });
    sample_peers(core_.rng(), candidates, params_.d_out - have);
    take(candidates);
  }

  void graft_opportunistically() {
    if (core_.heartbeats() % params_.opportunistic_graft_ticks != 0 || mesh_.size() < 2) return;
    std::vector<double> scores;
    for (PeerIndex peer : mesh_) scores.push_back(core_.score(peer));
    std::nth_element(scores.begin(), scores.begin() + scores.size() / 2, scores.end());
    const double median = scores[scores.size() / 2];
    if (median >= params_.thresholds.opportunistic_graft) return;
    std::vector<PeerIndex> candidates = this->candidates();
    std::erase_if(candidates, [&](PeerIndex peer) { return core_.score(peer) <= median; });
    sample_peers(core_.rng(), candidates, params_.opportunistic_graft_peers);
    take(candidates);
  }

 private:
  std::vector<PeerIndex> candidates() {
    std::vector<PeerIndex> found;
    core_.graft_candidates(topic_, now_, found);
    // What was pruned or grafted just now is backed off from or in the mesh, though the core does not know
    // yet.
    std::erase_if(found, [&](PeerIndex peer) {
      return std::find(mesh_.begin(), mesh_.end(), peer) != mesh_.end() ||
             std::find(change_.prune.begin(), change_.prune.end(), peer) != change_.prune.end();
    });
    return found;
  }

  void take(const std::vector<PeerIndex>& peers) {
    mesh_.insert(mesh_.end(), peers.begin(), peers.end());
    change_.graft.insert(change_.graft.end(), peers.begin(), peers.end());
  }

  std::size_t outbound(std::size_t among_first) const {
    return static_cast<std::size_t>(std::count_if(mesh_.begin(),
                                                  mesh_.begin() + static_cast<std::ptrdiff_t>(among_first),
                                                  [&](PeerIndex peer) { return core_.peer(peer).outbound; }));
  }

  GossipSubCore& core_;
  const GossipSubParams& params_;
  TopicIndex topic_;
  Time now_;
  MeshChange& change_;
  std::vector<PeerIndex> mesh_;  // as it will be
};

}  // namespace

void GossipSubPolicy::choose_mesh(GossipSubCore& core, TopicIndex topic, Time now, MeshChange& change) {
  MeshKeeper keeper(core, topic, now, change);
  keeper.drop_negative();
  keeper.fill();
  keeper.thin_out();
  keeper.fill_outbound();
  keeper.graft_opportunistically();
}

// Adaptive gossip (v1.1): D_lazy peers, or gossip_factor of them if that is more.
void GossipSubPolicy::choose_gossip(GossipSubCore& core, TopicIndex, std::vector<PeerIndex>& peers) {
  const auto share =
      static_cast<std::size_t>(core.params().gossip_factor * static_cast<double>(peers.size()));
  sample_peers(core.rng(), peers, std::max<std::size_t>(core.params().d_lazy, share));
}

double GossipSubPolicy::score(GossipSubCore& core, PeerIndex peer) {
  PeerScore* scores = core.peer_score();
  return scores == nullptr ? 0 : scores->score(core.peer(peer).hash);
}

void GossipSubPolicy::choose_push(GossipSubCore&, const OutgoingMessage&, std::vector<PeerIndex>&) {}
bool GossipSubPolicy::wants(GossipSubCore&, PeerIndex, std::uint64_t, ByteView) { return true; }
bool GossipSubPolicy::on_rpc(GossipSubCore&, PeerIndex, Rpc, Time) { return true; }
void GossipSubPolicy::on_heartbeat(GossipSubCore&, Time) {}
void GossipSubPolicy::on_wake(GossipSubCore&, Time) {}
Result<> GossipSubPolicy::on_control(GossipSubCore&, PeerIndex, const RpcPart&, Time) { return {}; }
void GossipSubPolicy::on_peer_added(GossipSubCore&, PeerIndex) {}
void GossipSubPolicy::on_peer_removed(GossipSubCore&, PeerIndex) {}
void GossipSubPolicy::on_grafted(GossipSubCore&, TopicIndex, PeerIndex) {}
void GossipSubPolicy::on_pruned(GossipSubCore&, TopicIndex, PeerIndex) {}
void GossipSubPolicy::on_delivered(GossipSubCore&, TopicIndex, PeerIndex, std::uint64_t) {}
void GossipSubPolicy::on_duplicate(GossipSubCore&, TopicIndex, PeerIndex, std::uint64_t) {}
void GossipSubPolicy::on_rejected(GossipSubCore&, PeerIndex, ErrorCode) {}
void GossipSubPolicy::on_penalty(GossipSubCore&, PeerIndex, unsigned) {}

}  // namespace mesocosm
