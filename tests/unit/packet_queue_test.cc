// Queue disciplines against what RFC 8289 and RFC 8290 say, and static routes.
#include "sim/net/packet_queue.h"

#include <cmath>
#include <map>
#include <vector>

#include <catch2/catch.hpp>

#include "sim/net/routers.h"

using namespace mesocosm;

namespace {

constexpr std::uint64_t kNoLimit = ~std::uint64_t{0};
constexpr std::uint32_t kMtu = 1500;

// A link of one packet every millisecond before which packets queue; offered some by the tests.
struct Bench {
  explicit Bench(QueueDiscipline discipline, std::uint64_t limit = kNoLimit)
      : queue(PacketQueue::make(discipline, limit)) {}

  void offer(std::uint64_t flow, std::uint32_t size = kMtu) {
    const std::size_t before = dropped.size();
    queue->put({nullptr, size, flow, now}, dropped);
    note_drops(before);
  }
  std::optional<QueuedPacket> serve() {
    const std::size_t before = dropped.size();
    auto packet = queue->take(now, dropped);
    note_drops(before);
    if (packet) {
      delays.push_back(now - packet->since);
      bytes[packet->flow] += packet->size;
      order.push_back(packet->flow);
    }
    now += 1ms;
    return packet;
  }
  void note_drops(std::size_t before) {
    for (std::size_t i = before; i < dropped.size(); ++i) drop_times.push_back(now);
  }

  std::unique_ptr<PacketQueue> queue;
  Time now{};
  PacketQueue::Dropped dropped;
  std::vector<Time> drop_times;
  std::vector<Duration> delays;
  std::map<std::uint64_t, std::uint64_t> bytes;  // by flow
  std::vector<std::uint64_t> order;
};

}  // namespace

TEST_CASE("a drop-tail queue holds its limit and one packet more", "[net][queues]") {
  Bench bench(QueueDiscipline::drop_tail, 3 * kMtu);
  for (std::uint64_t i = 0; i < 6; ++i) bench.offer(i);
  REQUIRE(bench.dropped.size() == 2);
  CHECK(bench.dropped[0].flow == 4);  // the last to come
  while (bench.serve()) continue;
  CHECK(bench.order == std::vector<std::uint64_t>{0, 1, 2, 3});
}

TEST_CASE("an empty queue takes a packet that is larger than its limit", "[net][queues]") {
  const auto discipline =
      GENERATE(QueueDiscipline::drop_tail, QueueDiscipline::codel, QueueDiscipline::fq_codel);
  Bench bench(discipline, 10);
  bench.offer(1);
  CHECK(bench.serve());
  CHECK(bench.dropped.empty());
}

TEST_CASE("CoDel leaves a burst alone that is gone within its interval", "[net][queues]") {
  Bench bench(QueueDiscipline::codel);
  for (int i = 0; i < 90; ++i) bench.offer(1);
  while (bench.serve()) continue;
  CHECK(bench.delays.back() == 89ms);
  CHECK(bench.dropped.empty());
}

TEST_CASE("CoDel drops from a standing queue after an interval, then ever more often", "[net][queues]") {
  Bench bench(QueueDiscipline::codel);
  for (int i = 0; i < 50; ++i) bench.offer(1);
  while (bench.drop_times.size() < 6) {
    bench.offer(1);  // as fast as it drains: the queue stays
    bench.serve();
  }
  // Packet i waited i ms: the sixth is the first to have waited for 5 ms.
  CHECK(bench.drop_times[0] == Time(5ms + 100ms));
  Time next = bench.drop_times[0];
  for (std::size_t i = 1; i < bench.drop_times.size(); ++i) {
    next += from_seconds(0.1 / std::sqrt(static_cast<double>(i)));
    CHECK(bench.drop_times[i] >= next - 1us);
    CHECK(bench.drop_times[i] < next + 1ms + 1us);  // at the first packet that leaves after it
  }
}

TEST_CASE("CoDel keeps what one packet's time at a slow link's rate would call a standing queue",
          "[net][queues]") {
  Bench bench(QueueDiscipline::codel);
  for (int i = 0; i < 100; ++i) {
    bench.offer(1);
    bench.now += 19ms;  // each waits longer than the target, alone
    bench.serve();
  }
  CHECK(bench.delays.front() == 19ms);
  CHECK(bench.dropped.empty());
}

