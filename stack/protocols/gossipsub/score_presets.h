// Peer scores as networks have set them: Ethereum's consensus layer, Filecoin, and the experiments with which
// gossipsub v1.1 was hardened.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "stack/base/result.h"
#include "stack/protocols/gossipsub/params.h"
#include "stack/protocols/gossipsub/score_params.h"

namespace mesocosm {

struct ScorePreset {
  PeerScoreParams score;
  ScoreThresholds thresholds;
};

// A topic, and which of the network's topics it is scored as.
struct ScoredTopic {
  std::string topic;
  std::string as;
};

// Lighthouse (sigp/lighthouse, lighthouse_network: gossipsub_scoring_parameters.rs), whose method Prysm and others
// share, for a mesh of D = 8 and so many active validators, long after genesis. Topics: beacon_block,
// beacon_aggregate_and_proof, beacon_attestation (each subnet's), voluntary_exit, proposer_slashing and
// attester_slashing. Without rust-libp2p's penalty for slow peers, which the specification does not have. Errors:
// refused (a topic that it does not know, or too few validators).
Result<ScorePreset> ethereum_score(std::span<const ScoredTopic> topics, std::uint64_t validators);

// Lotus (filecoin-project/lotus, node/modules/lp2p/pubsub.go). Topics: blocks, messages and drand. Mesh deliveries
// are not scored, as there; its scores for bootstrap nodes are the application's to set (2500, and 1500 for drand's).
Result<ScorePreset> filecoin_score(std::span<const ScoredTopic> topics);

// The experiments of Protocol Labs' PL-TechRep-2020-001 (libp2p/gossipsub-hardening, scripts/configs/
// 1k-attack-eclipse-net.json). Its one topic: blocks. Mesh deliveries count `warmup` later than configured, as its
// nodes have it (test/params.go). Addresses and misbehaviour are not scored, as there.
Result<ScorePreset> hardening_score(std::span<const ScoredTopic> topics, Duration warmup);

}  // namespace mesocosm
