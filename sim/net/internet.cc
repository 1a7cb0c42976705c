#include "sim/net/internet.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <numbers>
#include <tuple>
#include <utility>

#include "sim/net/csv.h"
#include "stack/base/assert.h"
#include "stack/base/hash.h"

namespace mesocosm {

namespace {

// Access links (docs/internet-model.md, "Access links" and "Jitter").
constexpr double kHostingBps = 1e9;
constexpr Duration kHostingQueue = 50ms;
constexpr double kHostingLastMileMs = 0.4;  // median
constexpr double kHostingLastMileSigma = 0.6;
constexpr double kHostingJitterMs = 0.05;  // median
constexpr double kHostingJitterSigma = 1.0;

constexpr double kHomeLowestBps = 1e6;  // of any home that runs a node
constexpr Duration kHomeUpQueue = 150ms;
constexpr Duration kHomeDownQueue = 100ms;
constexpr double kHomeRateCorrelation = 0.7;  // between the normal scores of up and down
constexpr double kHomeToServerMs = 5.0;       // of the measured round trip that is beyond the last mile
constexpr double kHomeShortestLastMileMs = 0.5;
constexpr double kHomeLowestJitterMs = 1.0;  // medians are log-uniform between these
constexpr double kHomeHighestJitterMs = 5.0;
constexpr float kHomeLoss = 0.001F;

constexpr std::size_t kMaxSites = 8192;  // 256 MiB of latencies
constexpr std::size_t kMaxPlaces = 65'535;

constexpr std::uint32_t kWifiAnswer = 100'000'000;  // ns; half of what it takes to learn that nobody listens

double normal_probability(double z) { return 0.5 * std::erfc(-z / std::numbers::sqrt2); }

std::uint32_t to_ns(double ms) { return static_cast<std::uint32_t>(std::llround(ms * 1e6)); }

// exp(sigma * z(u)) at equal steps of u, with z held within +-3.
class JitterShape {
 public:
  JitterShape() {
    for (std::size_t i = 0; i <= kSteps; ++i) {
      values_[i] = std::exp(Internet::kJitterSigma * normal_quantile(static_cast<double>(i) / kSteps));
    }
  }
  double at(double u) const {
    const double position = std::clamp(u, 0.0, 1.0) * kSteps;
    const auto i = std::min(static_cast<std::size_t>(position), kSteps - 1);
    return std::lerp(values_[i], values_[i + 1], position - static_cast<double>(i));
  }

