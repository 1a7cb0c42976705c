// The same gossiping World on the flow network and on the packet network, full stack: what each costs.
//
// From the repository root: tiers_bench [nodes [flow|packet]]; without, both at 50, 200 and 1,000 nodes, each in a process
// of its own, whose largest memory is told too. As a Markdown table.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <vector>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim/run/world.h"

namespace {

using namespace mesocosm;

// The demo's network: 20 dials a node, and a block of 128 KiB every 12 s, of which three are published.
constexpr Duration kBegin = 5s, kEnd = 41s, kInterval = 12s;
constexpr std::size_t kBlock = 128 << 10;

// Of this process' own time, so that a busy machine does not count.
double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

double largest_mib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

void run(NodeIndex nodes, bool packet) {
  const MeasuredMix internet{"ethereum_2025", 15e6, 50e6};
  const auto world =
      packet ? World::packet(1, internet, "data") : World::flow(1, StackKind::full, internet, "data");
  NodeKind kind;
  kind.gossipsub = GossipSubParams::ethereum();
  std::vector<NodeIndex> all;
  for (NodeIndex i = 0; i < nodes; ++i) all.push_back(world->add_node(kind));
  world->start("", "{}");
  for (NodeIndex node : all) world->subscribe(node, "blocks");
  world->bootstrap(world->overlay(all, 10), 1s);
  int published = 0;
  world->call_every(Time(kBegin + 1s), kInterval, [&] {
    world->publish_random(world->sample(all, 1).front(), "blocks", kBlock);
    ++published;
  });
  const double start = cpu_seconds();
  world->advance(Time(kBegin), 3600s);
  const double opened = cpu_seconds();
  const std::uint64_t turns = world->turns();
  world->advance(Time(kEnd), 3600s);
  const double cpu = cpu_seconds() - opened;
  std::uint64_t delivered = 0;
  for (NodeIndex node : all) delivered += world->node(node).gossipsub()->counters().delivered;
  std::printf("| %u | `%s` | %.1f | %.2f | %.2f M | %.0f MiB | %.4f |\n", nodes, packet ? "packet" : "flow",
              opened - start, to_seconds(kEnd - kBegin) / cpu,
              static_cast<double>(world->turns() - turns) * 1e-6 / cpu, largest_mib(),
              static_cast<double>(delivered) / (static_cast<double>(published) * (nodes - 1)));
  std::fflush(stdout);
}

void run_apart(NodeIndex nodes, bool packet) {
  const pid_t child = fork();
  if (child == 0) {
    run(nodes, packet);
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (status != 0) std::exit(1);
}

}  // namespace

int main(int argc, char** argv) {
  std::printf(
      "| nodes | tier | connecting, CPU-s | simulated s a CPU-s | events a CPU-s | memory | delivered |\n"
      "|---|---|---|---|---|---|---|\n");
  std::fflush(stdout);
  if (argc > 1) {
    run(static_cast<NodeIndex>(std::strtoul(argv[1], nullptr, 10)),
        argc > 2 && std::string(argv[2]) == "packet");
    return 0;
  }
  for (const NodeIndex nodes : {50u, 200u, 1000u}) {
    for (const bool packet : {false, true}) run_apart(nodes, packet);
  }
}
