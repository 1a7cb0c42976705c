// The version of this software, the one place that says it to programs; pyproject.toml and CMakeLists.txt
// agree with it.
#pragma once

#include <string_view>

namespace mesocosm {

inline constexpr std::string_view kVersion = "0.1.0";

}  // namespace mesocosm
