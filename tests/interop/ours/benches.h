// The benchmark roles (tests/interop/README.md): each prints one line and returns the program's exit code.
#pragma once

#include "tests/interop/ours/options.h"

namespace mesocosm::interop {

int bench_mesh(const Options& options);
int bench_memory(const Options& options);

}  // namespace mesocosm::interop
