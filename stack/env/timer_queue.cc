#include "stack/env/timer_queue.h"

#include <algorithm>
#include <bit>

#include "stack/base/assert.h"

namespace mesocosm {
namespace {

constexpr std::uint64_t kSign = std::uint64_t{1} << 63;

std::uint64_t biased(Time time) {
  return static_cast<std::uint64_t>(time.time_since_epoch().count()) ^ kSign;
}
Time unbiased(std::uint64_t time) { return Time(Duration(static_cast<std::int64_t>(time ^ kSign))); }

// All ones below the given level's digit: a bucket there spans start .. start | low_mask(level).
std::uint64_t low_mask(int level) { return (std::uint64_t{1} << (8 * level)) - 1; }

// A timer's slot_ holds its entry's address while in a bucket, or its arming sequence and this bit while in
// the run.
constexpr std::uint64_t kInRun = 1;

void prefetch(const void* address) { __builtin_prefetch(address, 1); }

}  // namespace

// Aligned to its size, so that an entry's address gives its block. Only a bucket's first block is not full.
struct alignas(1024) TimerQueue::Block {
  static constexpr std::uint32_t kCapacity = 42;

  Block* next;
  std::uint16_t level;
  std::uint16_t digit;
  std::uint32_t count;
  Entry entries[kCapacity];

