// Cuts: pairs, isolated hosts, partitions.
#include "sim/faults/cuts.h"

#include <vector>

#include <catch2/catch.hpp>

using namespace mesocosm;

TEST_CASE("the three kinds of cuts add up and heal apart", "[faults]") {
  Cuts cuts;
  CHECK(!cuts.any());
  cuts.set_blocked(1, 2, true);
  CHECK(cuts.any());
  CHECK(cuts.blocked(1, 2));
  CHECK(cuts.blocked(2, 1));
  CHECK(!cuts.blocked(1, 3));

  cuts.set_isolated(3, true);
  CHECK(cuts.blocked(3, 1));
  CHECK(cuts.blocked(4, 3));
  CHECK(!cuts.blocked(3, 3));

  const std::vector<std::uint8_t> groups{0, 1, 1, 1, 1};
  cuts.partition(groups);
  CHECK(cuts.blocked(0, 1));
  CHECK(!cuts.blocked(0, 9));  // beyond the end: group 0
  CHECK(!cuts.blocked(1, 4));
  CHECK(cuts.blocked(1, 2));

  cuts.set_isolated(3, false);
  CHECK(!cuts.blocked(3, 1));
  cuts.partition({});
  CHECK(!cuts.blocked(0, 1));
  cuts.set_blocked(2, 1, false);
  CHECK(!cuts.any());
  cuts.set_blocked(5, 6, true);
  cuts.heal_all();
  CHECK(!cuts.blocked(5, 6));
}
