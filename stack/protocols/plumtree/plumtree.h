// Plumtree: its core over HyParView's, over a host's connections. Each peer that the host dials, and that speaks it too, is
// a contact to join by while there is room in the active view: where all begin at once, the first alone would leave islands.
// Connections that the host made for messages of HyParView end when they were not used for a period and lead to no neighbor.
#pragma once

#include "stack/protocols/hyparview/core.h"
#include "stack/protocols/plumtree/core.h"
#include "stack/protocols/pubsub/frame_links.h"
#include "stack/protocols/pubsub/local_topics.h"
#include "stack/protocols/pubsub/pubsub.h"

namespace mesocosm {

class Plumtree final : public PubSub,
                       private FrameLinks::Events,
                       private AddressBook,
                       private HyParViewActions,
                       private PlumtreeActions {
 public:
  // Begins its periods at a random moment within the first. Requires valid params.
  Plumtree(Env& env, Swarm& swarm, const HyParViewParams& membership, const PlumtreeParams& params);

  Result<> subscribe(std::string_view topic) override { return topics_.subscribe(topic); }
  void unsubscribe(std::string_view topic) override { topics_.unsubscribe(topic); }
  Result<MessageId> publish(std::string_view topic, ByteView data) override;
  const HyParViewCore& membership() const { return hyparview_; }
  const BroadcastCounters& counters() const { return topics_.counters(); }
  const PlumtreeCore& core() const { return plumtree_; }

 private:
  Result<> on_frame(const PeerId& from, const Bytes& encoded) override;
  void on_linked(const PeerId& peer, bool contact) override;
  void on_lost(const PeerId& peer, bool failed) override;
  std::vector<Multiaddr> addresses(const PeerId& peer) const override;
  void send(const PeerId& to, const HyParViewMessage& message) override;
  void send(const PeerId& to, const PlumtreeMessage& message) override;
  void neighbor_up(const PeerId& peer) override;
  void neighbor_down(const PeerId& peer) override;
  void deliver(const Broadcast& message, const PeerId& from) override { topics_.delivered(message, from); }
  void duplicate(const Broadcast& message, const PeerId& from) override { topics_.duplicate(message, from); }
  Result<> on_membership(const PeerId& from, const Bytes& encoded);
  void on_period();
  void on_timer();
  void arm();

  Env& env_;
  Swarm& swarm_;
  LocalTopics topics_;
  PlumtreeCore plumtree_;
  HyParViewCore hyparview_;
  FrameLinks links_;
  MemberTimer<&Plumtree::on_period> period_{*this};
  MemberTimer<&Plumtree::on_timer> timer_{*this};
};

}  // namespace mesocosm
