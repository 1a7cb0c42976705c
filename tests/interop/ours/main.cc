// Our interop peer: see tests/interop/README.md for what it is told and what it says.
#include <cstdio>
#include <string>

#include "tests/interop/ours/benches.h"
#include "tests/interop/ours/options.h"
#include "tests/interop/ours/peer.h"

int main(int argc, char** argv) {
  using namespace mesocosm::interop;
  const auto options = parse_options(std::span(argv, static_cast<std::size_t>(argc)).subspan(1));
  if (!options) {
    std::fprintf(stderr, "error: %s\n", options.error().detail.c_str());
    return 2;
  }
  switch (options->bench) {
    case Bench::mesh:
      return bench_mesh(*options);
    case Bench::memory:
      return bench_memory(*options);
    case Bench::none:
      break;
  }
  return Peer::run(*options);
}
