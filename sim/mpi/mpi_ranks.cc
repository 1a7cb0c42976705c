#include "sim/mpi/mpi_ranks.h"

#include <cstdlib>
#include <limits>

#include <mpi.h>

#include "stack/base/assert.h"

namespace mesocosm {
namespace {

// A process that ends in the middle must not leave the others waiting for its letters.
void abort_unless_parted() {
  int finalized = 0;
  MPI_Finalized(&finalized);
  if (finalized == 0) MPI_Abort(MPI_COMM_WORLD, 2);
}

int number(std::size_t bytes) {
  MC_ASSERT(bytes <= static_cast<std::size_t>(std::numeric_limits<int>::max()));
  return static_cast<int>(bytes);
}

// Counts and places of letters that lie one behind the other.
struct Layout {
  explicit Layout(std::size_t letters) : counts(letters), starts(letters) {}
  void place() {
    int at = 0;
    for (std::size_t i = 0; i < counts.size(); ++i) {
      starts[i] = at;
      at = number(static_cast<std::size_t>(at) + static_cast<std::size_t>(counts[i]));
    }
    bytes = static_cast<std::size_t>(at);
  }
  std::vector<int> counts, starts;
  std::size_t bytes = 0;
};

// Errors of MPI end all processes: that is its default.
class MpiRanks final : public Ranks {
 public:
  MpiRanks() {
    MPI_Init(nullptr, nullptr);
    std::atexit(abort_unless_parted);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
    MPI_Comm_size(MPI_COMM_WORLD, &size_);
  }
  std::uint32_t rank() const override { return static_cast<std::uint32_t>(rank_); }
  std::uint32_t size() const override { return static_cast<std::uint32_t>(size_); }

  std::vector<Letter> exchange(const std::vector<Letter>& letters) override {
    Layout out(letters.size()), in(letters.size());
    for (std::size_t i = 0; i < letters.size(); ++i) out.counts[i] = number(letters[i].size());
    out.place();
    std::vector<std::uint8_t> written;
    written.reserve(out.bytes);
    for (const Letter& letter : letters) written.insert(written.end(), letter.begin(), letter.end());
    MPI_Alltoall(out.counts.data(), 1, MPI_INT, in.counts.data(), 1, MPI_INT, MPI_COMM_WORLD);
    in.place();
    std::vector<std::uint8_t> read(in.bytes);
    MPI_Alltoallv(written.data(), out.counts.data(), out.starts.data(), MPI_BYTE, read.data(),
                  in.counts.data(), in.starts.data(), MPI_BYTE, MPI_COMM_WORLD);
    std::vector<Letter> received;
    for (std::size_t i = 0; i < letters.size(); ++i) {
      received.emplace_back(read.begin() + in.starts[i], read.begin() + in.starts[i] + in.counts[i]);
    }
    return received;
  }

  void part() override { MPI_Finalize(); }

 private:
  int rank_ = 0;
  int size_ = 0;
};

}  // namespace

std::unique_ptr<Ranks> join_mpi() {
  int initialized = 0;
  MPI_Initialized(&initialized);
  if (initialized != 0) return nullptr;
  return std::make_unique<MpiRanks>();
}

}  // namespace mesocosm
