#include "sim/kernel/kernel.h"

#include <algorithm>

namespace mesocosm {

void Kernel::arm(Timer& timer, Time at) {
  if (timer.armed()) queue_.remove(timer);
  set_home(timer, this);
  queue_.push(timer, std::max(at, now_));
}

void Kernel::arm_arrival(Timer& timer, Time at, std::uint64_t order) {
  if (timer.armed()) queue_.remove(timer);
  set_home(timer, this);
  queue_.push_ahead(timer, std::max(at, now_), order);
}

void Kernel::disarm(Timer& timer) noexcept {
  if (!timer.armed()) return;
  queue_.remove(timer);
  set_home(timer, nullptr);
}

void Kernel::run_until(Time end) {
  stopped_ = false;
  tasks_.run_all();
  while (!stopped_) {
    Timer* const timer = queue_.pop(end);
    if (timer == nullptr) {
      if (end != kNever) now_ = std::max(now_, end);
      return;
    }
    fire(*timer);
  }
}

bool Kernel::step() {
  if (!tasks_.empty()) {
    tasks_.run_all();
    return true;
  }
  Timer* const timer = queue_.pop(kNever);
  if (timer == nullptr) return false;
  fire(*timer);
  return true;
}

void Kernel::fire(Timer& timer) {
  now_ = timer.deadline();
  ++events_;
  absorb(static_cast<std::uint64_t>(now_.time_since_epoch().count()));
  set_home(timer, nullptr);
  timer.on_timer();
  tasks_.run_all();
}

}  // namespace mesocosm
