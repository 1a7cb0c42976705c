// Peer scores for Python: presets, and reading what nodes think of each other.
#include <array>
#include <unordered_map>

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "python/bind.h"
#include "sim/run/world.h"
#include "stack/protocols/gossipsub/score_presets.h"

namespace py = pybind11;

namespace mesocosm::python {
namespace {

py::dict to_dict(const TopicScoreParams& topic) {
  py::dict out;
  out["weight"] = topic.weight;
  out["time_in_mesh_weight"] = topic.time_in_mesh_weight;
  out["time_in_mesh_quantum"] = topic.time_in_mesh_quantum.count();
  out["time_in_mesh_cap"] = topic.time_in_mesh_cap;
  out["first_message_deliveries_weight"] = topic.first_message_deliveries_weight;
  out["first_message_deliveries_decay"] = topic.first_message_deliveries_decay;
  out["first_message_deliveries_cap"] = topic.first_message_deliveries_cap;
  out["mesh_message_deliveries_weight"] = topic.mesh_message_deliveries_weight;
  out["mesh_message_deliveries_decay"] = topic.mesh_message_deliveries_decay;
  out["mesh_message_deliveries_cap"] = topic.mesh_message_deliveries_cap;
  out["mesh_message_deliveries_threshold"] = topic.mesh_message_deliveries_threshold;
  out["mesh_message_deliveries_window"] = topic.mesh_message_deliveries_window.count();
  out["mesh_message_deliveries_activation"] = topic.mesh_message_deliveries_activation.count();
  out["mesh_failure_penalty_weight"] = topic.mesh_failure_penalty_weight;
  out["mesh_failure_penalty_decay"] = topic.mesh_failure_penalty_decay;
  out["invalid_message_deliveries_weight"] = topic.invalid_message_deliveries_weight;
  out["invalid_message_deliveries_decay"] = topic.invalid_message_deliveries_decay;
  return out;
}

// As PeerScore's fields in Python; durations in nanoseconds.
py::dict to_dict(const ScorePreset& preset) {
  const PeerScoreParams& score = preset.score;
  py::dict topics;
  for (const TopicScoreParams& topic : score.topics) topics[py::str(topic.topic)] = to_dict(topic);
  py::dict out;
  out["topics"] = topics;
  out["topic_score_cap"] = score.topic_score_cap;
  out["app_specific_weight"] = score.app_specific_weight;
  out["ip_colocation_weight"] = score.ip_colocation_weight;
  out["ip_colocation_threshold"] = score.ip_colocation_threshold;
  out["behaviour_penalty_weight"] = score.behaviour_penalty_weight;
  out["behaviour_penalty_threshold"] = score.behaviour_penalty_threshold;
  out["behaviour_penalty_decay"] = score.behaviour_penalty_decay;
  out["decay_interval"] = score.decay_interval.count();
  out["decay_to_zero"] = score.decay_to_zero;
  out["retain_score"] = score.retain_score.count();
  out["gossip_threshold"] = preset.thresholds.gossip;
  out["publish_threshold"] = preset.thresholds.publish;
  out["graylist_threshold"] = preset.thresholds.graylist;
  out["accept_px_threshold"] = preset.thresholds.accept_px;
  out["opportunistic_graft_threshold"] = preset.thresholds.opportunistic_graft;
  return out;
}

py::dict unwrap(const Result<ScorePreset>& preset) {
  if (!preset) throw ConfigError("PeerScore: " + preset.error().detail);
  return to_dict(*preset);
}

std::vector<ScoredTopic> topics_from(const std::vector<std::pair<std::string, std::string>>& pairs) {
  std::vector<ScoredTopic> topics;
  for (const auto& [topic, as] : pairs) topics.push_back({topic, as});
  return topics;
}

// What each of the nodes thinks of each of its peers, as columns. A peer that is no node of the world is -1.
py::dict scores(World& world, const py::array_t<std::uint32_t>& indices) {
  std::unordered_map<std::uint64_t, std::int64_t> nodes;
  for (NodeIndex node = 0; node < world.size(); ++node) nodes.emplace(world.peer_id(node).hash(), node);
  std::vector<std::int64_t> node, peer;
  std::array<std::vector<double>, 9> parts;
  for (const NodeIndex index : std::span(indices.data(), static_cast<std::size_t>(indices.size()))) {
    if (!world.up(index)) continue;
    GossipSub* gossipsub = world.node(index).gossipsub();
    if (gossipsub == nullptr) throw ConfigError("node " + std::to_string(index) + " does not run gossipsub");
    for (const auto& [id, s] : gossipsub->scores()) {
      const auto known = nodes.find(id.hash());
      node.push_back(index);
      peer.push_back(known == nodes.end() ? -1 : known->second);
      const double values[] = {s.total,
                               s.time_in_mesh,
                               s.first_message_deliveries,
                               s.mesh_message_deliveries,
                               s.mesh_failure_penalty,
                               s.invalid_messages,
                               s.app_specific,
                               s.ip_colocation,
                               s.behaviour_penalty};
      for (std::size_t i = 0; i < parts.size(); ++i) parts[i].push_back(values[i]);
    }
  }
  const char* const names[] = {"score", "p1", "p2", "p3", "p3b", "p4", "p5", "p6", "p7"};
  py::dict columns;
  columns["node"] = py::array_t<std::int64_t>(static_cast<py::ssize_t>(node.size()), node.data());
  columns["peer"] = py::array_t<std::int64_t>(static_cast<py::ssize_t>(peer.size()), peer.data());
  for (std::size_t i = 0; i < parts.size(); ++i) {
    columns[names[i]] = py::array_t<double>(static_cast<py::ssize_t>(parts[i].size()), parts[i].data());
  }
  return columns;
}

void set_app_score(World& world, const py::array_t<std::uint32_t>& judges,
                   const py::array_t<std::uint32_t>& peers, double value) {
  for (const NodeIndex judge : std::span(judges.data(), static_cast<std::size_t>(judges.size()))) {
    if (!world.up(judge)) continue;
    GossipSub* gossipsub = world.node(judge).gossipsub();
    if (gossipsub == nullptr) throw ConfigError("node " + std::to_string(judge) + " does not run gossipsub");
    for (const NodeIndex peer : std::span(peers.data(), static_cast<std::size_t>(peers.size()))) {
      gossipsub->set_app_score(world.peer_id(peer), value);
    }
  }
}

}  // namespace

void bind_score(py::module_& module) {
  module.def("scores", &scores);
  module.def("set_app_score", &set_app_score);
  using Topics = std::vector<std::pair<std::string, std::string>>;
  module.def("ethereum_score", [](const Topics& topics, std::uint64_t validators) {
    return unwrap(ethereum_score(topics_from(topics), validators));
  });
  module.def("filecoin_score",
             [](const Topics& topics) { return unwrap(filecoin_score(topics_from(topics))); });
  module.def("hardening_score", [](const Topics& topics, std::int64_t warmup_ns) {
    return unwrap(hardening_score(topics_from(topics), Duration(warmup_ns)));
  });
}

}  // namespace mesocosm::python
