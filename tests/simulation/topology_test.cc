// Bottlenecks that hosts share, and queue disciplines, packet by packet.
//
//   left hosts ── 1 Gbit/s, spokes ──▶ router 0 ── 10 Mbit/s, 20 ms ──▶ router 1 ──▶ right hosts     (and back, alike)
#ifdef MESOCOSM_NS3

#include <algorithm>
#include <memory>
#include <numeric>
#include <optional>
#include <vector>

#include <catch2/catch.hpp>

#include "sim/net/internet.h"
#include "sim/net/packet_queue.h"
#include "sim/packet/packet_network.h"
#include "sim/run/world.h"

using namespace mesocosm;

namespace {

constexpr double kRate = 10e6;
constexpr Duration kDelay = 20ms;
constexpr Duration kDepth = 200ms;
constexpr double kPayload = 1448.0 / 1500;  // of what a link sends

RoutedNetwork dumbbell(std::vector<Duration> spokes, QueueDiscipline discipline) {
  RoutedNetwork network;
  network.routers = 2;
  network.links = {{0, 1, kRate, kDelay, kDepth, discipline}};
  for (RouterIndex side : {0, 1}) {
    for (const Duration spoke : spokes) network.hosts.push_back({side, spoke});
  }
  return network;
}

UniformLatency slow_uplinks(QueueDiscipline discipline) {
  UniformLatency uniform{kDelay, kDelay, {}};
  uniform.link = {kRate, 100e6, kDepth, Duration{}, 0, discipline};
  return uniform;
}

// Sends as fast as TCP lets it.
struct Bulk final : ByteStream::Events, Listener::Events {
  Bulk(Network& sender, Network& receiver, const IpAddress& to) {
    auto listening = receiver.listen({to, 4001}, *this);
    REQUIRE(listening.has_value());
    listener = std::move(*listening);
    out = sender.connect({to, 4001}, *this, {});
  }
  void on_accept(std::unique_ptr<ByteStream> stream) override {
    in = std::move(stream);
    in->set_events(*this);
  }
  void on_readable() override {
    if (in == nullptr) return;
    for (Bytes bytes = in->read(SIZE_MAX); !bytes.empty(); bytes = in->read(SIZE_MAX))
      received += bytes.size();
  }
  void on_writable() override {
    while (out->writable() > 0) out->write(zeros);
  }
  void on_closed(Error) override {}

  Bytes zeros = Bytes::build(16'384, [](MutableByteView bytes) { std::fill(bytes.begin(), bytes.end(), 0); });
  std::unique_ptr<Listener> listener;
  std::unique_ptr<ByteStream> out, in;
  std::uint64_t received = 0;
};

// Sends a datagram of 100 bytes every 50 ms, which the other host returns, and measures round trips.
struct Ping final : Timer, Datagrams::Events {
  struct Echo final : Datagrams::Events {
    void on_datagram(const Endpoint& from, Bytes payload) override { socket->send(from, payload); }
    std::unique_ptr<Datagrams> socket;
  };
  Ping(Kernel& on, Network& here, Network& there, const IpAddress& from, const IpAddress& to)
      : kernel(on), target{to, 7} {
    socket = std::move(*here.bind({from, 0}, *this));
    echo.socket = std::move(*there.bind({to, 7}, echo));
    kernel.arm_after(*this, 0ms);
  }
  void on_timer() override {
    socket->send(target, Bytes::build(100, [&](MutableByteView bytes) {
                   std::fill(bytes.begin(), bytes.end(), 0);
                   const std::uint64_t number = sent.size();
                   std::copy_n(reinterpret_cast<const std::uint8_t*>(&number), 8, bytes.begin());
                 }));
    sent.push_back(kernel.now());
    kernel.arm_after(*this, 50ms);
  }
  void on_datagram(const Endpoint&, Bytes payload) override {
    std::uint64_t number = 0;
    std::copy_n(payload.data(), 8, reinterpret_cast<std::uint8_t*>(&number));
    round_trips.push_back(kernel.now() - sent[number]);
  }
  Duration median(std::size_t from = 0) const {
    std::vector<Duration> sorted(round_trips.begin() + static_cast<std::ptrdiff_t>(from), round_trips.end());
    std::sort(sorted.begin(), sorted.end());
    return sorted[sorted.size() / 2];
  }

