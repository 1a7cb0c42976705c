#include "stack/transport/crowd_control.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "stack/base/assert.h"

namespace mesocosm {
namespace {

constexpr std::size_t kNetworkOctets = 8;  // of an IPv6 address

IpAddress source_of(const IpAddress& address) {
  if (address.is_v4()) return address;
  std::array<std::uint8_t, 16> octets = address.octets();
  std::fill(octets.begin() + kNetworkOctets, octets.end(), std::uint8_t{0});
  return IpAddress::v6(octets);
}

}  // namespace

std::size_t crowded_out(std::span<const IpAddress> sources) {
  MC_ASSERT(!sources.empty());
  std::vector<std::pair<IpAddress, std::size_t>> arrivals;  // by source, then by time
  arrivals.reserve(sources.size());
  for (std::size_t i = 0; i < sources.size(); ++i) arrivals.emplace_back(source_of(sources[i]), i);
  std::sort(arrivals.begin(), arrivals.end());
  std::size_t most = 0, oldest = 0;
  for (auto begin = arrivals.begin(); begin != arrivals.end();) {
    const auto end = std::find_if(begin, arrivals.end(),
                                  [&](const auto& arrival) { return arrival.first != begin->first; });
    const auto count = static_cast<std::size_t>(end - begin);
    if (count > most || (count == most && begin->second < oldest)) {
      most = count;
      oldest = begin->second;
    }
    begin = end;
  }
  return oldest;
}

}  // namespace mesocosm
