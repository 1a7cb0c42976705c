#include "sim/net/networks.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "sim/net/csv.h"
#include "stack/base/assert.h"

namespace mesocosm {
namespace {

constexpr std::uint32_t kFirst = 0x0b000000;  // 11.0.0.0
constexpr std::size_t kMostSystems = 5000;    // up to 89.255.255.255: nothing reserved is in between
constexpr std::string_view kTypical = "ZZ";

// Steps of about the golden section through the prefix; odd, so that each address comes once.
constexpr std::uint32_t kStep = 162'013;
constexpr std::uint32_t kMask = Networks::kHosts - 1;
constexpr std::uint32_t inverse() {  // of kStep, modulo 2^32, by Newton's iteration
  std::uint32_t x = kStep;
  for (int i = 0; i < 5; ++i) x *= 2 - kStep * x;
  return x;
}
static_assert((kStep * inverse() & kMask) == 1);

}  // namespace

Result<Networks> Networks::parse(std::string text, const std::string& name) {
  auto table = CsvTable::parse(std::move(text), name, {"country", "hosting", "asn", "share"});
  if (!table) return tl::unexpected(table.error());
  Networks networks;
  std::vector<std::uint32_t> of_share;  // numbers; 0: elsewhere
  for (std::size_t row = 0; row < table->rows(); ++row) {
    const std::string country(table->cell(row, 0));
    const auto hosting = table->integer(row, 1, 0, 1);
    if (!hosting) return tl::unexpected(hosting.error());
    const auto number = table->integer(row, 2, 0, 0xffffffff);
    if (!number) return tl::unexpected(number.error());
    const auto share = table->number(row, 3, 1e-9, 1e9);
    if (!share) return tl::unexpected(share.error());
    if (*number == 0 && country == kTypical)
      return tl::unexpected(table->fault(row, 2, "ZZ has no elsewhere"));

    auto& groups = networks.groups_;
    const std::pair key(std::string_view(country), *hosting == 1);
    const bool first =
        groups.empty() || std::pair(std::string_view(groups.back().country), groups.back().hosting) != key;
    if (first) {
      if (!groups.empty() &&
          std::pair(std::string_view(groups.back().country), groups.back().hosting) > key) {
        return tl::unexpected(table->fault(row, 0, "not in order of country and hosting"));
      }
      groups.push_back({country, *hosting == 1, networks.shares_.size(), 0});
    }
    const double before = first ? 0 : networks.shares_.back().cumulative;
    networks.shares_.push_back({before + *share, kElsewhere});
    of_share.push_back(static_cast<std::uint32_t>(*number));
    groups.back().end = networks.shares_.size();
  }

  networks.numbers_ = of_share;
  auto& numbers = networks.numbers_;
  std::sort(numbers.begin(), numbers.end());
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  if (!numbers.empty() && numbers.front() == 0) numbers.erase(numbers.begin());
  if (numbers.size() > kMostSystems) return fail(ErrorCode::too_large, name + ": over 5000 systems");
  for (std::size_t i = 0; i < of_share.size(); ++i) {
    if (of_share[i] == 0) continue;
    const auto at = std::lower_bound(numbers.begin(), numbers.end(), of_share[i]);
    networks.shares_[i].system = static_cast<Index>(at - numbers.begin());
  }
  for (const bool hosting : {false, true}) {
    const Group& typical = networks.group(kTypical, hosting);
    if (typical.country != kTypical || typical.hosting != hosting) {
      return fail(ErrorCode::bad_encoding, name + ": no row ZZ," + (hosting ? "1" : "0"));
    }
  }
  return networks;
}

// The country's, or else ZZ's.
const Networks::Group& Networks::group(std::string_view country, bool hosting) const {
  static const Group none{};
  const auto found = [&](std::string_view code) {
    return std::lower_bound(groups_.begin(), groups_.end(), std::pair(code, hosting),
                            [](const Group& group, const auto& key) {
                              return std::pair(std::string_view(group.country), group.hosting) < key;
                            });
  };
  const auto is = [&](auto at, std::string_view code) {
    return at != groups_.end() && at->country == code && at->hosting == hosting;
  };
  if (const auto own = found(country); is(own, country)) return *own;
  const auto typical = found(kTypical);
  return is(typical, kTypical) ? *typical : none;
}

Networks::Index Networks::draw(std::string_view country, bool hosting, Rng& rng) const {
  while (true) {
    const Group& from = group(country, hosting);
    MC_ASSERT(from.end > from.begin);
    const auto begin = shares_.begin() + static_cast<std::ptrdiff_t>(from.begin);
    const auto last = shares_.begin() + static_cast<std::ptrdiff_t>(from.end - 1);
    const double wanted = rng.unit() * last->cumulative;
    const auto at = std::upper_bound(
        begin, last, wanted, [](double value, const Share& share) { return value < share.cumulative; });
    if (at->system != kElsewhere) return at->system;
    country = kTypical;
  }
}

std::uint32_t Networks::address(Index system, std::uint32_t rank) {
  MC_ASSERT(rank < kHosts);
  return kFirst + std::uint32_t{system} * kHosts + ((rank * kStep + 1) & kMask);
}

bool Networks::find(std::uint32_t address, Place& place) const {
  if (address < kFirst || (address - kFirst) / kHosts >= numbers_.size()) return false;
  place.system = static_cast<Index>((address - kFirst) / kHosts);
  place.rank = ((address - kFirst) % kHosts - 1) * inverse() & kMask;
  return true;
}

}  // namespace mesocosm
