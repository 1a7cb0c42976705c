// Autonomous systems: which one a host is in, and which addresses it has for its hosts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "stack/base/result.h"
#include "stack/base/rng.h"

namespace mesocosm {

// The table networks.csv: for each country and kind of access, the shares of the systems that its hosts are in.
//
// The address plan is ours, not the registries': the n-th system, by number, has one /14, the n-th after 11.0.0.0.
// A system's hosts are spread over its prefix, so that a longer prefix of it holds its share of them.
class Networks {
 public:
  using Index = std::uint16_t;                       // of a system, by its number's rank
  static constexpr std::uint32_t kHosts = 1u << 18;  // that a system has addresses for

  static Result<Networks> parse(std::string text, const std::string& name);

  // The system of a host there; that of a country without data is one of the typical mix (ZZ).
  Index draw(std::string_view country, bool hosting, Rng& rng) const;
  std::uint32_t number(Index system) const { return numbers_[system]; }
  std::size_t size() const { return numbers_.size(); }

  // The IPv4 address (host byte order) of a system's host number `rank` < kHosts, and back.
  static std::uint32_t address(Index system, std::uint32_t rank);
  struct Place {
    Index system;
    std::uint32_t rank;
  };
  bool find(std::uint32_t address, Place& place) const;  // false: not in a prefix of ours

 private:
  struct Share {
    double cumulative;  // in its group
    Index system;       // kElsewhere: one of ZZ's
  };
  struct Group {
    std::string country;
    bool hosting;
    std::size_t begin, end;  // in shares_
  };
  static constexpr Index kElsewhere = 0xffff;

  const Group& group(std::string_view country, bool hosting) const;

  std::vector<std::uint32_t> numbers_;  // rising
  std::vector<Group> groups_;           // by country, homes first
  std::vector<Share> shares_;
};

}  // namespace mesocosm
