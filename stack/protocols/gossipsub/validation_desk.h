// ValidationDesk: where a node's messages wait for their verdict: for an application that takes its time, or, in a
// simulation, for the time that validating takes a computer.
#pragma once

#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "stack/env/clock.h"
#include "stack/protocols/gossipsub/core.h"

namespace mesocosm {

class ValidationDesk;

// The word on one message, given once and whenever it is known. When it was given before, or the message was given up,
// or its node is gone, nothing happens. For the node's own thread.
class ValidationHandle {
 public:
  void answer(Validation verdict) const;  // in force at the end of the turn

 private:
  friend class ValidationDesk;
  ValidationHandle(std::weak_ptr<ValidationDesk*> desk, ValidationTicket ticket)
      : desk_(std::move(desk)), ticket_(ticket) {}

  std::weak_ptr<ValidationDesk*> desk_;
  ValidationTicket ticket_;
};

// An application's validator that takes its time (v1.1, "Extended Validators").
class DeferredValidator {
 public:
  // `message` is valid during the call, message.payload() outlives it.
  virtual void begin(const Message& message, const PeerId& from, ValidationHandle handle) = 0;

 protected:
  ~DeferredValidator() = default;
};

class ValidationDesk {
 public:
  class Events {
   public:
    virtual void on_verdict(ValidationTicket ticket, Validation verdict) = 0;

   protected:
    ~Events() = default;
  };

  // `delay`: what one message takes of a processor that validates one after the other.
  ValidationDesk(Clock& clock, Duration delay, Events& events)
      : clock_(clock), delay_(delay), events_(events) {}

  ValidationHandle handle(ValidationTicket ticket) { return {self_, ticket}; }
  void queue(ValidationTicket ticket);  // accepts it when its time has come

 private:
  friend class ValidationHandle;
  struct Waiting {
    ValidationTicket ticket;
    Time due;
  };

  void answer(ValidationTicket ticket, Validation verdict);
  void on_due();
  void hand_out();

  Clock& clock_;
  Duration delay_;
  Events& events_;
  Time busy_until_ = Time::min();
  std::deque<Waiting> waiting_;
  std::vector<std::pair<ValidationTicket, Validation>> answers_;  // of this turn
  MemberTimer<&ValidationDesk::on_due> timer_{*this};
  MemberTask<&ValidationDesk::hand_out> task_{*this};
  std::shared_ptr<ValidationDesk*> self_ = std::make_shared<ValidationDesk*>(this);  // ends with us
};

}  // namespace mesocosm
