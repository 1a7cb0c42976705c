#include "stack/protocols/gossipsub/validation_desk.h"

#include <algorithm>

namespace mesocosm {

void ValidationHandle::answer(Validation verdict) const {
  if (const auto desk = desk_.lock()) (*desk)->answer(ticket_, verdict);
}

void ValidationDesk::queue(ValidationTicket ticket) {
  busy_until_ = std::max(busy_until_, clock_.now()) + delay_;
  waiting_.push_back({.ticket = ticket, .due = busy_until_});
  if (waiting_.size() == 1) clock_.arm(timer_, busy_until_);
}

void ValidationDesk::on_due() {
  const ValidationTicket ticket = waiting_.front().ticket;
  waiting_.pop_front();
  if (!waiting_.empty()) clock_.arm(timer_, waiting_.front().due);
  events_.on_verdict(ticket, Validation::accept);
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
