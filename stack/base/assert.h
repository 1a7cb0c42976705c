// Assertions that stay on in release: a broken invariant stops the program with its place, never corrupts a
// result.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace mesocosm {

[[noreturn]] inline void assertion_failed(const char* what, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: broken invariant: %s\n", file, line, what);
  std::abort();
}

}  // namespace mesocosm

#define MC_ASSERT(condition) \
  ((condition) ? static_cast<void>(0) : ::mesocosm::assertion_failed(#condition, __FILE__, __LINE__))
