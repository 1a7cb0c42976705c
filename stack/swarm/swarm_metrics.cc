#include "stack/swarm/swarm_metrics.h"

#include <array>

#include "stack/crypto/keys.h"
#include "stack/transport/labels.h"

namespace mesocosm {
namespace {

const std::vector<std::string_view> kConnection = {"dir",   "transport",   "security",
                                                   "muxer", "early_muxer", "ip_version"};
const std::vector<std::string_view> kDialed = {"outcome", "num_dials"};
const std::vector<double> kDialBounds = {0.001, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2};

std::string_view key_type_label(const Bytes& serialized) {
  // The canonical protobuf begins with the type's field (stack/crypto/keys.h).
  switch (static_cast<KeyType>(serialized.size() < 2 ? 0xff : serialized.data()[1])) {
    case KeyType::rsa:
      return "RSA";
    case KeyType::ed25519:
      return "Ed25519";
    case KeyType::secp256k1:
      return "Secp256k1";
    case KeyType::ecdsa:
      return "ECDSA";
  }
  return "unknown";
}

std::string_view number_label(std::size_t number) {
  static constexpr std::array<std::string_view, 7> kLabels = {"0", "1", "2", "3", "4", "5", ">=6"};
  return kLabels[std::min(number, kLabels.size() - 1)];
}

template <class Kind>
Kind& of_connection(Family<Kind>& family, const ConnectionInfo& info) {
  return family.with({direction_label(info.direction), transport_label(info.remote), info.security,
                      info.muxer, flag_label(info.early_muxer), ip_version_label(info.remote)});
}

}  // namespace

SwarmMetrics::SwarmMetrics(Metrics& metrics)
    : opened_(metrics.counter({"libp2p_swarm_connections_opened_total", "Connections opened", kConnection})),
      closed_(metrics.counter({"libp2p_swarm_connections_closed_total", "Connections closed", kConnection})),
      ended_(metrics.counter({"libp2p_swarm_connection_ends_total",
                              "Connections closed, by why; none: the peer said goodbye",
                              {"dir", "error"}})),
      key_types_(metrics.counter(
          {"libp2p_swarm_key_types_total", "Key types of connections' peers", {"dir", "key_type"}})),
      duration_(metrics.histogram({"libp2p_swarm_connection_duration_seconds", "How long a connection lived",
                                   kConnection, exponential_bounds(1.0 / 16, 2, 25)})),
      handshake_(metrics.histogram({"libp2p_swarm_handshake_latency_seconds",
                                    "From dialing an address until the connection was ready",
                                    {"transport", "security", "muxer", "early_muxer", "ip_version"},
                                    exponential_bounds(0.001, 1.3, 35)})),
      dial_errors_(metrics.counter({"libp2p_swarm_dial_errors_total",
                                    "Addresses whose dial failed",
                                    {"transport", "error", "ip_version"}})),
      dials_per_peer_(
          metrics.counter({"libp2p_swarm_dials_per_peer_total",
                           "Dials of peers, by the number of addresses that were tried", kDialed})),
      dial_latency_(metrics.histogram({"libp2p_swarm_dial_latency_seconds",
                                       "From starting to dial a peer until it was connected or given up",
                                       kDialed, kDialBounds})),
      inbound_errors_(metrics.counter({"libp2p_swarm_inbound_errors_total",
                                       "Inbound connections that failed before they were ready",
                                       {"transport", "error", "ip_version"}})),
      blocked_(metrics.counter(
          {"libp2p_rcmgr_blocked_resources_total", "What limits refused", {"dir", "scope", "resource"}})),
      connections_(metrics.gauge({"libp2p_rcmgr_connections",
                                  "Connections; transient: outbound ones that are being made",
                                  {"dir", "scope"}})),
      connections_inbound_(connections_.with({"inbound", "system"})),
      connections_outbound_(connections_.with({"outbound", "system"})),
      connections_transient_(connections_.with({"outbound", "transient"})),
      pending_dials_(
          metrics.gauge({"libp2p_swarm_pending_dials", "Peers being dialed or waiting to be"}).with({})) {}

void SwarmMetrics::opened(const ConnectionInfo& info) {
  of_connection(opened_, info).add();
  key_types_.with({direction_label(info.direction), key_type_label(info.peer_public_key)}).add();
  connections(info.direction).add();
}

void SwarmMetrics::closed(const ConnectionInfo& info, Duration lifetime, ErrorCode why) {
  of_connection(closed_, info).add();
  of_connection(duration_, info).observe(lifetime);
  ended_.with({direction_label(info.direction), to_string(why)}).add();
  connections(info.direction).sub();
}

void SwarmMetrics::handshake_done(const ConnectionInfo& info, Duration latency) {
  handshake_
      .with({transport_label(info.remote), info.security, info.muxer, flag_label(info.early_muxer),
             ip_version_label(info.remote)})
      .observe(latency);
}

void SwarmMetrics::address_failed(const Multiaddr& address, ErrorCode why) {
  dial_errors_.with({transport_label(address), to_string(why), ip_version_label(address)}).add();
}

void SwarmMetrics::dial_ended(bool success, std::size_t addresses, Duration latency) {
  const std::string_view outcome = success ? "success" : "failed";
  dials_per_peer_.with({outcome, number_label(addresses)}).add();
  dial_latency_.with({outcome, number_label(addresses)}).observe(latency);
}

void SwarmMetrics::inbound_failed(const Multiaddr& remote, ErrorCode why) {
  inbound_errors_.with({transport_label(remote), to_string(why), ip_version_label(remote)}).add();
  if (why == ErrorCode::limit) refused(Direction::inbound, "transient");
}

void SwarmMetrics::refused(Direction direction, std::string_view scope) {
  blocked_.with({direction_label(direction), scope, "connection"}).add();
}

}  // namespace mesocosm