  Kernel& kernel;
  Endpoint target;
  std::unique_ptr<Datagrams> socket;
  Echo echo;
  std::vector<Time> sent;
  std::vector<Duration> round_trips;
};

struct Net {
  Net(const InternetConfig& config, HostIndex hosts, bool with_ipv6 = false)
      : model(make(config, hosts)), ipv6(with_ipv6), network(kernel, model, Rng(1), {}, nullptr, ipv6) {}

  static Internet make(const InternetConfig& config, HostIndex hosts) {
    auto internet = Internet::make(config, "", Rng(1));
    INFO((internet ? std::string() : internet.error().message()));
    REQUIRE(internet.has_value());
    for (HostIndex host = 0; host < hosts; ++host) internet->add_host();
    return std::move(*internet);
  }
  IpAddress address(HostIndex host) {
    return ipv6 ? network.directory().address_v6(host) : network.directory().address_v4(host);
  }
  std::unique_ptr<Bulk> bulk(HostIndex from, HostIndex to) {
    return std::make_unique<Bulk>(network.attach(from), network.attach(to), address(to));
  }
  std::unique_ptr<Ping> ping(HostIndex from, HostIndex to) {
    return std::make_unique<Ping>(kernel, network.attach(from), network.attach(to), address(from),
                                  address(to));
  }

