// Mind: what the adversaries of one attack have in common: their orders, when to follow them, and, should they
// coordinate, each other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "attacks/gossip/mischief.h"
#include "stack/base/time.h"
#include "stack/wire/peer_id.h"

namespace mesocosm::attacks {

// An adversary, as its mind knows it.
class Follower {
 public:
  virtual void on_phase() = 0;  // of the mind: it changed

 protected:
  ~Follower() = default;
};

enum class Phase : std::uint8_t {
  behaving,   // they do what honest nodes do, as far as others see
  attacking,  // their Mischief says what they do
  over,       // they leave, and whoever connects is shown the door
};

struct AdversaryParams {
  std::vector<std::string> topics = {};  // that they take part in; empty: in all that they hear of
  std::uint32_t mesh = 0;                // peers that one grafts in a topic; 0: all of them
  // After a PRUNE they wait so long, and a random part of the second on top, before they graft again.
  Duration regraft_backoff = 60s;
  Duration regraft_jitter = 15s;
  Duration seen_ttl = 120s;  // messages are passed on once in so long
  bool sign = true;          // messages of their own; where signatures are forbidden they must not
  bool shared = true;        // they know each other, and have one Mischief
};

class Mind {
 public:
  using MischiefFactory = std::function<std::shared_ptr<Mischief>()>;

  Mind(AdversaryParams params, MischiefFactory mischief)
      : params_(std::move(params)), make_mischief_(std::move(mischief)) {}

  const AdversaryParams& params() const { return params_; }
  Phase phase() const { return phase_; }
  void enter(Phase phase);  // tells all, in order of joining

  void join(Follower& follower, const PeerId& peer);
  void leave(Follower& follower);
  bool fellow(const PeerId& peer) const;  // known to be one of us
  std::shared_ptr<Mischief> mischief();   // for one who joins

 private:
  AdversaryParams params_;
  MischiefFactory make_mischief_;
  std::shared_ptr<Mischief> common_;
  Phase phase_ = Phase::behaving;
  std::vector<Follower*> followers_;
  std::vector<std::uint64_t> fellows_;  // hashes of their peer ids, sorted
};

}  // namespace mesocosm::attacks
