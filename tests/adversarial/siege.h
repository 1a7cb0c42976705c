// Several attackers at once flood a node over connections that are open, as fast as it takes what they pour.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "attacks/wire/crowds.h"
#include "tests/adversarial/victim.h"

namespace mesocosm::testing {

inline constexpr std::size_t kAttackers = 4;

// Pieces that depend on a number which rises by one, 16 KiB or more at a time.
wire_attacks::Pour numbered(std::function<Bytes(std::uint32_t)> piece);

// Of an attacker's streams.
constexpr std::uint32_t stream_id(std::uint32_t number) { return 2 * number + 1; }

enum class End { thrown_out, goes_on };

struct Siege {
  std::string_view attack;
  std::function<wire_attacks::Pour()> pour;  // for one attacker
  End end;                                   // of every attacker
  std::string complaint = {};                // one for each attacker, when they are thrown out
  bool deaf = false;                         // they read nothing
  std::size_t held = 1024 * 1024;            // what the victim may hold for one attacker, in bytes
  std::size_t kept = 0;                      // what it keeps afterwards, of its own
  VictimOptions victim = {};
};

// Checks that the siege ends so, that others are served meanwhile, and that the memory comes back. `look` sees the victim
// while it lasts.
void withstand(const Siege& siege, const std::function<void(Victim&)>& look = {});

}  // namespace mesocosm::testing