  Kernel kernel;
  Internet model;
  bool ipv6;
  PacketNetwork network;
};

struct Shares {
  std::vector<double> bps;  // of each flow's payload
  std::uint64_t fingerprint;
  double total() const { return std::accumulate(bps.begin(), bps.end(), 0.0); }
};

// Flow i goes from left host i to right host i; measured from 10 s to 40 s.
Shares share(const std::vector<Duration>& spokes, QueueDiscipline discipline) {
  const auto flows = static_cast<HostIndex>(spokes.size());
  Net net(dumbbell(spokes, discipline), 2 * flows);
  std::vector<std::unique_ptr<Bulk>> bulks;
  for (HostIndex i = 0; i < flows; ++i) bulks.push_back(net.bulk(i, flows + i));
  net.kernel.run_until(Time(10s));
  std::vector<std::uint64_t> before;
  for (const auto& bulk : bulks) before.push_back(bulk->received);
  net.kernel.run_until(Time(40s));
  Shares shares{{}, net.kernel.fingerprint()};
  for (std::size_t i = 0; i < flows; ++i) {
    shares.bps.push_back(8.0 * static_cast<double>(bulks[i]->received - before[i]) / 30);
  }
  return shares;
}

}  // namespace

TEST_CASE("a lone packet takes the sum of a dumbbell's links", "[topology][packet]") {
  Net net(dumbbell({3ms}, QueueDiscipline::drop_tail), 2);
  const auto ping = net.ping(0, 1);
  net.kernel.run_until(Time(1s));
  // 128 bytes over 1 Gbit/s, 10 Mbit/s and 1 Gbit/s, and back.
  const Duration way = 2 * 3ms + kDelay + from_seconds(128 * 8 / 1e9) * 2 + from_seconds(128 * 8 / kRate);
  REQUIRE(ping->round_trips.size() == 19);  // one is still on its way
  CHECK(ping->round_trips.front() - 2 * way < 1us);
  CHECK(2 * way - ping->round_trips.front() < 1us);
  CHECK(ping->round_trips.back() == ping->round_trips.front());
}

TEST_CASE("hosts of one side do not meet at the bottleneck", "[topology][packet]") {
  Net net(dumbbell({1ms, 1ms}, QueueDiscipline::drop_tail), 4);
  const auto across = net.bulk(0, 2);
  const auto ping = net.ping(0, 1);
  net.kernel.run_until(Time(10s));
  CHECK(ping->median() < 5ms);
}

TEST_CASE("TCP flows fill a shared bottleneck and no more, and the same again", "[topology][packet]") {
  const auto discipline = GENERATE(QueueDiscipline::drop_tail, QueueDiscipline::fq_codel);
  const std::vector<Duration> spokes(3, 1ms);
  const Shares shares = share(spokes, discipline);
  INFO(shares.bps[0] << " " << shares.bps[1] << " " << shares.bps[2]);
  CHECK(shares.total() > 0.95 * kRate * kPayload);
  CHECK(shares.total() < 1.001 * kRate * kPayload);
  for (const double bps : shares.bps)
    CHECK(bps > kRate * kPayload / 3 / 3);  // TCP is fair only in the long run
  CHECK(share(spokes, discipline).fingerprint == shares.fingerprint);
}

TEST_CASE("a shorter round trip wins at a drop-tail bottleneck, and nothing at FQ-CoDel's",
          "[topology][packet]") {
  const std::vector<Duration> spokes = {1ms, 100ms};  // round trips of 44 and 440 ms
  const Shares tail = share(spokes, QueueDiscipline::drop_tail);
  INFO(tail.bps[0] << " " << tail.bps[1]);
  CHECK(tail.bps[0] > 1.5 * tail.bps[1]);
  const Shares fair = share(spokes, QueueDiscipline::fq_codel);
  INFO(fair.bps[0] << " " << fair.bps[1]);
  CHECK(fair.bps[0] / fair.bps[1] < tail.bps[0] / tail.bps[1]);
  CHECK(fair.total() < 1.001 * kRate * kPayload);
}

TEST_CASE("a bulk flow's standing queue is the buffer's depth, CoDel's target, or its own alone",
          "[topology][packet]") {
  const auto where = GENERATE(0, 1);  // between routers, or at an access link
  struct Waiting {
    Duration median, most;
  };
  const auto waiting = [&](QueueDiscipline discipline) {
    const InternetConfig config = where == 0 ? InternetConfig(dumbbell({1ms, 1ms}, discipline))
                                             : InternetConfig(slow_uplinks(discipline));
    Net net(config, 4);
    const auto ping = net.ping(0, 2);
    net.kernel.run_until(Time(1s));
    const auto bulk = net.bulk(0, 2);
    net.kernel.run_until(Time(10s));
    const std::size_t warm = ping->round_trips.size();
    net.kernel.run_until(Time(40s));
    CHECK(8.0 * static_cast<double>(bulk->received) / 39 > 0.8 * kRate * kPayload);
    const Duration idle = ping->round_trips.front();
    const auto begin = ping->round_trips.begin() + static_cast<std::ptrdiff_t>(warm);
    const Waiting found{ping->median(warm) - idle, *std::max_element(begin, ping->round_trips.end()) - idle};
    UNSCOPED_INFO("discipline " << static_cast<int>(discipline) << ": " << to_seconds(found.median) * 1000
                                << " ms, at most " << to_seconds(found.most) * 1000 << " ms");
    return found;
  };
  const Duration packet = from_seconds(1500 * 8 / kRate);
  const Waiting tail = waiting(QueueDiscipline::drop_tail);
  CHECK(tail.most > kDepth - 5 * packet);  // a loss-based TCP fills the buffer, whatever it does then
  CHECK(tail.most < kDepth + 2 * packet);  // the one being sent, and the last that found room
  const Waiting codel = waiting(QueueDiscipline::codel);
  CHECK(codel.median < CodelQueue::kTarget);  // the queue drains within each interval
  CHECK(codel.median > packet);               // and the ping stands in it
  CHECK(tail.median > 10 * codel.median);
  CHECK(waiting(QueueDiscipline::fq_codel).median < 2 * packet);  // the one being sent, and one more
}

TEST_CASE("gossip crosses a dumbbell", "[topology][packet]") {
  const auto run = [](std::uint64_t seed) {
    const auto world =
        World::packet(seed, dumbbell(std::vector<Duration>(10, 2ms), QueueDiscipline::fq_codel), "");
    NodeKind kind;
    kind.gossipsub.emplace();
    std::vector<NodeIndex> all;
    for (int i = 0; i < 20; ++i) all.push_back(world->add_node(kind));
    world->start("", "{}");
    for (NodeIndex node : all) world->subscribe(node, "blocks");
    world->bootstrap(world->overlay(all, 4), 1s);
    for (int i = 0; i < 4; ++i) {
      world->call_at(Time(5s + i * 1s), [&] { world->publish_random(0, "blocks", 20'000); });
    }
    REQUIRE(world->advance(Time(12s), 3600s));
    std::uint64_t delivered = 0;
    for (NodeIndex node : all) delivered += world->node(node).gossipsub()->counters().delivered;
    CHECK(delivered == 4 * 19);
    return world->finish("complete", 0);
  };
  const std::uint64_t first = run(1);
  CHECK(run(1) == first);
  CHECK(run(2) != first);
}

TEST_CASE("gossip reaches radios that are several hops away, and the same again",
          "[topology][packet][wifi]") {
  // A line: each hears its two neighbours only.    0 ── 100 m ── 1 ── 100 m ── 2 ── 100 m ── 3 ── 100 m ── 4
  WifiAdhoc wifi;
  wifi.range_m = 120;
  for (int i = 0; i < 5; ++i) wifi.positions.emplace_back(100.0 * i, 0);
  const auto run = [&](std::uint64_t seed, bool cut) {
    const auto world = World::packet(seed, wifi, "");
    NodeKind kind;
    kind.gossipsub.emplace();
    std::vector<NodeIndex> all;
    for (int i = 0; i < 5; ++i) all.push_back(world->add_node(kind));
    world->start("", "{}");
    for (NodeIndex node : all) world->subscribe(node, "blocks");
    // The ends dial each other and the middle: over four hops and two.
    world->call_at(Time(15s), [&] { world->bootstrap({{0, 4}, {2, 0}, {4, 2}, {1, 4}, {3, 0}}, 1s); });
    if (cut) {
      world->call_at(Time(24s), [&] {
        Fault between;
        between.paths = Fault::between(std::span(all).first(2), std::span(all).subspan(2));
        world->fault("cut", between);
      });
    }
    for (int i = 0; i < 4; ++i) {
      world->call_at(Time(25s + i * 1s), [&] { world->publish_random(0, "blocks", 5'000); });
    }
    REQUIRE(world->advance(Time(32s), 3600s));
    std::vector<std::uint64_t> delivered;
    for (NodeIndex node : all) delivered.push_back(world->node(node).gossipsub()->counters().delivered);
    return std::pair(delivered, world->finish("complete", 0));
  };
  const auto first = run(1, false);
  CHECK(first.first == std::vector<std::uint64_t>{0, 4, 4, 4, 4});
  CHECK(run(1, false).second == first.second);
  CHECK(run(2, false).second != first.second);
  // Cut in the middle: nothing gets over.
  const auto halves = run(1, true).first;
  CHECK(halves[2] + halves[3] + halves[4] == 0);
}

TEST_CASE("gossip goes on while radios move about, and the same again", "[topology][packet][wifi]") {
  WifiAdhoc wifi;
  wifi.width_m = wifi.height_m = 400;
  wifi.range_m = 200;
  for (int i = 0; i < 8; ++i) wifi.positions.emplace_back(50 + 150 * (i % 3), 50 + 150 * (i / 3));
  const auto run = [&](double fastest) {
    WifiAdhoc moving = wifi;
    moving.slowest_mps = moving.fastest_mps = fastest;
    const auto world = World::packet(3, moving, "");
    NodeKind kind;
    kind.gossipsub.emplace();
    std::vector<NodeIndex> all;
    for (int i = 0; i < 8; ++i) all.push_back(world->add_node(kind));
    world->start("", "{}");
    for (NodeIndex node : all) world->subscribe(node, "blocks");
    world->call_at(Time(15s), [&] { world->bootstrap(world->overlay(all, 4), 2s); });
    for (int i = 0; i < 8; ++i) {
      world->call_at(Time(22s + i * 2s), [&] { world->publish_random(0, "blocks", 1'000); });
    }
    REQUIRE(world->advance(Time(40s), 3600s));
    std::uint64_t delivered = 0;
    for (NodeIndex node : all) delivered += world->node(node).gossipsub()->counters().delivered;
    return std::pair(delivered, world->finish("complete", 0));
  };
  const auto still = run(0);
  CHECK(still.first == 8 * 7);
  const auto walking = run(10);
  INFO(walking.first);
  CHECK(walking.first > 8 * 7 / 2);
  CHECK(run(10) == walking);
  CHECK(walking.second != still.second);
}

TEST_CASE("FQ-CoDel knows the flows of IPv6", "[topology][packet][ipv6]") {
  Net net(dumbbell({1ms, 1ms}, QueueDiscipline::fq_codel), 4, true);
  const auto ping = net.ping(0, 2);
  const auto bulk = net.bulk(0, 2);
  net.kernel.run_until(Time(10s));
  const std::uint64_t before = bulk->received;
  net.kernel.run_until(Time(20s));
  const double bps = 8.0 * static_cast<double>(bulk->received - before) / 10;
  INFO(bps);
  CHECK(bps > 0.9 * kRate * 1428 / 1500);  // of each packet of 1,500 bytes
  CHECK(bps < 1.001 * kRate * 1428 / 1500);
  CHECK(ping->median() - ping->round_trips.front() < from_seconds(2 * 1500 * 8 / kRate));
}

TEST_CASE("gossip over IPv6, on networks of packets and on flow", "[topology][packet][ipv6]") {
  const auto make = GENERATE(0, 1, 2);
  const auto run = [&](bool ipv6) {
    auto world = make == 0   ? World::packet(1, UniformLatency{}, "")
                 : make == 1 ? World::flow(1, StackKind::full, UniformLatency{}, "")
                             : World::flow(1, StackKind::collapsed, UniformLatency{}, "");
    if (ipv6) world->use_ipv6();
    NodeKind kind;
    kind.gossipsub.emplace();
    std::vector<NodeIndex> all;
    for (int i = 0; i < 10; ++i) all.push_back(world->add_node(kind));
    world->start("", "{}");
    for (NodeIndex node : all) world->subscribe(node, "blocks");
    world->bootstrap(world->overlay(all, 4), 1s);
    world->call_at(Time(5s), [&] { world->publish_random(0, "blocks", 20'000); });
    REQUIRE(world->advance(Time(7s), 3600s));
    CHECK(world->node(0).swarm().listen_addresses().front().to_string().rfind(ipv6 ? "/ip6/2a00:" : "/ip4/",
                                                                              0) == 0);
    std::uint64_t delivered = 0;
    for (NodeIndex node : all) delivered += world->node(node).gossipsub()->counters().delivered;
    CHECK(delivered == 9);
    return world->finish("complete", 0);
  };
  const std::uint64_t first = run(true);
  CHECK(run(true) == first);
  if (make == 0) CHECK(run(false) != first);  // longer headers; on flow they are taken for alike
}

TEST_CASE("the flow backend refuses what only packets can do", "[topology]") {
  CHECK_THROWS_WITH(World::flow(1, StackKind::full, dumbbell({1ms}, QueueDiscipline::drop_tail), ""),
                    Catch::Contains("routers") && Catch::Contains("packet backend only"));
  CHECK_THROWS_WITH(World::flow(1, StackKind::full, WifiAdhoc{}, ""),
                    Catch::Contains("radios") && Catch::Contains("packet backend only"));
  CHECK_THROWS_WITH(World::flow(1, StackKind::full, slow_uplinks(QueueDiscipline::codel), ""),
                    Catch::Contains("discipline") && Catch::Contains("packet backend only"));
}

#endif
