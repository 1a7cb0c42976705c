// The promises of stack/env/clock.h.
#include <chrono>

#include "tests/conformance/probes.h"

namespace mesocosm::conformance {
namespace {

// Lets the machine's clock move on within a turn.
void spin() {
  const auto end = std::chrono::steady_clock::now() + 300us;
  while (std::chrono::steady_clock::now() < end) {
  }
}

TEST_CASE("time stands still within a turn and never goes back", "[conformance][clock]") {
  each_backend([](ConformanceBackend& env) {
    Clock& clock = env.clock();
    Time last = clock.now();
    Time in_callback{};
    int turns = 0;
    FunctionTask task([&] {
      spin();
      CHECK(clock.now() == in_callback);
    });
    FunctionTimer timer(clock, [&] {
      in_callback = clock.now();
      spin();
      CHECK(clock.now() == in_callback);
      CHECK(in_callback >= last);
      CHECK(in_callback >= timer.deadline());
      last = in_callback;
      clock.defer(task);
      if (++turns < 10) clock.arm(timer, in_callback + 1us);
    });
    clock.arm(timer, clock.now());
    wait_for(env, [&] { return turns == 10; });
    CHECK(clock.now() >= last);
  });
}

TEST_CASE("timers fire at their time, the earlier first", "[conformance][clock]") {
  each_backend([](ConformanceBackend& env) {
    Clock& clock = env.clock();
    const Time start = clock.now();
    std::vector<int> order;
    std::vector<std::unique_ptr<FunctionTimer>> timers;
    for (int i = 0; i < 20; ++i) {
      const int rank = i * 7 % 20;  // not the arming order
      const Time at = start + 2ms + rank * 100us;
      timers.push_back(std::make_unique<FunctionTimer>(clock, [&, i, rank, at] {
        CHECK(clock.now() >= at);
        CHECK(timers[static_cast<std::size_t>(i)]->deadline() == at);
        order.push_back(rank);
      }));
      call([&] { clock.arm(*timers.back(), at); });
      CHECK(timers.back()->armed());
      CHECK(timers.back()->deadline() == at);
    }
    wait_for(env, [&] { return order.size() == 20; });
    for (int i = 0; i < 20; ++i) CHECK(order[static_cast<std::size_t>(i)] == i);
  });
}

TEST_CASE("timers of one time fire in arming order, in turns of their own", "[conformance][clock]") {
  each_backend([](ConformanceBackend& env) {
    Clock& clock = env.clock();
    const Time at = clock.now() + 2ms;
    std::vector<int> order;
    std::vector<std::unique_ptr<FunctionTimer>> timers;
    int in_turn = 0;
    FunctionTask end_of_turn([&] { in_turn = 0; });
    for (int i = 0; i < 100; ++i) {
      timers.push_back(std::make_unique<FunctionTimer>(clock, [&, i] {
        order.push_back(i);
        CHECK(++in_turn == 1);
        clock.defer(end_of_turn);
      }));
      clock.arm(*timers.back(), at);
    }
    clock.arm(*timers[10], at);  // arming again counts
    wait_for(env, [&] { return order.size() == 100; });
    for (int i = 0; i < 99; ++i) CHECK(order[static_cast<std::size_t>(i)] == (i < 10 ? i : i + 1));
    CHECK(order[99] == 10);
  });
}

TEST_CASE("arming an armed timer moves it", "[conformance][clock]") {
  each_backend([](ConformanceBackend& env) {
    Clock& clock = env.clock();
    const Time start = clock.now();
    std::vector<std::string> fired;
    FunctionTimer sooner(clock, [&] { fired.push_back("sooner"); });
    FunctionTimer mark(clock, [&] { fired.push_back("mark"); });
    FunctionTimer later(clock, [&] { fired.push_back("later"); });
    clock.arm(sooner, start + 1h);
    clock.arm(mark, start + 3ms);
    clock.arm(later, start + 1ms);
    clock.arm(later, start + 5ms);
    clock.arm(sooner, start + 1ms);
    CHECK(sooner.deadline() == start + 1ms);
    wait_for(env, [&] { return fired.size() == 3; });
    CHECK(fired == std::vector<std::string>{"sooner", "mark", "later"});
    wait_quietly(env);
    CHECK(fired.size() == 3);
  });
}

TEST_CASE("a disarmed timer does not fire", "[conformance][clock]") {
  each_backend([](ConformanceBackend& env) {
    Clock& clock = env.clock();
    int fired = 0;
    FunctionTimer timer(clock, [&] { ++fired; });
    call([&] { clock.disarm(timer); });  // not armed: nothing
    clock.arm(timer, clock.now() + 1ms);
    call([&] { clock.disarm(timer); });
    CHECK_FALSE(timer.armed());
    wait_quietly(env);
    CHECK(fired == 0);
    clock.arm_after(timer, 1ms);
    wait_for(env, [&] { return fired == 1; });
    CHECK_FALSE(timer.armed());
  });
}

TEST_CASE("a destroyed timer does not fire", "[conformance][clock]") {
  each_backend([](ConformanceBackend& env) {
    Clock& clock = env.clock();
    auto timer = std::make_unique<FunctionTimer>(clock, [&] { FAIL_CHECK("fired"); });
    clock.arm(*timer, clock.now() + 1ms);
    call([&] { timer.reset(); });
    wait_quietly(env);
  });
}

TEST_CASE("a timer may disarm or destroy others that are due", "[conformance][clock]") {
  each_backend([](ConformanceBackend& env) {
    Clock& clock = env.clock();
    bool fired = false;
    FunctionTimer disarmed(clock, [&] { FAIL_CHECK("fired"); });
    auto destroyed = std::make_unique<FunctionTimer>(clock, [&] { FAIL_CHECK("fired"); });
    FunctionTimer first(clock, [&] {
      call([&] { clock.disarm(disarmed); });
      call([&] { destroyed.reset(); });
      fired = true;
    });
    const Time at = clock.now() + 1ms;
    clock.arm(first, at);
    clock.arm(disarmed, at);
    clock.arm(*destroyed, at);
    wait_for(env, [&] { return fired; });
    wait_quietly(env);
  });
}

TEST_CASE("a timer in the past fires as soon as possible", "[conformance][clock]") {
  each_backend([](ConformanceBackend& env) {
    Clock& clock = env.clock();
    int fired = 0;
    Time armed_at{};
    FunctionTimer late(clock, [&] {
      CHECK(clock.now() >= armed_at);
      ++fired;
    });
    FunctionTimer timer(clock, [&] {
      armed_at = clock.now();
      call([&] { clock.arm(late, armed_at - 1s); });
      CHECK(fired == 0);
    });
    clock.arm_after(timer, 2ms);
    wait_for(env, [&] { return fired == 1; });
    CHECK(clock.now() - armed_at < 1s);
  });
}

TEST_CASE("a timer armed for now fires in a later turn, after this turn's tasks", "[conformance][clock]") {
  each_backend([](ConformanceBackend& env) {
    Clock& clock = env.clock();
    std::vector<std::string> order;
    FunctionTask task([&] { order.push_back("task"); });
    FunctionTimer next(clock, [&] { order.push_back("next"); });
    FunctionTimer timer(clock, [&] {
      clock.arm(next, clock.now());
      clock.defer(task);
      order.push_back("timer");
    });
    clock.arm_after(timer, 1ms);
    wait_for(env, [&] { return order.size() == 3; });
    CHECK(order == std::vector<std::string>{"timer", "task", "next"});
  });
}

TEST_CASE("a timer may arm itself again, and destroy itself, when it fires", "[conformance][clock]") {
  each_backend([](ConformanceBackend& env) {
    Clock& clock = env.clock();
    int fired = 0;
    std::unique_ptr<FunctionTimer> timer;
    timer = std::make_unique<FunctionTimer>(clock, [&] {
      CHECK_FALSE(timer->armed());
      if (++fired < 5) {
        clock.arm_after(*timer, 100us);
      } else {
        clock.arm_after(*timer, 0us);
        timer.reset();
      }
    });
    clock.arm_after(*timer, 0us);
    wait_for(env, [&] { return timer == nullptr; });
    wait_quietly(env);
    CHECK(fired == 5);
  });
}

TEST_CASE("tasks run once at the end of the turn, first in first out", "[conformance][clock]") {
  each_backend([](ConformanceBackend& env) {
    Clock& clock = env.clock();
    std::vector<int> order;
    FunctionTask third([&] { order.push_back(3); });
    FunctionTask second([&] {
      order.push_back(2);
      clock.defer(third);
      clock.defer(third);
      CHECK(third.deferred());
    });
    FunctionTask first([&] { order.push_back(1); });
    Time turn{};
    FunctionTask last([&] { CHECK(clock.now() == turn); });
    FunctionTimer timer(clock, [&] {
      turn = clock.now();
      call([&] { clock.defer(first); });
      call([&] { clock.defer(second); });
      call([&] { clock.defer(first); });  // deferred already
      clock.defer(last);
      CHECK(order.empty());
    });
    FunctionTimer after(clock, [&] { order.push_back(4); });
    const Time at = clock.now() + 1ms;
    clock.arm(timer, at);
    clock.arm(after, at);
    wait_for(env, [&] { return !order.empty() && order.back() == 4; });
    CHECK(order == std::vector<int>{1, 2, 3, 4});
  });
}

TEST_CASE("a task may defer itself again, destroy others and destroy itself", "[conformance][clock]") {
  each_backend([](ConformanceBackend& env) {
    Clock& clock = env.clock();
    int runs = 0;
    auto destroyed = std::make_unique<FunctionTask>([&] { FAIL_CHECK("ran"); });
    std::unique_ptr<FunctionTask> again;
    again = std::make_unique<FunctionTask>([&] {
      destroyed.reset();
      if (++runs < 3) {
        clock.defer(*again);
      } else {
        again.reset();
      }
    });
    FunctionTimer timer(clock, [&] {
      clock.defer(*again);
      clock.defer(*destroyed);
    });
    clock.arm_after(timer, 1ms);
    wait_for(env, [&] { return again == nullptr; });
    CHECK(runs == 3);
  });
}

TEST_CASE("what setup code defers runs before anything else", "[conformance][clock]") {
  each_backend([](ConformanceBackend& env) {
    Clock& clock = env.clock();
    std::vector<std::string> order;
    FunctionTimer timer(clock, [&] { order.push_back("timer"); });
    FunctionTask task([&] { order.push_back("task"); });
    clock.arm(timer, clock.now());
    call([&] { clock.defer(task); });
    CHECK(order.empty());
    wait_for(env, [&] { return order.size() == 2; });
    CHECK(order == std::vector<std::string>{"task", "timer"});
  });
}

TEST_CASE("the calendar moves with the clock", "[conformance][clock]") {
  each_backend([](ConformanceBackend& env) {
    Clock& clock = env.clock();
    constexpr std::int64_t k2020 = 1'577'836'800'000'000'000, k2100 = 4'102'444'800'000'000'000;
    std::vector<std::pair<Time, std::int64_t>> seen;
    FunctionTimer timer(clock, [&] {
      seen.push_back({clock.now(), clock.unix_nanoseconds()});
      clock.arm_after(timer, 20ms);
    });
    clock.arm_after(timer, 0us);
    wait_for(env, [&] { return seen.size() == 2; });
    for (const auto& [time, unix] : seen) {
      CHECK(unix > k2020);
      CHECK(unix < k2100);
    }
    const auto drift = (seen[1].second - seen[0].second) - (seen[1].first - seen[0].first).count();
    CHECK(std::abs(drift) < 10'000'000);
  });
}

}  // namespace
}  // namespace mesocosm::conformance
