// Ranks over MPI: the processes that mpirun has started. The only folder that knows MPI, compiled with
// MESOCOSM_MPI=ON alone.
#pragma once

#include <memory>

#include "sim/mpi/ranks.h"

namespace mesocosm {

// Joins the others, once in a process: null after that.
std::unique_ptr<Ranks> join_mpi();

}  // namespace mesocosm
