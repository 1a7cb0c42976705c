// A queue of timers ordered by (deadline, arming order), for every Clock: the kernel of simulations and the real one.
#pragma once

#include <cstddef>
#include <cstdint>

#include "stack/env/clock.h"

namespace mesocosm {

// No allocation per event once warm. Cancelling is real, not lazy: a disarmed timer may be destroyed at once.
class TimerQueue {
 public:
  TimerQueue();
  ~TimerQueue();

  bool empty() const;
  std::size_t size() const;
  Time next_deadline();  // kNever when empty
  void push(Timer& timer, Time at);
  void remove(Timer& timer) noexcept;
  // Removes and returns the first timer if its deadline is not after `limit`, else null.
  Timer* pop(Time limit);
};

}  // namespace mesocosm
