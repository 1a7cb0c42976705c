#include "stack/protocols/gossipsub/score_presets.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace mesocosm {
namespace {

tl::unexpected<Error> unknown_topic(const char* network, const std::string& as, const char* known) {
  return fail(ErrorCode::refused, std::string(network) + " scores no topic '" + as + "', only " + known);
}

// ------------------------------------------------------------------------------------------------- Ethereum

constexpr Duration kSlot = 12s;
constexpr std::int64_t kSlotsPerEpoch = 32;
constexpr Duration kEpoch = kSlot * kSlotsPerEpoch;
constexpr double kMeshSize = 8;
constexpr std::uint64_t kSubnets = 64;
constexpr std::uint64_t kMaxCommittees = 64;  // in a slot
constexpr std::uint64_t kCommitteeSize = 128;
constexpr std::uint64_t kAggregators = 16;  // of a committee
constexpr double kInMesh = 10;              // the most that P1 and P2 add for a topic of weight 1
constexpr double kFirstDeliveries = 40;
constexpr double kBlockWeight = 0.5;
constexpr double kAggregateWeight = 0.5;
constexpr double kRareWeight = 0.05;  // of each of the three rare topics
constexpr double kMaxPositive =
    (kInMesh + kFirstDeliveries) * (kBlockWeight + kAggregateWeight + 1 + 3 * kRareWeight);

double ethereum_decay(Duration lifetime) { return score_decay(lifetime, kSlot); }

// What a counter converges to that grows by `rate` in each slot.
double convergence(double decay, double rate) { return rate / (1 - decay); }

struct MeshExpectation {
  std::int64_t decay_slots;
  double cap_factor;
  Duration activation;
};

// `rate`: messages in a slot.
TopicScoreParams ethereum_topic(double weight, double rate, Duration first_decay,
                                const MeshExpectation* mesh = nullptr) {
  TopicScoreParams topic;
  topic.weight = weight;
  topic.time_in_mesh_quantum = kSlot;
  topic.time_in_mesh_cap = 3600 / to_seconds(kSlot);
  topic.time_in_mesh_weight = kInMesh / topic.time_in_mesh_cap;
  topic.first_message_deliveries_decay = ethereum_decay(first_decay);
  topic.first_message_deliveries_cap =
      convergence(topic.first_message_deliveries_decay, 2 * rate / kMeshSize);
  topic.first_message_deliveries_weight = kFirstDeliveries / topic.first_message_deliveries_cap;
  if (mesh != nullptr) {
    const double decay = ethereum_decay(kSlot * mesh->decay_slots);
    topic.mesh_message_deliveries_decay = decay;
    topic.mesh_message_deliveries_threshold = convergence(decay, rate / 50) * decay;
    topic.mesh_message_deliveries_cap =
        std::max(2.0, mesh->cap_factor * topic.mesh_message_deliveries_threshold);
    topic.mesh_message_deliveries_activation = mesh->activation;
    topic.mesh_message_deliveries_window = 2s;
    topic.mesh_message_deliveries_weight = -weight;
    topic.mesh_failure_penalty_decay = decay;
    topic.mesh_failure_penalty_weight = -weight;
  }
  topic.invalid_message_deliveries_weight = -kMaxPositive / weight;
  topic.invalid_message_deliveries_decay = ethereum_decay(kEpoch * 50);
  return topic;
}

std::uint64_t committees_per_slot(std::uint64_t validators) {
  return std::clamp<std::uint64_t>(validators / kSlotsPerEpoch / kCommitteeSize, 1, kMaxCommittees);
}

// Aggregates in a slot: of each committee, those members that are chosen, which are more than kAggregators where
// its size is no multiple of that.
double aggregators_per_slot(std::uint64_t validators) {
  const std::uint64_t committees = committees_per_slot(validators) * kSlotsPerEpoch;
  const std::uint64_t size = validators / committees;
  const std::uint64_t larger = validators - size * committees;  // committees with one more
  const auto chosen = [](std::uint64_t count, std::uint64_t members) {
    const std::uint64_t modulo = std::max<std::uint64_t>(1, members / kAggregators);
    return static_cast<double>(count * members) / static_cast<double>(modulo);
  };
  return (chosen(committees - larger, size) + chosen(larger, size + 1)) / kSlotsPerEpoch;
}

TopicScoreParams attestation_subnet(std::uint64_t validators) {
  const double rate = static_cast<double>(validators) / kSubnets / kSlotsPerEpoch;
  // Whether a subnet has several bursts of messages in an epoch, or one.
  const bool bursts = committees_per_slot(validators) >= 2 * kSubnets / kSlotsPerEpoch;
  const MeshExpectation mesh = {.decay_slots = kSlotsPerEpoch * (bursts ? 4 : 16),
                                .cap_factor = 16,
                                .activation = bursts ? kSlot * (kSlotsPerEpoch / 2 + 1) : kEpoch * 3};
  return ethereum_topic(1.0 / kSubnets, rate, bursts ? kEpoch : kEpoch * 4, &mesh);
}

Result<TopicScoreParams> ethereum_topic(const std::string& as, std::uint64_t validators) {
  if (as == "beacon_block") {
    const MeshExpectation mesh = {.decay_slots = kSlotsPerEpoch * 5, .cap_factor = 3, .activation = kEpoch};
    return ethereum_topic(kBlockWeight, 1, kEpoch * 20, &mesh);
  }
  if (as == "beacon_aggregate_and_proof") {
    const MeshExpectation mesh = {.decay_slots = kSlotsPerEpoch * 2, .cap_factor = 4, .activation = kEpoch};
    return ethereum_topic(kAggregateWeight, aggregators_per_slot(validators), kEpoch, &mesh);
  }
  if (as == "beacon_attestation") return attestation_subnet(validators);
  if (as == "voluntary_exit") return ethereum_topic(kRareWeight, 4.0 / kSlotsPerEpoch, kEpoch * 100);
  if (as == "proposer_slashing" || as == "attester_slashing") {
    return ethereum_topic(kRareWeight, 0.2 / kSlotsPerEpoch, kEpoch * 100);
  }
  return unknown_topic("ethereum", as,
                       "beacon_block, beacon_aggregate_and_proof, beacon_attestation, voluntary_exit, "
                       "proposer_slashing and attester_slashing");
}

// ------------------------------------------------------------------------------------------------- Filecoin

TopicScoreParams filecoin_topic(double weight, double mesh_weight, double first_weight, Duration first_decay,
                                double first_cap) {
  TopicScoreParams topic;
  topic.weight = weight;
  topic.time_in_mesh_weight = mesh_weight;
  topic.time_in_mesh_quantum = 1s;
  topic.time_in_mesh_cap = 1;
  topic.first_message_deliveries_weight = first_weight;
  topic.first_message_deliveries_decay = score_decay(first_decay);
  topic.first_message_deliveries_cap = first_cap;
  topic.invalid_message_deliveries_weight = -1000;
  topic.invalid_message_deliveries_decay = score_decay(1h);
  return topic;
}

Result<TopicScoreParams> filecoin_topic(const std::string& as) {
  if (as == "blocks") return filecoin_topic(0.1, 0.00027, 5, 1h, 100);
  if (as == "messages") return filecoin_topic(0.1, 0.0002778, 0.5, 10min, 100);
  if (as == "drand") return filecoin_topic(0.5, 0.00027, 5, 1h, 25);
  return unknown_topic("filecoin", as, "blocks, messages and drand");
}

}  // namespace

