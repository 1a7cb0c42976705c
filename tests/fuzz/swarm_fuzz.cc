// Lists of operations on swarms in a memory world: dials (good, bad, simultaneous), disconnects, streams,
// hosts that go and come, and time. Whatever happens, observers are told in pairs, and both sides agree once
// all is quiet.
#include <array>
#include <memory>
#include <set>

#include "stack/base/assert.h"
#include "stack/protocols/ping/ping.h"
#include "tests/unit/memory_transport.h"

using namespace mesocosm;
using namespace mesocosm::testing;

namespace {

constexpr std::uint32_t kHosts = 4;

struct Member final : SwarmObserver, PingEvents {
  Member(MemoryWorld& world, std::uint32_t index, const SwarmLimits& limits)
      : host(world, index, limits), ping(host.env, host.swarm) {
    host.swarm.observe(*this);
  }
  void on_peer_connected(const PeerId& peer) override { MC_ASSERT(up.insert(peer).second); }
  void on_peer_disconnected(const PeerId& peer) override { MC_ASSERT(up.erase(peer) == 1); }
  void on_connection(Connection& connection) override { MC_ASSERT(up.contains(connection.info().peer)); }
  void on_pong(const PeerId&, Duration) override { ++answers; }
  void on_ping_failed(const PeerId&, const Error&) override { ++answers; }
  void check() const {
    MC_ASSERT(up.size() == host.swarm.connected_peers().size());
    for (const PeerId& peer : up) MC_ASSERT(host.swarm.connected(peer));
  }

  std::set<PeerId> up;
  std::size_t pings = 0, answers = 0;
  MemoryHost host;
  Ping ping;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  MemoryWorld world(1ms);
  SwarmLimits limits;
  limits.per_peer = data[0] % 3 + 1;
  limits.connections = data[0] / 3 % 4 + 1;
  limits.inbound = data[0] / 12 % 4 + 1;
  limits.pending_dials = data[0] / 48 % 3 + 1;
  std::array<std::unique_ptr<Member>, kHosts> members;
  std::array<PeerId, kHosts> ids;
  std::array<Multiaddr, kHosts> addresses;
  const auto make = [&](std::uint32_t i) {
    members[i] = std::make_unique<Member>(world, i, limits);
    ids[i] = members[i]->host.id();
    addresses[i] = members[i]->host.address;
  };
  for (std::uint32_t i = 0; i < kHosts; ++i) make(i);

  for (std::size_t at = 1; at < size; ++at) {
    const std::uint32_t from = data[at] & 3, to = data[at] >> 2 & 3;
    const unsigned what = data[at] >> 4;
    world.turn([&] {
      if (what == 15) {
        if (members[from] != nullptr) {
          members[from].reset();
        } else {
          make(from);
        }
      }
      if (members[from] == nullptr) return;
      Member& member = *members[from];
      Swarm& swarm = member.host.swarm;
      if (what < 4) swarm.dial(ids[to], {&addresses[to], 1});
      if (what == 4) swarm.dial(ids[to], {&addresses[(to + 1) % kHosts], 1});  // the wrong one
      if (what == 5) swarm.dial(ids[to], addresses);
      if (what == 6) swarm.disconnect(ids[to]);
      if (what == 7 && swarm.connection(ids[to]) != nullptr) swarm.connection(ids[to])->close();
      if (what >= 8 && what < 10) member.ping.ping(ids[to], member), ++member.pings;
    });
    if (what >= 10 && what < 15) world.run_for(Duration{std::int64_t{1} << (what * 2)});
    for (const auto& member : members) {
      if (member != nullptr) member->check();
    }
  }

  world.run_for(100s);  // every timer of ours has passed
  MC_ASSERT(world.clock.pending() == 0);
  for (std::uint32_t i = 0; i < kHosts; ++i) {
    if (members[i] == nullptr) continue;
    members[i]->check();
    MC_ASSERT(members[i]->pings == members[i]->answers);
    MC_ASSERT(members[i]->host.swarm.connection_count() <= limits.connections);
    for (std::uint32_t j = 0; j < kHosts; ++j) {
      const bool there = members[j] != nullptr && members[j]->up.contains(ids[i]);
      MC_ASSERT(members[i]->up.contains(ids[j]) == there);
    }
  }
  return 0;
}
