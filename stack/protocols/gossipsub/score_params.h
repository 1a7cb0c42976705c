// PeerScoreParams: the numbers of gossipsub v1.1's peer score (libp2p/specs pubsub/gossipsub/gossipsub-v1.1.md,
// "The Score Function"), which are the application's to choose.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "stack/base/ip.h"
#include "stack/base/result.h"
#include "stack/base/time.h"

namespace mesocosm {

// The addresses that begin with the same bits: "192.0.2.0/24", "2001:db8::/32".
struct IpNetwork {
  IpAddress address;
  std::uint8_t bits = 0;

  // Error: bad_encoding. A bare address is a network of one.
  static Result<IpNetwork> parse(std::string_view text);
  bool contains(const IpAddress& ip) const;
};

// How much of a counter is left after one decay interval, if it is to reach `to_zero` of itself after `lifetime`;
// requires a lifetime of at least one interval.
double score_decay(Duration lifetime, Duration decay_interval = 1s, double to_zero = 0.01);

// P1 to P4 in one topic. A weight of zero switches its parameter off. Weights are positive for what is good and
// negative for what is bad.
struct TopicScoreParams {
  std::string topic;
  double weight = 1;  // of the topic among others

  // P1: how long the peer has been in our mesh, in quanta, up to the cap.
  double time_in_mesh_weight = 0;
  Duration time_in_mesh_quantum = 1s;
  double time_in_mesh_cap = 3600;

  // P2: messages that it was the first to deliver.
  double first_message_deliveries_weight = 0;
  double first_message_deliveries_decay = 0.5;
  double first_message_deliveries_cap = 2000;

  // P3: messages that it delivered while in our mesh, first or within the window after their validation: the square
  // of what they lack to the threshold, once it was in the mesh for `activation`.
  double mesh_message_deliveries_weight = 0;
  double mesh_message_deliveries_decay = 0.5;
  double mesh_message_deliveries_cap = 100;
  double mesh_message_deliveries_threshold = 20;
  Duration mesh_message_deliveries_window = 10ms;
  Duration mesh_message_deliveries_activation = 5s;

  // P3b: the squared deficits with which it left our mesh.
  double mesh_failure_penalty_weight = 0;
  double mesh_failure_penalty_decay = 0.5;

  // P4: the square of the number of invalid messages.
  double invalid_message_deliveries_weight = 0;
  double invalid_message_deliveries_decay = 0.3;
};

// The defaults punish and reward nothing; what they set beside weights is rust-libp2p's (gossipsub peer_score/params).
struct PeerScoreParams {
  std::vector<TopicScoreParams> topics;  // others are not scored; each once
  double topic_score_cap = 0;            // on what topics add together; 0: none

  double app_specific_weight = 1;  // P5: the application's own word

  // P6: the square of how many peers share its address beyond the threshold. An IPv6 address also counts as its /64.
  double ip_colocation_weight = 0;
  std::uint32_t ip_colocation_threshold = 10;
  std::vector<IpNetwork> ip_colocation_whitelist;  // addresses that never count

  // P7: the square of its misbehaviour (GRAFT while backing off, broken gossip promises) beyond the threshold.
  double behaviour_penalty_weight = 0;
  double behaviour_penalty_threshold = 0;
  double behaviour_penalty_decay = 0.2;

  Duration decay_interval = 1s;  // counters are multiplied by their decay so often,
  double decay_to_zero = 0.01;   // and are zero below this
  Duration retain_score = 1h;    // a bad score outlasts the connection for so long
  Duration seen_ttl = 120s;      // copies of an invalid message are held against their senders for so long

  // Names the first number that does not fit, as go-libp2p-pubsub's validation. Error: protocol_violation.
  Result<> validate() const;
};

}  // namespace mesocosm
