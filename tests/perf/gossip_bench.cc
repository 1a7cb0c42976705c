// Gossip as a whole: received copies of messages per second of one core, with the full and the collapsed
// transport.
//
// From the repository root: gossip_bench [nodes [full|collapsed]]; without, both at 100, 1,000 and 10,000
// nodes, each in a process of its own, whose largest memory is told too.
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

// Of this process' own time, so that a busy machine does not count.
double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

double run(NodeIndex nodes, StackKind stack, std::size_t payload, int messages) {
  const auto world = World::flow(1, stack, MeasuredMix{"ethereum_2025"}, "data");
  NodeKind kind;
  kind.gossipsub = GossipSubParams::ethereum();
  std::vector<NodeIndex> all;
  for (NodeIndex i = 0; i < nodes; ++i) all.push_back(world->add_node(kind));
  world->start("", "{}");
  for (NodeIndex node : all) world->subscribe(node, "blocks");
  world->bootstrap(world->overlay(all, 10), 5s);
  const double start = cpu_seconds();
  world->advance(Time(15s), 3600s);
  const double warm_up = cpu_seconds() - start;
  // Messages close together, so that heartbeats weigh little.
  for (int i = 0; i < messages; ++i) {
    world->call_at(Time(15s + i * 100ms),
                   [&] { world->publish_random(world->sample(all, 1).front(), "blocks", payload); });
  }
  const double begin = cpu_seconds();
  world->advance(Time(15s + messages * 100ms + 4s), 3600s);
  const double cpu = cpu_seconds() - begin;
  std::uint64_t received = 0, delivered = 0;
  for (NodeIndex node : all) {
    received += world->node(node).gossipsub()->counters().messages_received;
    delivered += world->node(node).gossipsub()->counters().delivered;
  }
  std::printf(
      "%6u nodes %-9s %6zu B  copies %9llu  %6.2f M copies/s  %5.2f M first deliveries/s  complete %.4f  "
      "(%.1f s of CPU, warm-up %.1f s)\n",
      nodes, stack == StackKind::full ? "full" : "collapsed", payload,
      static_cast<unsigned long long>(received), static_cast<double>(received) * 1e-6 / cpu,
      static_cast<double>(delivered) * 1e-6 / cpu,
      static_cast<double>(delivered) / (static_cast<double>(messages) * (nodes - 1)), cpu, warm_up);
  std::fflush(stdout);
  return static_cast<double>(received) / cpu;
}

// Runs one case in a child, so that its memory is its own; returns copies per second.
double run_apart(NodeIndex nodes, StackKind stack, int messages) {
  int ends[2];
  if (pipe(ends) != 0) std::exit(1);
  const pid_t child = fork();
  if (child == 0) {
    const double rate = run(nodes, stack, 1000, messages);
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    std::printf("%54s largest memory %.2f GiB\n", "", static_cast<double>(usage.ru_maxrss) / (1 << 20));
    std::fflush(stdout);
    _exit(write(ends[1], &rate, sizeof rate) == sizeof rate ? 0 : 1);
  }
  int status = 0;
  double rate = 0;
  waitpid(child, &status, 0);
  if (status != 0 || read(ends[0], &rate, sizeof rate) != sizeof rate) std::exit(1);
  close(ends[0]);
  close(ends[1]);
  return rate;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1) {
    const auto nodes = static_cast<NodeIndex>(std::strtoul(argv[1], nullptr, 10));
    const StackKind stack =
        argc > 2 && std::string(argv[2]) == "full" ? StackKind::full : StackKind::collapsed;
    run(nodes, stack, 1000, static_cast<int>(200'000 / nodes));
    return 0;
  }
  for (const NodeIndex nodes : {100u, 1000u, 10000u}) {
    const double full = run_apart(nodes, StackKind::full, static_cast<int>(30'000 / nodes));
    const double collapsed = run_apart(nodes, StackKind::collapsed, static_cast<int>(300'000 / nodes));
    std::printf("%6u nodes: collapsed / full = %.1f\n", nodes, collapsed / full);
    std::fflush(stdout);
  }
}
