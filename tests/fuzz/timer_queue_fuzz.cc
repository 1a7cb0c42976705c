// Lists of operations on TimerQueue, compared with a std::set of (deadline, order).
#include <array>
#include <set>
#include <tuple>

#include "stack/base/assert.h"
#include "stack/env/timer_queue.h"
#include "tests/fuzz/fuzz_input.h"

using namespace mesocosm;

namespace {

struct Plain final : Timer {
  void on_timer() override {}
  std::uint64_t order = 0;
  bool queued = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzInput input(data, size);
  TimerQueue queue;
  std::array<Plain, 256> timers;
  std::set<std::tuple<Time, std::uint64_t, Plain*>> model;
  std::uint64_t order = 0;
  Time now{};
  const auto duration = [&] {  // of any magnitude
    const std::uint8_t mantissa = input.byte();
    return Duration(std::int64_t{mantissa} << input.below(54));
  };
  const auto arm = [&](Plain& timer, Time at) {
    if (timer.queued) {
      model.erase({timer.deadline(), timer.order, &timer});
      queue.remove(timer);
    }
    timer.queued = true;
    if (order % 4 == 0) {
      timer.order = order++ ^ 0x2a4;  // not rising
      queue.push_ahead(timer, at, timer.order);
    } else {
      timer.order = TimerQueue::kOrders + order++;
      queue.push(timer, at);
    }
    model.emplace(at, timer.order, &timer);
  };
  const auto pop = [&](Time limit) {
    Timer* const popped = queue.pop(limit);
    if (model.empty() || std::get<0>(*model.begin()) > limit) {
      MC_ASSERT(popped == nullptr);
      return false;
    }
    Plain* const first = std::get<2>(*model.begin());
    MC_ASSERT(popped == first);
    first->queued = false;
    model.erase(model.begin());
    return true;
  };
  while (!input.empty()) {
    switch (input.below(6)) {
      case 0:  // arm one
        arm(timers[input.byte()], now + duration());
        break;
      case 1: {  // arm all, evenly spaced
        const Duration step = duration() / 256;
        for (std::size_t i = 0; i < timers.size(); ++i)
          arm(timers[i * 77 % 256], now + step * static_cast<int>(i));
        break;
      }
      case 2: {  // cancel
        Plain& timer = timers[input.byte()];
        if (!timer.queued) break;
        model.erase({timer.deadline(), timer.order, &timer});
        queue.remove(timer);
        timer.queued = false;
        break;
      }
      case 3: {  // run
        const Time end = now + duration();
        while (pop(end)) {
        }
        now = std::max(now, std::min(end, Time(Duration(std::int64_t{1} << 61))));
        break;
      }
      case 4:  // one turn, however far
        if (!model.empty()) {
          const Time next = std::get<0>(*model.begin());
          if (next > Time(Duration(std::int64_t{1} << 61))) break;
          now = std::max(now, next);
          pop(kNever);
        }
        break;
      default:
        MC_ASSERT(queue.next_deadline() == (model.empty() ? kNever : std::get<0>(*model.begin())));
    }
    MC_ASSERT(queue.size() == model.size());
  }
  while (pop(kNever)) {
  }
  MC_ASSERT(queue.empty());
  return 0;
}
