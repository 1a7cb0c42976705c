// The entry point of every Catch2 test program, and where its files are.
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>

#include "tests/source_path.h"

std::string mesocosm::testing::source_path(const std::string& path) {
  return std::string(MESOCOSM_SOURCE_DIR).append("/").append(path);
}
