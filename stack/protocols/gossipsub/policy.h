// GossipSubPolicy: what a variant of GossipSub replaces. The core keeps the protocol, a policy makes the
// choices: it says who belongs into the mesh, whom to gossip to and what a peer is worth, and it watches what
// peers do.
//
// The defaults are the specification's. A variant derives, overrides what it changes, and is handed to the
// core:
//
//   class Hoarder final : public GossipSubPolicy {   // grafts everybody
//     void choose_mesh(GossipSubCore& core, TopicIndex topic, Time now, MeshChange& change) override {
//       core.graft_candidates(topic, now, change.graft);
//     }
//   };
#pragma once

#include <cstdint>
#include <vector>

#include "stack/base/result.h"
#include "stack/base/time.h"
#include "stack/protocols/gossipsub/message_cache.h"
#include "stack/protocols/gossipsub/rpc.h"

namespace mesocosm {

class GossipSubCore;

struct MeshChange {
  std::vector<PeerIndex> prune;  // in the mesh; are sent PRUNE and backed off from, first
  std::vector<PeerIndex> graft;  // not in the mesh; are sent GRAFT
};

// A message that is about to go to other peers.
struct OutgoingMessage {
  TopicIndex topic;
  std::uint64_t hash;  // of its id
  ByteView id;
  std::size_t payload;  // bytes of it
  PeerIndex from;       // who handed it to us; kNoPeer: we publish it
};

class GossipSubPolicy {
 public:
  virtual ~GossipSubPolicy() = default;

  // --- choices ---
  // The peer's score (v1.1, "Peer Scoring"); below zero it is kept out of meshes, and see ScoreThresholds.
  virtual double score(GossipSubCore& core, PeerIndex peer);
  // A heartbeat's change to the mesh of a topic that we are subscribed to.
  virtual void choose_mesh(GossipSubCore& core, TopicIndex topic, Time now, MeshChange& change);
  // Whom to send IHAVE: `peers` holds those who may be told, in order of their slots, and keeps those who
  // are.
  virtual void choose_gossip(GossipSubCore& core, TopicIndex topic, std::vector<PeerIndex>& peers);
  // Whom a message is sent to now, in this order. Who is taken out gets it otherwise, if at all: see
  // GossipSubCore::send_ihave and send.
  virtual void choose_push(GossipSubCore& core, const OutgoingMessage& message,
                           std::vector<PeerIndex>& peers);
  // Whether to ask for a message that a peer has by IHAVE and that we have not seen.
  virtual bool wants(GossipSubCore& core, PeerIndex from, std::uint64_t hash, ByteView id);
  // Before anything of an RPC is looked at; false: it is ignored.
  virtual bool on_rpc(GossipSubCore& core, PeerIndex from, Rpc rpc, Time now);
  // At the beginning of a heartbeat.
  virtual void on_heartbeat(GossipSubCore& core, Time now);
  // The time that GossipSubCore::wake_at asked for has come.
  virtual void on_wake(GossipSubCore& core, Time now);
  // A control message that is not GossipSub's: `part.field` is its number in ControlMessage. An error: the peer
  // breaks the protocol, its stream is reset.
  virtual Result<> on_control(GossipSubCore& core, PeerIndex from, const RpcPart& part, Time now);

  // --- what peers do, for scores ---
  virtual void on_peer_added(GossipSubCore& core, PeerIndex peer);
  virtual void on_peer_removed(GossipSubCore& core, PeerIndex peer);
  virtual void on_grafted(GossipSubCore& core, TopicIndex topic, PeerIndex peer);
  virtual void on_pruned(GossipSubCore& core, TopicIndex topic, PeerIndex peer);
  virtual void on_delivered(GossipSubCore& core, TopicIndex topic, PeerIndex peer, std::uint64_t message);
  virtual void on_duplicate(GossipSubCore& core, TopicIndex topic, PeerIndex peer, std::uint64_t message);
  virtual void on_rejected(GossipSubCore& core, PeerIndex peer, ErrorCode why);
  // It sent GRAFT while backing off: one, or two if within graft_flood_threshold of the PRUNE; or a policy says so.
  virtual void on_penalty(GossipSubCore& core, PeerIndex peer, unsigned count);
};

}  // namespace mesocosm
