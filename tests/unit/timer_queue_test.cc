// TimerQueue against the obvious model, a std::set of (deadline, order).
#include "stack/env/timer_queue.h"

#include <algorithm>
#include <array>
#include <deque>
#include <memory>
#include <set>
#include <tuple>

#include <catch2/catch.hpp>

#include "sim/kernel/kernel.h"
#include "stack/base/rng.h"

using namespace mesocosm;

namespace {

struct Plain final : Timer {
  void on_timer() override {}
  std::uint64_t order = 0;
  bool queued = false;
};

Time at(std::int64_t ns) { return Time(Duration(ns)); }

// Does random operations on a queue and on the model and compares everything that can be seen.
void compare_with_model(std::uint64_t seed, std::int64_t spread, std::size_t timers, int operations) {
  Rng rng(seed);
  TimerQueue queue;
  std::set<std::tuple<Time, std::uint64_t, Plain*>> model;
  std::deque<Plain> pool(timers);
  std::uint64_t order = 0;
  Time now{};
  for (int i = 0; i < operations; ++i) {
    Plain& timer = pool[rng.below(timers)];
    switch (rng.below(8)) {
      case 0:
      case 1:
      case 2:
      case 3: {  // arm, or move
        if (timer.queued) {
          model.erase({timer.deadline(), timer.order, &timer});
          queue.remove(timer);
        }
        const std::int64_t delay = static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(spread)));
        const Duration until(rng.below(4) == 0 ? delay >> rng.below(40) : delay);
        const Time deadline = now + std::min(until, Time::max() - now);
        timer.queued = true;
        if (rng.below(4) == 0) {
          timer.order = order++ ^ 0x2a5;  // not rising
          queue.push_ahead(timer, deadline, timer.order);
        } else {
          timer.order = TimerQueue::kOrders + order++;
          queue.push(timer, deadline);
        }
        model.emplace(deadline, timer.order, &timer);
        break;
      }
      case 4:  // cancel
        if (timer.queued) {
          model.erase({timer.deadline(), timer.order, &timer});
          queue.remove(timer);
          timer.queued = false;
        }
        break;
      case 5:  // run on for a while
        now += std::min(
            Duration(static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(spread)) / timers)),
            Time::max() - now);
        [[fallthrough]];
      default: {  // pop one
        const Time limit = now;
        Timer* const popped = queue.pop(limit);
        if (model.empty() || std::get<0>(*model.begin()) > limit) {
          REQUIRE(popped == nullptr);
        } else {
          REQUIRE(popped == std::get<2>(*model.begin()));
          std::get<2>(*model.begin())->queued = false;
          model.erase(model.begin());
        }
      }
    }
    REQUIRE(queue.size() == model.size());
    if (i % 7 == 0) REQUIRE(queue.next_deadline() == (model.empty() ? kNever : std::get<0>(*model.begin())));
  }
  while (!model.empty()) {
    REQUIRE(queue.pop(kNever) == std::get<2>(*model.begin()));
    model.erase(model.begin());
  }
  REQUIRE(queue.pop(kNever) == nullptr);
}

}  // namespace

