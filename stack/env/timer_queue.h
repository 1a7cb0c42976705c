// A queue of timers ordered by (deadline, arming order), for every Clock: the kernel of simulations and the
// real one. Arrivals from elsewhere bring an order of their own.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "stack/env/clock.h"

namespace mesocosm {

// No allocation per event once warm. Cancelling is real, not lazy: a removed timer may be destroyed at once.
// Memory follows the largest number of timers ever pending (about 24 bytes each).
//
// A radix ladder. Timers that are due soon stand in the *run*, a sorted array. All others lie unsorted in
// buckets by the highest 8-bit digit in which their deadline differs from `base_`, as in a radix heap (Ahuja,
// Mehlhorn, Orlin and Tarjan 1990):
//
//   level 7 [ . . . . ] ... level 2 [ . . # . # ]   level 1 [ . # # . ]   level 0 [ . # ]      run [ a b c d ... ]
//           2^56 ns each            65 us each              256 ns each           1 ns: ties       base_ .. run_last_
//
// When the run is empty, the first bucket becomes the new run if it is small (as in the ladder queue of Tang,
// Goh and Thng 2005), else it is dealt out to the levels below. A timer is therefore moved about twice, in
// sequence, with its cache misses overlapped, whatever the number pending.
class TimerQueue {
 public:
  TimerQueue();
  ~TimerQueue();
  TimerQueue(const TimerQueue&) = delete;
  TimerQueue& operator=(const TimerQueue&) = delete;

  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }
  Time next_deadline();              // kNever when empty
  void push(Timer& timer, Time at);  // the timer must not be in the queue
  // Before all others of its deadline, and by `order` among those pushed so; different at one deadline.
  static constexpr std::uint64_t kOrders = std::uint64_t{1} << 62;  // below which orders are
  void push_ahead(Timer& timer, Time at, std::uint64_t order);
  void remove(Timer& timer) noexcept;  // the timer must be in the queue
  // Removes and returns the first timer if its deadline is not after `limit`, else null. Deadlines before a
  // limit that was popped to are fine, but cost a sorted insertion.
  Timer* pop(Time limit);

 private:
  static constexpr int kLevels = 8;
  static constexpr int kDigits = 256;
  static constexpr std::size_t kSmall = 96;     // buckets up to this size are sorted, not dealt out
  static constexpr std::size_t kLongRun = 256;  // a run that grew beyond this goes back to the buckets

  struct Entry {
    std::uint64_t time;   // the deadline, biased to unsigned
    std::uint64_t order;  // arming sequence from kOrders on; below: pushed ahead
    Timer* timer;         // null in the run: removed
  };
  struct Block;  // a piece of a bucket
  struct Level {
    std::array<std::uint64_t, kDigits / 64> occupied{};
    std::array<Block*, kDigits> buckets{};
  };

  static bool before(const Entry& a, const Entry& b);
  void announce() const;
  void enter(const Entry& entry);
  void place(const Entry& entry);
  void enter_run(const Entry& entry);
  void shorten_run();
  bool refill(std::uint64_t limit);
  Block* first_bucket(int& level, int& digit) const;
  Block* take_bucket(int level, int digit);
  Block* new_block();
  void free_block(Block* block);

  std::vector<Entry> run_;  // sorted from head_ on
  std::size_t head_ = 0;
  std::uint64_t base_;      // no timer in a bucket is before or at this
  std::uint64_t run_last_;  // every timer up to this deadline is in the run; >= base_
  std::uint64_t next_order_ = kOrders;
  std::size_t size_ = 0;
  std::uint32_t levels_ = 0;  // a bit for each level that has timers
  Block* free_ = nullptr;
  std::vector<std::unique_ptr<Block[]>> slabs_;
  std::unique_ptr<Level[]> level_;
};

}  // namespace mesocosm
