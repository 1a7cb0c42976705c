// The measured facts that the default Internet model stands on, as read from the tables of data/
// (data/README.md says where they come from), and what follows from them: round trips between cities and the
// quantiles of access links.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "stack/base/result.h"

namespace mesocosm {

struct GeoPoint {
  double lat = 0;  // degrees north
  double lon = 0;  // degrees east
};

// Great-circle distance (haversine) on a sphere of 6,371 km.
double distance_km(GeoPoint a, GeoPoint b);

// A distribution given by its quantiles at 10, 25, 50, 75 and 90 %, all > 0.
struct Quantiles {
  std::array<double, 5> values{};
  // The quantile `u` in [0, 1]: straight lines in the logarithm between the given ones, continued outwards as
  // far as 2 % and 98 %, level beyond.
  double at(double u) const;
};

struct City {
  std::int32_t id = 0;  // stable, as the mixes name it
  std::string name;
  std::string country;  // ISO 3166-1 alpha-2
  std::size_t region = 0;
  GeoPoint at;
};

struct Country {
  std::string code;
  Quantiles down_mbps;
  Quantiles up_mbps;
  Quantiles rtt_ms;  // minimal round trip between a home and a measurement server near by
};

// One kind of place and its weight in a mix.
struct MixEntry {
  std::string country;
  std::size_t city = 0;  // index in Facts::cities()
  bool hosting = false;
  double share = 0;
};

// The four tables as text, with the name of the folder for messages.
struct FactsText {
  std::string folder;
  std::string cities;
  std::string region_paths;
  std::string city_offsets;
  std::string countries;
};

class Facts {
 public:
  static Result<Facts> load(const std::string& data_folder);
  static Result<Facts> parse(FactsText text);
  Result<std::vector<MixEntry>> parse_mix(std::string text, const std::string& name) const;

  const std::vector<City>& cities() const { return cities_; }
  std::size_t nearest_city(GeoPoint at) const;
  const std::string& region_of(std::size_t city) const { return regions_[cities_[city].region]; }
  // The country's row, or the typical one (ZZ) for countries without.
  const Country& country(std::string_view code) const;

  // The modelled round trip in ms between places near two cities, last miles excluded
  // (docs/internet-model.md):
  //   rtt = intercept[r_a, r_b] + slope[r_a, r_b] * distance + offset[a, r_b] + offset[b, r_a],
  // where r is a city's region; never faster than light in fibre, never below kSameCityMs.
  double rtt_ms(std::size_t city_a, GeoPoint a, std::size_t city_b, GeoPoint b) const;

  // Of all text that was read, for a run's provenance.
  std::uint64_t hash() const { return hash_; }

  static constexpr double kSameCityMs = 0.5;

 private:
  struct Line {
    double intercept_ms = 0;
    double slope_ms_per_km = 0;
  };
  Result<> parse_cities(std::string text, const std::string& name);
  Result<> parse_region_paths(std::string text, const std::string& name);
  Result<> parse_city_offsets(std::string text, const std::string& name);
  Result<> parse_countries(std::string text, const std::string& name);
  std::size_t city_with_id(std::int64_t id) const;  // cities_.size() if there is none

  std::vector<std::string> regions_;
  std::vector<City> cities_;        // by id
  std::vector<Country> countries_;  // by code
  std::vector<Line> lines_;         // region by region
  std::vector<double> offsets_ms_;  // city by region
  std::uint64_t hash_ = 0;
};

}  // namespace mesocosm
