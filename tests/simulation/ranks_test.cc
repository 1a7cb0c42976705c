// One packet World run by several processes: the same run as by one.
//
//   process 0: nodes of its regions ◀──letters, over a socket──▶ process 1: the others
//       │
//       └─ keeps the record of all
#ifdef MESOCOSM_NS3

#include "sim/mpi/ranks.h"

#include <cstdio>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim/record/table_file.h"
#include "sim/run/world.h"
#include "tests/source_path.h"

using namespace mesocosm;
using mesocosm::testing::source_path;

namespace {

constexpr NodeIndex kNodes = 30;

// Letters over sockets, one to each other process.
class SocketRanks final : public Ranks {
 public:
  SocketRanks(std::uint32_t rank, std::vector<int> sockets) : rank_(rank), sockets_(std::move(sockets)) {}
  ~SocketRanks() override {
    for (const int socket : sockets_) {
      if (socket >= 0) ::close(socket);
    }
  }
  std::uint32_t rank() const override { return rank_; }
  std::uint32_t size() const override { return static_cast<std::uint32_t>(sockets_.size()); }
  std::vector<Letter> exchange(const std::vector<Letter>& letters) override {
    std::vector<Letter> received(size());
    for (std::uint32_t other = 0; other < size(); ++other) {
      if (other == rank_) {
        received[other] = letters[other];
      } else if (other < rank_) {  // the lower one begins
        received[other] = read(sockets_[other]);
        write(sockets_[other], letters[other]);
      } else {
        write(sockets_[other], letters[other]);
        received[other] = read(sockets_[other]);
      }
    }
    return received;
  }
  void part() override {}

 private:
  static void all(int socket, std::uint8_t* at, std::size_t size, bool reads) {
    while (size > 0) {
      const ssize_t moved = reads ? ::read(socket, at, size) : ::send(socket, at, size, MSG_NOSIGNAL);
      if (moved <= 0) throw RunError("the other process has gone");
      at += moved;
      size -= static_cast<std::size_t>(moved);
    }
  }
  static Letter read(int socket) {
    std::size_t size = 0;
    all(socket, reinterpret_cast<std::uint8_t*>(&size), sizeof size, true);
    Letter letter(size);
    all(socket, letter.data(), size, true);
    return letter;
  }
  static void write(int socket, Letter letter) {
    std::size_t size = letter.size();
    all(socket, reinterpret_cast<std::uint8_t*>(&size), sizeof size, false);
    all(socket, letter.data(), size, false);
  }

