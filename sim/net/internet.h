// The simulated Internet: hosts placed one by one, each with a place, an access link, a last mile and jitter.
// docs/internet-model.md gives every equation with its source.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "sim/net/facts.h"
#include "sim/net/networks.h"
#include "sim/net/path_model.h"
#include "sim/net/routers.h"
#include "stack/base/result.h"
#include "stack/base/rng.h"

namespace mesocosm {

// What all hosts of a synthetic network have in common.
struct HostLink {
  double up_bps = 1e9;
  double down_bps = 1e9;
  Duration queue = 50ms;  // both directions
  Duration jitter{};      // median of the extra delay that each end of a path adds
  double loss = 0;        // that each end of a path adds, in [0, 1)
  QueueDiscipline discipline = QueueDiscipline::drop_tail;  // another: on networks of packets only
  // A path adds up to this share of its latency, uniformly, to the jitter above; in [0, 10].
  double jitter_share = 0;
  // Up and down: host i has those of i % size. Empty: all have those above.
  std::vector<std::pair<double, double>> in_turn{};
};

// A mix of data/: "ethereum_2025", "polygon_2025", "ipfs_2023". Homes whose line is below what the network
// asks of its nodes get just that.
struct MeasuredMix {
  std::string name;
  double home_up_bps = 0;
  double home_down_bps = 0;
};

// Every pair of hosts has a one-way latency of its own, uniform in [low, high] and the same both ways.
struct UniformLatency {
  Duration low = 50ms;
  Duration high = 50ms;
  HostLink link;
};

// Host 0 is the hub; host k > 0 is spokes[(k - 1) % size] away from it, one-way. Spokes meet through the hub.
struct StarLatency {
  std::vector<Duration> spokes;
  HostLink link;
};

// Host i is row i % size. one_way[i * size + j] is the latency from row i to row j; the diagonal, that
// between two hosts of one row. Entries below zero or over 2 s are refused.
struct LatencyMatrix {
  std::size_t size = 0;
  std::vector<Duration> one_way;
  HostLink link;
};

// Routers with links that the hosts share, on networks of packets only. Host i is attached as hosts[i % size] says.
struct RoutedNetwork {
  RouterIndex routers = 0;
  std::vector<RouterLink> links;
  std::vector<PathModel::Attachment> hosts;
  HostLink link;
};

// A user's own places, with the measured model for paths, last miles and access links.
struct OwnPlace {
  std::string name;
  std::string country;  // ISO 3166-1 alpha-2; one without data gets the typical country's access links
  GeoPoint at;
  double share = 1;    // > 0, relative to the others'
  double hosting = 1;  // share of its hosts that are in data centres, in [0, 1]
};
struct OwnPlaces {
  std::vector<OwnPlace> places;
};

using InternetConfig = std::variant<MeasuredMix, UniformLatency, StarLatency, LatencyMatrix, OwnPlaces,
                                    RoutedNetwork, WifiAdhoc>;

// What a report says about a host. The views live as long as the Internet.
struct HostInfo {
  std::string_view country;  // empty in synthetic networks, as are city and region
  std::string_view city;
  std::string_view region;  // of data/cities.csv, such as "EU"
  std::uint32_t asn = 0;    // number of the autonomous system; 0 in synthetic networks
  GeoPoint at;
  bool hosting = true;
  double up_bps = 0;
  double down_bps = 0;
  Duration last_mile{};  // what this host adds to each round trip
  double loss = 0;       // that this host adds to each path
};

// Deterministic: host i depends on the configuration, the generator's seed and i; never on how many hosts
// there are, on the order of calls or on what was drawn from `rng` before; but for its address, which is the next
// one of its system. 56 bytes a host.
class Internet final : public PathModel {
 public:
  // `data_folder` holds the tables of data/; synthetic networks do not read it. Errors name the file and the
  // line, or the field of the configuration: not_found, io, too_large, bad_encoding, limit.
  static Result<Internet> make(const InternetConfig& config, const std::string& data_folder, const Rng& rng);

  HostIndex add_host();
  // Puts a host, which may have been anywhere, where another one is: they share its place and access link.
  void move_in(HostIndex host, HostIndex with);
  HostInfo info(HostIndex host) const;
  // Hash of the configuration's data: tables, matrices and parameters, for a run's provenance.
  std::uint64_t data_hash() const { return data_hash_; }

  // Where hosts can be, as numbers; and what no path between different hosts at two places is shorter than, in either
  // direction, without their last miles.
  std::size_t places() const { return places_.size(); }
  std::size_t place_of(HostIndex host) const { return at(host).place; }
  Duration least_between(std::size_t place, std::size_t other) const;

