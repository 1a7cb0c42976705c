#include "stack/env/clock.h"

#include "stack/base/assert.h"

namespace mesocosm {

TaskList::~TaskList() {
  while (!empty()) {
    Task* task = next_of(*this);
    previous_of(*next_of(*task)) = this;
    next_of(*this) = next_of(*task);
    previous_of(*task) = next_of(*task) = nullptr;
  }
  previous_of(*this) = next_of(*this) = nullptr;
}

void TaskList::push(Task& task) {
  if (task.deferred()) return;
  Task* last = previous_of(*this);
  previous_of(task) = last;
  next_of(task) = this;
  next_of(*last) = &task;
  previous_of(*this) = &task;
}

void TaskList::run_all() {
  while (!empty()) {
    Task* task = next_of(*this);
    Task* second = next_of(*task);
    next_of(*this) = second;
    previous_of(*second) = this;
    previous_of(*task) = next_of(*task) = nullptr;
    task->on_turn_end();
  }
}

}  // namespace mesocosm
