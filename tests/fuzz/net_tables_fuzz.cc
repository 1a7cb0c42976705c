// The reader of the Internet model's tables: any text is read or refused, and what is read gives finite round
// trips.
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>

#include "sim/net/csv.h"
#include "sim/net/facts.h"
#include "sim/net/networks.h"
#include "stack/base/assert.h"
#include "stack/base/bytes.h"

using namespace mesocosm;

namespace {

// The input: a byte that chooses which of the tables is fuzzed, and its text. The others are small and right.
FactsText tables_with(std::uint8_t which, std::string_view text) {
  FactsText tables{"fuzz", "id,city,country,region,lat,lon\n3,Here,AA,X,0,0\n7,There,BB,Y,0,90\n",
                   "region_a,region_b,intercept_ms,slope_ms_per_1000_km,measured_paths\nX,X,1,2,3\nX,Y,10,11,"
                   "4\nY,Y,5,6,7\n",
                   "id,X,Y\n3,1,2\n7,4,-3\n",
                   "country,down_p10,down_p25,down_p50,down_p75,down_p90,up_p10,up_p25,up_p50,up_p75,up_p90,"
                   "rtt_p10,rtt_p25,rtt_p50,rtt_p75,rtt_p90,own\nZZ,1,2,3,4,5,1,2,3,4,5,1,2,3,4,5,all\n"};
  std::string* const fuzzed[] = {&tables.cities, &tables.region_paths, &tables.city_offsets,
                                 &tables.countries};
  if (which < 4) *fuzzed[which] = text;
  return tables;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::uint8_t which = data[0] % 6;
  const std::string_view text = as_text({data + 1, size - 1});
  if (which == 5) {
    const auto networks = Networks::parse(std::string(text), "networks");
    Rng rng(1);
    if (networks) MC_ASSERT(networks->draw("AA", true, rng) < networks->size());
    return 0;
  }
  const auto facts = Facts::parse(tables_with(which, text));
  if (!facts) {
    MC_ASSERT(facts.error().code == ErrorCode::bad_encoding && !facts.error().detail.empty());
    return 0;
  }
  const std::size_t last = facts->cities().size() - 1;
  const double rtt = facts->rtt_ms(0, facts->cities()[0].at, last, facts->cities()[last].at);
  MC_ASSERT(std::isfinite(rtt) && rtt >= Facts::kSameCityMs);
  const double rate = facts->country("AA").up_mbps.at(0.98);
  MC_ASSERT(std::isfinite(rate) && rate > 0);
  if (which == 4) {
    if (const auto mix = facts->parse_mix(std::string(text), "mix")) {
      for (const MixEntry& entry : *mix) MC_ASSERT(entry.city <= last && entry.share > 0);
    }
  }
  return 0;
}
