// Overwrites secrets that are not needed any more.
#pragma once

#include "stack/base/bytes.h"

namespace mesocosm {

// Through volatile, so that the compiler keeps it.
inline void wipe(MutableByteView secret) {
  volatile std::uint8_t* bytes = secret.data();
  for (std::size_t i = 0; i < secret.size(); ++i) bytes[i] = 0;
}

}  // namespace mesocosm
