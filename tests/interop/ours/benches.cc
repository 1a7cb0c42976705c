#include "tests/interop/ours/benches.h"

#include <algorithm>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <unistd.h>

#include "tests/interop/ours/host.h"
#include "tests/interop/ours/json.h"
#include "tests/interop/ours/subscription.h"

namespace mesocosm::interop {
namespace {

constexpr const char* kTopic = "bench";
constexpr std::uint64_t kWindow = 256;  // messages under way at once
constexpr Duration kSettling = 2s;      // for identify, and for heartbeats to make meshes

int complain(const std::string& what) {
  std::fprintf(stderr, "error: %s\n", what.c_str());
  return 1;
}

// Hosts of one process on one loop.
class Crowd {
 public:
  explicit Crowd(const Options& options) : options_(options) {}

  Result<> grow(std::uint32_t count) {
    hosts.reserve(count);
    while (hosts.size() < count) {
      auto host = Host::make(loop, options_);
      if (!host) return tl::unexpected(host.error());
      hosts.push_back(std::move(*host));
    }
    return {};
  }
  void connect(std::size_t from, std::size_t to) {
    Swarm& other = hosts[to]->swarm();
    hosts[from]->swarm().dial(other.local_peer(), other.listen_addresses());
  }
  bool run_until(const std::function<bool()>& done) {
    const Time end = loop.now() + options_.time_limit;
    while (!done()) {
      if (loop.now() >= end) return false;
      loop.step(loop.now() + 10ms);
    }
    return true;
  }

  AsioLoop loop;
  std::vector<std::unique_ptr<Host>> hosts;

 private:
  Options options_;
};

std::size_t resident_bytes() {
  std::size_t pages = 0, resident = 0;
  if (std::FILE* file = std::fopen("/proc/self/statm", "r")) {
    if (std::fscanf(file, "%zu %zu", &pages, &resident) != 2) resident = 0;
    std::fclose(file);
  }
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace

int bench_mesh(const Options& options) {
  if (options.nodes < 2 || options.size < kSmallestMessage) return complain("--nodes or --size is too small");
  std::vector<Subscription> subscriptions(options.nodes);
  Crowd crowd(options);
  if (const auto grown = crowd.grow(options.nodes); !grown) return complain(grown.error().message());
  const std::size_t others = options.nodes - 1;
  for (std::size_t i = 0; i < options.nodes; ++i) {
    if (const auto done = crowd.hosts[i]->gossipsub().subscribe(kTopic, subscriptions[i]); !done) {
      return complain(done.error().message());
    }
    for (std::size_t j = 0; j < i; ++j) crowd.connect(i, j);
  }
  const bool connected = crowd.run_until([&] {
    return std::all_of(crowd.hosts.begin(), crowd.hosts.end(),
                       [&](const auto& host) { return host->gossipsub().peers(kTopic).size() == others; });
  });
  if (!connected) return complain("the hosts did not connect in time");
  crowd.loop.run_for(kSettling);

  std::uint64_t published = 0;
  const auto delivered = [&] {
    std::uint64_t sum = 0;
    for (const Subscription& subscription : subscriptions) sum += subscription.count();
    return sum;
  };
  const auto began = std::chrono::steady_clock::now();
  const bool finished = crowd.run_until([&] {
    const std::uint64_t reached = delivered();
    while (published < options.messages && published * others < reached + kWindow * others) {
      GossipSub& author = crowd.hosts[published % options.nodes]->gossipsub();
      if (!author.publish(kTopic, make_message(published, options.size))) return true;
      ++published;
    }
    return reached == options.messages * others;
  });
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - began;
  if (!finished || delivered() != options.messages * others) {
    return complain(std::to_string(delivered()) + " deliveries of " +
                    std::to_string(options.messages * others));
  }
  print_line({{"ev", "bench"}, {"deliveries", delivered()}, {"seconds", seconds.count()}});
  return 0;
}

int bench_memory(const Options& options) {
  if (options.connections % 2 != 0 || options.connections >= options.nodes) {
    return complain("--connections must be even and less than --nodes");
  }
  Crowd crowd(options);
  crowd.loop.poll();
  const std::size_t before = resident_bytes();
  if (const auto grown = crowd.grow(options.nodes); !grown) return complain(grown.error().message());
  crowd.loop.run_for(kSettling);
  const std::size_t idle = resident_bytes();
  for (std::size_t i = 0; i < options.nodes; ++i) {
    for (std::size_t j = 1; j <= options.connections / 2; ++j) crowd.connect(i, (i + j) % options.nodes);
  }
  const bool connected = crowd.run_until([&] {
    return std::all_of(crowd.hosts.begin(), crowd.hosts.end(), [&](const auto& host) {
      return host->swarm().connected_peers().size() == options.connections;
    });
  });
  if (!connected) return complain("the hosts did not connect in time");
  crowd.loop.run_for(kSettling);
  const std::size_t busy = resident_bytes();
  const auto each = [&](std::size_t now) { return (now - std::min(now, before)) / options.nodes; };
  print_line({{"ev", "bench"}, {"idle_bytes", each(idle)}, {"connected_bytes", each(busy)}});
  return 0;
}

}  // namespace mesocosm::interop
