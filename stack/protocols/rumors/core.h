// Rumor mongering (Demers et al., "Epidemic algorithms for replicated database maintenance", 1987, section 1.4) as a
// core: sites that know a rumor and find it hot call a random site in every cycle, until it is hot no more.
//
//   susceptible ──(hears it)──▶ infective (hot, from its next cycle on) ──(loses interest)──▶ removed (known)
//
// In a cycle a site calls one partner, who is drawn by the caller: it pushes its hot rumors, asks for the partner's, or
// both. At the end of the cycle each hot rumor is judged: with `feedback`, a cycle in which it was told and nobody
// needed it is a disappointment, and one in which somebody did makes up for those before; without (blind), every cycle
// in which it was told is one. Interest is lost after k disappointments in a row (`counter`), or after each with
// probability 1/k (coin). What is heard twice in the cycle in which it was news was needed both times: cycles are
// simultaneous. (The paper says the latter two of pull, in the note to its Table 3; see docs/epidemics.md.)
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "stack/base/rng.h"
#include "stack/protocols/pubsub/broadcast.h"
#include "stack/protocols/rumors/message.h"

namespace mesocosm {

enum class RumorMode : std::uint8_t { push, pull, push_pull };

struct RumorsParams {
  RumorMode mode = RumorMode::push_pull;
  bool feedback = true;
  bool counter = true;  // else coin
  std::uint32_t k = 2;
  Duration period = 1s;        // of a site's cycles
  std::size_t max_hot = 1024;  // rumors; then the hottest longest is dropped
  BroadcastLimits limits;

  Result<> validate() const;  // error: unsupported, with what is wrong
};

class RumorsActions : public BroadcastActions {
 public:
  virtual void send(const PeerId& to, const RumorsMessage& message) = 0;
};

class RumorsCore {
 public:
  RumorsCore(const RumorsParams& params, const PeerId& self, std::uint64_t first_number, Rng rng,
             RumorsActions& actions);

  // Our own message, hot at once. Error: too_large.
  Result<MessageId> publish(std::string_view topic, ByteView data, Time now);
  // The cycle ends and the next begins with a call of `partner` (nobody: without one).
  void on_cycle(const PeerId& partner, Time now);
  // Error: too_large.
  Result<> on_message(const PeerId& from, const RumorsMessage& message, Time now);

  const RumorsParams& params() const { return params_; }
  std::size_t hot() const { return hot_.size() + fresh_.size(); }
  bool knows(const MessageId& id) { return recent_.find(id) != nullptr; }
  std::uint64_t rumors_sent() const { return rumors_sent_; }

 private:
  struct Hot {
    Broadcast message;
    std::uint32_t disappointments = 0;  // in a row
    bool told = false;                  // in this cycle
    bool needed = false;                // by one of those whom we told
  };
  struct Known {
    std::uint64_t cycle;  // when we heard it
  };

  bool loses_interest(Hot& rumor);
  bool hear(const PeerId& from, const Broadcast& rumor, Time now);
  void tell(const PeerId& to, RumorsMessage message, bool with_rumors);
  void take(std::span<const RumorFeedback> feedback);

  RumorsParams params_;
  PeerId self_;
  std::uint64_t next_number_;
  Rng rng_;
  RumorsActions& actions_;
  RecentMessages<Known> recent_;
  std::vector<Hot> hot_;
  std::vector<Broadcast> fresh_;  // heard in this cycle, hot from the next
  std::uint64_t cycle_ = 0;
  std::uint64_t rumors_sent_ = 0;
};

}  // namespace mesocosm
