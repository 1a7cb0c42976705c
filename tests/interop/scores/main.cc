// Replays a script of scoring events (see test_scores_with_go.py) on our PeerScore and prints the scores that the script asks for.
// probe_test.go does the same on go-libp2p-pubsub's.
#include <cstdio>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "stack/base/hash.h"
#include "stack/protocols/gossipsub/score.h"

namespace {

using namespace mesocosm;
using Json = nlohmann::json;

Duration seconds(const Json& value) { return from_seconds(value.get<double>()); }

TopicScoreParams topic_params(const std::string& name, const Json& of) {
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

PeerScoreParams params_of(const Json& script) {
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
    params.topics.push_back(topic_params(name, values));
  }
  return params;
}

class Replay {
 public:
  explicit Replay(const Json& script) : score_(std::make_shared<const PeerScoreParams>(params_of(script))) {
    score_.advance(Time{});
    for (const auto& [peer, value] : script.at("app").items()) score_.set_app_score(hash(peer), value);
  }

  // False: there is no such event.
  bool apply(const Json& event) {
    score_.advance(Time(seconds(event.at("at"))));
    const std::string what = event.at("do"), name = event.value("peer", "");
    const std::uint64_t peer = name.empty() ? 0 : hash(name);
    const ScoreTopic topic = score_.find_topic(event.value("topic", ""));
    const std::uint64_t message = hash(event.value("message", ""));
    if (!name.empty()) names_[name] = peer;
    if (what == "add")
      score_.on_peer_added(peer, IpAddress::parse(event.at("ip").get<std::string>()).value());
    else if (what == "remove")
      score_.on_peer_removed(peer);
    else if (what == "graft")
      score_.on_grafted(peer, topic);
    else if (what == "prune")
      score_.on_pruned(peer, topic);
    else if (what == "penalty")
      score_.on_penalty(peer, event.at("count"));
    else if (what == "validating")
      score_.on_validating(topic, message);
    else if (what == "delivered")
      score_.on_delivered(peer, topic, message);
    else if (what == "rejected")
      score_.on_rejected(peer, topic, message);
    else if (what == "ignored" || what == "throttled")
      score_.on_undecided(message);
    else if (what == "invalid")
      score_.on_invalid(peer, topic);
    else if (what == "duplicate")
      score_.on_duplicate(peer, topic, message);
    else if (what == "scores")
      print();
    else
      return false;
    return true;
  }

 private:
  static std::uint64_t hash(const std::string& name) { return hash64(as_bytes(name)); }

  void print() {
    Json scores = Json::object();
    for (const auto& [name, peer] : names_) scores[name] = score_.score(peer);
    std::printf("%s\n", scores.dump().c_str());
  }

  PeerScore score_;
  std::map<std::string, std::uint64_t> names_;
};

}  // namespace

int main() {
  const Json script = Json::parse(std::cin);
  Replay replay(script);
  for (const Json& event : script.at("events")) {
    if (!replay.apply(event)) {
      std::fprintf(stderr, "error: no such event: %s\n", event.dump().c_str());
      return 2;
    }
  }
}
