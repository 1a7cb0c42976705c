// libsodium's own preparation, for the files of this folder.
#pragma once

#include <sodium/core.h>

#include "stack/base/assert.h"

namespace mesocosm {

// Lets libsodium choose the fastest code for this processor. No key of ours comes from its random numbers.
inline void prepare_sodium() {
  static const bool ready = sodium_init() >= 0;
  MC_ASSERT(ready);
}

}  // namespace mesocosm