Result<ScorePreset> ethereum_score(std::span<const ScoredTopic> topics, std::uint64_t validators) {
  if (validators < kSlotsPerEpoch) {
    return fail(ErrorCode::refused, "ethereum's scores need at least " + std::to_string(kSlotsPerEpoch) +
                                        " validators, not " + std::to_string(validators));
  }
  ScorePreset preset;
  preset.thresholds = {
      .gossip = -4000, .publish = -8000, .graylist = -16000, .accept_px = 100, .opportunistic_graft = 5};
  PeerScoreParams& score = preset.score;
  for (const ScoredTopic& topic : topics) {
    auto params = ethereum_topic(topic.as, validators);
    if (!params) return tl::unexpected(params.error());
    params->topic = topic.topic;
    score.topics.push_back(std::move(*params));
  }
  score.topic_score_cap = kMaxPositive * 0.5;
  score.ip_colocation_weight = -score.topic_score_cap;
  score.ip_colocation_threshold = 8;
  score.behaviour_penalty_threshold = 6;
  score.behaviour_penalty_decay = ethereum_decay(kEpoch * 10);
  // Ten misdeeds in each epoch bring a score to the gossip threshold.
  const double excess =
      convergence(score.behaviour_penalty_decay, 10.0 / kSlotsPerEpoch) - score.behaviour_penalty_threshold;
  score.behaviour_penalty_weight = preset.thresholds.gossip / (excess * excess);
  score.decay_interval = kSlot;
  score.retain_score = kEpoch * 100;
  return preset;
}

Result<ScorePreset> filecoin_score(std::span<const ScoredTopic> topics) {
  ScorePreset preset;
  preset.thresholds = {
      .gossip = -500, .publish = -1000, .graylist = -2500, .accept_px = 1000, .opportunistic_graft = 3.5};
  PeerScoreParams& score = preset.score;
  for (const ScoredTopic& topic : topics) {
    auto params = filecoin_topic(topic.as);
    if (!params) return tl::unexpected(params.error());
    params->topic = topic.topic;
    score.topics.push_back(std::move(*params));
  }
  score.ip_colocation_weight = -100;
  score.ip_colocation_threshold = 5;
  score.behaviour_penalty_weight = -10;
  score.behaviour_penalty_threshold = 6;
  score.behaviour_penalty_decay = score_decay(1h);
  score.retain_score = 6h;
  return preset;
}

Result<ScorePreset> hardening_score(std::span<const ScoredTopic> topics, Duration warmup) {
  ScorePreset preset;
  preset.thresholds = {
      .gossip = -4000, .publish = -5000, .graylist = -10000, .accept_px = 0, .opportunistic_graft = 0};
  for (const ScoredTopic& scored : topics) {
    if (scored.as != "blocks") return unknown_topic("the hardening experiments", scored.as, "blocks");
    TopicScoreParams topic;
    topic.topic = scored.topic;
    topic.weight = 0.25;
    topic.time_in_mesh_weight = 0.0027;
    topic.time_in_mesh_quantum = 1s;
    topic.time_in_mesh_cap = 3600;
    topic.first_message_deliveries_weight = 0.664;
    topic.first_message_deliveries_decay = 0.9916;
    topic.first_message_deliveries_cap = 1500;
    topic.mesh_message_deliveries_weight = -0.25;
    topic.mesh_message_deliveries_decay = 0.997;
    topic.mesh_message_deliveries_cap = 400;
    topic.mesh_message_deliveries_threshold = 10;
    topic.mesh_message_deliveries_window = 5ms;
    topic.mesh_message_deliveries_activation = 1min + warmup;
    topic.mesh_failure_penalty_weight = -0.25;
    topic.mesh_failure_penalty_decay = 0.997;
    topic.invalid_message_deliveries_weight = -99;
    topic.invalid_message_deliveries_decay = 0.9994;
    preset.score.topics.push_back(std::move(topic));
  }
  preset.score.ip_colocation_threshold = 1;
  preset.score.retain_score = 30s;
  return preset;
}

}  // namespace mesocosm
