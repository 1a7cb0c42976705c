#include "stack/protocols/gossipsub/message_cache.h"

#include <algorithm>
#include <utility>

#include "stack/base/assert.h"

namespace mesocosm {
namespace {

constexpr std::size_t kLargeArena = 4096;  // bytes

}  // namespace

MessageCache::MessageCache(Duration seen_ttl, std::uint32_t history, std::uint32_t history_gossip)
    : seen_ttl_(seen_ttl), windows_(history, 0), history_gossip_(history_gossip) {}

void MessageCache::add_seen(std::uint64_t hash, ByteView id, Time now) {
  if ((count_ + 1) * 4 > slots_.size() * 3) grow();
  const Record record{
      .hash = hash, .first_seen = now, .entry = kNone, .id_size = static_cast<std::uint32_t>(id.size())};
  const std::size_t at = arena_.size();
  const std::size_t end = at + stride(id.size());
  // By a quarter once it is large: a doubled megabyte is one that many nodes never fill.
  const std::size_t had = arena_.capacity();
  if (end > had) arena_.reserve(std::max(end, had < kLargeArena ? 2 * had : had + had / 4));
  arena_.resize(end);
  std::memcpy(arena_.data() + at, &record, sizeof record);
  if (!id.empty()) std::memcpy(arena_.data() + at + sizeof record, id.data(), id.size());
  insert_slot(tag_of(hash), arena_base_ + static_cast<std::uint32_t>(at));
  ++count_;
}

void MessageCache::put(std::uint64_t hash, ByteView id, const RpcPart& message, TopicIndex topic) {
  const std::uint32_t record = find(hash, id);
  MC_ASSERT(record != kNone);
  set_entry(record, entry_base_ + static_cast<std::uint32_t>(entries_.size()));
  entries_.push_back({.message = message, .topic = topic, .record = record, .requests = {}});
  entries_.back().message.bytes = message.bytes.compact();
  ++windows_.front();
}

MessageCache::Entry* MessageCache::get(std::uint64_t hash, ByteView id) {
  return const_cast<Entry*>(std::as_const(*this).get(hash, id));
}

const MessageCache::Entry* MessageCache::get(std::uint64_t hash, ByteView id) const {
  const std::uint32_t record = find(hash, id);
  if (record == kNone) return nullptr;
  const std::uint32_t entry = record_at(record).entry;
  return entry == kNone ? nullptr : &entries_[entry - entry_base_];
}

std::uint32_t MessageCache::count_request(Entry& entry, PeerIndex peer) {
  for (Entry::Request& request : entry.requests) {
    if (request.peer == peer) return ++request.count;
  }
  entry.requests.push_back({.peer = peer, .count = 1});
  return 1;
}

void MessageCache::shift() {
  drop_front(windows_.back());
  std::rotate(windows_.begin(), windows_.end() - 1, windows_.end());
  windows_.front() = 0;
}

void MessageCache::expire(Time now) {
  const std::uint32_t end = arena_base_ + static_cast<std::uint32_t>(arena_.size());
  while (arena_head_ != end) {
    const Record record = record_at(arena_head_);
    // A message that can still be asked for keeps its id, should heartbeats come late.
    if (now - record.first_seen < seen_ttl_ || record.entry != kNone) break;
    remove_slot(tag_of(record.hash), arena_head_);
    --count_;
    arena_head_ += static_cast<std::uint32_t>(stride(record.id_size));
  }
  // A node that hears of a hundred messages a second remembers a megabyte of ids, so little of it may be dead: seven bytes
  // are moved for each that came.
  const std::size_t dead = arena_head_ - arena_base_;
  if (dead * 8 < arena_.size() || dead == 0) return;
  arena_.erase(arena_.begin(), arena_.begin() + static_cast<std::ptrdiff_t>(dead));
  arena_base_ = arena_head_;
}

void MessageCache::forget_peer(PeerIndex peer) {
  for (std::size_t i = head_; i < entries_.size(); ++i) {
    std::erase_if(entries_[i].requests, [&](const Entry::Request& request) { return request.peer == peer; });
  }
}

void MessageCache::forget_topic(TopicIndex topic) {
  for (std::size_t i = head_; i < entries_.size(); ++i) {
    if (entries_[i].topic == topic) entries_[i].topic = kNoTopic;
  }
}

std::size_t MessageCache::memory() const {
  return slots_.capacity() * sizeof(Slot) + arena_.capacity() + entries_.capacity() * sizeof(Entry) +
         windows_.capacity() * sizeof(std::uint32_t);
}

void MessageCache::set_entry(std::uint32_t at, std::uint32_t entry) {
  std::memcpy(arena_.data() + (at - arena_base_) + offsetof(Record, entry), &entry, sizeof entry);
}

void MessageCache::insert_slot(std::uint32_t tag, std::uint32_t record) {
  std::size_t i = home(tag);
  while (slots_[i].tag != 0) i = (i + 1) & (slots_.size() - 1);
  slots_[i] = {.tag = tag, .record = record};
}

// Removes without a tombstone: whatever would not be found over the gap moves into it.
void MessageCache::remove_slot(std::uint32_t tag, std::uint32_t record) {
  const std::size_t mask = slots_.size() - 1;
  std::size_t gap = home(tag);
  while (slots_[gap].record != record || slots_[gap].tag != tag) gap = (gap + 1) & mask;
  for (std::size_t i = (gap + 1) & mask; slots_[i].tag != 0; i = (i + 1) & mask) {
    const std::size_t wanted = home(slots_[i].tag);
    if (((i - wanted) & mask) < ((i - gap) & mask)) continue;  // lies between the gap and its place: stays
    slots_[gap] = slots_[i];
    gap = i;
  }
  slots_[gap] = {};
}

void MessageCache::grow() {
  std::vector<Slot> old(slots_.empty() ? 8 : slots_.size() * 2);
  old.swap(slots_);
  for (const Slot& slot : old) {
    if (slot.tag != 0) insert_slot(slot.tag, slot.record);
  }
}

void MessageCache::drop_front(std::size_t count) {
  for (; count > 0; --count, ++head_) {
    set_entry(entries_[head_].record, kNone);
    entries_[head_] = {};
  }
  if (head_ == 0 || head_ * 2 < entries_.size()) return;
  entries_.erase(entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(head_));
  entry_base_ += static_cast<std::uint32_t>(head_);
  head_ = 0;
  if (entries_.empty()) entries_.shrink_to_fit();
}

std::size_t MessageCache::gossip_begin() const {
  std::size_t told = 0;
  for (std::size_t i = 0; i < history_gossip_; ++i) told += windows_[i];
  return entries_.size() - told;
}

}  // namespace mesocosm
