// UnwantedMessages: who said IDONTWANT for which message (gossipsub v1.2's dont_send_message_ids of all peers), for a
// few heartbeats.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "stack/base/hash.h"
#include "stack/protocols/gossipsub/message_cache.h"

namespace mesocosm {

// A flat table of 16 bytes an entry (open addressing, linear probing). Empty, it owns no memory. It only ever holds what
// was said of messages that have not come yet: when one does, it is relayed and its entries are taken.
class UnwantedMessages {
 public:
  // The salt keeps peers from choosing ids that share a place.
  explicit UnwantedMessages(std::uint64_t salt) : salt_(salt) {}

  // Whether the peer may say more in this heartbeat: it is asked once for each of its RPCs.
  bool admit(PeerIndex peer, std::uint32_t most);
  // `message` is MessageId::hash(); what peers say of ids with the same hash changes only what they get themselves.
  void add(PeerIndex peer, std::uint64_t message, std::uint64_t until_heartbeat);
  bool contains(PeerIndex peer, std::uint64_t message) const {
    return count_ > 0 && slots_[find(peer, message)].peer != kNoPeer;
  }
  // Whether the peer said it of the message; it is forgotten.
  bool take(PeerIndex peer, std::uint64_t message);
  void on_heartbeat(std::uint64_t number);  // forgets what was kept until this one or an earlier one
  void forget_peer(PeerIndex peer);

  bool empty() const { return count_ == 0; }
  std::size_t size() const { return count_; }
  std::size_t memory() const {
    return slots_.capacity() * sizeof(Slot) + admitted_.capacity() * sizeof(std::uint16_t);
  }

 private:
  struct Slot {
    std::uint64_t message = 0;
    PeerIndex peer = kNoPeer;  // kNoPeer: empty
    std::uint32_t until = 0;   // modulo 2^32
  };
  static_assert(sizeof(Slot) == 16);

  std::size_t home(PeerIndex peer, std::uint64_t message) const {
    return mix64(message ^ salt_ ^ (std::uint64_t{peer} << 32)) & (slots_.size() - 1);
  }
  std::size_t find(PeerIndex peer,
                   std::uint64_t message) const;  // its place, or that of the empty slot for it
  void erase(std::size_t at);
  void resize(std::size_t slots);
  template <class Drop>
  void keep_all_but(Drop&& drop);

  std::uint64_t salt_;
  std::vector<Slot> slots_;  // a power of two, at most three quarters full
  std::size_t count_ = 0;
  std::vector<std::uint16_t> admitted_;  // by PeerIndex, in this heartbeat; empty while nobody says anything
};

}  // namespace mesocosm
