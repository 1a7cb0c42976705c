#include "sim/net/split.h"

#include <algorithm>
#include <numeric>
#include <string>
#include <utility>

#include "stack/base/assert.h"

namespace mesocosm {
namespace {

constexpr double kUneven = 1.1;  // how far the largest part may be above the mean

// The hosts at one place of the Internet.
struct Group {
  std::size_t place;
  std::vector<HostIndex> hosts;
  Duration last_mile = Duration::max();  // the shortest: what it adds to a round trip
};

std::vector<Group> groups_of(const Internet& internet) {
  std::vector<Group> groups;
  std::vector<std::size_t> group_at(internet.places(), internet.places());
  for (HostIndex host = 0; host < internet.hosts(); ++host) {
    const std::size_t place = internet.place_of(host);
    if (group_at[place] == internet.places()) {
      group_at[place] = groups.size();
      groups.push_back({place, {}, Duration::max()});
    }
    Group& group = groups[group_at[place]];
    group.hosts.push_back(host);
    group.last_mile = std::min(group.last_mile, internet.info(host).last_mile);
  }
  return groups;
}

// No path between a host of one group and another host of the other is shorter, in either direction.
Duration between(const Internet& internet, const Group& a, const Group& b) {
  return internet.least_between(a.place, b.place) + (a.last_mile + b.last_mile) / 2;
}

struct Link {
  std::size_t a, b;
  Duration latency;
};

// The shortest links that join all groups (Prim 1957): groups with any link shorter than some latency between them are
// joined by links of this tree that are shorter.
std::vector<Link> shortest_links(const Internet& internet, const std::vector<Group>& groups) {
  std::vector<Link> nearest(groups.size(), {0, 0, Duration::max()});  // from the tree to each group
  std::vector<bool> in_tree(groups.size());
  std::vector<Link> tree;
  for (std::size_t added = 0; tree.size() + 1 < groups.size();) {
    in_tree[added] = true;
    std::size_t next = groups.size();
    for (std::size_t i = 0; i < groups.size(); ++i) {
      if (in_tree[i]) continue;
      const Duration latency = between(internet, groups[added], groups[i]);
      if (latency < nearest[i].latency) nearest[i] = {added, i, latency};
      if (next == groups.size() || nearest[i].latency < nearest[next].latency) next = i;
    }
    tree.push_back(nearest[next]);
    added = next;
  }
  return tree;
}

// What must stay together so that no link shorter than `lookahead` is cut: lists of hosts, the largest first.
std::vector<std::vector<HostIndex>> inseparable(const Internet& internet, const std::vector<Group>& groups,
                                                const std::vector<Link>& links, Duration lookahead) {
  std::vector<std::size_t> parent(groups.size());
  std::iota(parent.begin(), parent.end(), std::size_t{0});
  const auto root = [&](std::size_t i) {
    while (parent[i] != i) i = parent[i] = parent[parent[i]];
    return i;
  };
  std::vector<bool> together(groups.size());  // the group's own hosts
  for (std::size_t i = 0; i < groups.size(); ++i) {
    together[i] = between(internet, groups[i], groups[i]) < lookahead;
  }
  for (const Link& link : links) {
    if (link.latency >= lookahead) continue;
    parent[root(link.a)] = root(link.b);
    together[link.a] = together[link.b] = true;
  }
  std::vector<std::vector<HostIndex>> parts(groups.size());
  for (std::size_t i = 0; i < groups.size(); ++i) {
    if (!together[i]) {
      for (HostIndex host : groups[i].hosts) parts.push_back({host});
    } else {
      auto& part = parts[root(i)];
      part.insert(part.end(), groups[i].hosts.begin(), groups[i].hosts.end());
    }
  }
  std::erase_if(parts, [](const auto& part) { return part.empty(); });
  std::stable_sort(parts.begin(), parts.end(),
                   [](const auto& a, const auto& b) { return a.size() > b.size(); });
  return parts;
}

struct Packing {
  Split split;
  std::size_t largest = 0;
  bool all_used = false;
};

// Each part goes to the rank that has the fewest hosts so far.
Packing pack(const Internet& internet, const std::vector<Group>& groups, const std::vector<Link>& links,
             Duration lookahead, std::uint32_t ranks) {
  Packing packing;
  packing.split.lookahead = lookahead;
  packing.split.rank_of.resize(internet.hosts());
  std::vector<std::size_t> load(ranks);
  for (const auto& part : inseparable(internet, groups, links, lookahead)) {
    const auto rank = static_cast<std::uint16_t>(std::min_element(load.begin(), load.end()) - load.begin());
    load[rank] += part.size();
    for (HostIndex host : part) packing.split.rank_of[host] = rank;
  }
  packing.largest = *std::max_element(load.begin(), load.end());
  packing.all_used = *std::min_element(load.begin(), load.end()) > 0;
  return packing;
}

}  // namespace

Result<Split> split(const Internet& internet, std::uint32_t ranks) {
  MC_ASSERT(ranks > 0 && ranks < 65536 && internet.hosts() > 0);
  const std::vector<Group> groups = groups_of(internet);
  const std::vector<Link> links = shortest_links(internet, groups);
  std::vector<Duration> lookaheads;
  lookaheads.reserve(links.size() + groups.size());
  for (const Link& link : links) lookaheads.push_back(link.latency);
  for (const Group& group : groups) {
    if (group.hosts.size() > 1) lookaheads.push_back(between(internet, group, group));
  }
  std::erase_if(lookaheads, [](Duration latency) { return latency <= Duration::zero(); });
  std::sort(lookaheads.begin(), lookaheads.end());
  lookaheads.erase(std::unique(lookaheads.begin(), lookaheads.end()), lookaheads.end());

  // The shorter the lookahead, the finer the parts: bisect for the longest that is even enough.
  const double most = kUneven * std::max(1.0, static_cast<double>(internet.hosts()) / ranks);
  std::size_t good = 0, bad = lookaheads.size();
  while (bad > good + 1) {
    const std::size_t middle = (good + bad) / 2;
    const Packing packing = pack(internet, groups, links, lookaheads[middle], ranks);
    const bool even = packing.all_used && static_cast<double>(packing.largest) <= most;
    (even ? good : bad) = middle;
  }
  if (!lookaheads.empty()) {
    Packing packing = pack(internet, groups, links, lookaheads[good], ranks);
    if (packing.all_used) return std::move(packing.split);
  }
  return fail(ErrorCode::limit, "the Internet model has no " + std::to_string(ranks) +
                                    " groups of hosts with a latency between them, so that " +
                                    std::to_string(ranks) + " processes cannot share it");
}

}  // namespace mesocosm
