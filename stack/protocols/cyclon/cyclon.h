// Cyclon: its core over a host's connections, with the gossip above it that the HyParView paper compares it by: who gets a
// message first pushes it to `push_fanout` peers of its view, and that is all. Connections are made for what is to be sent
// and end when they were not used for a period; of the peers that the host dials itself, the first is the introducer and the
// others enter the view.
#pragma once

#include "stack/protocols/cyclon/core.h"
#include "stack/protocols/pubsub/frame_links.h"
#include "stack/protocols/pubsub/local_topics.h"
#include "stack/protocols/pubsub/pubsub.h"

namespace mesocosm {

class Cyclon final : public PubSub, private FrameLinks::Events, private AddressBook, private CyclonActions {
 public:
  // Begins its periods at a random moment within the first. Requires valid params.
  Cyclon(Env& env, Swarm& swarm, const CyclonParams& params);

  Result<> subscribe(std::string_view topic) override { return topics_.subscribe(topic); }
  void unsubscribe(std::string_view topic) override { topics_.unsubscribe(topic); }
  Result<MessageId> publish(std::string_view topic, ByteView data) override;
  const BroadcastCounters& counters() const { return topics_.counters(); }
  const CyclonCore& core() const { return core_; }

 private:
  struct Known {};

  Result<> on_frame(const PeerId& from, const Bytes& frame) override;
  void on_linked(const PeerId& peer, bool contact) override;
  void on_lost(const PeerId& peer, bool failed) override;
  std::vector<Multiaddr> addresses(const PeerId& peer) const override;
  void send(const PeerId& to, const CyclonMessage& message) override;
  Result<> on_push(const PeerId& from, const Broadcast& message);
  void spread(const Broadcast& message, const PeerId& but);
  void on_period();

  Env& env_;
  Swarm& swarm_;
  LocalTopics topics_;
  CyclonCore core_;
  RecentMessages<Known> recent_;
  std::uint64_t next_number_;
  FrameLinks links_;
  MemberTimer<&Cyclon::on_period> period_{*this};
};

}  // namespace mesocosm
