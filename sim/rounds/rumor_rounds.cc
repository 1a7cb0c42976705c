#include "sim/rounds/rumor_rounds.h"

#include <deque>
#include <memory>
#include <utility>

#include "stack/base/assert.h"

namespace mesocosm::rounds {
namespace {

constexpr std::uint32_t kMostCycles = 100'000;  // a rumor dies out long before

struct Office {
  std::deque<Letter<RumorsMessage>> letters;
  RumorOutcome outcome;
  std::uint32_t cycle = 0;
};

class Site final : RumorsActions {
 public:
  Site(Office& office, NodeNumber number, const RumorsParams& params, const Rng& rng)
      : office_(office), number_(number), core(params, peer_of(number), 0, rng, *this) {}

 private:
  void send(const PeerId& to, const RumorsMessage& message) override {
    office_.letters.push_back({number_, node_of(to), message});
  }
  void deliver(const Broadcast&, const PeerId&) override {
    RumorOutcome& outcome = office_.outcome;
    ++outcome.heard;
    outcome.delay_sum += office_.cycle;
    outcome.last = office_.cycle;
  }
  void duplicate(const Broadcast&, const PeerId&) override {}

  Office& office_;
  NodeNumber number_;

 public:
  RumorsCore core;
};

}  // namespace

RumorOutcome spread_rumor(NodeNumber sites, const RumorsParams& params, std::uint64_t seed) {
  MC_ASSERT(sites >= 2);
  const Rng rng(seed);
  Rng partners = rng.fork("partners");
  Office office;
  std::deque<Site> all;
  for (NodeNumber i = 0; i < sites; ++i) all.emplace_back(office, i, params, rng.fork("site", i));
  const Time now{};
  office.outcome.heard = 1;
  MC_ASSERT(all[0].core.publish("rumor", {}, now).has_value());
  for (bool hot = true; hot && office.cycle < kMostCycles;) {
    ++office.cycle;
    for (NodeNumber i = 0; i < sites; ++i) {
      const auto other = static_cast<NodeNumber>(partners.below(sites - 1));
      all[i].core.on_cycle(peer_of(other + (other >= i ? 1 : 0)), now);
    }
    while (!office.letters.empty()) {
      const Letter<RumorsMessage> letter = std::move(office.letters.front());
      office.letters.pop_front();
      MC_ASSERT(all[letter.to].core.on_message(peer_of(letter.from), letter.message, now).has_value());
    }
    hot = false;
    for (const Site& site : all) hot = hot || site.core.hot() > 0;
  }
  for (const Site& site : all) office.outcome.sent += site.core.rumors_sent();
  return office.outcome;
}

}  // namespace mesocosm::rounds
