// The eclipse of a network (PL-TechRep-2020-001, section 8) as a load: 1,000 honest nodes that dial 20 others each, 4,000
// sybils that dial 100 of them each at 60 s, and 120 messages of 2 KB a second from 30 s on, over the collapsed transport
// for 180 simulated seconds.
//
// From the repository root: eclipse_bench [nodes [sybils [connections [messages a second [seconds]]]]]
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <sys/resource.h>

#include "attacks/degrade/degrade.h"
#include "attacks/gossip/adversary.h"
#include "sim/run/world.h"

namespace {

using namespace mesocosm;

constexpr Duration kPublishFrom = 30s;
constexpr Duration kAttackAt = 60s;

// Of this process' own time, so that a busy machine does not count.
double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

double largest_memory_gib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / (1 << 20);
}

double memory_gib() {  // now
  std::ifstream statm("/proc/self/statm");
  double total = 0;
  double resident = 0;
  statm >> total >> resident;
  return resident * 4096 / (1 << 30);
}

struct Load {
  NodeIndex nodes = 1000;
  NodeIndex sybils = 4000;
  std::size_t connections = 100;
  double rate = 120;  // messages a second
  int seconds = 180;
};

class Eclipse {
 public:
  explicit Eclipse(const Load& load)
      : load_(load),
        world_(World::flow(1, StackKind::collapsed, UniformLatency{25ms, 25ms, {}}, "data")),
        mind_(std::make_shared<attacks::Mind>(attacks::AdversaryParams{},
                                              [] { return std::make_shared<attacks::Degrade>(1.0); })) {
    NodeKind honest;
    honest.gossipsub.emplace();
    honest.gossipsub->d = 8;
    honest.gossipsub->d_low = 6;
    honest.gossipsub->d_high = 12;
    honest.gossipsub->d_lazy = 12;
    NodeKind sybil;
    sybil.pubsub = attacks::recruit(mind_);
    for (NodeIndex i = 0; i < load_.nodes; ++i) honest_.push_back(world_->add_node(honest));
    for (NodeIndex i = 0; i < load_.sybils; ++i) sybils_.push_back(world_->add_node(sybil));
    world_->start("", "{}");
    for (NodeIndex node : honest_) world_->subscribe(node, "blocks");
    world_->bootstrap(world_->overlay(honest_, std::min<std::size_t>(20, load_.nodes / 2)), 1s);
    world_->call_at(Time(kAttackAt), [this] { attack(); });
    const std::vector<NodeIndex> publishers(honest_.begin(), honest_.begin() + load_.nodes / 10);
    world_->call_every(Time(kPublishFrom), from_seconds(1 / load_.rate), [this, publishers] {
      world_->publish_random(world_->sample(publishers, 1).front(), "blocks", 2048);
      ++published_;
    });
  }

  void run() {
    std::printf("%6s %10s %12s %14s %12s %14s %12s\n", "s", "CPU s", "memory GiB", "of it honest", "copies",
                "connections", "arrived");
    for (int second = 15; second < load_.seconds + 15; second += 15) {
      world_->advance(Time(std::chrono::seconds(std::min(second, load_.seconds))), 100h);
      tell(std::min(second, load_.seconds));
    }
  }

 private:
  void attack() {
    mind_->enter(attacks::Phase::attacking);
    world_->bootstrap(world_->approaches(sybils_, honest_, load_.connections), 1s);
  }

  void tell(int second) {
    std::uint64_t copies = 0;
    std::uint64_t delivered = 0;
    std::size_t connections = 0;
    std::size_t remembered = 0;  // by honest nodes' GossipSub: peers, meshes and seen ids
    for (NodeIndex node : honest_) {
      remembered += world_->node(node).gossipsub()->memory();
      copies += world_->node(node).gossipsub()->counters().messages_received;
      delivered += world_->node(node).gossipsub()->counters().delivered;
    }
    for (NodeIndex node : sybils_) connections += world_->node(node).swarm().connection_count();
    const double expected = static_cast<double>(published_) * (load_.nodes - 1);
    std::printf("%6d %10.1f %12.3f %14.3f %12llu %14zu %12.4f\n", second, cpu_seconds(), memory_gib(),
                static_cast<double>(remembered) / (1 << 30), static_cast<unsigned long long>(copies),
                connections, expected > 0 ? static_cast<double>(delivered) / expected : 0.0);
    std::fflush(stdout);
  }

  Load load_;
  std::unique_ptr<World> world_;
  std::shared_ptr<attacks::Mind> mind_;
  std::vector<NodeIndex> honest_;
  std::vector<NodeIndex> sybils_;
  std::uint64_t published_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  Load load;
  if (argc > 1) load.nodes = static_cast<NodeIndex>(std::stoul(argv[1]));
  if (argc > 2) load.sybils = static_cast<NodeIndex>(std::stoul(argv[2]));
  if (argc > 3) load.connections = std::stoul(argv[3]);
  if (argc > 4) load.rate = std::stod(argv[4]);
  if (argc > 5) load.seconds = std::stoi(argv[5]);
  const std::time_t began = std::time(nullptr);
  Eclipse(load).run();
  std::printf(
      "%u honest nodes, %u sybils of %zu connections, %d s simulated: %.0f s of CPU, %.0f s of wall, "
      "largest memory %.2f GiB\n",
      load.nodes, load.sybils, load.connections, load.seconds, cpu_seconds(),
      std::difftime(std::time(nullptr), began), largest_memory_gib());
}
