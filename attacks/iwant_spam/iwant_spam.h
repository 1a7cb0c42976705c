// IWantSpam: adversaries ask their peers for messages that they have already, again and again, so that peers send
// many bytes for few.
#pragma once

#include <cstdint>
#include <deque>

#include "attacks/gossip/mischief.h"
#include "stack/protocols/pubsub/message_id.h"

namespace mesocosm::attacks {

class IWantSpam final : public Mischief {
 public:
  // In each beat, each peer is asked for the newest `ids` messages that the adversary knows of.
  IWantSpam(std::uint32_t ids, Duration beat) : ids_(ids), beat_(beat) {}

  std::optional<Duration> forward_after(AdversaryCore& core, PeerIndex from, const Message& message) override;
  void on_gossip(AdversaryCore& core, PeerIndex from, const RpcPart& part) override;
  Duration beat() const override { return beat_; }
  void on_beat(AdversaryCore& core, Time now) override;

 private:
  void remember(const MessageId& id);

  std::uint32_t ids_;
  Duration beat_;
  std::deque<MessageId> newest_;  // at most ids_, the oldest in front
};

}  // namespace mesocosm::attacks
