// The parameters of peer scoring from JSON, as score_script.py writes them and --scoring takes them (../README.md).
// Throws Json::exception where something is missing or of another type.
#pragma once

#include <string>

#include "stack/protocols/gossipsub/score_params.h"
#include "tests/interop/ours/json.h"

namespace mesocosm::interop {

inline Duration seconds(const Json& value) { return from_seconds(value.get<double>()); }

inline TopicScoreParams topic_score_params(const std::string& name, const Json& of) {
  TopicScoreParams topic;
  topic.topic = name;
  topic.weight = of.at("weight");
  topic.time_in_mesh_weight = of.at("time_in_mesh_weight");
  topic.time_in_mesh_quantum = seconds(of.at("time_in_mesh_quantum"));
  topic.time_in_mesh_cap = of.at("time_in_mesh_cap");
  topic.first_message_deliveries_weight = of.at("first_message_deliveries_weight");
  topic.first_message_deliveries_decay = of.at("first_message_deliveries_decay");
  topic.first_message_deliveries_cap = of.at("first_message_deliveries_cap");
  topic.mesh_message_deliveries_weight = of.at("mesh_message_deliveries_weight");
  topic.mesh_message_deliveries_decay = of.at("mesh_message_deliveries_decay");
  topic.mesh_message_deliveries_cap = of.at("mesh_message_deliveries_cap");
  topic.mesh_message_deliveries_threshold = of.at("mesh_message_deliveries_threshold");
  topic.mesh_message_deliveries_window = seconds(of.at("mesh_message_deliveries_window"));
  topic.mesh_message_deliveries_activation = seconds(of.at("mesh_message_deliveries_activation"));
  topic.mesh_failure_penalty_weight = of.at("mesh_failure_penalty_weight");
  topic.mesh_failure_penalty_decay = of.at("mesh_failure_penalty_decay");
  topic.invalid_message_deliveries_weight = of.at("invalid_message_deliveries_weight");
  topic.invalid_message_deliveries_decay = of.at("invalid_message_deliveries_decay");
  return topic;
}

inline PeerScoreParams score_params(const Json& script) {
  const Json& of = script.at("params");
  PeerScoreParams params;
  params.topic_score_cap = of.at("topic_score_cap");
  params.app_specific_weight = of.at("app_specific_weight");
  params.ip_colocation_weight = of.at("ip_colocation_weight");
  params.ip_colocation_threshold = of.at("ip_colocation_threshold").get<std::uint32_t>();
  params.behaviour_penalty_weight = of.at("behaviour_penalty_weight");
  params.behaviour_penalty_threshold = of.at("behaviour_penalty_threshold");
  params.behaviour_penalty_decay = of.at("behaviour_penalty_decay");
  params.decay_interval = seconds(of.at("decay_interval"));
  params.decay_to_zero = of.at("decay_to_zero");
  params.retain_score = seconds(of.at("retain_score"));
  params.seen_ttl = seconds(of.at("seen_ttl"));
  for (const std::string text : script.at("whitelist")) {
    params.ip_colocation_whitelist.push_back(IpNetwork::parse(text).value());
  }
  for (const auto& [name, values] : script.at("topics").items()) {
    params.topics.push_back(topic_score_params(name, values));
  }
  return params;
}

}  // namespace mesocosm::interop