TEST_CASE("timer queue behaves like a sorted set", "[kernel]") {
  for (const std::int64_t spread : {2LL, 300LL, 100'000LL, 10'000'000'000LL, 1LL << 60}) {
    for (const std::size_t timers : {1u, 10u, 3000u}) compare_with_model(42 + timers, spread, timers, 20'000);
  }
}

TEST_CASE("equal deadlines fire in arming order, many of them too", "[kernel]") {
  TimerQueue queue;
  std::deque<Plain> timers(5000);
  for (std::size_t i = 0; i < timers.size(); ++i) queue.push(timers[i], at(1'000'000));
  for (std::size_t i = 0; i < timers.size(); i += 3) queue.remove(timers[i]);
  for (std::size_t i = 0; i < timers.size(); i += 3) queue.push(timers[i], at(1'000'000));
  for (std::size_t i = 0; i < timers.size(); ++i) {
    if (i % 3 != 0) REQUIRE(queue.pop(at(1'000'000)) == &timers[i]);
  }
  for (std::size_t i = 0; i < timers.size(); i += 3) REQUIRE(queue.pop(at(1'000'000)) == &timers[i]);
  CHECK(queue.empty());
}

TEST_CASE("arrivals come first of their time, in the order that they bring", "[kernel]") {
  struct Noted final : Timer {
    void on_timer() override { fired->push_back(name); }
    std::vector<int>* fired = nullptr;
    int name = 0;
  };
  std::vector<int> fired;
  std::array<Noted, 5> timers;
  for (int i = 0; i < 5; ++i)
    timers[static_cast<std::size_t>(i)].fired = &fired, timers[static_cast<std::size_t>(i)].name = i;
  Kernel kernel;
  kernel.arm(timers[0], at(100));
  kernel.arm_arrival(timers[1], at(100), 7);
  kernel.arm(timers[2], at(100));
  kernel.arm_arrival(timers[3], at(100), 5);
  kernel.arm_arrival(timers[4], at(99), TimerQueue::kOrders - 1);
  kernel.run_until(at(100));
  CHECK(fired == std::vector<int>{4, 3, 1, 0, 2});
}

TEST_CASE("a removed timer may be destroyed at once", "[kernel]") {
  TimerQueue queue;
  std::vector<std::unique_ptr<Plain>> timers;
  for (int i = 0; i < 1000; ++i) {
    timers.push_back(std::make_unique<Plain>());
    queue.push(*timers.back(), at(i * 1000));
  }
  CHECK(queue.pop(at(0)) == timers[0].get());
  for (int i = 1; i < 999; ++i) {
    queue.remove(*timers[static_cast<std::size_t>(i)]);
    timers[static_cast<std::size_t>(i)].reset();
  }
  CHECK(queue.next_deadline() == at(999'000));
  CHECK(queue.pop(at(998'999)) == nullptr);
  CHECK(queue.pop(at(999'000)) == timers[999].get());
}

TEST_CASE("a wide run that fills up goes back to the buckets", "[kernel]") {
  TimerQueue queue;
  Plain far;
  queue.push(far, at(3'600'000'000'000));
  std::deque<Plain> timers(2000);
  Rng rng(1);
  std::set<std::pair<Time, Plain*>> model;
  CHECK(queue.pop(at(3'500'000'000'000)) == nullptr);  // base_ moves up to here, not to the timer
  for (Plain& timer : timers) {
    const Time deadline = at(3'500'000'000'000 + static_cast<std::int64_t>(rng.next() >> 28));
    queue.push(timer, deadline);
    model.emplace(deadline, &timer);
  }
  model.emplace(at(3'600'000'000'000), &far);
  for (const auto& [deadline, timer] : model) {
    REQUIRE(queue.next_deadline() == deadline);
    REQUIRE(queue.pop(kNever) == timer);
  }
}

namespace {
struct Ticker final : Timer {
  explicit Ticker(Kernel& kernel) : kernel(kernel) {}
  void on_timer() override {
    ++ticks;
    if (ticks == stop_at) kernel.stop();
    kernel.arm_after(*this, 10ms);
    kernel.defer(task);
  }
  void on_end() { ++tasks; }
  Kernel& kernel;
  int ticks = 0, tasks = 0, stop_at = -1;
  MemberTask<&Ticker::on_end> task{*this};
};
}  // namespace

TEST_CASE("the kernel runs up to its end and drains tasks each turn", "[kernel]") {
  Kernel kernel;
  Ticker ticker(kernel);
  kernel.arm(ticker, at(-5));  // the past: as soon as possible
  kernel.defer(ticker.task);
  kernel.run_until(Time(100ms));
  CHECK(ticker.ticks == 11);
  CHECK(ticker.tasks == 12);
  CHECK(kernel.now() == Time(100ms));
  CHECK(kernel.events() == 11);
  CHECK(kernel.next_event() == Time(110ms));
  ticker.stop_at = 13;
  kernel.run_until(Time(1s));
  CHECK(kernel.stopped());
  CHECK(kernel.now() == Time(120ms));
  CHECK(ticker.tasks == 14);
  CHECK(kernel.step());
  CHECK(kernel.now() == Time(130ms));
  kernel.disarm(ticker);
  kernel.run_until(kNever);
  CHECK(kernel.now() == Time(130ms));
  CHECK(kernel.unix_nanoseconds() == 1'735'689'600'130'000'000);
}

TEST_CASE("the fingerprint depends on what happened and when", "[kernel]") {
  const auto run = [](Duration start, std::uint64_t word) {
    Kernel kernel;
    Ticker ticker(kernel);
    kernel.arm(ticker, Time(start));
    kernel.run_until(Time(55ms));
    kernel.absorb(word);
    return kernel.fingerprint();
  };
  CHECK(run(1ms, 7) == run(1ms, 7));
  CHECK(run(1ms, 7) != run(2ms, 7));
  CHECK(run(1ms, 7) != run(1ms, 8));
}
