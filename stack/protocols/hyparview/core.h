// HyParView (Leitao, Pereira, Rodrigues, "HyParView: a membership protocol for reliable gossip-based broadcast", 2007)
// as a core: a small symmetric active view, whose links are open connections, and a larger passive view to mend it
// from.
//
//   unknown ──(join, a walk ends here, neighbor)──▶ active ──(dropped, disconnect)──▶ passive ──(neighbor accepted)──▶ active
//                                                     └──────(its connection failed)──▶ unknown
//
// What the paper leaves open is decided so: who ends a newcomer's walk tells the newcomer by a NEIGHBOR of high priority,
// which is never refused; places in the active view are filled from the passive view after a DISCONNECT as after a
// failure, and once more in every period; a shuffle walks as far as a join. A DISCONNECT that crosses a NEIGHBOR would leave a
// link that one side alone knows of, for good: who hears from such a peer what only neighbors are told answers DISCONNECT.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "stack/base/rng.h"
#include "stack/base/time.h"
#include "stack/protocols/hyparview/message.h"

namespace mesocosm {

struct HyParViewParams {
  std::uint32_t active = 5;           // peers in the active view
  std::uint32_t passive = 30;         // and in the passive one
  std::uint32_t active_walk = 6;      // ARWL: hops of a newcomer's walk
  std::uint32_t passive_walk = 3;     // PRWL: hops that are left when it enters a passive view
  std::uint32_t shuffle_active = 3;   // ka: of the active view in a shuffle
  std::uint32_t shuffle_passive = 4;  // kp: of the passive view
  Duration period = 10s;              // of shuffles

  Result<> validate() const;  // error: unsupported, with what is wrong
};

class HyParViewActions {
 public:
  // Connects to the peer first, if need be; on_failure follows when that is not possible.
  virtual void send(const PeerId& to, const HyParViewMessage& message) = 0;
  virtual void neighbor_up(const PeerId& peer) = 0;    // it entered the active view
  virtual void neighbor_down(const PeerId& peer) = 0;  // it left it

 protected:
  ~HyParViewActions() = default;
};

class HyParViewCore {
 public:
  HyParViewCore(const HyParViewParams& params, const PeerId& self, Rng rng, HyParViewActions& actions);

  void join(const PeerId& contact);
  void on_period();
  // Error: protocol_violation.
  Result<> on_message(const PeerId& from, const HyParViewMessage& message);
  void on_failure(const PeerId& peer);  // its connection ended, or could not be made
  // Something came from it, not of HyParView, that is sent to neighbors alone.
  void on_neighbor_traffic(const PeerId& from);

  const HyParViewParams& params() const { return params_; }
  std::span<const PeerId> active() const { return active_; }
  std::span<const PeerId> passive() const { return passive_; }
  bool is_active(const PeerId& peer) const;

 private:
  using Peers = std::vector<PeerId>;
  void on_forward_join(const PeerId& from, const HyParViewMessage& message);
  void on_neighbor(const PeerId& from, bool high);
  void on_neighbor_reply(const PeerId& from, bool accepted);
  void on_shuffle(const PeerId& from, const HyParViewMessage& message);
  bool add_active(const PeerId& peer);
  void drop_one();
  void leave_active(std::size_t place);
  void add_passive(const PeerId& peer);
  void fill();
  void ask_next();
  Peers draw(const Peers& from, std::size_t count);
  const PeerId* pick_active(const PeerId& but, const PeerId& nor);
  void integrate(std::span<const PeerId> received, std::span<const PeerId> sent);

  HyParViewParams params_;
  PeerId self_;
  Rng rng_;
  HyParViewActions& actions_;
  Peers active_;
  Peers passive_;
  Peers shuffled_;  // what the last shuffle told
  PeerId asked_;    // to be a neighbor; nobody: nobody is
  Peers tried_;     // since filling began
};

}  // namespace mesocosm
