// The upgraded connection and the TCP transport over a network in memory.
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/unit/upgrade_harness.h"

using namespace mesocosm;
using namespace mesocosm::testing;

TEST_CASE("two hosts connect, know each other, and echo", "[upgrade]") {
  for (const std::size_t chop : {SIZE_MAX, std::size_t{1}, std::size_t{7}}) {
    Two two;
    two.net.chop = chop;
    two.connect();
    REQUIRE(two.alice.connections.size() == 1);
    REQUIRE(two.bob.connections.size() == 1);
    const ConnectionInfo& info = two.alice.connection().info();
    CHECK(info.peer == two.bob.id());
    CHECK(info.peer_public_key == two.bob.key.public_key().serialized());
    CHECK(info.direction == Direction::outbound);
    CHECK(info.security == "/noise");
    CHECK(info.muxer == "/yamux/1.0.0");
    CHECK(info.remote.to_string() == "/ip4/10.0.0.2/tcp/4001");
    CHECK(two.bob.connection().info().peer == two.alice.id());
    CHECK(two.bob.connection().info().remote == info.local);
    auto talker = two.alice.open({"/echo"}, true, "hello");
    two.net.clock.turn([&] { talker->stream->finish(); });
    two.net.run_for(1s);
    CHECK(talker->text == "hello");
    CHECK(talker->ended);
    CHECK(talker->closed == 1);
    CHECK(talker->error.ok());
    CHECK(two.bob.inbound[0]->closed == 1);
    CHECK(two.bob.inbound[0]->error.ok());
    CHECK(two.alice.connection().stream_count() == 0);
    CHECK(two.bob.connection().stream_count() == 0);
  }
}
