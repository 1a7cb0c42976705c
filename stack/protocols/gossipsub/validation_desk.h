// ValidationDesk: where a node's messages wait for their verdict: for an application that takes its time, or, in a
// simulation, for processors that take theirs.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "stack/env/clock.h"
#include "stack/observe/metrics.h"
#include "stack/protocols/gossipsub/core.h"

namespace mesocosm {

class ValidationDesk;

// The word on one message, given once and whenever it is known. When it was given before, or the message was given up,
// or its node is gone, nothing happens. For the node's own thread.
class ValidationHandle {
 public:
  void answer(Validation verdict) const;  // in force at the end of the turn
  // In force when one of the node's processors has worked so long on it (params().validation_workers), after what they
  // were given before.
  void answer_after(Duration work, Validation verdict) const;

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

  // Messages are worked on in the order of coming, by so many processors at the same time (at least one).
  ValidationDesk(Clock& clock, Metrics& metrics, std::uint32_t workers, Events& events);

  ValidationHandle handle(ValidationTicket ticket) { return {self_, ticket}; }
  void queue(ValidationTicket ticket, Duration work, Validation verdict);

 private:
  friend class ValidationHandle;
  struct Counted;  // validation_desk.cc
  struct Waiting {
    Time due;
    std::uint64_t order;
    ValidationTicket ticket;
    Validation verdict;
    bool operator>(const Waiting& other) const {
      return due != other.due ? due > other.due : order > other.order;
    }
  };

  Time take_worker(Duration work);
  void answer(ValidationTicket ticket, Validation verdict);
  void on_due();
  void hand_out();

  Clock& clock_;
  Counted& counted_;
  std::uint32_t workers_;
  Events& events_;
  std::vector<Time> busy_until_;  // of the processors that were used: a heap, the next to be free in front
  std::vector<Waiting> waiting_;  // a heap, the next to be done in front
  std::uint64_t queued_ = 0;      // so far
  std::vector<std::pair<ValidationTicket, Validation>> answers_;  // of this turn
  MemberTimer<&ValidationDesk::on_due> timer_{*this};
  MemberTask<&ValidationDesk::hand_out> task_{*this};
  std::shared_ptr<ValidationDesk*> self_ = std::make_shared<ValidationDesk*>(this);  // ends with us
};

}  // namespace mesocosm
