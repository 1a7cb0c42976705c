#include "python/config_score.h"

#include <pybind11/stl.h>

#include "python/dict.h"
#include "stack/protocols/gossipsub/score_params.h"

namespace py = pybind11;

namespace mesocosm::python {
namespace {

TopicScoreParams topic_from(const std::string& name, const py::dict& config) {
  TopicScoreParams topic;
  topic.topic = name;
  topic.weight = get<double>(config, "weight");
  topic.time_in_mesh_weight = get<double>(config, "time_in_mesh_weight");
  topic.time_in_mesh_quantum = duration(config, "time_in_mesh_quantum");
  topic.time_in_mesh_cap = get<double>(config, "time_in_mesh_cap");
  topic.first_message_deliveries_weight = get<double>(config, "first_message_deliveries_weight");
  topic.first_message_deliveries_decay = get<double>(config, "first_message_deliveries_decay");
  topic.first_message_deliveries_cap = get<double>(config, "first_message_deliveries_cap");
  topic.mesh_message_deliveries_weight = get<double>(config, "mesh_message_deliveries_weight");
  topic.mesh_message_deliveries_decay = get<double>(config, "mesh_message_deliveries_decay");
  topic.mesh_message_deliveries_cap = get<double>(config, "mesh_message_deliveries_cap");
  topic.mesh_message_deliveries_threshold = get<double>(config, "mesh_message_deliveries_threshold");
  topic.mesh_message_deliveries_window = duration(config, "mesh_message_deliveries_window");
  topic.mesh_message_deliveries_activation = duration(config, "mesh_message_deliveries_activation");
  topic.mesh_failure_penalty_weight = get<double>(config, "mesh_failure_penalty_weight");
  topic.mesh_failure_penalty_decay = get<double>(config, "mesh_failure_penalty_decay");
  topic.invalid_message_deliveries_weight = get<double>(config, "invalid_message_deliveries_weight");
  topic.invalid_message_deliveries_decay = get<double>(config, "invalid_message_deliveries_decay");
  return topic;
}

IpNetwork network_from(const std::string& text) {
  const auto network = IpNetwork::parse(text);
  if (!network) {
    throw ConfigError(
        "PeerScore: ip_colocation_whitelist holds addresses and networks such as 192.0.2.0/24, not '" + text +
        "'");
  }
  return *network;
}

PeerScoreParams score_from(const py::dict& config) {
  PeerScoreParams score;
  for (const auto& [name, topic] : get<py::dict>(config, "topics")) {
    score.topics.push_back(topic_from(name.cast<std::string>(), topic.cast<py::dict>()));
  }
  score.topic_score_cap = get<double>(config, "topic_score_cap");
  score.app_specific_weight = get<double>(config, "app_specific_weight");
  score.ip_colocation_weight = get<double>(config, "ip_colocation_weight");
  score.ip_colocation_threshold = get<std::uint32_t>(config, "ip_colocation_threshold");
  for (const auto& text : get<std::vector<std::string>>(config, "ip_colocation_whitelist")) {
    score.ip_colocation_whitelist.push_back(network_from(text));
  }
  score.behaviour_penalty_weight = get<double>(config, "behaviour_penalty_weight");
  score.behaviour_penalty_threshold = get<double>(config, "behaviour_penalty_threshold");
  score.behaviour_penalty_decay = get<double>(config, "behaviour_penalty_decay");
  score.decay_interval = duration(config, "decay_interval");
  score.decay_to_zero = get<double>(config, "decay_to_zero");
  score.retain_score = duration(config, "retain_score");
  return score;
}

}  // namespace

void read_score(const py::dict& config, GossipSubParams& params) {
  PeerScoreParams score = score_from(config);
  score.seen_ttl = params.seen_ttl;
  params.score = std::make_shared<const PeerScoreParams>(std::move(score));
  params.thresholds.gossip = get<double>(config, "gossip_threshold");
  params.thresholds.publish = get<double>(config, "publish_threshold");
  params.thresholds.graylist = get<double>(config, "graylist_threshold");
  params.thresholds.accept_px = get<double>(config, "accept_px_threshold");
  params.thresholds.opportunistic_graft = get<double>(config, "opportunistic_graft_threshold");
}

}  // namespace mesocosm::python