  static Block* of(Entry* entry) {
    return reinterpret_cast<Block*>(reinterpret_cast<std::uintptr_t>(entry) &
                                    ~std::uintptr_t{sizeof(Block) - 1});
  }
};

TimerQueue::TimerQueue() : base_(kSign), run_last_(kSign), level_(std::make_unique<Level[]>(kLevels)) {
  static_assert(sizeof(Block) == 1024);
  static_assert(sizeof(Timer) == 32);
}

TimerQueue::~TimerQueue() = default;

bool TimerQueue::before(const Entry& a, const Entry& b) {
  return a.time != b.time ? a.time < b.time : a.order < b.order;
}

Time TimerQueue::next_deadline() {
  while (head_ < run_.size() && run_[head_].timer == nullptr) ++head_;
  if (head_ < run_.size()) return unbiased(run_[head_].time);
  if (size_ == 0) return kNever;
  int level = 0, digit = 0;
  std::uint64_t first = ~std::uint64_t{0};
  for (const Block* block = first_bucket(level, digit); block != nullptr; block = block->next) {
    for (std::uint32_t i = 0; i < block->count; ++i) first = std::min(first, block->entries[i].time);
  }
  return unbiased(first);
}

void TimerQueue::push(Timer& timer, Time at) {
  timer.deadline_ = at;
  enter({biased(at), next_order_++, &timer});
}

void TimerQueue::push_ahead(Timer& timer, Time at, std::uint64_t order) {
  MC_ASSERT(order < kOrders);
  timer.deadline_ = at;
  enter({biased(at), order, &timer});
}

void TimerQueue::enter(const Entry& entry) {
  ++size_;
  if (entry.time <= run_last_) {
    enter_run(entry);
  } else {
    place(entry);
  }
}

void TimerQueue::remove(Timer& timer) noexcept {
  --size_;
  if ((timer.slot_ & kInRun) != 0) {
    const Entry key{biased(timer.deadline_), timer.slot_ >> 1, nullptr};
    const auto found =
        std::lower_bound(run_.begin() + static_cast<std::ptrdiff_t>(head_), run_.end(), key, before);
    MC_ASSERT(found != run_.end() && found->timer == &timer);
    found->timer = nullptr;
    return;
  }
  // The bucket's last entry takes the removed one's place.
  Entry* const entry = reinterpret_cast<Entry*>(timer.slot_);
  Block* const block = Block::of(entry);
  Level& level = level_[block->level];
  Block*& bucket = level.buckets[block->digit];
  Entry& last = bucket->entries[--bucket->count];
  if (&last != entry) {
    *entry = last;
    entry->timer->slot_ = reinterpret_cast<std::uintptr_t>(entry);
  }
  if (bucket->count > 0) return;
  Block* const empty = bucket;
  bucket = empty->next;
  if (bucket == nullptr) static_cast<void>(take_bucket(empty->level, empty->digit));
  free_block(empty);
}

Timer* TimerQueue::pop(Time limit) {
  const std::uint64_t last = biased(limit);
  do {
    for (; head_ < run_.size(); ++head_) {
      const Entry& entry = run_[head_];
      if (entry.timer == nullptr) continue;
      if (entry.time > last) return nullptr;
      Timer* const first = entry.timer;
      ++head_;
      --size_;
      announce();
      return first;
    }
  } while (refill(last));
  return nullptr;
}

// Lets timers that will be due soon fetch their memory meanwhile.
void TimerQueue::announce() const {
  constexpr std::size_t kFar = 8, kNear = 3;
  if (head_ + kNear >= run_.size()) return;
  if (const Timer* near = run_[head_ + kNear].timer; near != nullptr) near->on_soon(true);
  if (head_ + kFar >= run_.size()) return;
  if (const Timer* far = run_[head_ + kFar].timer; far != nullptr) far->on_soon(false);
}

// Puts an entry that lies after the run into its bucket.
void TimerQueue::place(const Entry& entry) {
  const int level = (63 - std::countl_zero(entry.time ^ base_)) / 8;
  const int digit = static_cast<int>((entry.time >> (8 * level)) & (kDigits - 1));
  Level& home = level_[level];
  Block*& bucket = home.buckets[digit];
  if (bucket == nullptr || bucket->count == Block::kCapacity) {
    Block* const block = new_block();
    block->next = bucket;
    block->level = static_cast<std::uint16_t>(level);
    block->digit = static_cast<std::uint16_t>(digit);
    block->count = 0;
    bucket = block;
    home.occupied[digit / 64] |= std::uint64_t{1} << (digit % 64);
    levels_ |= 1u << level;
  }
  Entry& place = bucket->entries[bucket->count++];
  place = entry;
  entry.timer->slot_ = reinterpret_cast<std::uintptr_t>(&place);
}

// Inserts a newly armed timer into the run.
void TimerQueue::enter_run(const Entry& entry) {
  entry.timer->slot_ = entry.order << 1 | kInRun;
  if (head_ > kSmall && head_ > run_.size() / 2) {
    run_.erase(run_.begin(), run_.begin() + static_cast<std::ptrdiff_t>(head_));
    head_ = 0;
  }
  if (run_.size() == head_ || before(run_.back(), entry)) {
    run_.push_back(entry);
  } else {
    run_.insert(
        std::upper_bound(run_.begin() + static_cast<std::ptrdiff_t>(head_), run_.end(), entry, before),
        entry);
  }
  if (run_.size() - head_ > kLongRun && run_last_ > base_) shorten_run();
}

// Returns what lies after base_ to the buckets, so that insertions stay cheap.
void TimerQueue::shorten_run() {
  run_last_ = base_;
  std::size_t keep = head_;
  while (keep < run_.size() && run_[keep].time <= base_) ++keep;
  for (std::size_t i = keep; i < run_.size(); ++i) {
    if (run_[i].timer != nullptr) place(run_[i]);
  }
  run_.resize(keep);
}

// Makes the first bucket the run, or deals it out to the levels below. False: nothing is due up to `limit`.
// Never moves base_ beyond the limit, because the caller may still arm timers right after it.
bool TimerQueue::refill(std::uint64_t limit) {
  run_.clear();
  head_ = 0;
  int level = 0, digit = 0;
  if (first_bucket(level, digit) == nullptr) return false;
  const std::uint64_t above = ~(low_mask(level) | std::uint64_t{0xff} << (8 * level));
  const std::uint64_t start = (base_ & above) | static_cast<std::uint64_t>(digit) << (8 * level);
  if (start > limit) return false;
  base_ = run_last_ = start;
  Block* const bucket = take_bucket(level, digit);
  std::size_t count = 0;
  for (const Block* block = bucket; block != nullptr && count <= kSmall; block = block->next)
    count += block->count;
  if (count <= kSmall) run_last_ |= low_mask(level);

  for (Block* block = bucket; block != nullptr;) {
    if (block->next != nullptr) prefetch(block->next);
    for (std::uint32_t i = 0; i < block->count; ++i) {
      prefetch(block->entries[i].timer);
      prefetch(reinterpret_cast<const char*>(block->entries[i].timer) + 64);
    }
    for (std::uint32_t i = 0; i < block->count; ++i) {
      const Entry& entry = block->entries[i];
      if (entry.time > run_last_) {
        place(entry);
      } else {
        entry.timer->slot_ = entry.order << 1 | kInRun;
        run_.push_back(entry);
      }
    }
    Block* const done = block;
    block = block->next;
    free_block(done);
  }
  std::sort(run_.begin(), run_.end(), before);
  return true;
}

// The bucket with the earliest timers, or null.
TimerQueue::Block* TimerQueue::first_bucket(int& level, int& digit) const {
  if (levels_ == 0) return nullptr;
  level = std::countr_zero(levels_);
  const Level& home = level_[level];
  int word = 0;
  while (home.occupied[word] == 0) ++word;
  digit = word * 64 + std::countr_zero(home.occupied[word]);
  return home.buckets[digit];
}

// Empties a bucket and returns its blocks.
TimerQueue::Block* TimerQueue::take_bucket(int level, int digit) {
  Level& home = level_[level];
  Block* const bucket = home.buckets[digit];
  home.buckets[digit] = nullptr;
  home.occupied[digit / 64] &= ~(std::uint64_t{1} << (digit % 64));
  std::uint64_t any = 0;
  for (const std::uint64_t word : home.occupied) any |= word;
  if (any == 0) levels_ &= ~(1u << level);
  return bucket;
}

TimerQueue::Block* TimerQueue::new_block() {
  if (free_ == nullptr) {
    constexpr int kSlab = 32;
    slabs_.push_back(std::make_unique_for_overwrite<Block[]>(kSlab));
    for (int i = kSlab; i-- > 0;) free_block(&slabs_.back()[i]);
  }
  Block* const block = free_;
  free_ = block->next;
  return block;
}

void TimerQueue::free_block(Block* block) {
  block->next = free_;
  free_ = block;
}

}  // namespace mesocosm
