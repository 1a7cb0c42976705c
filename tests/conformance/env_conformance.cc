#include "tests/conformance/env_conformance.h"

namespace mesocosm::conformance {

std::vector<BackendEntry>& backends() {
  static std::vector<BackendEntry> entries;
  return entries;
}

}  // namespace mesocosm::conformance
