#include "python/config.h"

#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include "python/config_epidemics.h"
#include "python/config_score.h"
#include "python/dict.h"
#include "python/python_policy.h"
#include "python/variants.h"

namespace py = pybind11;

namespace mesocosm::python {
namespace {

QueueDiscipline discipline_from(const std::string& name) {
  if (name == "codel") return QueueDiscipline::codel;
  if (name == "fq_codel") return QueueDiscipline::fq_codel;
  if (name == "drop_tail") return QueueDiscipline::drop_tail;
  throw ConfigError("no queue discipline '" + name + "'");
}

HostLink link_from(const py::dict& config) {
  HostLink link;
  link.up_bps = get<double>(config, "up_bps");
  link.down_bps = get<double>(config, "down_bps");
  link.queue = duration(config, "queue_ns");
  link.jitter = duration(config, "jitter_ns");
  link.jitter_share = get<double>(config, "jitter_share");
  link.loss = get<double>(config, "loss");
  link.discipline = discipline_from(get<std::string>(config, "discipline"));
  link.in_turn = get<std::vector<std::pair<double, double>>>(config, "in_turn");
  return link;
}

WifiAdhoc wifi_from(const py::dict& config) {
  WifiAdhoc wifi;
  wifi.width_m = get<double>(config, "width_m");
  wifi.height_m = get<double>(config, "height_m");
  wifi.range_m = get<double>(config, "range_m");
  wifi.rate_mbps = get<std::uint32_t>(config, "rate_mbps");
  wifi.slowest_mps = get<double>(config, "slowest_mps");
  wifi.fastest_mps = get<double>(config, "fastest_mps");
  wifi.pause = duration(config, "pause_ns");
  wifi.positions = get<std::vector<std::pair<double, double>>>(config, "positions");
  return wifi;
}

RoutedNetwork routers_from(const py::dict& config) {
  RoutedNetwork network;
  network.routers = get<RouterIndex>(config, "routers");
  for (const py::handle item : get<py::list>(config, "links")) {
    const auto fields = item.cast<py::dict>();
    RouterLink link;
    link.a = get<RouterIndex>(fields, "a");
    link.b = get<RouterIndex>(fields, "b");
    link.bps = get<double>(fields, "bps");
    link.delay = duration(fields, "delay_ns");
    link.queue = duration(fields, "queue_ns");
    link.discipline = discipline_from(get<std::string>(fields, "discipline"));
    network.links.push_back(link);
  }
  for (const auto& [router, latency_ns] :
       get<std::vector<std::pair<RouterIndex, std::int64_t>>>(config, "hosts")) {
    network.hosts.push_back({router, Duration(latency_ns)});
  }
  network.link = link_from(get<py::dict>(config, "link"));
  return network;
}

std::vector<Duration> durations(const py::dict& config, const char* key) {
  using Array = py::array_t<std::int64_t, py::array::c_style | py::array::forcecast>;
  const Array array = get<Array>(config, key);
  std::vector<Duration> values;
  values.reserve(static_cast<std::size_t>(array.size()));
  for (py::ssize_t i = 0; i < array.size(); ++i) values.emplace_back(array.data()[i]);
  return values;
}

OwnPlaces places_from(const py::dict& config) {
  OwnPlaces own;
  for (const py::handle item : get<py::list>(config, "places")) {
    const auto fields = item.cast<py::dict>();
    OwnPlace place;
    place.name = get<std::string>(fields, "name");
    place.country = get<std::string>(fields, "country");
    place.at = {get<double>(fields, "latitude"), get<double>(fields, "longitude")};
    place.share = get<double>(fields, "share");
    place.hosting = get<double>(fields, "hosting");
    own.places.push_back(std::move(place));
  }
  return own;
}

PeerKind version_from(const std::string& name) {
  if (name == "floodsub") return PeerKind::floodsub;
  if (name == "randomsub") return PeerKind::randomsub;
  if (name == "1.0") return PeerKind::gossipsub_10;
  if (name == "1.1") return PeerKind::gossipsub_11;
  if (name == "1.2") return PeerKind::gossipsub_12;
  if (name == "1.3") return PeerKind::gossipsub_13;
  throw ConfigError("no version '" + name + "' of GossipSub");
}

// The variant by its name, with the numbers that it was given: its parameters into `params`, its policy returned.
GossipSubPolicyFactory variant_from(const py::dict& config, GossipSubParams& params) {
  const auto name = get<std::optional<std::string>>(config, "variant");
  if (!name) return {};
  const auto variant = variants().find(*name);
  if (!variant) throw ConfigError("GossipSub: " + variant.error().detail);
  VariantSettings settings((*variant)->options);
  for (const auto& [option, value] : get<std::map<std::string, double>>(config, "settings")) {
    if (settings.set(option, value)) continue;
    std::string known;
    for (const VariantOption& there : (*variant)->options) known += (known.empty() ? "" : ", ") + there.name;
    throw ConfigError("GossipSub: variant " + *name + " has no setting " + option + "; it has " +
                      (known.empty() ? "none" : known));
  }
  if ((*variant)->adjust) (*variant)->adjust(params, settings);
  if (!(*variant)->policy) return {};
  return [make = (*variant)->policy, settings] { return make(settings); };
}

MessageIdKind id_kind_from(const std::string& name) {
  if (name == "from-seqno") return MessageIdKind::from_seqno;
  if (name == "content") return MessageIdKind::content_hash;
  if (name == "data") return MessageIdKind::data_hash;
  throw ConfigError("GossipSub: message_id must be from-seqno, content or data, not '" + name + "'");
}

void gossipsub_from(const py::dict& config, NodeKind& node, World& world) {
  GossipSubParams& params = node.gossipsub.emplace();
  params.version = version_from(get<std::string>(config, "version"));
  params.network_size = get<std::uint32_t>(config, "network_size");
  params.d = get<std::uint32_t>(config, "D");
  params.d_low = get<std::uint32_t>(config, "D_lo");
  params.d_high = get<std::uint32_t>(config, "D_hi");
  params.d_out = get<std::uint32_t>(config, "D_out");
  params.d_lazy = get<std::uint32_t>(config, "D_lazy");
  params.d_score = get<std::uint32_t>(config, "D_score");
  params.opportunistic_graft_ticks = get<std::uint32_t>(config, "opportunistic_graft_ticks");
  params.opportunistic_graft_peers = get<std::uint32_t>(config, "opportunistic_graft_peers");
  params.gossip_factor = get<double>(config, "gossip_factor");
  params.heartbeat = duration(config, "heartbeat_ns");
  params.heartbeat_delay = duration(config, "heartbeat_delay_ns");
  params.history = get<std::uint32_t>(config, "history_length");
  params.history_gossip = get<std::uint32_t>(config, "history_gossip");
  params.fanout_ttl = duration(config, "fanout_ttl_ns");
  params.seen_ttl = duration(config, "seen_ttl_ns");
  params.prune_backoff = duration(config, "prune_backoff_ns");
  params.unsubscribe_backoff = duration(config, "unsubscribe_backoff_ns");
  params.flood_publish = get<bool>(config, "flood_publish");
  params.peer_exchange = get<bool>(config, "peer_exchange");
  params.idontwant_threshold = get<std::uint32_t>(config, "idontwant_threshold");
  params.idontwant_ttl = get<std::uint32_t>(config, "idontwant_ttl");
  const bool sign = get<bool>(config, "strict_sign");
  params.signature_policy = sign ? SignaturePolicy::strict_sign : SignaturePolicy::strict_no_sign;
  params.message_id = id_kind_from(get<std::string>(config, "message_id"));
  params.max_rpc = get<std::uint32_t>(config, "max_message");
  params.iwant_followup = duration(config, "iwant_followup_ns");
  params.max_ihave_length = get<std::uint32_t>(config, "max_ihave_length");
  params.max_ihave_messages = get<std::uint32_t>(config, "max_ihave_messages");
  params.iwant_retransmission = get<std::uint32_t>(config, "iwant_retransmission");
  params.validation_delay = duration(config, "validation_delay_ns");
  params.validation_queue = get<std::uint16_t>(config, "validation_queue");
  params.topic_validation_queue = get<std::uint16_t>(config, "topic_validation_queue");
  params.validation_workers = get<std::uint16_t>(config, "validation_workers");
  SubscriptionFilter filter;
  filter.topics = get<std::vector<std::string>>(config, "topics");
  filter.max_subscriptions_per_rpc = get<std::uint32_t>(config, "max_subscriptions_per_rpc");
  if (!filter.topics.empty() || filter.max_subscriptions_per_rpc > 0) {
    params.filter = std::make_shared<const SubscriptionFilter>(std::move(filter));
  }
  const auto score = get<py::object>(config, "score");
  if (!score.is_none()) read_score(score.cast<py::dict>(), params);
  node.policy = variant_from(config, params);
  if (const auto hooks = get<py::object>(config, "hooks"); !hooks.is_none()) {
    node.policy =
        python_policy(hooks, node.policy, [&world](std::exception_ptr why) { world.fail(std::move(why)); });
  }
  const auto valid = params.validate();
  if (!valid) throw ConfigError("GossipSub: " + valid.error().detail);
}

TransportKind transport_from(const std::string& name) {
  if (name == "tcp") return TransportKind::tcp;
  if (name == "ws") return TransportKind::websocket;
  throw ConfigError("transport must be tcp or ws, not '" + name + "'");
}

}  // namespace

InternetConfig internet_from(const py::dict& config) {
  const auto kind = get<std::string>(config, "kind");
  if (kind == "mix") {
    return MeasuredMix{get<std::string>(config, "name"), get<double>(config, "home_up_bps"),
                       get<double>(config, "home_down_bps")};
  }
  if (kind == "places") return places_from(config);
  if (kind == "routers") return routers_from(config);
  if (kind == "wifi") return wifi_from(config);
  const HostLink link = link_from(get<py::dict>(config, "link"));
  if (kind == "uniform") return UniformLatency{duration(config, "low_ns"), duration(config, "high_ns"), link};
  if (kind == "star") return StarLatency{durations(config, "spokes_ns"), link};
  if (kind == "matrix") {
    return LatencyMatrix{get<std::size_t>(config, "size"), durations(config, "one_way_ns"), link};
  }
  throw ConfigError("unknown kind of Internet model: " + kind);
}

NodeKind node_from(const py::dict& config, World& world) {
  NodeKind node;
  const py::object gossipsub = get<py::object>(config, "gossipsub");
  if (!gossipsub.is_none() && gossipsub.cast<py::dict>().contains("protocol")) {
    node.pubsub = epidemic_from(gossipsub.cast<py::dict>());
  } else if (!gossipsub.is_none()) {
    gossipsub_from(gossipsub.cast<py::dict>(), node, world);
  }
  node.securities.clear();
  for (const auto& name : get<std::vector<std::string>>(config, "security"))
    node.securities.push_back(security_from(name));
  node.early_muxer = get<bool>(config, "early_muxer");
  node.keepalive = duration(config, "keepalive_ns");
  node.transport = transport_from(get<std::string>(config, "transport"));
  node.clock_drift = get<std::int64_t>(config, "clock_drift");
  node.clock_offset = duration(config, "clock_offset_ns");
  node.slowdown = duration(config, "slowdown_ns");
  return node;
}

SessionModel session_from(const py::dict& config) {
  const auto kind = get<std::string>(config, "kind");
  const Duration scale = duration(config, "scale_ns");
  const auto shape = get<double>(config, "shape");
  const auto model = [&]() -> Result<SessionModel> {
    if (kind == "exponential") return SessionModel::exponential(scale);
    if (kind == "weibull") return SessionModel::weibull(shape, scale);
    if (kind == "log_normal") return SessionModel::log_normal(scale, shape);
    std::vector<Duration> times;
    for (const std::int64_t time : get<std::vector<std::int64_t>>(config, "times_ns"))
      times.emplace_back(time);
    return SessionModel::trace(std::move(times));
  }();
  if (!model) throw ConfigError(model.error().detail);
  return *model;
}

NatConfig nat_from(const py::dict& config) {
  NatConfig nat;
  nat.translates = get<bool>(config, "translates");
  nat.mapping = static_cast<NatScope>(get<std::uint8_t>(config, "mapping"));
  nat.filtering = static_cast<NatScope>(get<std::uint8_t>(config, "filtering"));
  nat.ports = static_cast<PortAssignment>(get<std::uint8_t>(config, "ports"));
  nat.keep_parity = get<bool>(config, "keep_parity");
  nat.hairpinning = get<bool>(config, "hairpinning");
  nat.refuses = get<bool>(config, "refuses");
  nat.inbound_refresh = get<bool>(config, "inbound_refresh");
  nat.udp_timeout = duration(config, "udp_timeout_ns");
  nat.udp_unanswered_timeout = duration(config, "udp_unanswered_timeout_ns");
  nat.tcp_established_timeout = duration(config, "tcp_established_timeout_ns");
  nat.tcp_transitory_timeout = duration(config, "tcp_transitory_timeout_ns");
  nat.first_port = get<std::uint16_t>(config, "first_port");
  nat.last_port = get<std::uint16_t>(config, "last_port");
  nat.max_sessions = get<std::uint32_t>(config, "max_sessions");
  return nat;
}

SecurityProtocol security_from(const std::string& name) {
  if (name == "noise") return SecurityProtocol::noise;
  if (name == "tls") return SecurityProtocol::tls;
  throw ConfigError("security must be noise or tls, not '" + name + "'");
}

}  // namespace mesocosm::python
