// The lines of the contract (tests/interop/README.md): one JSON object a line on standard output.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "stack/base/result.h"

namespace mesocosm::interop {

using Json = nlohmann::ordered_json;

// Prints it and flushes. Text of peers that is no UTF-8 is made so.
void print_line(const Json& line);

}  // namespace mesocosm::interop
