// Broadcast: a message as the epidemic baselines carry it (rumors, plumtree, cyclon), and what their cores have in
// common: which messages came lately, and whom they tell of deliveries.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <unordered_map>
#include <utility>

#include "stack/base/bytes.h"
#include "stack/base/result.h"
#include "stack/base/time.h"
#include "stack/protocols/pubsub/message_id.h"
#include "stack/wire/peer_id.h"
#include "stack/wire/protobuf.h"

namespace mesocosm {

// Its id is the author's peer id and a number that the author never gives twice. Nothing is signed: these protocols are
// baselines for how messages spread, not for whom to trust.
//
//   Broadcast { 1 id, 2 topic, 3 data }
struct Broadcast {
  static constexpr std::size_t kMaxTopic = 256;  // bytes

  MessageId id;
  Bytes topic;
  Bytes data;
};

void write_broadcast(ProtoWriter& out, const Broadcast& message);
// Shares the buffer of `encoded`. Errors: bad_encoding; too_large: the id or the topic.
Result<Broadcast> read_broadcast(const Bytes& encoded);
// Error: bad_encoding for one that is empty or too long.
Result<MessageId> read_message_id(const Bytes& encoded);

// A new message's id.
MessageId broadcast_id(const PeerId& author, std::uint64_t number);

struct BroadcastLimits {
  Duration seen_ttl = 120s;           // how long a message is remembered, so that it is not delivered again
  std::size_t max_seen = 1 << 16;     // messages; then those that came first are forgotten early
  std::size_t max_message = 1 << 20;  // bytes of payload
};

class BroadcastActions {
 public:
  // The first copy of a message; `from` handed it to us. Our own are not delivered.
  virtual void deliver(const Broadcast& message, const PeerId& from) = 0;
  virtual void duplicate(const Broadcast& message, const PeerId& from) = 0;

 protected:
  ~BroadcastActions() = default;
};

// What came lately, each with what a protocol keeps of it; in order of arrival, which is the order of forgetting.
template <class State>
class RecentMessages {
 public:
  explicit RecentMessages(const BroadcastLimits& limits) : ttl_(limits.seen_ttl), most_(limits.max_seen) {}

  // Null if it is not known. Pointers hold until it is forgotten.
  State* find(const MessageId& id) {
    const auto found = states_.find(id);
    return found == states_.end() ? nullptr : &found->second;
  }
  // It must not be known yet.
  State& add(const MessageId& id, State state, Time now) {
    while (states_.size() >= most_ && !order_.empty()) forget_first();
    const auto added = states_.emplace(id, std::move(state)).first;
    order_.push_back({&added->first, now + ttl_});
    return added->second;
  }
  void expire(Time now) {
    while (!order_.empty() && order_.front().until <= now) forget_first();
  }
  std::size_t size() const { return states_.size(); }

 private:
  struct Hash {
    std::size_t operator()(const MessageId& id) const { return id.hash(); }
  };
  struct Place {
    const MessageId* id;
    Time until;
  };
  void forget_first() {
    states_.erase(states_.find(*order_.front().id));
    order_.pop_front();
  }

  Duration ttl_;
  std::size_t most_;
  std::unordered_map<MessageId, State, Hash> states_;  // looked up only, never walked through
  std::deque<Place> order_;
};

}  // namespace mesocosm
