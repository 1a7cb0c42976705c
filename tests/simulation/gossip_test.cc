// GossipSub on the full stack (TCP, Noise, Yamux, identify) in the flow network.
//
//   50 nodes, each dials 6 others drawn at random; all paths alike, 20 ms one way, 100 Mb/s links
#include <algorithm>
#include <array>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "sim/flow/flow_network.h"
#include "sim/kernel/kernel.h"
#include "stack/node/node.h"
#include "stack/transport/tcp_transport.h"
#include "tests/simulation/uniform_paths.h"

using namespace mesocosm;

namespace {

struct Fingerprint final : Trace {
  explicit Fingerprint(const Kernel& owner) : kernel(owner) {}
  void record(const TraceEvent& event) override {
    ++counts[static_cast<std::size_t>(event.kind)];
    for (std::uint64_t word :
         {static_cast<std::uint64_t>(kernel.now().time_since_epoch().count()), event.peer, event.subject,
          event.value, static_cast<std::uint64_t>(event.kind), hash64(as_bytes(event.label))}) {
      value = mix64(value ^ word);
    }
  }
  const Kernel& kernel;
  std::array<std::size_t, 32> counts{};
  std::uint64_t value = 0;
};

struct Inbox final : GossipSubHandler {
  explicit Inbox(const Kernel& owner) : kernel(owner) {}
  void on_message(const GossipSubDelivery& delivery) override {
    CHECK(seen.insert(to_hex(delivery.id.bytes())).second);
    bytes += delivery.message.data.size();
    last = kernel.now();
  }
  const Kernel& kernel;
  std::set<std::string> seen;
  std::size_t bytes = 0;
  Time last{};
};

struct GossipWorld {
  struct Member {
    Member(GossipWorld& world, HostIndex host, const GossipSubParams& params)
        : inbox(world.kernel),
          rng(world.rng.fork("node", host)),
          entropy(rng.fork("entropy")),
          env{world.kernel, world.network->attach(host), rng, entropy, world.trace} {
      NodeConfig config;
      config.listen = {Multiaddr::tcp({world.network->address_v4(host), 4001})};
      config.gossipsub.emplace();
      config.gossipsub->params = params;
      config.gossipsub->checks = &world.checks;
      const TransportFactory tcp = [](const TransportHost& at) {
        return std::make_unique<TcpTransport>(at.env, at.key, at.protocols, TcpOptions{}, &at.traffic);
      };
      auto made = Node::make(env, std::move(config), {&tcp, 1});
      REQUIRE(made);
      node = std::move(*made);
    }
    Inbox inbox;
    Rng rng;
    SeededEntropy entropy;
    Env env;
    std::unique_ptr<Node> node;
  };

  GossipWorld(HostIndex count, const GossipSubParams& params, std::uint64_t seed) : rng(seed) {
    paths.count = count;
    network = std::make_unique<FlowNetwork>(kernel, paths, rng.fork("network"));
    for (HostIndex i = 0; i < count; ++i) members.push_back(std::make_unique<Member>(*this, i, params));
    Rng overlay = rng.fork("overlay");
    for (auto& member : members) {
      for (int k = 0; k < 6; ++k) {
        Node& other = *members[overlay.below(count)]->node;
        if (&other == member->node.get()) continue;
        member->node->swarm().dial(other.peer_id(), other.swarm().listen_addresses());
      }
      REQUIRE(gossip(*member).subscribe("blocks", member->inbox));
    }
  }
  ~GossipWorld() { members.clear(); }

  static GossipSub& gossip(Member& member) { return *member.node->gossipsub(); }
  void run_for(Duration duration) { kernel.run_until(kernel.now() + duration); }
  void publish(std::size_t who, std::string payload) {
    REQUIRE(gossip(*members[who]).publish("blocks", as_bytes(payload)));
  }

