// The loop behind AsioLoop: an io_context, the timers, and what happens at the end of a turn.
//
// A turn:   read the clock  ->  one callback  ->  deferred tasks  ->  settling of the sockets that took part
//                                                      ^                  (writes, half-closes, waits)
//                                                      '--- again while either list has entries
//
// Asio calls the loop and its descriptors back; these open a turn around each call into the stack. Nothing
// else calls into the stack, which is why no callback arrives inside a call.
#pragma once

#include <array>
#include <chrono>

#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include "stack/base/bytes.h"
#include "stack/env/clock.h"
#include "stack/env/timer_queue.h"

namespace mesocosm::asio {

using Executor = boost::asio::io_context::executor_type;

class Loop final : public Clock {
 public:
  Loop();

  boost::asio::io_context& context() { return context_; }

  Time now() const override { return in_run_ ? now_ : read_clock(); }
  std::int64_t unix_nanoseconds() const override;
  void arm(Timer& timer, Time at) override;
  void disarm(Timer& timer) noexcept override;
  void defer(Task& task) override { tasks_.push(task); }

  bool run();
  bool run_until(Time end);
  void step(Time end);
  void poll();
  void stop() { context_.stop(); }

  // At the end of this turn, after the deferred tasks: sockets do their work with the kernel there, and call
  // nobody.
  void settle(Task& socket) { sockets_.push(socket); }
  // Soon, outside this turn: the notice opens a turn of its own to call back.
  void later(Task& notice);

  // Where sockets receive into: at least kScratch bytes. take() gives the first `size` of them as a slice,
  // small ones as a copy, big ones by giving the buffer away.
  static constexpr std::size_t kScratch = 256 * 1024;
  MutableByteView scratch();
  Bytes take(std::size_t size);

  // One turn, from construction to destruction; the object whose callback it holds may be gone by then.
  class Turn {
   public:
    explicit Turn(Loop& loop) : loop_(loop) { loop_.begin_turn(); }
    ~Turn() { loop_.end_turn(); }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    Loop& loop_;
  };

 private:
  class Run;
  using Wakeup =
      boost::asio::basic_waitable_timer<std::chrono::steady_clock,
                                        boost::asio::wait_traits<std::chrono::steady_clock>, Executor>;
  Time read_clock() const;
  void begin_turn();
  void end_turn();
  void finish_turn();
  void run_due_timers();
  void sleep_until_next();
  void run_notices();
  void schedule_wakeup(Time at);

  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  Time now_{};
  bool in_run_ = false;
  bool in_turn_ = false;
  bool notices_posted_ = false;
  std::uint8_t collecting_ = 0;  // which of the two lists of notices takes new ones
  Time wakeup_at_ = kNever;      // what the wakeup is set to
  Time earliest_ = kNever;       // of the timers armed since it was set

  TimerQueue timers_;
  TaskList tasks_;
  TaskList sockets_;
  std::array<TaskList, 2> notices_;
  Bytes scratch_;
  boost::asio::io_context context_;
  boost::asio::executor_work_guard<Executor> stay_{context_.get_executor()};
  Wakeup wakeup_{context_};
};

}  // namespace mesocosm::asio
