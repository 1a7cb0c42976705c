// Faults: sets of hosts, directions, groups, effects, healing.
#include "sim/faults/faults.h"

#include <array>
#include <numeric>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/simulation/cut.h"

using namespace mesocosm;

namespace {

using Hosts = std::vector<HostSet::Host>;

Hosts range(HostSet::Host first, HostSet::Host count) {
  Hosts hosts(count);
  std::iota(hosts.begin(), hosts.end(), first);
  return hosts;
}

}  // namespace

TEST_CASE("a set of hosts has what was put in", "[faults]") {
  const HostSet set(Hosts{0, 63, 64, 1000, 64});
  CHECK(set.size() == 4);
  for (HostSet::Host host : {0U, 63U, 64U, 1000U}) CHECK(set.contains(host));
  for (HostSet::Host host : {1U, 62U, 65U, 999U, 1001U, 100'000U}) CHECK(!set.contains(host));
  CHECK(HostSet().size() == 0);
}

TEST_CASE("a cut hits the paths between its two sides, both ways or one way", "[faults]") {
  Faults faults;
  CHECK(!faults.any());
  const Faults::Id both = faults.add(cut({1, 2}, {3, 4}));
  CHECK(faults.any());
  CHECK(faults.path(1, 3).lost);
  CHECK(faults.path(4, 2).lost);
  CHECK(!faults.path(1, 2).lost);
  CHECK(!faults.path(3, 4).lost);
  CHECK(!faults.path(1, 5).lost);
  CHECK(faults.heal(both));
  CHECK(!faults.heal(both));
  CHECK(!faults.any());

  Fault fault = cut({1}, {2});
  fault.both_ways = false;
  faults.add(fault);
  CHECK(faults.path(1, 2).lost);
  CHECK(!faults.path(2, 1).lost);
}

TEST_CASE("losses add up as chances do, and a host without power is lost to everybody", "[faults]") {
  Faults faults;
  Fault lossy = cut({1}, {2}, FaultEffect::loss);
  lossy.share = 0.5;
  faults.add(lossy);
  const Faults::Id more = faults.add(lossy);
  CHECK(faults.path(1, 2).loss == 0.75);
  CHECK(!faults.path(1, 2).lost);
  CHECK(faults.path(1, 3).loss == 0);
  CHECK(faults.heal(more));
  CHECK(faults.path(2, 1).loss == 0.5);

  faults.switch_off(3);
  faults.switch_off(3);
  CHECK(faults.off(3));
  CHECK(faults.path(3, 4).lost);
  CHECK(faults.path(4, 3).lost);
  CHECK(!faults.path(4, 3).refused);
  CHECK(!faults.path(3, 3).lost);
  faults.heal_all();
  CHECK(faults.any());
  faults.switch_on(3);
  CHECK(!faults.any());
  CHECK(!faults.path(3, 4).lost);
}

TEST_CASE("a host always reaches itself", "[faults]") {
  Faults faults;
  faults.add(cut({1, 2}, {1, 2}));
  CHECK(!faults.path(1, 1).lost);
  CHECK(faults.path(1, 2).lost);  // sides may overlap
}

TEST_CASE("a partition cuts group from group and leaves the others alone", "[faults]") {
  const std::array<Hosts, 3> groups{range(0, 100), range(100, 100), range(200, 100)};
  const std::array<Fault::Hosts, 3> spans{groups[0], groups[1], groups[2]};
  Faults faults;
  faults.add({.paths = Fault::among(spans)});
  for (HostSet::Host a = 0; a < 310; a += 7) {
    for (HostSet::Host b = 0; b < 310; b += 7) {
      INFO(a << " to " << b);
      CHECK(faults.path(a, b).lost == (a / 100 != b / 100 && a < 300 && b < 300));
    }
  }
}

TEST_CASE("faults add up: silence hides refusals, delays are summed", "[faults]") {
  Faults faults;
  Fault refusal = cut({1}, {2});
  refusal.effect = FaultEffect::refuse;
  faults.add(refusal);
  CHECK(faults.path(1, 2).lost);
  CHECK(faults.path(1, 2).refused);
  const Faults::Id hole = faults.add(cut({1}, {2, 3}));
  CHECK(faults.path(1, 2).lost);
  CHECK(!faults.path(1, 2).refused);
  CHECK(faults.heal(hole));
  CHECK(faults.path(2, 1).refused);

  Fault detour = cut({1, 2}, {3});
  detour.effect = FaultEffect::delay;
  detour.delay = 200ms;
  faults.add(detour);
  detour.delay = 30ms;
  detour.both_ways = false;
  faults.add(detour);
  CHECK(!faults.path(2, 3).lost);
  CHECK(faults.path(2, 3).delay == 230ms);
  CHECK(faults.path(3, 2).delay == 200ms);
  CHECK(faults.path(1, 2).delay == 0ms);
  faults.heal_all();
  CHECK(!faults.any());
}
