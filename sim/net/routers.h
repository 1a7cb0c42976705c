// Routers with links between them, that several hosts share, and the static routes over them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "sim/net/path_model.h"
#include "stack/base/result.h"

namespace mesocosm {

// Both directions alike, each with a queue of its own. `queue`: the longest that a packet waits at the link's rate.
struct RouterLink {
  RouterIndex a = 0;
  RouterIndex b = 0;
  double bps = 0;
  Duration delay{};
  Duration queue{};
  QueueDiscipline discipline = QueueDiscipline::drop_tail;
};

// A packet takes the path of the least delay; among those, of the fewest links, then of the links named first.
class Routers {
 public:
  static constexpr RouterIndex kMost = 1024;
  struct Hop {
    std::uint32_t link;  // of links()
    bool forward;        // from a to b
    RouterIndex to;
  };

  // Errors (limit) name the link that is wrong, or two routers that are not joined.
  static Result<Routers> make(RouterIndex count, std::vector<RouterLink> links);

  RouterIndex count() const { return count_; }
  std::span<const RouterLink> links() const { return links_; }
  Duration delay(RouterIndex from, RouterIndex to) const { return delays_[from * count_ + to]; }
  Hop towards(RouterIndex from, RouterIndex to) const;  // the first of the path; from != to

 private:
  struct Cost {
    Duration delay;
    std::uint32_t hops;
    auto operator<=>(const Cost&) const = default;
  };

  Routers(RouterIndex count, std::vector<RouterLink> links);
  std::vector<Cost> costs_to(RouterIndex to) const;
  static RouterIndex other_end(const RouterLink& link, RouterIndex end) {
    return link.a == end ? link.b : link.a;
  }

  RouterIndex count_;
  std::vector<RouterLink> links_;
  std::vector<std::vector<std::uint32_t>> at_;  // by router: its links, in order
  std::vector<std::uint32_t> next_;             // by (from, to): the first link
  std::vector<Duration> delays_;                // by (from, to)
};

}  // namespace mesocosm
