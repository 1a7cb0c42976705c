#include "stack/protocols/gossipsub/validation_desk.h"

#include <algorithm>
#include <functional>

namespace mesocosm {

struct ValidationDesk::Counted {
  explicit Counted(Metrics& metrics)
      : work(metrics
                 .histogram({"libp2p_gossipsub_validation_work_seconds",
                             "How long a processor worked on a message to validate it",
                             {},
                             exponential_bounds(0.0001, 4, 9)})
                 .with({})),
        delay(metrics
                  .histogram({"libp2p_gossipsub_validation_delay_seconds",
                              "How long messages were in validation, waiting for a processor included",
                              {},
                              exponential_bounds(0.0001, 4, 9)})
                  .with({})) {}
  Histogram& work;
  Histogram& delay;
};

void ValidationHandle::answer(Validation verdict) const {
  if (const auto desk = desk_.lock()) (*desk)->answer(ticket_, verdict);
}

void ValidationHandle::answer_after(Duration work, Validation verdict) const {
  if (const auto desk = desk_.lock()) (*desk)->queue(ticket_, work, verdict);
}

ValidationDesk::ValidationDesk(Clock& clock, Metrics& metrics, std::uint32_t workers, Events& events)
    : clock_(clock), counted_(metrics.of<Counted>()), workers_(workers), events_(events) {}

void ValidationDesk::queue(ValidationTicket ticket, Duration work, Validation verdict) {
  const Time due = take_worker(work);
  counted_.work.observe(work);
  counted_.delay.observe(due - clock_.now());
  if (due == clock_.now()) return answer(ticket, verdict);
  waiting_.push_back({.due = due, .order = queued_++, .ticket = ticket, .verdict = verdict});
  std::push_heap(waiting_.begin(), waiting_.end(), std::greater<>());
  if (waiting_.front().ticket == ticket) clock_.arm(timer_, due);
}

// When the processor that is free first is done with it.
Time ValidationDesk::take_worker(Duration work) {
  const Time now = clock_.now();
  const bool busy = busy_until_.empty() || busy_until_.front() > now;
  if (busy && busy_until_.size() < workers_) {
    busy_until_.push_back(now);
  } else {
    std::pop_heap(busy_until_.begin(), busy_until_.end(), std::greater<>());
  }
  const Time done = std::max(busy_until_.back(), now) + work;
  busy_until_.back() = done;
  std::push_heap(busy_until_.begin(), busy_until_.end(), std::greater<>());
  return done;
}

void ValidationDesk::on_due() {
  std::pop_heap(waiting_.begin(), waiting_.end(), std::greater<>());
  const Waiting done = waiting_.back();
  waiting_.pop_back();
  if (!waiting_.empty()) clock_.arm(timer_, waiting_.front().due);
  events_.on_verdict(done.ticket, done.verdict);
}

// Not at once: a validator may answer while the core waits for it to begin.
void ValidationDesk::answer(ValidationTicket ticket, Validation verdict) {
  if (answers_.empty()) clock_.defer(task_);
  answers_.emplace_back(ticket, verdict);
}

void ValidationDesk::hand_out() {
  for (const auto& [ticket, verdict] : std::exchange(answers_, {})) events_.on_verdict(ticket, verdict);
}

}  // namespace mesocosm