  HostIndex hosts() const override { return count_; }
  HostIndex premises(HostIndex host) const override {
    return host < premises_.size() ? premises_[host] : host;
  }
  // Symmetric but for user matrices. From a host to itself: 20 us, over a LAN 500 us; no loss.
  Path path(HostIndex from, HostIndex to) const override;
  // Stays where it is.
  const AccessLink& access(HostIndex host) const override { return at(premises(host)).access; }
  // (median_from + median_to) * exp(sigma * z(u)), where z is the normal quantile, held within +-3.
  Duration jitter(HostIndex from, HostIndex to, double u) const override;
  std::uint32_t address(HostIndex host) const override;
  HostIndex host_of(std::uint32_t address) const override;
  QueueDiscipline discipline() const override { return link_.discipline; }
  const Routers* routers() const override { return routers_ ? &*routers_ : nullptr; }
  Attachment attachment(HostIndex host) const override;
  const WifiAdhoc* wifi() const override { return wifi_ ? &*wifi_ : nullptr; }

  static constexpr Duration kLoopback = 20us;
  static constexpr Duration kLan = 500us;
  static constexpr Duration kLongest = 2s;  // of what a configuration may ask for
  static constexpr double kJitterSigma = 1.2;

 private:
  struct Host {
    AccessLink access;
    std::uint32_t last_mile_ns = 0;
    float jitter_ns = 0;  // median
    float loss = 0;
    std::uint16_t place = 0;
    Networks::Index system = 0;  // measured models only
  };
  static_assert(sizeof(Host) == 48, "a million hosts are 48 MB");

  // Where hosts can be, and how their links are drawn.
  struct Place {
    std::uint32_t site = 0;  // row and column of one_way_ns_
    bool hosting = true;
    std::string country;
    std::string city;
    std::string region;
    GeoPoint at;
    double cumulative_share = 0;
    const Country* home = nullptr;  // where homes' links come from, in facts_
  };
  enum class Placement : std::uint8_t {
    by_share,     // each host draws its place
    round_robin,  // host i is at place i % size
    hub_first,    // host 0 at place 0, host k at place 1 + (k - 1) % (size - 1)
  };

  explicit Internet(const Rng& rng) : rng_(rng) {}
  Result<> configure(const MeasuredMix& mix, const std::string& data_folder);
  Result<> configure(const UniformLatency& uniform, const std::string& data_folder);
  Result<> configure(const StarLatency& star, const std::string& data_folder);
  Result<> configure(const LatencyMatrix& matrix, const std::string& data_folder);
  Result<> configure(const OwnPlaces& own, const std::string& data_folder);
  Result<> configure(const RoutedNetwork& network, const std::string& data_folder);
  Result<> configure(const WifiAdhoc& wifi, const std::string& data_folder);
  Result<> take_link(const HostLink& link);
  Result<> load_facts(const std::string& data_folder);
  void measure_sites(const std::vector<std::pair<std::size_t, GeoPoint>>& sites);
  void absorb(std::uint64_t value);

  std::size_t choose_place(HostIndex index, Rng& rng) const;
  void join_system(HostIndex index, Host& host, const Place& place);
  static Host draw_hosting_link(Rng& rng);
  Host draw_home_link(const Country& country, Rng& rng) const;
  Duration base(HostIndex from, std::size_t site_from, HostIndex to, std::size_t site_to) const;

  const Host& at(HostIndex host) const { return chunks_[host / kChunk][host % kChunk]; }

  static constexpr std::size_t kChunk = 4096;  // hosts are kept in chunks that never move

  Rng rng_;
  Placement placement_ = Placement::round_robin;
  bool pairwise_ = false;  // latency drawn for each pair instead of looked up
  Duration pair_low_{};
  Duration pair_high_{};
  std::uint64_t pair_seed_ = 0;
  std::vector<Place> places_;
  std::size_t sites_ = 0;
  std::vector<std::uint32_t> one_way_ns_;  // site by site
  std::unique_ptr<Facts> facts_;           // measured models only
  std::unique_ptr<Networks> networks_;     // likewise
  double home_up_bps_ = 1e6;               // the least that homes have, measured models only
  double home_down_bps_ = 1e6;
  HostLink link_;                 // synthetic models only
  std::vector<Duration> spokes_;  // of a star's hosts but the hub, or of all that are attached to routers
  std::optional<Routers> routers_;
  std::optional<WifiAdhoc> wifi_;
  std::vector<std::unique_ptr<Host[]>> chunks_;
  std::vector<std::uint32_t> ranks_;               // of each host in its system
  std::vector<std::vector<HostIndex>> by_system_;  // by rank
  HostIndex count_ = 0;
  std::vector<HostIndex> premises_;  // empty, or too short: the host's own
  std::uint64_t data_hash_ = 0;
};

}  // namespace mesocosm