  Kernel kernel;
  UniformPaths paths;
  Rng rng;
  Fingerprint trace{kernel};
  SharedMessageChecks checks{64};
  std::unique_ptr<FlowNetwork> network;
  std::vector<std::unique_ptr<Member>> members;
};

constexpr std::size_t kNodes = 50;
constexpr std::size_t kMessages = 10;

struct Outcome {
  std::uint64_t fingerprint;
  Duration slowest;  // from publishing to the last delivery
  GossipSubCounters sum;
  GossipSubTraffic traffic;
};

Outcome run(const GossipSubParams& params, std::uint64_t seed, std::size_t payload) {
  GossipWorld world(kNodes, params, seed);
  world.run_for(10s);
  for (auto& member : world.members) {
    const std::size_t mesh = GossipWorld::gossip(*member).mesh_peers("blocks").size();
    CHECK(mesh >= std::min<std::size_t>(params.d_low, GossipWorld::gossip(*member).peers("blocks").size()));
    CHECK(mesh <= params.d_high);
  }
  Duration slowest{};
  for (std::size_t i = 0; i < kMessages; ++i) {
    const Time start = world.kernel.now();
    std::string text(payload, 'x');
    text.replace(0, 8, std::to_string(10000000 + i));
    world.publish(i * 5, text);
    world.run_for(5s);
    for (auto& member : world.members) {
      if (member->inbox.last > start) slowest = std::max(slowest, member->inbox.last - start);
    }
  }
  Outcome outcome{.fingerprint = world.trace.value, .slowest = slowest, .sum = {}, .traffic = {}};
  for (std::size_t i = 0; i < kNodes; ++i) {
    auto& member = *world.members[i];
    const std::size_t own = i % 5 == 0 ? 1 : 0;
    CHECK(member.inbox.seen.size() == kMessages - own);
    CHECK(member.inbox.bytes == (kMessages - own) * payload);
    const GossipSubCounters& c = GossipWorld::gossip(member).counters();
    const GossipSubTraffic& t = GossipWorld::gossip(member).traffic();
    outcome.sum.published += c.published;
    outcome.sum.delivered += c.delivered;
    outcome.sum.duplicates += c.duplicates;
    outcome.sum.ignored += c.ignored;
    outcome.sum.rejected += c.rejected;
    outcome.sum.messages_sent += c.messages_sent;
    outcome.sum.messages_received += c.messages_received;
    outcome.sum.payload_sent += c.payload_sent;
    outcome.sum.payload_received += c.payload_received;
    outcome.sum.grafts_sent += c.grafts_sent;
    outcome.sum.grafts_received += c.grafts_received;
    outcome.sum.prunes_sent += c.prunes_sent;
    outcome.sum.prunes_received += c.prunes_received;
    outcome.sum.ihave_sent += c.ihave_sent;
    outcome.sum.ihave_received += c.ihave_received;
    outcome.traffic.bytes_sent += t.bytes_sent;
    outcome.traffic.bytes_received += t.bytes_received;
    outcome.traffic.messages_dropped += t.messages_dropped;
    outcome.traffic.streams_reset += t.streams_reset;
  }
  const auto traced = [&](TraceKind kind) { return world.trace.counts[static_cast<std::size_t>(kind)]; };
  CHECK(traced(TraceKind::published) == outcome.sum.published);
  CHECK(traced(TraceKind::delivered) == outcome.sum.delivered);
  CHECK(traced(TraceKind::duplicate) == outcome.sum.duplicates);
  return outcome;
}

void check_exact(const Outcome& outcome, std::size_t payload) {
  const GossipSubCounters& sum = outcome.sum;
  CHECK(sum.published == kMessages);
  CHECK(sum.delivered == kMessages * (kNodes - 1));
  CHECK(sum.rejected == 0);
  CHECK(sum.messages_received == sum.messages_sent);  // nothing is under way any more
  CHECK(sum.messages_received == sum.delivered + sum.duplicates + sum.ignored);
  CHECK(sum.payload_sent == sum.messages_sent * payload);
  CHECK(sum.payload_received == sum.payload_sent);
  CHECK(sum.grafts_received == sum.grafts_sent);
  CHECK(sum.prunes_received == sum.prunes_sent);
  CHECK(sum.ihave_received == sum.ihave_sent);
  CHECK(outcome.traffic.bytes_received == outcome.traffic.bytes_sent);
  CHECK(outcome.traffic.messages_dropped == 0);
  CHECK(outcome.traffic.streams_reset == 0);
}

}  // namespace

TEST_CASE("fifty nodes on the full stack get every signed message", "[gossipsub]") {
  const Outcome outcome = run(GossipSubParams::libp2p(), 1, 1000);
  check_exact(outcome, 1000);
  // A hop is 20 ms and little else; every node lies within a few.
  CHECK(outcome.slowest >= 20ms);
  CHECK(outcome.slowest <= 100ms);
}

TEST_CASE("fifty nodes on the full stack get every block of 128 KiB", "[gossipsub]") {
  const Outcome outcome = run(GossipSubParams::ethereum(), 2, 128 * 1024);
  check_exact(outcome, 128 * 1024);
  // Sending one takes 10.5 ms at 100 Mb/s, so that the last of eight peers waits for 84 ms at each hop.
  CHECK(outcome.slowest >= 30ms);
  CHECK(outcome.slowest <= 1s);
}

TEST_CASE("gossip on the full stack is the same for the same seed", "[gossipsub]") {
  const Outcome first = run(GossipSubParams::libp2p(), 3, 500);
  CHECK(first.fingerprint == run(GossipSubParams::libp2p(), 3, 500).fingerprint);
  CHECK(first.fingerprint != run(GossipSubParams::libp2p(), 4, 500).fingerprint);
}
