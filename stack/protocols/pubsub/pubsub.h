// PubSub: a node's part in a protocol that carries messages by topic: GossipSub, a baseline to compare it with, or an
// adversary that pretends. It is what a World's script talks to.
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "stack/base/bytes.h"
#include "stack/base/result.h"
#include "stack/env/env.h"
#include "stack/protocols/pubsub/message_id.h"

namespace mesocosm {

class KeyPair;
class Swarm;

class PubSub {
 public:
  virtual ~PubSub() = default;

  // Takes part in a topic. What arrives is told to the trace as delivered, once; nothing if we do already.
  // Error: limit.
  virtual Result<> subscribe(std::string_view topic) = 0;
  virtual void unsubscribe(std::string_view topic) = 0;  // nothing if we do not take part
  // Sends a message to the others in the topic; the trace has it as published, under its id's hash. Errors:
  // too_large; refused: the same message was seen already; limit: too many topics.
  virtual Result<MessageId> publish(std::string_view topic, ByteView data) = 0;
};

// Makes a node's PubSub, which registers itself with the swarm and goes before it; all three outlive it.
using PubSubFactory = std::function<std::unique_ptr<PubSub>(Env&, Swarm&, const KeyPair&)>;

}  // namespace mesocosm