TEST_CASE("FQ-CoDel sends flows in turn by bytes", "[net][queues]") {
  Bench bench(QueueDiscipline::fq_codel);
  for (int i = 0; i < 200; ++i) bench.offer(1, kMtu);
  for (int i = 0; i < 1000; ++i) bench.offer(2, kMtu / 5);
  for (int i = 0; i < 60; ++i) bench.serve();
  CHECK(bench.bytes[1] == bench.bytes[2]);
  CHECK(bench.bytes[1] == 10 * kMtu);
}

TEST_CASE("FQ-CoDel lets a sparse flow pass a standing queue", "[net][queues]") {
  Bench bench(QueueDiscipline::fq_codel);
  for (int i = 0; i < 60; ++i) bench.offer(1);
  bench.serve();
  for (int round = 0; round < 20; ++round) {
    bench.offer(2, 100);
    CHECK(bench.serve()->flow == 2);
    bench.offer(1);
    CHECK(bench.serve()->flow == 1);
  }
}

TEST_CASE("a flow that begins again and again does not starve the others", "[net][queues]") {
  Bench bench(QueueDiscipline::fq_codel);
  for (int i = 0; i < 100; ++i) bench.offer(1);
  for (int i = 0; i < 40; ++i) {
    bench.offer(2);  // as much as the link takes, and never more than one waiting
    bench.serve();
  }
  CHECK(bench.bytes[1] >= 19 * kMtu);
}

TEST_CASE("FQ-CoDel's buffer overflows at the fattest flow's head", "[net][queues]") {
  Bench bench(QueueDiscipline::fq_codel, 10 * kMtu);
  for (int i = 0; i < 8; ++i) bench.offer(1);
  for (int i = 0; i < 3; ++i) bench.offer(2);
  CHECK(bench.dropped.empty());
  bench.now += 1ms;
  bench.offer(2);
  REQUIRE(bench.dropped.size() == 1);
  CHECK(bench.dropped[0].flow == 1);
  CHECK(bench.dropped[0].since == Time{});
}

TEST_CASE("packets take the path of least delay, and of fewest links among those", "[net][routers]") {
  //    0 ──5── 1 ──5── 2         also 0 ──10── 2, and 2 ──1── 3
  const auto link = [](RouterIndex a, RouterIndex b, Duration delay) {
    return RouterLink{a, b, 1e6, delay, 10ms, QueueDiscipline::drop_tail};
  };
  const auto routers =
      Routers::make(4, {link(0, 1, 5ms), link(1, 2, 5ms), link(2, 0, 10ms), link(2, 3, 1ms)});
  REQUIRE(routers.has_value());
  CHECK(routers->delay(0, 3) == 11ms);
  CHECK(routers->delay(3, 0) == 11ms);
  CHECK(routers->delay(1, 1) == 0ms);
  const Routers::Hop first = routers->towards(0, 3);
  CHECK(first.link == 2);
  CHECK_FALSE(first.forward);
  CHECK(first.to == 2);
  CHECK(routers->towards(2, 3).to == 3);
  CHECK(routers->towards(3, 1).to == 2);
  CHECK(routers->towards(1, 0).to == 0);
}

TEST_CASE("what cannot be routed is refused by name", "[net][routers]") {
  const RouterLink good{0, 1, 1e6, 5ms, 10ms, QueueDiscipline::drop_tail};
  const auto error = [](RouterIndex count, std::vector<RouterLink> links) {
    const auto routers = Routers::make(count, std::move(links));
    REQUIRE_FALSE(routers.has_value());
    return routers.error().detail;
  };
  RouterLink bad = good;
  CHECK(error(0, {}) == "routers: 1 to 1024 are possible, not 0");
  CHECK(error(3, {good}) == "routers: no path between 2 and 0");
  bad.b = 7;
  CHECK(error(2, {good, bad}) == "routers: link 1: there are 2 routers");
  bad.b = 0;
  CHECK(error(2, {bad}) == "routers: link 0: from a router to itself");
  bad = good;
  bad.bps = 0;
  CHECK(error(2, {bad}) == "routers: link 0: rate outside 1 bit/s to 1 Pbit/s");
  bad = good;
  bad.delay = 3s;
  CHECK(error(2, {bad}) == "routers: link 0: delay outside [0, 2 s]");
  bad = good;
  bad.queue = 0ns;
  CHECK(error(2, {bad}) == "routers: link 0: queue outside (0, 60 s]");
  bad = good;
  bad.delay = 1500ms;
  CHECK(error(3, {bad, {1, 2, 1e6, 1500ms, 10ms, QueueDiscipline::drop_tail}}) ==
        "routers: over 2 s between 2 and 0");
}
