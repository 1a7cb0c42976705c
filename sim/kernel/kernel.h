// The event kernel of simulations: a clock whose time is virtual and jumps from one timer to the next.
#pragma once

#include <cstddef>
#include <cstdint>

#include "stack/base/hash.h"
#include "stack/env/clock.h"
#include "stack/env/timer_queue.h"

namespace mesocosm {

// One timer is one turn. Same setup and same seeds give the same turns, and the same fingerprint. Must
// outlive its timers and tasks.
class Kernel final : public Clock {
 public:
  // Where simulated calendars start: 2025-01-01T00:00:00Z.
  static constexpr std::int64_t kUnixEpoch = 1'735'689'600LL * 1'000'000'000;

  Time now() const override { return now_; }
  std::int64_t unix_nanoseconds() const override { return epoch_ + now_.time_since_epoch().count(); }
  // Another calendar, for simulations that take part in the real world: what it was at time zero.
  void set_unix_epoch(std::int64_t nanoseconds) { epoch_ = nanoseconds; }
  void arm(Timer& timer, Time at) override;
  void disarm(Timer& timer) noexcept override;
  // For what arrives at a host from another: it comes before all timers of its time that were armed by arm(), in an
  // order that its sender gives (below TimerQueue::kOrders, different at one time). So it does not matter when the
  // arrival was told, nor by which process.
  void arm_arrival(Timer& timer, Time at, std::uint64_t order);
  void defer(Task& task) override { tasks_.push(task); }

  // Runs every turn up to and at `end`, beginning with what setup code deferred; now() is `end` afterwards
  // (with kNever: the last turn's time). After stop() it returns at the end of the turn instead, and a later
  // call goes on.
  void run_until(Time end);
  // Runs one turn (setup's tasks, or the next timer) however far away it is; false: there is none.
  bool step();
  void stop() { stopped_ = true; }
  bool stopped() const { return stopped_; }  // since the last run_until() began

  Time next_event() { return tasks_.empty() ? queue_.next_deadline() : now_; }
  std::size_t pending() const { return queue_.size(); }
  std::uint64_t events() const { return events_; }  // timers fired

  // A running hash of what happened; whoever makes something observable happen absorbs it. Includes the
  // number and the times of all events.
  std::uint64_t fingerprint() const { return mix64(fingerprint_ ^ mix64(events_)); }
  void absorb(std::uint64_t word) {
    fingerprint_ = (fingerprint_ ^ word) * 0x9e3779b97f4a7c15ULL;
    fingerprint_ ^= fingerprint_ >> 29;
  }

 private:
  void fire(Timer& timer);

  TimerQueue queue_;
  TaskList tasks_;
  Time now_{};
  std::int64_t epoch_ = kUnixEpoch;
  std::uint64_t events_ = 0;
  std::uint64_t fingerprint_ = 0x6d65736f636f736dULL;
  bool stopped_ = false;
};

}  // namespace mesocosm