  std::uint32_t rank_;
  std::vector<int> sockets_;  // by process; -1: itself
};

struct Plan {
  InternetConfig internet = MeasuredMix{"ethereum_2025"};
  TransportKind transport = TransportKind::tcp;
  bool faults = false;      // of the paths between the halves, one after the other
  int publish_alone = -1;   // a process where the script publishes once more
  int fail_in = -1;         // a process where a scripted action throws
  std::string record = {};  // where it is kept; empty: nowhere
};

// Runs the plan and returns the fingerprint.
std::uint64_t run(const Plan& plan, std::unique_ptr<Ranks> ranks) {
  auto world = World::packet(7, plan.internet, source_path("data"), std::move(ranks));
  const auto rank = static_cast<int>(world->rank());
  NodeKind kind;
  kind.gossipsub.emplace();
  kind.transport = plan.transport;
  std::vector<NodeIndex> all;
  for (NodeIndex i = 0; i < kNodes; ++i) all.push_back(world->add_node(kind));
  try {
    world->start(plan.record, "{}");
    for (NodeIndex node : all) world->subscribe(node, "blocks");
    world->bootstrap(world->overlay(all, 5), 1s);
    const auto publish = [&] { world->publish_random(world->sample(all, 1).front(), "blocks", 20'000); };
    for (int message = 0; message < 4; ++message) world->call_at(Time(3s + message * 1s), publish);
    const std::span<const NodeIndex> some(all);
    const auto halves = [&] { return Fault::between(some.first(kNodes / 2), some.last(kNodes / 2)); };
    if (plan.faults) {
      world->call_at(Time(4500ms), [&] { world->fault("cut", {.paths = halves()}); });
      world->call_at(Time(5300ms), [&] {
        world->heal();
        world->fault("refuse", {.effect = FaultEffect::refuse, .both_ways = false, .paths = halves()});
      });
      world->call_at(Time(6100ms), [&] {
        world->heal();
        world->fault("detour", {.effect = FaultEffect::delay, .delay = 70ms, .paths = halves()});
      });
      world->call_at(Time(7000ms), [&] { world->heal(); });
    }
    if (plan.publish_alone == rank) world->call_at(Time(5200ms), publish);
    if (plan.fail_in == rank) world->call_at(Time(5s), [] { throw ConfigError("not today"); });
    while (!world->advance(Time(8s), 100ms)) {
    }
  } catch (const std::exception& error) {
    world->finish(std::string("failed: ") + error.what(), 0);
    throw;
  }
  return world->finish("complete", 0);
}

// The same by several processes, of which this is the first.
std::uint64_t run_with(std::uint32_t processes, const Plan& plan) {
  std::vector<std::vector<int>> sockets(processes, std::vector<int>(processes, -1));
  for (std::uint32_t a = 0; a < processes; ++a) {
    for (std::uint32_t b = a + 1; b < processes; ++b) {
      int pair[2];
      REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
      sockets[a][b] = pair[0];
      sockets[b][a] = pair[1];
    }
  }
  const auto close_others = [&](std::uint32_t self) {
    for (std::uint32_t rank = 0; rank < processes; ++rank) {
      for (const int socket : sockets[rank]) {
        if (rank != self && socket >= 0) ::close(socket);
      }
    }
  };
  std::vector<pid_t> children;
  for (std::uint32_t rank = 1; rank < processes; ++rank) {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      close_others(rank);
      try {
        run(plan, std::make_unique<SocketRanks>(rank, sockets[rank]));
      } catch (const std::exception&) {
        ::_exit(1);
      }
      ::_exit(0);
    }
    children.push_back(child);
  }
  close_others(0);
  const auto await = [&] {
    for (const pid_t child : children) ::waitpid(child, nullptr, 0);
  };
  try {
    const std::uint64_t fingerprint = run(plan, std::make_unique<SocketRanks>(0, sockets[0]));
    await();
    return fingerprint;
  } catch (...) {
    await();
    throw;
  }
}

}  // namespace

TEST_CASE("several processes run the same World as one, event for event", "[world][packet][ranks]") {
  HostLink link;
  link.jitter = 1ms;
  link.loss = 0.005;
  const auto [name, plan] = GENERATE_COPY(table<std::string, Plan>({
      {"measured", {}},
      {"faults and their healing, over WebSocket", {.transport = TransportKind::websocket, .faults = true}},
      {"loss and jitter", {.internet = UniformLatency{20ms, 60ms, link}}},
      {"everything at equal times", {.internet = UniformLatency{30ms, 30ms, HostLink{}}}},
  }));
  INFO(name);
  const std::uint64_t alone = run(plan, nullptr);
  CHECK(run_with(2, plan) == alone);
  CHECK(run_with(3, plan) == alone);
}

TEST_CASE("the record of several processes has the rows of one's", "[world][packet][ranks]") {
  const std::string path = "/tmp/mesocosm_ranks_test_" + std::to_string(::getpid()) + ".h5";
  const auto tables = [&](std::uint32_t processes) {
    if (processes == 1) {
      run({.record = path}, nullptr);
    } else {
      run_with(processes, {.record = path});
    }
    std::map<std::string, std::vector<std::uint8_t>> rows;
    for (const char* const table :
         {"messages", "deliveries", "duplicates", "mesh", "connections", "counters"}) {
      rows[table] = TableFile::read_rows(path, table).value();
    }
    CHECK(TableFile::read_attribute(path, "ended").value() == "complete");
    std::remove(path.c_str());
    return rows;
  };
  const auto alone = tables(1);
  CHECK(alone.at("deliveries").size() == 4 * (kNodes - 1) * 20);  // bytes a row
  const auto together = tables(2);
  for (const auto& [table, rows] : alone) {
    INFO(table);
    CHECK(together.at(table) == rows);
  }
}

TEST_CASE("a process that fails ends the others, which say why", "[world][packet][ranks]") {
  CHECK_THROWS_WITH(run_with(2, {.fail_in = 1}), "process 1 failed: not today");
  CHECK_THROWS_WITH(run_with(2, {.fail_in = 0}), "not today");
}

TEST_CASE("processes whose scripts differ are found out", "[world][packet][ranks]") {
  CHECK_THROWS_WITH(run_with(2, {.publish_alone = 1}), Catch::Contains("the script did something else"));
}

TEST_CASE("an Internet without latency has no processes to share it", "[world][packet][ranks]") {
  CHECK_THROWS_WITH(run_with(2, {.internet = UniformLatency{0ms, 0ms, HostLink{}}}),
                    Catch::Contains("so that 2 processes cannot share it"));
}

#endif
