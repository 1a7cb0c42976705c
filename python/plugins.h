// Variants of GossipSub in shared libraries (stack/protocols/gossipsub/plugin.h).
#pragma once

#include <string>
#include <vector>

namespace mesocosm::python {

extern const char* const
    kVariantAbi;  // what the headers are that this module was compiled with; made by the build

// Adds a library's variants to those that are known by name, and returns their names. Throws ConfigError.
std::vector<std::string> load_variants(const std::string& path);

}  // namespace mesocosm::python
