// MessageCache: which messages were seen, and the recent ones themselves: the specification's seen cache and
// mcache, with each id stored once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "stack/base/bytes.h"
#include "stack/base/time.h"
#include "stack/protocols/gossipsub/fields.h"
#include "stack/protocols/gossipsub/rpc.h"

namespace mesocosm {

using PeerIndex = std::uint32_t;   // a peer's slot at one core, reused after it left
using TopicIndex = std::uint32_t;  // a topic's slot at one core, reused after nobody needs it
inline constexpr PeerIndex kNoPeer = ~PeerIndex{0};
inline constexpr TopicIndex kNoTopic = ~TopicIndex{0};

// Seen ids lie one behind the other in arrival order, which is also the order of expiry, and are found
// through a flat table of 8-byte slots (open addressing, linear probing). Messages lie in arrival order too,
// cut into windows by shift(). Empty, it owns no memory; nothing is allocated for a lookup.
class MessageCache {
 public:
  MessageCache(Duration seen_ttl, std::uint32_t history, std::uint32_t history_gossip);

  // `hash` is hash64(id) throughout.
  bool seen(std::uint64_t hash, ByteView id) const { return find(hash, id) != kNone; }
  // Marks as seen; the id must not be seen yet.
  void add_seen(std::uint64_t hash, ByteView id, Time now);
  // Keeps the message of a seen id, for asking and telling.
  void put(std::uint64_t hash, ByteView id, const RpcPart& message, TopicIndex topic);

  struct Entry {
    struct Request {
      PeerIndex peer;
      std::uint32_t count;
    };
    RpcPart message;
    TopicIndex topic;
    std::uint32_t record;           // where its id lies
    std::vector<Request> requests;  // who asked for it how often
  };
  Entry* get(std::uint64_t hash, ByteView id);  // null when it is not kept (any more)
  const Entry* get(std::uint64_t hash, ByteView id) const;
  // Counts another request of the peer and returns how many there were.
  static std::uint32_t count_request(Entry& entry, PeerIndex peer);

  // Calls f(ByteView id) for the messages of the topic in the windows that gossip tells of. Views hold until
  // the next change.
  template <class F>
  void each_gossip_id(TopicIndex topic, F&& f) const {
    for (std::size_t i = gossip_begin(); i < entries_.size(); ++i) {
      if (entries_[i].topic == topic) f(id_at(entries_[i].record));
    }
  }

  void shift();           // a heartbeat: the oldest window's messages are dropped, a new window begins
  void expire(Time now);  // forgets ids whose time is up
  void forget_peer(PeerIndex peer);     // its requests
  void forget_topic(TopicIndex topic);  // its messages can still be asked for

  std::size_t seen_count() const { return count_; }
  std::size_t message_count() const { return entries_.size() - head_; }
  std::size_t memory() const;  // bytes on the heap, without the messages

 private:
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};
  struct Record {  // followed by the id, padded to 8 bytes (so that no place is kNone)
    std::uint64_t hash;
    Time first_seen;
    std::uint32_t entry;  // number of its message, or kNone
    std::uint32_t id_size;
  };
  struct Slot {
    std::uint32_t tag = 0;  // 0: empty; else the hash's upper half with the lowest bit set
    std::uint32_t record = 0;
  };

  static std::size_t stride(std::size_t id_size) {
    return sizeof(Record) + ((id_size + 7) & ~std::size_t{7});
  }
  static std::uint32_t tag_of(std::uint64_t hash) { return static_cast<std::uint32_t>(hash >> 32) | 1; }
  std::size_t home(std::uint32_t tag) const { return (tag >> 1) & (slots_.size() - 1); }

  std::uint32_t find(std::uint64_t hash, ByteView id) const {
    if (slots_.empty()) return kNone;
    const std::uint32_t tag = tag_of(hash);
    for (std::size_t i = home(tag); slots_[i].tag != 0; i = (i + 1) & (slots_.size() - 1)) {
      if (slots_[i].tag != tag) continue;
      const Record record = record_at(slots_[i].record);
      if (record.hash == hash && equal(id_at(slots_[i].record), id)) return slots_[i].record;
    }
    return kNone;
  }
  Record record_at(std::uint32_t at) const {
    Record record;
    std::memcpy(&record, arena_.data() + (at - arena_base_), sizeof record);
    return record;
  }
  ByteView id_at(std::uint32_t at) const {
    return {arena_.data() + (at - arena_base_) + sizeof(Record), record_at(at).id_size};
  }
  void set_entry(std::uint32_t at, std::uint32_t entry);
  void insert_slot(std::uint32_t tag, std::uint32_t record);
  void remove_slot(std::uint32_t tag, std::uint32_t record);
  void grow();
  void drop_front(std::size_t count);
  std::size_t gossip_begin() const;

  Duration seen_ttl_;
  std::vector<Slot> slots_;
  std::size_t count_ = 0;
  // Records are named by their place in an endless arena, of which [arena_base_, arena_base_ + size) is in
  // memory and [arena_head_, ...) alive; counted modulo 2^32.
  std::vector<std::uint8_t> arena_;
  std::uint32_t arena_base_ = 0;
  std::uint32_t arena_head_ = 0;
  // Messages are numbered alike: entries_[i] has number entry_base_ + i, those before head_ are gone.
  std::vector<Entry> entries_;
  std::size_t head_ = 0;
  std::uint32_t entry_base_ = 0;
  std::vector<std::uint32_t> windows_;  // messages in each window, newest first
  std::uint32_t history_gossip_;
};

}  // namespace mesocosm
