#include "tests/interop/ours/json.h"

#include <cstdio>

namespace mesocosm::interop {

void print_line(const Json& line) {
  const std::string text = line.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n';
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

}  // namespace mesocosm::interop
