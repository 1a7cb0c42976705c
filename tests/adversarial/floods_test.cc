// Floods on connections that are open: streams, data, resets, pings, goodbyes. Each from several attackers at once, as
// fast as the node takes it.
#include <catch2/catch.hpp>

#include "attacks/wire/forgers.h"
#include "attacks/wire/frames.h"
#include "stack/wire/protobuf.h"
#include "tests/adversarial/bystanders.h"

using namespace mesocosm;
using namespace mesocosm::wire_attacks;
using namespace mesocosm::testing;

namespace {

constexpr std::size_t kAttackers = 4;
constexpr const char* kTooManyAnswers =
    "closed: protocol violation: yamux: more answers are owed than the peer takes";
constexpr Duration kAttack = 1s;

SecuritySeed seed_of(std::uint8_t byte) {
  SecuritySeed seed;
  seed.fill(byte);
  return seed;
}

// Pieces that depend on a number which rises by one; 16 KiB or more at a time.
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

std::uint32_t stream_id(std::uint32_t number) { return 2 * number + 1; }

struct Attackers {
  Attackers(Env& env, const Endpoint& victim, const std::function<Pour()>& pour, bool deaf) {
    for (std::uint8_t i = 0; i < kAttackers; ++i) {
      RawPeer::Plan plan{
          .goal = RawPeer::Goal::secured, .handshake = honest_noise(seed_of(i + 60)), .deaf = deaf};
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

// What the victim may hold for one attacker: pieces on their way, and streams that wait for a protocol.
constexpr std::size_t kHeld = 1024 * 1024;

enum class End { thrown_out, goes_on };

struct Siege {
  std::string_view attack;
  std::function<Pour()> pour;
  End end;                     // of every attacker
  std::string complaint = {};  // when they are thrown out
  bool deaf = false;
  std::size_t held = kHeld;
};

void withstand(const Siege& siege) {
  VictimOptions options;
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
    bystanders.check(siege.attack);
    gone = offence.ask([](Attackers& all) { return all.gone(); });
    std::printf("  %zu of %zu attackers thrown out; they sent %.1f MB; at most %.2f MiB held for them\n",
                gone, kAttackers,
                static_cast<double>(offence.ask([](Attackers& all) { return all.sent(); })) / 1e6,
                static_cast<double>(peak) / 1048576);
  }
  bystanders.check_memory();
  CHECK(gone == (siege.end == End::thrown_out ? kAttackers : 0));
  if (!siege.complaint.empty()) CHECK(victim.complaints_like(siege.complaint) == kAttackers);
  CHECK(peak < kAttackers * siege.held);
}

}  // namespace

TEST_CASE("flood: streams opened and left", "[adversarial]") {
  withstand(
      {.attack = "streams opened and left",
       .pour =
           [] {
             return numbered([](std::uint32_t n) { return encode({kWindowUpdate, kSyn, stream_id(n), 0}); });
           },
       .end = End::thrown_out,
       .complaint = kTooManyAnswers});
}
TEST_CASE("flood: streams opened and reset at once", "[adversarial]") {
  withstand({.attack = "streams opened and reset",
             .pour =
                 [] {
                   return numbered([](std::uint32_t n) {
                     return joined({encode({kWindowUpdate, kSyn, stream_id(n), 0}),
                                    encode({kWindowUpdate, kRst, stream_id(n), 0})});
                   });
                 },
             .end = End::goes_on});
}
TEST_CASE("flood: streams opened and reset at once, the newest with the lowest number", "[adversarial]") {
  withstand(
      {.attack = "streams opened and reset, downwards",
       .pour =
           [] {
             return numbered([](std::uint32_t n) {
               const std::uint32_t id = 0x7fffffff - 2 * n;
               return joined({encode({kWindowUpdate, kSyn, id, 0}), encode({kWindowUpdate, kRst, id, 0})});
             });
           },
       .end = End::goes_on});
}
TEST_CASE("flood: pings asked for and reset", "[adversarial]") {
  const Bytes offer = lazy_offer(kPingProtocol);
  withstand({.attack = "streams with a protocol, reset",
             .pour =
                 [&] {
                   return numbered([=](std::uint32_t n) {
                     return joined({yamux_data(kSyn, stream_id(n), offer),
                                    encode({kWindowUpdate, kRst, stream_id(n), 0})});
                   });
                 },
             .end = End::goes_on});
}
TEST_CASE("flood: identify asked for, over and over", "[adversarial]") {
  const Bytes offer = lazy_offer(kIdentifyProtocol);
  withstand({.attack = "identify asked for",
             .pour =
                 [&] {
                   return numbered(
                       [=](std::uint32_t n) { return yamux_data(kSyn | kFin, stream_id(n), offer); });
                 },
             .end = End::thrown_out,
             .complaint = kTooManyAnswers});
}
TEST_CASE("flood: pings of the session", "[adversarial]") {
  for (const bool deaf : {false, true}) {
    withstand({.attack = deaf ? "pings, answers not read" : "pings, answers read",
               .pour = [] { return numbered([](std::uint32_t n) {
                              return encode({kPing, kSyn, 0, n});
                            }); },
               .end = End::thrown_out,
               .complaint = kTooManyAnswers,
               .deaf = deaf});
  }
}
TEST_CASE("flood: goodbyes", "[adversarial]") {
  withstand({.attack = "GOAWAY",
             .pour = [] { return numbered([](std::uint32_t) {
                            return encode({kGoAway, 0, 0, 0});
                          }); },
             .end = End::thrown_out,
             .complaint = "closed: none: closed by the peer"});
}
TEST_CASE("flood: frames that change nothing", "[adversarial]") {
  const Bytes open = yamux_data(kSyn, 1, lazy_offer(kPingProtocol));
  for (const std::uint8_t type : {kData, kWindowUpdate}) {
    withstand(
        {.attack = type == kData ? "empty data" : "empty windows",
         .pour =
             [&] {
               return numbered([=](std::uint32_t n) { return n == 0 ? open : encode({type, 0, 1, 0}); });
             },
         .end = End::goes_on});
  }
}
TEST_CASE("flood: data for streams that are not there", "[adversarial]") {
  const Bytes body = Bytes::copy(std::string(1000, 'x'));
  withstand(
      {.attack = "data for nobody",
       .pour = [&] { return numbered([=](std::uint32_t n) { return yamux_data(0, stream_id(n), body); }); },
       .end = End::goes_on});
}
TEST_CASE("flood: downloads that are not read", "[adversarial]") {
  const Bytes ask = joined({lazy_offer(kPerfProtocol), Bytes::copy(std::string(8, '\x7f'))});
  withstand({.attack = "downloads not read",
             .pour =
                 [&] {
                   return numbered(
                       [=](std::uint32_t n) { return yamux_data(kSyn | kFin, stream_id(n), ask); });
                 },
             .end = End::thrown_out,
             .complaint = kTooManyAnswers,
             .deaf = true,
             .held = kHeld + YamuxConfig{}.max_unsent + 1024 * 16 * 1024});  // the streams' little each
}
