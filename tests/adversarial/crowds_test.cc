// Crowds: connections by the thousand that say nothing, or too little. What must hold: each is refused within its
// limit, by name; who is connected is served, who comes is let in; and the memory comes back.
#include "attacks/wire/crowds.h"

#include <catch2/catch.hpp>

#include "attacks/wire/frames.h"
#include "stack/negotiate/multistream.h"
#include "tests/adversarial/bystanders.h"

using namespace mesocosm;
using namespace mesocosm::wire_attacks;
using namespace mesocosm::testing;

namespace {

constexpr std::size_t kMany = 10'000;
VictimOptions impatient() {
  VictimOptions options;
  options.tcp.upgrade.handshake_timeout = 2s;
  return options;
}

}  // namespace

TEST_CASE("ten thousand half-open connections", "[adversarial]") {
  need_descriptors(kMany + 2000);
  Victim victim(impatient());
  AsioLoop loop;
  warm_up(victim, loop);
  Bystanders bystanders(loop, victim);
  const std::size_t before = victim.complaints_like("inbound: ");
  {
    Offence<Crowd> crowd([&](Env& env) {
      return std::make_unique<Crowd>(
          env, victim.endpoint(), CrowdOptions{.size = kMany, .at_once = 100, .pause = 10ms, .sources = 100});
    });
    while (crowd.ask([](Crowd& all) { return all.gone(); }) < kMany) {
      bystanders.come();
      REQUIRE(loop.now() < Time(60s));
    }
    bystanders.check("ten thousand half-open connections");
    CHECK(victim.complaints_like("inbound: limit reached: too many handshakes under way") > kMany / 2);
    CHECK(victim.complaints_like("inbound: ") - before == kMany);  // each of them, by name
  }
  bystanders.check_memory();
}

TEST_CASE("a thousand connections that send a byte now and then", "[adversarial]") {
  need_descriptors(6000);
  Victim victim(impatient());
  AsioLoop loop;
  warm_up(victim, loop);
  Bystanders bystanders(loop, victim);
  {
    Offence<Crowd> crowd([&](Env& env) {
      return std::make_unique<Crowd>(env, victim.endpoint(),
                                     CrowdOptions{.size = 1000,
                                                  .pause = 100ms,
                                                  .sources = 100,
                                                  .byte_every = 300ms,
                                                  .opening = multistream({kMultistreamId, "/noise"}),
                                                  .come_again = true});
    });
    const Time end = loop.now() + 6s;
    while (loop.now() < end) bystanders.come();
    bystanders.check("a thousand slow connections");
    CHECK(crowd.ask([](Crowd& all) { return all.gone(); }) > 1000);
  }
  bystanders.check_memory();
}
