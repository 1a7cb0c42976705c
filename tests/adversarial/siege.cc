#include "tests/adversarial/siege.h"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <vector>

#include "attacks/wire/forgers.h"
#include "tests/adversarial/bystanders.h"

namespace mesocosm::testing {
namespace {

using wire_attacks::Flood;
using wire_attacks::Pour;
using wire_attacks::RawPeer;

constexpr Duration kAttack = 1s;

SecuritySeed seed_of(std::uint8_t byte) {
  SecuritySeed seed;
  seed.fill(byte);
  return seed;
}

struct Attackers {
  Attackers(Env& env, const Endpoint& victim, const std::function<Pour()>& pour, bool deaf) {
    for (std::uint8_t i = 0; i < kAttackers; ++i) {
      RawPeer::Plan plan{.goal = RawPeer::Goal::secured,
                         .handshake = wire_attacks::honest_noise(seed_of(i + 60)),
                         .deaf = deaf};
      floods.push_back(std::make_unique<Flood>(env, victim, std::move(plan), pour()));
    }
  }
  std::size_t gone() const {
    return static_cast<std::size_t>(
        std::count_if(floods.begin(), floods.end(), [](const auto& flood) { return flood->gone(); }));
  }
  std::uint64_t sent() const {
    std::uint64_t bytes = 0;
    for (const auto& flood : floods) bytes += flood->sent();
    return bytes;
  }

  std::vector<std::unique_ptr<Flood>> floods;
};

}  // namespace

Pour numbered(std::function<Bytes(std::uint32_t)> piece) {
  Pour pour;
  pour.next = [piece = std::move(piece), number = std::uint32_t{0}]() mutable {
    std::vector<Bytes> pieces;
    for (std::size_t size = 0; size < 16 * 1024; size += pieces.back().size())
      pieces.push_back(piece(number++));
    return concat(pieces);
  };
  return pour;
}

void withstand(const Siege& siege, const std::function<void(Victim&)>& look) {
  VictimOptions options = siege.victim;
  options.tcp.upgrade.close_timeout = 200ms;
  Victim victim(options);
  AsioLoop loop;
  Bystanders bystanders(loop, victim);
  std::size_t gone = 0, peak = 0;
  {
    Offence<Attackers> offence([&](Env& env) {
      return std::make_unique<Attackers>(env, victim.endpoint(), siege.pour, siege.deaf);
    });
    const Time end = loop.now() + kAttack;
    while (loop.now() < end) {
      bystanders.come();
      const std::size_t now = victim.memory();
      peak = std::max(peak, now - std::min(now, bystanders.memory_before()));
    }
    if (look) look(victim);
    bystanders.check(siege.attack);
    gone = offence.ask([](Attackers& all) { return all.gone(); });
    std::printf("  %zu of %zu attackers thrown out; they sent %.1f MB; at most %.2f MiB held for them\n",
                gone, kAttackers,
                static_cast<double>(offence.ask([](Attackers& all) { return all.sent(); })) / 1e6,
                static_cast<double>(peak) / 1048576);
  }
  bystanders.check_memory(siege.kept);
  for (const auto& [text, times] : victim.complaints()) UNSCOPED_INFO(times << " x " << text);
  CHECK(gone == (siege.end == End::thrown_out ? kAttackers : 0));
  if (!siege.complaint.empty()) CHECK(victim.complaints_like(siege.complaint) == kAttackers);
  CHECK(peak < kAttackers * siege.held);
}

}  // namespace mesocosm::testing
