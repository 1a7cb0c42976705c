// What a thread holds on the heap: this program's operator new and delete count.
#pragma once

#include <cstddef>

namespace mesocosm::testing {

// Bytes allocated by this thread and not freed by it. Exact as long as threads do not free each other's memory.
std::ptrdiff_t thread_memory();

}  // namespace mesocosm::testing
