// GossipSubParams: every number of GossipSub in one place, with the defaults of libp2p and of Ethereum's
// consensus layer.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "stack/base/result.h"
#include "stack/base/time.h"

namespace mesocosm {

struct PeerScoreParams;  // score_params.h

// What a node speaks; ordered, later ones do more.
enum class PeerKind : std::uint8_t {
  floodsub,      // /floodsub/1.0.0: sends and gets every message, takes no part in meshes
  randomsub,     // /randomsub/1.0.0: the same, and sends to random peers only
  gossipsub_10,  // /meshsub/1.0.0: PRUNE without backoff and peers
  gossipsub_11,  // /meshsub/1.1.0
  gossipsub_12,  // /meshsub/1.2.0: IDONTWANT
  gossipsub_13,  // /meshsub/1.3.0: extensions
};

// How messages are signed (libp2p/specs pubsub/README.md, "Signature Policy Options"); the lax ones are not
// offered.
enum class SignaturePolicy : std::uint8_t {
  strict_sign,     // from, seqno and signature are made and demanded
  strict_no_sign,  // from, seqno, key and signature are neither made nor tolerated
};

// What names a message, and so what counts as the same message.
enum class MessageIdKind : std::uint8_t {
  from_seqno,    // from ++ seqno, libp2p's default; needs strict_sign
  content_hash,  // the first 20 bytes of SHA-256(01000000 ++ le64(|topic|) ++ topic ++ data): Ethereum's
                 // (consensus-specs altair/p2p-interface.md), with the data taken as it travels, not
                 // decompressed
  data_hash,     // BLAKE2b-256(data), whatever the topic: Filecoin's (lotus node/modules/lp2p/pubsub.go)
};

// Scores below these lose their owner something (gossipsub v1.1, "Score Thresholds"). All zero: nobody is
// judged while scores are zero, as they are without GossipSubParams::score.
struct ScoreThresholds {
  double gossip = 0;               // below: no IHAVE or IWANT to or from it; <= 0
  double publish = 0;              // below: it is not sent what we publish; <= gossip
  double graylist = 0;             // below: its RPCs are ignored; <= publish
  double accept_px = 0;            // below: the peers that it offers in a PRUNE are ignored; >= 0
  double opportunistic_graft = 0;  // mesh's median below: better peers are grafted; >= 0
};

// What of peers' subscriptions is heard, and what may be subscribed to (v1.1's implementations, "Subscription Filters").
struct SubscriptionFilter {
  std::vector<std::string> topics;              // others are neither; empty: all topics
  std::uint32_t max_subscriptions_per_rpc = 0;  // an RPC with more is ignored; 0: no limit
};

// Names in parentheses are those of the specification. Defaults: gossipsub v1.0 and v1.1, and where they
// leave a number open, go-libp2p-pubsub.
struct GossipSubParams {
  // The latest that we speak: it is offered with what peers may speak instead, and what only later versions do
  // is not done (see as_spoken).
  PeerKind version = PeerKind::gossipsub_11;
  std::uint32_t network_size = 0;  // randomsub: sends to its square root of peers, if that is more than d

  // The mesh.
  std::uint32_t d = 6;        // (D) peers wanted in a topic's mesh
  std::uint32_t d_low = 5;    // (D_lo) fewer: graft
  std::uint32_t d_high = 12;  // (D_hi) more: prune
  std::uint32_t d_score = 4;  // (D_score) kept for their score when pruning
  std::uint32_t d_out = 2;    // (D_out) kept or grafted because we dialed them; < d_low and <= d/2
  Duration heartbeat = 1s;
  Duration heartbeat_delay{};            // the first heartbeat comes within one of these after so long
  Duration prune_backoff = 60s;          // no GRAFT to or from a pruned peer for so long
  Duration unsubscribe_backoff = 10s;    // the same after leaving a topic
  std::uint32_t backoff_slack = 2;       // heartbeats to wait on top before we GRAFT ourselves
  Duration graft_flood_threshold = 10s;  // a GRAFT so soon after a PRUNE is a flood: twice the penalty
  std::uint32_t opportunistic_graft_ticks = 60;  // heartbeats between looks at the median score
  std::uint32_t opportunistic_graft_peers = 2;

