// Honest peers of a victim, from before an attack to after it: who is connected must be served, who comes must be let
// in, and the victim's memory must come back.
#pragma once

#include <algorithm>
#include <cstdio>
#include <string_view>

#include <catch2/catch.hpp>

#include "attacks/wire/crowds.h"
#include "tests/adversarial/victim.h"

namespace mesocosm::testing {

// A node that denies its service keeps others waiting for ten seconds and more. How long a wait is on the clock depends on
// how busy the machine is; how much of other people's work the victim does first does not.
#if defined(__SANITIZE_ADDRESS__)
inline constexpr int kSlowdown = 4;
#else
inline constexpr int kSlowdown = 1;
#endif
inline constexpr Wait kPingBound{5s, kSlowdown * 300ms};
inline constexpr Wait kNewcomerBound{8s, kSlowdown * 1500ms};

// Half-open connections as many as the victim has room for: afterwards it holds all that it ever will for descriptors
// that come and go (the event queue keeps its own, and vectors their capacity).
inline void warm_up(Victim& victim, AsioLoop& loop) {
  RealEnv env(loop, 3);
  wire_attacks::Crowd crowd(env.env, victim.endpoint(), {.size = 300});
  REQUIRE(run_until(loop, 20s, [&] { return crowd.gone() == 300; }));
}

class Bystanders {
 public:
  Bystanders(AsioLoop& loop, Victim& victim) : loop_(loop), victim_(victim), friend_(loop, victim, 50) {
    friend_.connect();
    REQUIRE(run_until(loop, 10s, [&] { return friend_.connected(); }));
    friend_.keep_pinging();
    REQUIRE(newcomer(loop, victim, 51, 10s));
    loop.run_for(50ms);
    memory_ = victim.memory();
    friend_.worst();
    cpu_ = victim.cpu();
    begun_ = loop.now();
  }
  // Somebody comes in for the first time.
  void come() {
    const auto wait = newcomer(loop_, victim_, 100 + ++came_, kNewcomerBound.clock);
    REQUIRE(wait);
    slowest_.clock = std::max(slowest_.clock, wait->clock);
    slowest_.work = std::max(slowest_.work, wait->work);
  }

  void check(std::string_view attack) {
    const Wait worst = friend_.worst();
    const double seconds = to_seconds(loop_.now() - begun_);
    std::printf("%.*s: %.1f s, victim's processor %.0f %%\n", static_cast<int>(attack.size()), attack.data(),
                seconds, to_seconds(victim_.cpu() - cpu_) / seconds * 100);
    print("worst ping", worst);
    print(("slowest of " + std::to_string(came_) + " newcomers").c_str(), slowest_);
    CHECK(worst.clock < kPingBound.clock);
    CHECK(worst.work < kPingBound.work);
    CHECK(slowest_.work < kNewcomerBound.work);
    CHECK(friend_.failures() == 0);
    CHECK(friend_.connected());
  }
  // Once the attackers are gone. What is left are peers that it remembers, and our notes of its complaints.
  void check_memory(std::size_t kept = 0) {
    const std::size_t slack = 16 * 1024 + came_ * 2048 + kept;
    const bool back = run_until(loop_, 10s, [&] { return victim_.memory() < memory_ + slack; });
    std::printf("  memory: %.1f KiB before, %.1f KiB after\n", static_cast<double>(memory_) / 1024,
                static_cast<double>(victim_.memory()) / 1024);
    CHECK(back);
  }
  std::size_t memory_before() const { return memory_; }

 private:
  static void print(const char* what, const Wait& wait) {
    std::printf("  %s: %.1f ms, behind %.1f ms of other work\n", what, to_seconds(wait.clock) * 1e3,
                to_seconds(wait.work) * 1e3);
  }

  AsioLoop& loop_;
  Victim& victim_;
  Honest friend_;
  std::size_t memory_ = 0, came_ = 0;
  Wait slowest_;
  Duration cpu_{};
  Time begun_{};
};

}  // namespace mesocosm::testing
