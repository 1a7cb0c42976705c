// Waits: conditions that commands wait for, looked at every few milliseconds while there are any.
#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "stack/env/clock.h"

namespace mesocosm::interop {

class Waits {
 public:
  explicit Waits(Clock& clock) : clock_(clock) {}

  // Looks at once, then again and again until `check` returns true or the time is over: then `late` is called.
  void until(std::function<bool()> check, Duration limit, std::function<void()> late) {
    if (check()) return;
    waits_.push_back({std::move(check), std::move(late), clock_.now() + limit});
    if (!timer_.armed()) clock_.arm_after(timer_, kInterval);
  }

 private:
  static constexpr Duration kInterval = 2ms;
  struct Wait {
    std::function<bool()> check;
    std::function<void()> late;
    Time deadline;
  };

  void look() {
    std::erase_if(waits_, [this](Wait& wait) {
      if (wait.check()) return true;
      if (clock_.now() < wait.deadline) return false;
      wait.late();
      return true;
    });
    if (!waits_.empty()) clock_.arm_after(timer_, kInterval);
  }

  Clock& clock_;
  std::vector<Wait> waits_;
  MemberTimer<&Waits::look> timer_{*this};
};

}  // namespace mesocosm::interop
