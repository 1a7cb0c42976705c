// Floods on connections that are open: streams, data, resets, pings, goodbyes. Each from several attackers at once, as
// fast as the node takes it.
#include <catch2/catch.hpp>

#include "attacks/wire/frames.h"
#include "tests/adversarial/siege.h"

using namespace mesocosm;
using namespace mesocosm::wire_attacks;
using namespace mesocosm::testing;

namespace {

constexpr const char* kTooManyAnswers =
    "closed: protocol violation: yamux: more answers are owed than the peer takes";

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
             .held = YamuxConfig{}.max_unsent + 1024 * 16 * 1024});  // the streams' little each
}
