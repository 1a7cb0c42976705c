// Time and turns. Everything in a World happens in turns: the environment calls one callback, that callback
// may call anything, and then the turn ends with the deferred tasks.
#pragma once

#include <cstdint>

#include "stack/base/time.h"

namespace mesocosm {

class Clock;

// Something that happens at a time. The owner derives (or uses MemberTimer), keeps it by value and arms it on
// a clock; destruction disarms. 32 bytes.
class Timer {
 public:
  Timer() = default;
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  virtual void on_timer() = 0;  // disarmed again when this is called; may re-arm or destroy itself
  // A hint that on_timer() will come after a few others, given twice: first not near, then near. Prefetches
  // what on_timer() will touch, and changes nothing. Only simulations give it.
  virtual void on_soon(bool near) const { static_cast<void>(near); }

  bool armed() const { return home_ != nullptr; }
  Time deadline() const { return deadline_; }  // meaningful while armed, and in on_timer()

 protected:
  ~Timer();

 private:
  friend class Clock;
  friend class TimerQueue;
  Clock* home_ = nullptr;
  Time deadline_{};
  std::uint64_t slot_ = 0;  // the queue's own
};

// Something that happens once at the end of the current turn, at the same time. 32 bytes; destruction
// cancels.
class Task {
 public:
  Task() = default;
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;

  virtual void on_turn_end() = 0;
  bool deferred() const { return previous_ != nullptr; }

 protected:
  ~Task() { unlink(); }

 private:
  friend class TaskList;
  void unlink() noexcept {
    if (previous_ == nullptr) return;
    previous_->next_ = next_;
    next_->previous_ = previous_;
    previous_ = next_ = nullptr;
  }
  Task* previous_ = nullptr;
  Task* next_ = nullptr;
};

// The turn's deferred tasks, first in first out; for implementations of Clock.
class TaskList final : private Task {
 public:
  TaskList() { previous_of(*this) = next_of(*this) = this; }
  ~TaskList();
  bool empty() const { return next_of(const_cast<TaskList&>(*this)) == this; }
  void push(Task& task);
  // Runs tasks until none is left, those that tasks add included.
  void run_all();

 private:
  void on_turn_end() override {}
  static Task*& previous_of(Task& task) { return task.previous_; }
  static Task*& next_of(Task& task) { return task.next_; }
};

class Clock {
 public:
  virtual ~Clock() = default;

  virtual Time now() const = 0;  // fixed for the whole turn
  // Seconds and nanoseconds since 1970 as people count them, in nanoseconds; for record sequence numbers and
  // certificate validity. In simulation: a fixed epoch plus now().
  virtual std::int64_t unix_nanoseconds() const = 0;

  // Calls timer.on_timer() in a turn of its own at `at` (in the past: as soon as possible, now() never goes
  // back). Equal times fire in arming order. Arming an armed timer moves it.
  virtual void arm(Timer& timer, Time at) = 0;
  virtual void disarm(Timer& timer) noexcept = 0;  // nothing if it is not armed
  void arm_after(Timer& timer, Duration delay) { arm(timer, now() + delay); }

  // Calls task.on_turn_end() at the end of this turn, once; nothing if it is deferred already. First in,
  // first out; tasks may defer others, and the turn ends when none is left. This is how output is gathered: a
  // connection defers its flush at the first write and sends at the end of the turn what all callbacks wrote.
  virtual void defer(Task& task) = 0;

 protected:
  static void set_home(Timer& timer, Clock* clock) { timer.home_ = clock; }
};

inline Timer::~Timer() {
  if (home_ != nullptr) home_->disarm(*this);
}

// A timer that calls a member function: MemberTimer<&Core::on_heartbeat> heartbeat_{*this};
template <auto Method>
class MemberTimer;
template <class Owner, void (Owner::*Method)()>
class MemberTimer<Method> final : public Timer {
 public:
  explicit MemberTimer(Owner& owner) : owner_(owner) {}
  void on_timer() override { (owner_.*Method)(); }

 private:
  Owner& owner_;
};

template <auto Method>
class MemberTask;
template <class Owner, void (Owner::*Method)()>
class MemberTask<Method> final : public Task {
 public:
  explicit MemberTask(Owner& owner) : owner_(owner) {}
  void on_turn_end() override { (owner_.*Method)(); }

 private:
  Owner& owner_;
};

}  // namespace mesocosm