 private:
  static double normal_quantile(double u) {
    double low = -3.0;
    double high = 3.0;
    for (int i = 0; i < 48; ++i) {
      const double middle = (low + high) / 2;
      (normal_probability(middle) < u ? low : high) = middle;
    }
    return low;
  }
  static constexpr std::size_t kSteps = 1024;
  std::array<double, kSteps + 1> values_{};
};

double jitter_shape(double u) {
  static const JitterShape shape;
  return shape.at(u);
}

Result<> check_latency(Duration latency, std::string_view what) {
  if (latency < 0ns) return fail(ErrorCode::limit, std::string(what) + ": below zero");
  if (latency > Internet::kLongest) return fail(ErrorCode::limit, std::string(what) + ": over 2 s");
  return {};
}

}  // namespace

Result<Internet> Internet::make(const InternetConfig& config, const std::string& data_folder,
                                const Rng& rng) {
  Internet internet(rng);
  const Result<> configured =
      std::visit([&](const auto& kind) { return internet.configure(kind, data_folder); }, config);
  if (!configured) return tl::unexpected(configured.error());
  internet.absorb(config.index());
  return internet;
}

Result<> Internet::load_facts(const std::string& data_folder) {
  auto facts = Facts::load(data_folder);
  if (!facts) return tl::unexpected(facts.error());
  facts_ = std::make_unique<Facts>(std::move(*facts));
  absorb(facts_->hash());
  const std::string path = data_folder + "/networks.csv";
  auto text = read_text_file(path);
  if (!text) return tl::unexpected(text.error());
  absorb(hash64(as_bytes(*text)));
  auto networks = Networks::parse(std::move(*text), path);
  if (!networks) return tl::unexpected(networks.error());
  networks_ = std::make_unique<Networks>(std::move(*networks));
  by_system_.resize(networks_->size());
  return {};
}

Result<> Internet::configure(const MeasuredMix& mix, const std::string& data_folder) {
  const bool plain = std::all_of(mix.name.begin(), mix.name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
  if (!plain || mix.name.empty()) return fail(ErrorCode::not_found, "internet: no mix '" + mix.name + "'");
  if (!(mix.home_up_bps >= 0) || !(mix.home_down_bps >= 0)) {
    return fail(ErrorCode::limit, "internet: the least rates of homes must not be negative");
  }
  home_up_bps_ = std::max(mix.home_up_bps, kHomeLowestBps);
  home_down_bps_ = std::max(mix.home_down_bps, kHomeLowestBps);
  absorb(static_cast<std::uint64_t>(home_up_bps_));
  absorb(static_cast<std::uint64_t>(home_down_bps_));
  if (auto loaded = load_facts(data_folder); !loaded) return loaded;
  const std::string path = data_folder + "/mix_" + mix.name + ".csv";
  auto text = read_text_file(path);
  if (!text) return tl::unexpected(text.error());
  absorb(hash64(as_bytes(*text)));
  const auto entries = facts_->parse_mix(std::move(*text), path);
  if (!entries) return tl::unexpected(entries.error());

  placement_ = Placement::by_share;
  double cumulative = 0;
  for (const MixEntry& entry : *entries) {
    const City& city = facts_->cities()[entry.city];
    cumulative += entry.share;
    places_.push_back({static_cast<std::uint32_t>(entry.city), entry.hosting, entry.country, city.name,
                       facts_->region_of(entry.city), city.at, cumulative, &facts_->country(entry.country)});
  }
  std::vector<std::pair<std::size_t, GeoPoint>> sites;
  for (std::size_t i = 0; i < facts_->cities().size(); ++i) sites.emplace_back(i, facts_->cities()[i].at);
  measure_sites(sites);
  return {};
}

Result<> Internet::configure(const OwnPlaces& own, const std::string& data_folder) {
  if (own.places.empty() || own.places.size() > kMaxSites) {
    return fail(ErrorCode::limit,
                "internet: 1 to 8192 places are possible, not " + std::to_string(own.places.size()));
  }
  if (auto loaded = load_facts(data_folder); !loaded) return loaded;
  placement_ = Placement::by_share;
  double cumulative = 0;
  std::vector<std::pair<std::size_t, GeoPoint>> sites;
  for (const OwnPlace& place : own.places) {
    const bool valid = std::abs(place.at.lat) <= 90 && std::abs(place.at.lon) <= 180 && place.share > 0 &&
                       std::isfinite(place.share) && place.hosting >= 0 && place.hosting <= 1;
    if (!valid)
      return fail(ErrorCode::limit, "internet: place '" + place.name + "': a number is out of range");
    const std::size_t nearest = facts_->nearest_city(place.at);
    for (const bool hosting : {true, false}) {
      const double share = place.share * (hosting ? place.hosting : 1 - place.hosting);
      if (share <= 0) continue;
      cumulative += share;
      places_.push_back({static_cast<std::uint32_t>(sites.size()), hosting, place.country, place.name,
                         facts_->region_of(nearest), place.at, cumulative, &facts_->country(place.country)});
    }
    sites.emplace_back(nearest, place.at);
    absorb(hash64(as_bytes(place.name), hash64(as_bytes(place.country))));
    for (double value : {place.at.lat, place.at.lon, place.share, place.hosting}) {
      absorb(std::bit_cast<std::uint64_t>(value));
    }
  }
  measure_sites(sites);
  return {};
}

Result<> Internet::configure(const UniformLatency& uniform, const std::string&) {
  for (const Duration latency : {uniform.low, uniform.high}) {
    if (auto checked = check_latency(latency, "internet: uniform latency"); !checked) return checked;
  }
  if (uniform.low > uniform.high)
    return fail(ErrorCode::limit, "internet: uniform latency: low is over high");
  pairwise_ = true;
  pair_low_ = uniform.low;
  pair_high_ = uniform.high;
  pair_seed_ = rng_.fork("pairs").next();
  places_.resize(1);
  absorb(static_cast<std::uint64_t>(pair_low_.count()));
  absorb(static_cast<std::uint64_t>(pair_high_.count()));
  return take_link(uniform.link);
}

Result<> Internet::configure(const StarLatency& star, const std::string&) {
  if (star.spokes.empty() || star.spokes.size() >= kMaxPlaces) {
    return fail(ErrorCode::limit, "internet: star: 1 to 65534 spokes are possible");
  }
  for (std::size_t i = 0; i < star.spokes.size(); ++i) {
    const std::string what = "internet: star: latency of spoke " + std::to_string(i);
    if (auto checked = check_latency(star.spokes[i], what); !checked) return checked;
    absorb(static_cast<std::uint64_t>(star.spokes[i].count()));
  }
  // One site in the middle; the spokes are last miles.
  placement_ = Placement::hub_first;
  places_.resize(star.spokes.size() + 1);
  spokes_ = star.spokes;
  sites_ = 1;
  one_way_ns_ = {0};
  return take_link(star.link);
}

Result<> Internet::configure(const LatencyMatrix& matrix, const std::string&) {
  if (matrix.size == 0 || matrix.size > kMaxSites) {
    return fail(ErrorCode::limit,
                "internet: matrix: 1 to 8192 rows are possible, not " + std::to_string(matrix.size));
  }
  if (matrix.one_way.size() != matrix.size * matrix.size) {
    return fail(ErrorCode::limit, "internet: matrix: not square");
  }
  one_way_ns_.reserve(matrix.one_way.size());
  for (std::size_t i = 0; i < matrix.one_way.size(); ++i) {
    const Duration latency = matrix.one_way[i];
    if (latency < 0ns || latency > kLongest) {
      const std::string what = "internet: matrix: row " + std::to_string(i / matrix.size) + ", column " +
                               std::to_string(i % matrix.size);
      return check_latency(latency, what);
    }
    one_way_ns_.push_back(static_cast<std::uint32_t>(latency.count()));
    absorb(static_cast<std::uint64_t>(latency.count()));
  }
  placement_ = Placement::round_robin;
  sites_ = matrix.size;
  places_.resize(matrix.size);
  for (std::size_t i = 0; i < matrix.size; ++i) places_[i].site = static_cast<std::uint32_t>(i);
  return take_link(matrix.link);
}

Result<> Internet::configure(const RoutedNetwork& network, const std::string&) {
  auto routers = Routers::make(network.routers, network.links);
  if (!routers) return tl::unexpected(Error{routers.error().code, "internet: " + routers.error().detail});
  if (network.hosts.empty() || network.hosts.size() >= kMaxPlaces) {
    return fail(ErrorCode::limit, "internet: routers: 1 to 65534 places for hosts are possible");
  }
  for (std::size_t i = 0; i < network.hosts.size(); ++i) {
    const Attachment& host = network.hosts[i];
    const std::string what = "internet: routers: host " + std::to_string(i);
    if (host.router >= network.routers) {
      return fail(ErrorCode::limit, what + ": there is no router " + std::to_string(host.router));
    }
    if (auto checked = check_latency(host.latency, what + ": latency"); !checked) return checked;
    Place place;
    place.site = host.router;
    places_.push_back(place);
    spokes_.push_back(host.latency);
    absorb(host.router);
    absorb(static_cast<std::uint64_t>(host.latency.count()));
  }
  for (const RouterLink& link : network.links) {
    absorb(std::uint64_t{link.a} << 32 | link.b);
    absorb(std::bit_cast<std::uint64_t>(link.bps));
    absorb(static_cast<std::uint64_t>(link.delay.count()));
    absorb(static_cast<std::uint64_t>(link.queue.count()));
    absorb(static_cast<std::uint64_t>(link.discipline));
  }
  placement_ = Placement::round_robin;
  sites_ = network.routers;
  for (RouterIndex from = 0; from < network.routers; ++from) {
    for (RouterIndex to = 0; to < network.routers; ++to) {
      one_way_ns_.push_back(static_cast<std::uint32_t>(routers->delay(from, to).count()));
    }
  }
  routers_ = std::move(*routers);
  return take_link(network.link);
}

Result<> Internet::configure(const WifiAdhoc& wifi, const std::string&) {
  const auto refuse = [](const std::string& why) {
    return fail(ErrorCode::limit, "internet: Wi-Fi: " + why);
  };
  const auto length = [](double metres) { return metres > 0 && metres <= 1e6; };
  if (!length(wifi.width_m) || !length(wifi.height_m)) return refuse("area: sides outside (0, 1000 km]");
  if (!length(wifi.range_m)) return refuse("range outside (0, 1000 km]");
  const std::array<std::uint32_t, 8> rates = {6, 9, 12, 18, 24, 36, 48, 54};
  if (std::find(rates.begin(), rates.end(), wifi.rate_mbps) == rates.end()) {
    return refuse("rate: 802.11a has 6, 9, 12, 18, 24, 36, 48 and 54 Mbit/s, not " +
                  std::to_string(wifi.rate_mbps));
  }
  const bool moves = wifi.fastest_mps > 0;
  if (!(wifi.fastest_mps >= 0 && wifi.fastest_mps <= 1e4)) return refuse("speed outside [0, 10 km/s]");
  if (moves && !(wifi.slowest_mps > 0 && wifi.slowest_mps <= wifi.fastest_mps)) {
    return refuse("speed: the slowest must be above zero and not over the fastest");
  }
  if (wifi.pause < 0ns) return refuse("pause: below zero");
  for (std::size_t i = 0; i < wifi.positions.size(); ++i) {
    const auto& [x, y] = wifi.positions[i];
    if (x >= 0 && x <= wifi.width_m && y >= 0 && y <= wifi.height_m) continue;
    return refuse("position " + std::to_string(i) + ": outside the area");
  }
  for (double value : {wifi.width_m, wifi.height_m, wifi.range_m, wifi.slowest_mps, wifi.fastest_mps}) {
    absorb(std::bit_cast<std::uint64_t>(value));
  }
  absorb(wifi.rate_mbps);
  absorb(static_cast<std::uint64_t>(wifi.pause.count()));
  for (const auto& [x, y] : wifi.positions) {
    absorb(std::bit_cast<std::uint64_t>(x));
    absorb(std::bit_cast<std::uint64_t>(y));
  }
  wifi_ = wifi;
  places_.resize(1);
  sites_ = 1;
  one_way_ns_ = {kWifiAnswer};
  return {};
}

Result<> Internet::take_link(const HostLink& link) {
  const auto valid_rate = [](double bps) { return bps >= 1 && bps <= 1e15; };
  bool valid = valid_rate(link.up_bps) && valid_rate(link.down_bps);
  for (const auto& [up, down] : link.in_turn) valid = valid && valid_rate(up) && valid_rate(down);
  if (!valid) return fail(ErrorCode::limit, "internet: bandwidth: outside 1 bit/s to 1 Pbit/s");
  if (!(link.jitter_share >= 0 && link.jitter_share <= 10)) {
    return fail(ErrorCode::limit, "internet: jitter: its share of the latency is outside [0, 10]");
  }
  if (!(link.loss >= 0 && link.loss < 1)) return fail(ErrorCode::limit, "internet: loss: outside [0, 1)");
  if (auto checked = check_latency(link.jitter, "internet: jitter"); !checked) return checked;
  if (link.queue <= 0ns || link.queue > 60s)
    return fail(ErrorCode::limit, "internet: queue: outside (0, 60 s]");
  link_ = link;
  for (double value : {link.up_bps, link.down_bps, link.loss}) absorb(std::bit_cast<std::uint64_t>(value));
  for (Duration value : {link.queue, link.jitter}) absorb(static_cast<std::uint64_t>(value.count()));
  if (link.discipline != QueueDiscipline::drop_tail) absorb(static_cast<std::uint64_t>(link.discipline));
  if (link.jitter_share > 0) absorb(std::bit_cast<std::uint64_t>(link.jitter_share));
  for (const auto& [up, down] : link.in_turn) {
    for (double bps : {up, down}) absorb(std::bit_cast<std::uint64_t>(bps));
  }
  return {};
}

void Internet::measure_sites(const std::vector<std::pair<std::size_t, GeoPoint>>& sites) {
  sites_ = sites.size();
  one_way_ns_.resize(sites_ * sites_);
  for (std::size_t i = 0; i < sites_; ++i) {
    for (std::size_t j = i; j < sites_; ++j) {
      const double rtt_ms = facts_->rtt_ms(sites[i].first, sites[i].second, sites[j].first, sites[j].second);
      // To the microsecond, so that the last digits of sines do not matter.
      const auto one_way = static_cast<std::uint32_t>(std::llround(rtt_ms / 2 * 1000) * 1000);
      one_way_ns_[i * sites_ + j] = one_way_ns_[j * sites_ + i] = one_way;
    }
  }
}

void Internet::absorb(std::uint64_t value) { data_hash_ = mix64(data_hash_ ^ value); }

HostIndex Internet::add_host() {
  const HostIndex index = count_++;
  if (index % kChunk == 0) chunks_.push_back(std::make_unique<Host[]>(kChunk));
  Rng rng = rng_.fork("host", index);
  const std::size_t chosen = choose_place(index, rng);
  const Place& place = places_[chosen];
  Host host;
  if (facts_ != nullptr) {
    host = place.hosting ? draw_hosting_link(rng) : draw_home_link(*place.home, rng);
    join_system(index, host, place);
  } else {
    host.access = {link_.up_bps, link_.down_bps, link_.queue, link_.queue};
    if (!link_.in_turn.empty()) {
      std::tie(host.access.up_bps, host.access.down_bps) = link_.in_turn[index % link_.in_turn.size()];
    }
    host.jitter_ns = static_cast<float>(link_.jitter.count());
    host.loss = static_cast<float>(link_.loss);
    if (placement_ == Placement::hub_first && chosen > 0) {
      host.last_mile_ns = static_cast<std::uint32_t>(2 * spokes_[chosen - 1].count());
    }
    if (routers_) host.last_mile_ns = static_cast<std::uint32_t>(2 * spokes_[chosen].count());
  }
  host.place = static_cast<std::uint16_t>(chosen);
  chunks_[index / kChunk][index % kChunk] = host;
  return index;
}

std::size_t Internet::choose_place(HostIndex index, Rng& rng) const {
  if (placement_ == Placement::round_robin) return index % places_.size();
  if (placement_ == Placement::hub_first) return index == 0 ? 0 : 1 + (index - 1) % (places_.size() - 1);
  const double wanted = rng.unit() * places_.back().cumulative_share;
  const auto place =
      std::upper_bound(places_.begin(), places_.end(), wanted,
                       [](double value, const Place& p) { return value < p.cumulative_share; });
  return std::min(static_cast<std::size_t>(place - places_.begin()), places_.size() - 1);
}

void Internet::join_system(HostIndex index, Host& host, const Place& place) {
  Rng rng = rng_.fork("system", index);
  host.system = networks_->draw(place.country, place.hosting, rng);
  std::vector<HostIndex>& hosts = by_system_[host.system];
  ranks_.push_back(static_cast<std::uint32_t>(hosts.size()));
  hosts.push_back(index);
}

std::uint32_t Internet::address(HostIndex host) const {
  if (networks_ == nullptr || ranks_[host] >= Networks::kHosts) return 0;
  return Networks::address(at(host).system, ranks_[host]);
}

HostIndex Internet::host_of(std::uint32_t address) const {
  Networks::Place place{};
  if (networks_ == nullptr || !networks_->find(address, place)) return kNoHost;
  const std::vector<HostIndex>& hosts = by_system_[place.system];
  return place.rank < hosts.size() ? hosts[place.rank] : kNoHost;
}

Internet::Host Internet::draw_hosting_link(Rng& rng) {
  Host host;
  host.access = {kHostingBps, kHostingBps, kHostingQueue, kHostingQueue};
  host.last_mile_ns = to_ns(rng.lognormal(std::log(kHostingLastMileMs), kHostingLastMileSigma));
  host.jitter_ns = static_cast<float>(1e6 * rng.lognormal(std::log(kHostingJitterMs), kHostingJitterSigma));
  return host;
}

Internet::Host Internet::draw_home_link(const Country& country, Rng& rng) const {
  Host host;
  // A Gaussian copula: who has much of one direction tends to have much of the other.
  const double down = rng.normal();
  const double up =
      kHomeRateCorrelation * down + std::sqrt(1 - kHomeRateCorrelation * kHomeRateCorrelation) * rng.normal();
  const double down_bps = 1e6 * country.down_mbps.at(normal_probability(down));
  const double up_bps = 1e6 * country.up_mbps.at(normal_probability(up));
  host.access = {std::max(up_bps, home_up_bps_), std::max(down_bps, home_down_bps_), kHomeUpQueue,
                 kHomeDownQueue};
  const double last_mile_ms = country.rtt_ms.at(rng.unit()) - kHomeToServerMs;
  host.last_mile_ns = to_ns(std::max(last_mile_ms, kHomeShortestLastMileMs));
  host.jitter_ns = static_cast<float>(1e6 * kHomeLowestJitterMs *
                                      std::pow(kHomeHighestJitterMs / kHomeLowestJitterMs, rng.unit()));
  host.loss = kHomeLoss;
  return host;
}

void Internet::move_in(HostIndex host, HostIndex with) {
  MC_ASSERT(host < count_ && with < count_);
  for (auto next = static_cast<HostIndex>(premises_.size()); next < count_; ++next) premises_.push_back(next);
  premises_[host] = premises_[with];
}

HostInfo Internet::info(HostIndex index) const {
  MC_ASSERT(index < count_);
  const Host& host = at(premises(index));
  const Place& place = places_[host.place];
  return {place.country,
          place.city,
          place.region,
          networks_ != nullptr ? networks_->number(host.system) : 0,
          place.at,
          place.hosting,
          host.access.up_bps,
          host.access.down_bps,
          Duration(host.last_mile_ns),
          host.loss};
}

Path Internet::path(HostIndex from, HostIndex to) const {
  MC_ASSERT(from < count_ && to < count_);
  if (from == to) return {kLoopback, 0};
  from = premises(from);
  to = premises(to);
  if (from == to) return {kLan, 0};
  const Host& a = at(from);
  const Host& b = at(to);
  const auto last_miles = static_cast<std::int64_t>(a.last_mile_ns) + b.last_mile_ns;
  const double loss = a.loss + b.loss - static_cast<double>(a.loss) * b.loss;
  return {base(from, places_[a.place].site, to, places_[b.place].site) + Duration(last_miles / 2), loss};
}

Duration Internet::least_between(std::size_t place, std::size_t other) const {
  if (pairwise_) return pair_low_;
  const std::size_t a = places_[place].site, b = places_[other].site;
  return Duration(std::min(one_way_ns_[a * sites_ + b], one_way_ns_[b * sites_ + a]));
}

PathModel::Attachment Internet::attachment(HostIndex host) const {
  if (!routers_) return {};
  return {places_[at(host).place].site, Duration(at(host).last_mile_ns / 2)};
}

Duration Internet::base(HostIndex from, std::size_t site_from, HostIndex to, std::size_t site_to) const {
  if (!pairwise_) return Duration(one_way_ns_[site_from * sites_ + site_to]);
  const std::uint64_t pair = static_cast<std::uint64_t>(std::min(from, to)) << 32 | std::max(from, to);
  __extension__ using Wide = unsigned __int128;
  const auto width = static_cast<std::uint64_t>((pair_high_ - pair_low_).count()) + 1;
  return pair_low_ +
         Duration(static_cast<std::int64_t>((Wide{mix64(pair_seed_ ^ mix64(pair))} * width) >> 64));
}

Duration Internet::jitter(HostIndex from, HostIndex to, double u) const {
  from = premises(from);
  to = premises(to);
  if (from == to) return {};
  const double median_ns = static_cast<double>(at(from).jitter_ns) + at(to).jitter_ns;
  double jitter_ns = median_ns * jitter_shape(u);
  if (link_.jitter_share > 0) {
    jitter_ns += u * link_.jitter_share * static_cast<double>(path(from, to).one_way.count());
  }
  return Duration(static_cast<std::int64_t>(jitter_ns));
}

}  // namespace mesocosm