  // Gossip.
  std::uint32_t d_lazy = 6;                // (D_lazy) peers told of recent messages, at least
  double gossip_factor = 0.25;             // share of the peers outside the mesh told, when that is more
  std::uint32_t history = 5;               // (mcache_len) heartbeats that a message can be asked for
  std::uint32_t history_gossip = 3;        // (mcache_gossip) heartbeats that it is told of; <= history
  std::uint32_t iwant_retransmission = 3;  // times that one peer may ask for one message
  std::uint32_t max_ihave_length = 5000;   // ids asked of one peer in a heartbeat, and in one IHAVE
  std::uint32_t max_ihave_messages = 10;   // RPCs with IHAVE heard from one peer in a heartbeat
  Duration iwant_followup = 3s;  // who did not send what we asked for by then broke its promise (with scores)

  // IDONTWANT (v1.2).
  std::uint32_t idontwant_threshold = 1024;     // bytes of payload from which on we say it
  std::uint32_t idontwant_ttl = 3;              // heartbeats for which a peer's word is remembered
  std::uint32_t max_idontwant_messages = 1000;  // RPCs with IDONTWANT heard from one peer in a heartbeat
  std::uint32_t max_idontwant_length = 10;      // ids heard of one RPC

  // Publishing.
  bool flood_publish = true;  // our own messages go to every peer in the topic
  // Extensions (v1.3): what we tell peers that we can do, and do with those that can.
  bool partial_messages = false;
  bool test_extension = false;
  Duration fanout_ttl =
      60s;  // peers for a topic that we only publish to are kept for so long after the last time
  Duration seen_ttl = 120s;  // a message is known for so long after it was first seen; >= history heartbeats

  // Peers.
  bool peer_exchange = false;                // offer peers in a PRUNE because of too large a mesh
  bool accept_peer_exchange = true;          // connect to peers that are offered
  std::uint32_t prune_peers = 16;            // peers in a PRUNE, and taken from one
  std::uint32_t direct_connect_ticks = 300;  // heartbeats between looks at the explicit peers' connections
  ScoreThresholds thresholds = {};
  std::shared_ptr<const PeerScoreParams> score = nullptr;  // null: peers are not scored

  // Validation that takes time: messages whose verdict is waited for, in all and in one topic. Further ones are
  // dropped, which speaks neither for nor against who sent them.
  std::uint16_t validation_queue = 8192;
  std::uint16_t topic_validation_queue = 1024;
  Duration validation_delay{};           // a processor works so long on every message
  std::uint16_t validation_workers = 1;  // processors: messages that are worked on at the same time

  // Messages and limits.
  SignaturePolicy signature_policy = SignaturePolicy::strict_sign;
  MessageIdKind message_id = MessageIdKind::from_seqno;
  std::uint32_t max_rpc = 1 << 20;  // bytes of an RPC, without its length prefix
  std::uint32_t max_topics = 4096;  // known at once; peers' alone at most three quarters of them
  std::uint32_t max_subscriptions_per_peer = 1024;
  std::shared_ptr<const SubscriptionFilter> filter = nullptr;  // null: all topics, however many in an RPC
  // SUBSCRIBE, GRAFT and PRUNE that one peer may send in a heartbeat, each invalid message counting as 40; then its
  // stream is reset.
  std::uint32_t max_nuisance = 4096;

  static GossipSubParams libp2p() { return {}; }
  // consensus-specs phase0/p2p-interface.md: D 8, D_lo 6, D_hi 12, D_lazy 6, 700 ms, mcache 6 and 3,
  // StrictNoSign, ids by content, seen for two epochs of 32 slots of 12 s, 10 MiB payloads. Without flood
  // publishing, as Lighthouse and Prysm run it.
  static GossipSubParams ethereum();
  // Lotus (filecoin-project/lotus, node/modules/lp2p/pubsub.go): D 8, D_lo 6, D_hi 12, D_score 6, D_out 3, D_lazy 12,
  // gossip factor 0.1, mcache 10, 5 s to follow up an IWANT, ids by data, at most 100 subscriptions in an RPC, 256
  // messages in validation. Scores are filecoin_score()'s.
  static GossipSubParams filecoin();

  // The same without what the version does not have, whatever the numbers say. v1.0 has no flood publishing,
  // peer exchange, backoff, quotas for peers that we dialed, opportunistic grafting, scores' thresholds, adaptive
  // gossip or limits on IHAVE and IWANT; floodsub and randomsub have no more than that.
  GossipSubParams as_spoken() const;
  // Names the first number that does not fit, or the first pair that contradicts itself. Error:
  // protocol_violation.
  Result<> validate() const;
};

}  // namespace mesocosm
