// Rumors: rumor mongering over a host's connections. A site's partners are the connected peers that speak it too.
#pragma once

#include <vector>

#include "stack/protocols/pubsub/frame_links.h"
#include "stack/protocols/pubsub/local_topics.h"
#include "stack/protocols/pubsub/pubsub.h"
#include "stack/protocols/rumors/core.h"

namespace mesocosm {

class Rumors final : public PubSub, private FrameLinks::Events, private RumorsActions {
 public:
  // Begins its cycles at a random moment within the first period. Requires valid params.
  Rumors(Env& env, Swarm& swarm, const RumorsParams& params);

  Result<> subscribe(std::string_view topic) override { return topics_.subscribe(topic); }
  void unsubscribe(std::string_view topic) override { topics_.unsubscribe(topic); }
  Result<MessageId> publish(std::string_view topic, ByteView data) override;
  const BroadcastCounters& counters() const { return topics_.counters(); }
  const RumorsCore& core() const { return core_; }

 private:
  Result<> on_frame(const PeerId& from, const Bytes& frame) override;
  void on_linked(const PeerId& peer, bool contact) override;
  void on_lost(const PeerId& peer, bool) override { std::erase(partners_, peer); }
  void send(const PeerId& to, const RumorsMessage& message) override { links_.send(to, encode(message)); }
  void deliver(const Broadcast& message, const PeerId& from) override { topics_.delivered(message, from); }
  void duplicate(const Broadcast& message, const PeerId& from) override { topics_.duplicate(message, from); }
  void on_cycle();

  Env& env_;
  Rng rng_;
  LocalTopics topics_;
  RumorsCore core_;
  FrameLinks links_;
  std::vector<PeerId> partners_;
  MemberTimer<&Rumors::on_cycle> cycle_{*this};
};

}  // namespace mesocosm
