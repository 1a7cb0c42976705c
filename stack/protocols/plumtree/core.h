// Plumtree (Leitao, Pereira, Rodrigues, "Epidemic broadcast trees", 2007) as a core: messages are pushed along the
// links of a tree in an overlay, and announced on its other links, from which the tree is mended.
//
//   a neighbor: eager ◀──(gave us a message first; grafts; we graft it)──▶ lazy (gave us a duplicate, which we prune; prunes)
//
// A missing message: announced ──(ihave_timeout)──▶ grafted from the first announcer ──(graft_timeout)──▶ from the next
//                    ──(none is left)──▶ given up until it is announced again
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "stack/protocols/plumtree/message.h"

namespace mesocosm {

struct PlumtreeParams {
  Duration ihave_timeout = 1s;     // from an announcement until the message is grafted (the paper's timeout1)
  Duration graft_timeout = 500ms;  // until the next announcer is asked (timeout2)
  bool eager_only = false;         // every neighbor stays eager: plain flooding, the paper's baseline
  bool optimize = false;           // replace links of the tree by shorter ones (section 3.8) ..
  std::uint32_t threshold = 7;     // .. that save so many hops (the paper: 3 for one sender, 7 for many)
  std::size_t max_missing = 4096;  // messages that were announced and did not come
  BroadcastLimits limits;

  Result<> validate() const;  // error: unsupported, with what is wrong
};

class PlumtreeActions : public BroadcastActions {
 public:
  virtual void send(const PeerId& to, const PlumtreeMessage& message) = 0;
};

class PlumtreeCore {
 public:
  struct Neighbor {
    PeerId peer;
    bool eager;
  };

  PlumtreeCore(const PlumtreeParams& params, const PeerId& self, std::uint64_t first_number,
               PlumtreeActions& actions);

  void neighbor_up(const PeerId& peer);
  void neighbor_down(const PeerId& peer);
  Result<MessageId> publish(std::string_view topic, ByteView data, Time now);         // error: too_large
  Result<> on_message(const PeerId& from, const PlumtreeMessage& message, Time now);  // error: too_large
  void on_timer(Time now);
  Time next_timer() const { return timers_.empty() ? kNever : timers_.begin()->first; }

  const PlumtreeParams& params() const { return params_; }
  std::span<const Neighbor> neighbors() const { return neighbors_; }
  std::size_t missing() const { return missing_.size(); }

 private:
  struct Have {
    Broadcast message;
    std::uint32_t round;
  };
  struct Offer {
    PeerId peer;
    std::uint32_t round;
  };
  struct Missing {
    std::vector<Offer> offers;  // in order of arrival
    std::multimap<Time, MessageId>::iterator timer;
  };
  struct Hash {
    std::size_t operator()(const MessageId& id) const { return id.hash(); }
  };

  Result<> on_gossip(const PeerId& from, const PlumtreeMessage& message, Time now);
  void on_ihave(const PeerId& from, std::span<const PlumtreeAnnouncement> announcements, Time now);
  void on_graft(const PeerId& from, std::span<const PlumtreeAnnouncement> wanted);
  void spread(const Broadcast& message, std::uint32_t round, const PeerId& but);
  std::vector<Offer> no_longer_missing(const MessageId& id);
  void optimize(std::span<const Offer> offers, std::uint32_t round, const PeerId& from);
  bool set_eager(const PeerId& peer, bool eager);

  PlumtreeParams params_;
  PeerId self_;
  std::uint64_t next_number_;
  PlumtreeActions& actions_;
  RecentMessages<Have> recent_;
  std::vector<Neighbor> neighbors_;
  std::unordered_map<MessageId, Missing, Hash> missing_;  // walked through never
  std::multimap<Time, MessageId> timers_;                 // of them
};

}  // namespace mesocosm
