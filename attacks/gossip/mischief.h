// Mischief: what the adversaries of an attack do differently from those who behave. One object may serve all of them:
// then what it remembers is their common knowledge.
//
//   class Deaf final : public Mischief {   // takes part, and passes on nothing
//     bool reads_messages() const override { return false; }
//     std::optional<Duration> forward_after(AdversaryCore&, PeerIndex, const Message&) override { return {}; }
//   };
#pragma once

#include <optional>

#include "stack/base/time.h"
#include "stack/protocols/gossipsub/message.h"
#include "stack/protocols/gossipsub/message_cache.h"
#include "stack/protocols/gossipsub/rpc.h"

namespace mesocosm::attacks {

class AdversaryCore;

// Asked and told during the attack only; before it, adversaries behave.
class Mischief {
 public:
  virtual ~Mischief() = default;

  // Whether full messages are looked at. If not they cost next to nothing, and none is passed on.
  virtual bool reads_messages() const { return true; }
  // A message that this adversary had not seen yet: when to pass it on; never: it is dropped.
  virtual std::optional<Duration> forward_after(AdversaryCore& core, PeerIndex from, const Message& message);
  // An IHAVE or an IWANT; those who behave ignore both.
  virtual void on_gossip(AdversaryCore& core, PeerIndex from, const RpcPart& part);
  // A peer threw us out of its mesh: how long to wait for another GRAFT; never: we stay out.
  virtual std::optional<Duration> regraft_after(AdversaryCore& core);
  // How often on_beat is called; 0: never.
  virtual Duration beat() const { return {}; }
  virtual void on_beat(AdversaryCore& core, Time now);
};

}  // namespace mesocosm::attacks
