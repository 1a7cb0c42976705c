#include "sim/net/facts.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <utility>

#include "sim/net/csv.h"
#include "stack/base/assert.h"
#include "stack/base/hash.h"

namespace mesocosm {

namespace {

constexpr double kEarthRadiusKm = 6371.0;
constexpr double kFibreKmPerMs = 200.0;
constexpr double kDetour = 1.72;  // of paths over the straight way in fibre (wondernetwork_2018, all pairs)
constexpr std::array<double, 5> kProbabilities = {0.10, 0.25, 0.50, 0.75, 0.90};
constexpr double kLowestProbability = 0.02;
constexpr double kHighestProbability = 0.98;
constexpr std::string_view kTypicalCountry = "ZZ";

bool is_country_code(std::string_view text) {
  return text.size() == 2 && text[0] >= 'A' && text[0] <= 'Z' && text[1] >= 'A' && text[1] <= 'Z';
}

Result<Quantiles> parse_quantiles(const CsvTable& table, std::size_t row, std::size_t first_column) {
  Quantiles quantiles;
  double low = 1e-6;
  for (std::size_t i = 0; i < quantiles.values.size(); ++i) {
    auto value = table.number(row, first_column + i, low, 1e6);
    if (!value) return tl::unexpected(value.error());
    low = quantiles.values[i] = *value;
  }
  return quantiles;
}

}  // namespace

double distance_km(GeoPoint a, GeoPoint b) {
  constexpr double kRadians = std::numbers::pi / 180.0;
  const double lat = std::sin((b.lat - a.lat) * kRadians / 2);
  const double lon = std::sin((b.lon - a.lon) * kRadians / 2);
  const double h = lat * lat + std::cos(a.lat * kRadians) * std::cos(b.lat * kRadians) * lon * lon;
  return 2 * kEarthRadiusKm * std::asin(std::sqrt(std::min(h, 1.0)));
}

double Quantiles::at(double u) const {
  u = std::clamp(u, kLowestProbability, kHighestProbability);
  std::size_t i = 0;
  while (i + 2 < values.size() && u > kProbabilities[i + 1]) ++i;
  const double share = (u - kProbabilities[i]) / (kProbabilities[i + 1] - kProbabilities[i]);
  return values[i] * std::pow(values[i + 1] / values[i], share);
}

Result<Facts> Facts::load(const std::string& data_folder) {
  FactsText text;
  text.folder = data_folder;
  const std::pair<const char*, std::string*> files[] = {{"/cities.csv", &text.cities},
                                                        {"/region_paths.csv", &text.region_paths},
                                                        {"/city_offsets.csv", &text.city_offsets},
                                                        {"/countries.csv", &text.countries}};
  for (const auto& [file, into] : files) {
    auto content = read_text_file(data_folder + file);
    if (!content) return tl::unexpected(content.error());
    *into = std::move(*content);
  }
  return parse(std::move(text));
}

Result<Facts> Facts::parse(FactsText text) {
  Facts facts;
  for (const std::string* part : {&text.cities, &text.region_paths, &text.city_offsets, &text.countries}) {
    facts.hash_ = hash64(as_bytes(*part), facts.hash_);
  }
  // The region paths come first because they say which regions there are.
  Result<> parsed = facts.parse_region_paths(std::move(text.region_paths), text.folder + "/region_paths.csv");
  if (parsed) parsed = facts.parse_cities(std::move(text.cities), text.folder + "/cities.csv");
  if (parsed)
    parsed = facts.parse_city_offsets(std::move(text.city_offsets), text.folder + "/city_offsets.csv");
  if (parsed) parsed = facts.parse_countries(std::move(text.countries), text.folder + "/countries.csv");
  if (!parsed) return tl::unexpected(parsed.error());
  return facts;
}

Result<> Facts::parse_region_paths(std::string text, const std::string& name) {
  constexpr std::size_t kMaxRegions = 64;
  auto table =
      CsvTable::parse(std::move(text), name,
                      {"region_a", "region_b", "intercept_ms", "slope_ms_per_1000_km", "measured_paths"});
  if (!table) return tl::unexpected(table.error());
  for (std::size_t row = 0; row < table->rows(); ++row) {
    for (std::size_t column : {0, 1}) {
      const std::string region(table->cell(row, column));
      const auto at = std::lower_bound(regions_.begin(), regions_.end(), region);
      if (at != regions_.end() && *at == region) continue;
      if (regions_.size() == kMaxRegions)
        return tl::unexpected(table->fault(row, column, "too many regions"));
      regions_.insert(at, region);
    }
  }
  const std::size_t width = regions_.size();
  const Line unknown{std::numeric_limits<double>::quiet_NaN(), 0};
  lines_.assign(width * width, unknown);
  for (std::size_t row = 0; row < table->rows(); ++row) {
    const auto intercept = table->number(row, 2, -10'000, 10'000);
    if (!intercept) return tl::unexpected(intercept.error());
    const auto slope = table->number(row, 3, -1'000, 1'000);
    if (!slope) return tl::unexpected(slope.error());
    const auto index = [&](std::size_t column) {
      return static_cast<std::size_t>(
          std::lower_bound(regions_.begin(), regions_.end(), table->cell(row, column)) - regions_.begin());
    };
    const std::size_t a = index(0);
    const std::size_t b = index(1);
    if (!std::isnan(lines_[a * width + b].intercept_ms)) {
      return tl::unexpected(table->fault(row, 1, "this pair of regions was given before"));
    }
    lines_[a * width + b] = lines_[b * width + a] = {*intercept, *slope / 1000};
  }
  for (const Line& line : lines_) {
    if (std::isnan(line.intercept_ms)) {
      return fail(ErrorCode::bad_encoding, name + ": a pair of regions is missing");
    }
  }
  return {};
}

Result<> Facts::parse_cities(std::string text, const std::string& name) {
  auto table = CsvTable::parse(std::move(text), name, {"id", "city", "country", "region", "lat", "lon"});
  if (!table) return tl::unexpected(table.error());
  std::int64_t lowest = 0;
  for (std::size_t row = 0; row < table->rows(); ++row) {
    const auto id = table->integer(row, 0, lowest, 65'000);  // rising, so that ids are found by halving
    if (!id) return tl::unexpected(id.error());
    lowest = *id + 1;
    if (!is_country_code(table->cell(row, 2)))
      return tl::unexpected(table->fault(row, 2, "not a country's code"));
    const auto region = std::lower_bound(regions_.begin(), regions_.end(), table->cell(row, 3));
    if (region == regions_.end() || *region != table->cell(row, 3)) {
      return tl::unexpected(table->fault(row, 3, "not a region of region_paths.csv"));
    }
    const auto lat = table->number(row, 4, -90, 90);
    if (!lat) return tl::unexpected(lat.error());
    const auto lon = table->number(row, 5, -180, 180);
    if (!lon) return tl::unexpected(lon.error());
    cities_.push_back({static_cast<std::int32_t>(*id),
                       std::string(table->cell(row, 1)),
                       std::string(table->cell(row, 2)),
                       static_cast<std::size_t>(region - regions_.begin()),
                       {*lat, *lon}});
  }
  if (cities_.empty()) return fail(ErrorCode::bad_encoding, name + ": no cities");
  return {};
}

Result<> Facts::parse_city_offsets(std::string text, const std::string& name) {
  auto table = CsvTable::parse(std::move(text), name, {"id", "..."});
  if (!table) return tl::unexpected(table.error());
  const std::size_t width = regions_.size();
  bool matches = table->columns() == width + 1;
  for (std::size_t region = 0; matches && region < width; ++region) {
    matches = table->header(region + 1) == regions_[region];
  }
  if (!matches)
    return fail(ErrorCode::bad_encoding, name + ": the columns are not the regions of region_paths.csv");
  offsets_ms_.reserve(cities_.size() * width);
  for (std::size_t row = 0; row < table->rows(); ++row) {
    const auto id = table->integer(row, 0, 0, 65'000);
    if (!id) return tl::unexpected(id.error());
    if (row >= cities_.size() || cities_[row].id != *id) {
      return tl::unexpected(table->fault(row, 0, "not the id of this row in cities.csv"));
    }
    for (std::size_t region = 0; region < width; ++region) {
      const auto offset = table->number(row, region + 1, -10'000, 10'000);
      if (!offset) return tl::unexpected(offset.error());
      offsets_ms_.push_back(*offset);
    }
  }
  if (table->rows() != cities_.size()) return fail(ErrorCode::bad_encoding, name + ": cities are missing");
  return {};
}

Result<> Facts::parse_countries(std::string text, const std::string& name) {
  auto table = CsvTable::parse(
      std::move(text), name,
      {"country", "down_p10", "down_p25", "down_p50", "down_p75", "down_p90", "up_p10", "up_p25", "up_p50",
       "up_p75", "up_p90", "rtt_p10", "rtt_p25", "rtt_p50", "rtt_p75", "rtt_p90", "own"});
  if (!table) return tl::unexpected(table.error());
  for (std::size_t row = 0; row < table->rows(); ++row) {
    const std::string code(table->cell(row, 0));
    if (!is_country_code(code)) return tl::unexpected(table->fault(row, 0, "not a country's code"));
    if (!countries_.empty() && countries_.back().code >= code) {
      return tl::unexpected(table->fault(row, 0, "not in alphabetical order"));
    }
    const auto down = parse_quantiles(*table, row, 1);
    if (!down) return tl::unexpected(down.error());
    const auto up = parse_quantiles(*table, row, 6);
    if (!up) return tl::unexpected(up.error());
    const auto rtt = parse_quantiles(*table, row, 11);
    if (!rtt) return tl::unexpected(rtt.error());
    countries_.push_back({code, *down, *up, *rtt});
  }
  if (countries_.empty() || countries_.back().code != kTypicalCountry) {
    return fail(ErrorCode::bad_encoding, name + ": no last row ZZ for countries without data");
  }
  return {};
}

Result<std::vector<MixEntry>> Facts::parse_mix(std::string text, const std::string& name) const {
  constexpr std::size_t kMaxEntries = 65'535;
  auto table = CsvTable::parse(std::move(text), name, {"country", "city", "hosting", "share"});
  if (!table) return tl::unexpected(table.error());
  std::vector<MixEntry> mix;
  for (std::size_t row = 0; row < table->rows(); ++row) {
    if (!is_country_code(table->cell(row, 0)))
      return tl::unexpected(table->fault(row, 0, "not a country's code"));
    const auto id = table->integer(row, 1, 0, 65'000);
    if (!id) return tl::unexpected(id.error());
    const std::size_t city = city_with_id(*id);
    if (city == cities_.size()) return tl::unexpected(table->fault(row, 1, "not an id of cities.csv"));
    const auto hosting = table->integer(row, 2, 0, 1);
    if (!hosting) return tl::unexpected(hosting.error());
    const auto share = table->integer(row, 3, 1, 1'000'000'000);
    if (!share) return tl::unexpected(share.error());
    if (mix.size() == kMaxEntries) return tl::unexpected(table->fault(row, 0, "too many rows"));
    mix.push_back({std::string(table->cell(row, 0)), city, *hosting == 1, static_cast<double>(*share)});
  }
  if (mix.empty()) return fail(ErrorCode::bad_encoding, name + ": no rows");
  return mix;
}

std::size_t Facts::city_with_id(std::int64_t id) const {
  const auto at = std::lower_bound(cities_.begin(), cities_.end(), id,
                                   [](const City& city, std::int64_t wanted) { return city.id < wanted; });
  return at != cities_.end() && at->id == id ? static_cast<std::size_t>(at - cities_.begin())
                                             : cities_.size();
}

std::size_t Facts::nearest_city(GeoPoint at) const {
  std::size_t nearest = 0;
  double shortest = std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < cities_.size(); ++i) {
    const double distance = distance_km(at, cities_[i].at);
    if (distance < shortest) {
      shortest = distance;
      nearest = i;
    }
  }
  return nearest;
}

const Country& Facts::country(std::string_view code) const {
  const auto at =
      std::lower_bound(countries_.begin(), countries_.end(), code,
                       [](const Country& country, std::string_view wanted) { return country.code < wanted; });
  return at != countries_.end() && at->code == code ? *at : countries_.back();
}

double Facts::rtt_ms(std::size_t city_a, GeoPoint a, std::size_t city_b, GeoPoint b) const {
  MC_ASSERT(city_a < cities_.size() && city_b < cities_.size());
  const std::size_t width = regions_.size();
  const std::size_t region_a = cities_[city_a].region;
  const std::size_t region_b = cities_[city_b].region;
  const double distance = distance_km(a, b);
  const double light = 2 * distance / kFibreKmPerMs;
  if (city_a == city_b) return kSameCityMs + kDetour * light;  // the fit says nothing about such short ways
  const Line& line = lines_[region_a * width + region_b];
  const double fitted = line.intercept_ms + line.slope_ms_per_km * distance +
                        offsets_ms_[city_a * width + region_b] + offsets_ms_[city_b * width + region_a];
  return std::max({fitted, light, kSameCityMs});
}

}  // namespace mesocosm
