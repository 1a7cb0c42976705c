// RankedRun: the run of one World by several processes, each of which has its own share of the nodes.
//
//   the same script in all of them ──▶ World ──▶ nodes of our share ──▶ network ──(border)──▶ letters
//                                                                                               │
//   window:  run what is before `granted` ──▶ exchange letters ──▶ take in what came ──▶ granted = first event anywhere
//                                                                                            + lookahead
//
// A conservative parallel simulation by synchronous windows (as in Lubachevsky 1989, and in ns-3's own): what one
// process does reaches the hosts of another no sooner than the shortest latency between them, the lookahead, so that
// all may go that far beyond the first event that any of them has without waiting for each other. What crosses the
// border has an order of its own among equal times (Kernel::arm_arrival), so the run is the same, event for event, as
// that of one process. docs/parallel.md says what must not be done for this to hold.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sim/hosts/border.h"
#include "sim/mpi/ranks.h"
#include "sim/net/split.h"
#include "sim/run/shared_record.h"

namespace mesocosm {

// How many processes mpirun has started; 1: it has not.
std::uint32_t launched_processes();
// Those processes, for a World that they run together; null: there is but one. Throws ConfigError in
// a build without MPI, and for a second World.
std::unique_ptr<Ranks> join_ranks();

class RankedRun final : public hosts::Border {
 public:
  // Where what comes over the border goes.
  class Ground {
   public:
    virtual Time next_event() = 0;
    virtual void arrive(const hosts::Crossing& crossing) = 0;
    virtual void arrive(const hosts::Listening& listening) = 0;

   protected:
    ~Ground() = default;
  };

  explicit RankedRun(std::unique_ptr<Ranks> ranks);

  std::uint32_t processes() const { return ranks_->size(); }
  std::uint32_t rank() const { return ranks_->rank(); }
  bool keeps_record() const { return rank() == 0; }

  // Before the start: shares the hosts out. Throws ConfigError when that cannot be.
  void divide(const Internet& internet);
  // Rank 0 writes what all tell into it; null elsewhere.
  void set_recorder(Recorder* recorder) { recorder_ = recorder; }
  SharedRecord& record() { return record_; }
  // Every process takes the same steps: what the script does is told here, so that it is noticed when they do not.
  void step(std::string_view what, std::uint64_t detail);

  // --- Border
  bool ours(HostIndex host) const override { return split_.rank_of[host] == rank(); }
  void send(hosts::Crossing crossing) override;
  void tell(const hosts::Listening& listening) override;

  // When everything before the time that was granted last is done: exchanges letters, and returns the time before
  // which everything may be done now. Throws RunError when another process has ended or the script differs.
  Time meet(Ground& ground);

  struct End {
    std::string failure;      // of another process; empty: there was none
    std::uint64_t turns = 0;  // of all
  };
  // The last letters: this process is done, by whatever was the cause; returns when all are.
  End conclude(const std::string& ended, std::uint64_t turns);
  void part() { ranks_->part(); }  // at the very end, when the record is closed

 private:
  struct Head;
  struct News {
    Time next = kNever;
    bool same_script = true;
    std::size_t ended = 0;  // how many processes said so
    End end;
  };
  News exchange(Ground* ground, Time next, const std::string& ended, std::uint64_t turns);
  void take_in(LetterReader& reader, Ground* ground);

  std::unique_ptr<Ranks> ranks_;
  Split split_;
  SharedRecord record_;
  Recorder* recorder_ = nullptr;
  std::vector<LetterWriter> crossings_;  // to each process
  LetterWriter listenings_;              // to all
  Time first_sent_ = kNever;             // of the crossings' arrivals
  std::uint64_t script_ = 0;             // a hash of the steps
  bool concluded_ = false;
};

}  // namespace mesocosm
