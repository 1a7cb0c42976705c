#pragma once
// Where the tests' files are: the source tree, known to one translation unit alone, so that checkouts share the rest.

#include <string>

namespace mesocosm::testing {

// The absolute path of a file of the source tree, given relative to its root.
std::string source_path(const std::string& path);

}  // namespace mesocosm::testing
