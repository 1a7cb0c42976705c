#include "sim/net/routers.h"

#include <queue>
#include <string>
#include <utility>

#include "stack/base/assert.h"

namespace mesocosm {
namespace {

constexpr Duration kLongest = 2s;
constexpr Duration kLongestQueue = 60s;
constexpr Duration kUnreached = Duration::max();

Result<> check(const RouterLink& link, std::size_t index, RouterIndex routers) {
  const auto refuse = [&](const std::string& why) {
    return fail(ErrorCode::limit, "routers: link " + std::to_string(index) + ": " + why);
  };
  if (link.a >= routers || link.b >= routers)
    return refuse("there are " + std::to_string(routers) + " routers");
  if (link.a == link.b) return refuse("from a router to itself");
  if (!(link.bps >= 1 && link.bps <= 1e15)) return refuse("rate outside 1 bit/s to 1 Pbit/s");
  if (link.delay < 0ns || link.delay > kLongest) return refuse("delay outside [0, 2 s]");
  if (link.queue <= 0ns || link.queue > kLongestQueue) return refuse("queue outside (0, 60 s]");
  return {};
}

}  // namespace

Result<Routers> Routers::make(RouterIndex count, std::vector<RouterLink> links) {
  if (count == 0 || count > kMost) {
    return fail(ErrorCode::limit,
                "routers: 1 to " + std::to_string(kMost) + " are possible, not " + std::to_string(count));
  }
  for (std::size_t i = 0; i < links.size(); ++i) {
    if (auto checked = check(links[i], i, count); !checked) return tl::unexpected(checked.error());
  }
  Routers routers(count, std::move(links));
  for (RouterIndex to = 0; to < count; ++to) {
    const std::vector<Cost> costs = routers.costs_to(to);
    for (RouterIndex from = 0; from < count; ++from) {
      const std::string pair = std::to_string(from) + " and " + std::to_string(to);
      if (costs[from].delay == kUnreached) return fail(ErrorCode::limit, "routers: no path between " + pair);
      if (costs[from].delay > kLongest) return fail(ErrorCode::limit, "routers: over 2 s between " + pair);
      routers.delays_[from * count + to] = costs[from].delay;
      for (const std::uint32_t index : routers.at_[from]) {
        const RouterLink& link = routers.links_[index];
        const Cost rest = costs[other_end(link, from)];
        if (from == to || Cost{rest.delay + link.delay, rest.hops + 1} != costs[from]) continue;
        routers.next_[from * count + to] = index;
        break;
      }
    }
  }
  return routers;
}

Routers::Routers(RouterIndex count, std::vector<RouterLink> links)
    : count_(count),
      links_(std::move(links)),
      at_(count),
      next_(std::size_t{count} * count),
      delays_(std::size_t{count} * count) {
  for (std::uint32_t i = 0; i < links_.size(); ++i) {
    at_[links_[i].a].push_back(i);
    at_[links_[i].b].push_back(i);
  }
}

// Dijkstra's algorithm.
std::vector<Routers::Cost> Routers::costs_to(RouterIndex to) const {
  using Entry = std::pair<Cost, RouterIndex>;
  std::vector<Cost> costs(count_, Cost{kUnreached, 0});
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> open;
  costs[to] = {};
  open.push({costs[to], to});
  while (!open.empty()) {
    const auto [cost, router] = open.top();
    open.pop();
    if (cost != costs[router]) continue;
    for (const std::uint32_t index : at_[router]) {
      const RouterIndex next = other_end(links_[index], router);
      const Cost over{cost.delay + links_[index].delay, cost.hops + 1};
      if (over >= costs[next]) continue;
      costs[next] = over;
      open.push({over, next});
    }
  }
  return costs;
}

Routers::Hop Routers::towards(RouterIndex from, RouterIndex to) const {
  MC_ASSERT(from < count_ && to < count_ && from != to);
  const std::uint32_t index = next_[from * count_ + to];
  const RouterLink& link = links_[index];
  return {index, link.a == from, other_end(link, from)};
}

}  // namespace mesocosm
