// VariantView: what a hook in Python sees of its node's GossipSub, and what it may do with it.
#pragma once

#include <string>
#include <vector>

#include <pybind11/pybind11.h>

#include "stack/protocols/gossipsub/core.h"

namespace mesocosm::python {

using PeerList = std::vector<PeerIndex>;

// A message on its way to others.
struct VariantMessage {
  std::string id;
  std::uint64_t hash = 0;
  std::size_t size = 0;
  PeerIndex from = kNoPeer;
};

// Good only while a hook runs; else, and for peers and topics that are not there, ValueError.
class VariantView {
 public:
  explicit VariantView(GossipSubPolicy& base) : base_(base), rng_(*this) {}
  VariantView(const VariantView&) = delete;
  VariantView& operator=(const VariantView&) = delete;

  // A hook runs: the view is good until this goes. Hooks nest.
  class Use {
   public:
    Use(VariantView& view, GossipSubCore& core, TopicIndex topic)
        : view_(view), core_(view.core_), topic_(view.topic_) {
      view_.core_ = &core;
      view_.topic_ = topic;
    }
    ~Use() {
      view_.core_ = core_;
      view_.topic_ = topic_;
    }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

   private:
    VariantView& view_;
    GossipSubCore* core_;
    TopicIndex topic_;
  };

  // The node's generator, whose draws repeat with the World's seed.
  class Draws {
   public:
    explicit Draws(VariantView& view) : view_(view) {}
    double random() { return rng().unit(); }
    std::uint64_t below(std::uint64_t bound);
    pybind11::list sample(const pybind11::iterable& items, std::size_t count);
    void shuffle(pybind11::list items);

   private:
    Rng& rng() { return view_.core().rng(); }
    VariantView& view_;
  };

  GossipSubCore& core() const;
  PeerIndex peer(PeerIndex index) const;  // one that is there
  double now() const { return to_seconds(core().now().time_since_epoch()); }
  std::optional<std::string> topic() const;
  std::vector<std::string> topics() const;  // those that we subscribe to
  PeerList mesh(const std::optional<std::string>& topic) const;
  PeerList members(const std::optional<std::string>& topic) const;
  PeerList candidates(const std::optional<std::string>& topic) const;
  PeerList peers() const;
  double score(PeerIndex index) { return core().score(peer(index)); }
  Draws& rng() { return rng_; }

  void send(PeerIndex to, std::uint32_t field, const std::string& body);
  void send_ihave(PeerIndex to, const std::string& id, const std::optional<std::string>& topic);
  void send_iwant(PeerIndex to, const std::string& id) { core().send_iwant(peer(to), as_bytes(id)); }
  bool send_message(PeerIndex to, const std::string& id) {
    return core().send_message(peer(to), as_bytes(id));
  }
  void wake_at(double seconds) { core().wake_at(Time(from_seconds(seconds))); }

  // What the variant replaces.
  double base_score(PeerIndex index) { return base_.score(core(), peer(index)); }
  std::pair<PeerList, PeerList> base_choose_mesh();
  PeerList base_choose_gossip(PeerList peers);
  PeerList base_choose_push(const VariantMessage& message, PeerList peers);
  bool base_wants(PeerIndex from, const std::string& id) {
    return base_.wants(core(), peer(from), hash64(as_bytes(id)), as_bytes(id));
  }

 private:
  TopicIndex index_of(const std::optional<std::string>& topic) const;

  GossipSubPolicy& base_;
  GossipSubCore* core_ = nullptr;
  TopicIndex topic_ = kNoTopic;
  Draws rng_;
};

void bind_variant_view(pybind11::module_& module);

}  // namespace mesocosm::python
