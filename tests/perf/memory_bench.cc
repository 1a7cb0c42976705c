// Bytes on the heap for an idle node and for each idle connection end, in the flow network, counted by
// replacing operator new. A ring of nodes, each connected to the next few, after identify and with GossipSub
// subscribed to one topic.
//
//   memory_bench [nodes [connections a node [blocks]]]     blocks: also how many of which size an end holds
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

#include <malloc.h>

#include "sim/flow/collapsed_transport.h"
#include "sim/flow/flow_network.h"
#include "sim/kernel/kernel.h"
#include "stack/node/node.h"
#include "stack/transport/tcp_transport.h"
#include "tests/simulation/uniform_paths.h"

namespace {

std::size_t heap_bytes = 0;  // as malloc counts them, its slack included
std::size_t heap_blocks = 0;
std::size_t blocks_by_size[512];  // in steps of 16 bytes
std::size_t& blocks_like(void* memory) {
  return blocks_by_size[std::min<std::size_t>(511, ::malloc_usable_size(memory) / 16)];
}

void* counted(void* memory) {
  if (memory == nullptr) throw std::bad_alloc();
  heap_bytes += ::malloc_usable_size(memory) + sizeof(std::size_t);  // malloc's own word before it
  ++heap_blocks;
  ++blocks_like(memory);
  return memory;
}
void uncounted(void* memory) noexcept {
  if (memory == nullptr) return;
  heap_bytes -= ::malloc_usable_size(memory) + sizeof(std::size_t);
  --heap_blocks;
  --blocks_like(memory);
  std::free(memory);
}

}  // namespace

void* operator new(std::size_t size) { return counted(std::malloc(size)); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  const auto align = static_cast<std::size_t>(alignment);
  return counted(std::aligned_alloc(align, (size + align - 1) / align * align));
}
void operator delete(void* memory) noexcept { uncounted(memory); }
void operator delete(void* memory, std::size_t) noexcept { uncounted(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { uncounted(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { uncounted(memory); }

namespace mesocosm {
namespace {

struct Options {
  HostIndex nodes = 100;
  HostIndex degree = 8;  // connections dialed by each node; it has twice as many
  bool collapsed = false;
  bool identify = true;
  bool gossipsub = true;
  bool show_blocks = false;
};

struct Silent final : GossipSubHandler {
  void on_message(const GossipSubDelivery&) override {}
};

struct Member {
  Member(Kernel& kernel, FlowNetwork& network, HostIndex host, const Options& options)
      : rng(Rng(1).fork("node", host)),
        entropy(rng.fork("entropy")),
        env{kernel, network.attach(host), rng, entropy, trace} {
    NodeConfig config;
    config.listen = {Multiaddr::tcp({network.address_v4(host), 4001})};
    if (!options.identify) config.identify.reset();
    if (options.gossipsub) config.gossipsub.emplace();
    const TransportFactory make = [&](const TransportHost& of) -> std::unique_ptr<Transport> {
      if (options.collapsed) {
        return std::make_unique<CollapsedTransport>(network, host, of.env, of.key.public_key(), of.protocols,
                                                    &of.traffic);
      }
      return std::make_unique<TcpTransport>(of.env, of.key, of.protocols, TcpOptions{}, &of.traffic);
    };
    node = std::move(*Node::make(env, std::move(config), {&make, 1}));
    if (node->gossipsub() != nullptr) static_cast<void>(node->gossipsub()->subscribe("topic", silent));
  }
  Rng rng;
  SeededEntropy entropy;
  NoTrace trace;
  Env env;
  Silent silent;
  std::unique_ptr<Node> node;
};

struct Figures {
  double node;  // bytes, without connections
  double end;   // bytes, of each end of a connection
  double node_blocks, end_blocks;
};

Figures measure(const Options& options) {
  Kernel kernel;
  UniformPaths paths;
  paths.count = options.nodes;
  FlowNetwork network(kernel, paths, Rng(1));
  std::vector<std::unique_ptr<Member>> members;
  members.reserve(options.nodes);
  const std::size_t bytes_before = heap_bytes, blocks_before = heap_blocks;
  std::size_t sizes_before[512];
  std::copy(std::begin(blocks_by_size), std::end(blocks_by_size), sizes_before);
  for (HostIndex i = 0; i < options.nodes; ++i) {
    members.push_back(std::make_unique<Member>(kernel, network, i, options));
  }
  kernel.run_until(kernel.now() + 10s);
  const std::size_t bytes_idle = heap_bytes, blocks_idle = heap_blocks;
  std::size_t sizes_idle[512];
  std::copy(std::begin(blocks_by_size), std::end(blocks_by_size), sizes_idle);
  for (HostIndex i = 0; i < options.nodes; ++i) {
    kernel.run_until(kernel.now() +
                     5ms);  // not all at once: what pools keep of a peak is not counted as idle
    for (HostIndex j = 1; j <= options.degree; ++j) {
      Member& other = *members[(i + j) % options.nodes];
      members[i]->node->swarm().dial(other.node->peer_id(), other.node->swarm().listen_addresses());
    }
  }
  kernel.run_until(kernel.now() + 300s);
  std::size_t ends = 0;
  for (const auto& member : members) ends += member->node->swarm().connection_count();
  if (ends != std::size_t{options.nodes} * options.degree * 2) std::printf("only %zu ends\n", ends);
  if (options.show_blocks) {
    const auto show = [](const std::size_t* now, const std::size_t* before, double parts, const char* part) {
      for (std::size_t i = 0; i < 512; ++i) {
        const double more = (static_cast<double>(now[i]) - static_cast<double>(before[i])) / parts;
        if (more > 0.02) std::printf("    %5zu bytes: %6.2f %s\n", i * 16 + 8, more, part);
      }
    };
    show(sizes_idle, sizes_before, options.nodes, "a node");
    show(blocks_by_size, sizes_idle, static_cast<double>(ends), "an end");
  }
  const double nodes = options.nodes;
  return {static_cast<double>(bytes_idle - bytes_before) / nodes,
          static_cast<double>(heap_bytes - bytes_idle) / static_cast<double>(ends),
          static_cast<double>(blocks_idle - blocks_before) / nodes,
          static_cast<double>(heap_blocks - blocks_idle) / static_cast<double>(ends)};
}

void row(const char* what, const Options& options) {
  const Figures figures = measure(options);
  std::printf("%-34s %8.0f %7.1f %12.0f %7.1f %14.0f\n", what, figures.node, figures.node_blocks, figures.end,
              figures.end_blocks, figures.node + 2.0 * options.degree * figures.end);
}

int main_with(int argc, char** argv) {
  Options options;
  if (argc > 1) options.nodes = static_cast<HostIndex>(std::atoi(argv[1]));
  if (argc > 2) options.degree = static_cast<HostIndex>(std::atoi(argv[2])) / 2;
  if (argc > 3) options.show_blocks = true;
  std::printf("%u nodes, %u connections each; bytes on the heap, and blocks\n", options.nodes,
              2 * options.degree);
  std::printf("%-34s %8s %7s %12s %7s %14s\n", "", "node", "blocks", "end", "blocks", "node + ends");
  for (const bool collapsed : {false, true}) {
    options.collapsed = collapsed;
    std::printf("%s\n", collapsed ? "collapsed" : "full stack");
    options.gossipsub = options.identify = false;
    row("  alone", options);
    options.gossipsub = true;
    row("  gossipsub", options);
    options.identify = true;
    row("  gossipsub, identify", options);
  }
  return 0;
}

}  // namespace
}  // namespace mesocosm

int main(int argc, char** argv) { return mesocosm::main_with(argc, argv); }
