// Real time for simulations: turns when the wall's clock reaches them, and descriptors that are read in turns of their
// own.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "sim/kernel/kernel.h"

namespace mesocosm {

// How late turns were. Turns are taken in batches, those that are due together; a batch is as late as its end is behind
// the time of its first turn, which is the most that any of its turns can have been. A simulation whose lateness is not
// small beside the delays that it simulates no longer simulates them.
struct Lateness {
  std::uint64_t batches = 0;
  std::uint64_t over_1ms = 0;  // of these
  Duration total{};
  Duration most{};

  void note(Duration late);
};

class RealTime {
 public:
  // Called in a turn when there is something to read; reads it all.
  class Reader {
   public:
    virtual void on_readable() = 0;

   protected:
    ~Reader() = default;
  };

  explicit RealTime(Kernel& kernel);
  ~RealTime();

  void watch(int descriptor, Reader& reader);
  // When everything that was due is done: waits for the next turn or for something to read, but not long. Returns the
  // time before which everything is due. The wall's clock begins at the first call.
  Time wait();
  const Lateness& lateness() const { return lateness_; }

 private:
  using Wall = std::chrono::steady_clock;
  struct Watched;

  Time real_now() const;
  void poll_until(Time end);

  Kernel& kernel_;
  std::vector<std::unique_ptr<Watched>> watched_;
  std::optional<Wall::time_point> origin_;  // when the kernel's time was zero
  Time first_due_ = kNever;                 // of the batch that was let go
  Lateness lateness_;
};

}  // namespace mesocosm
