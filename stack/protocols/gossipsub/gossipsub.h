// GossipSub: runs a GossipSubCore over a host's connections: streams, frames, queues, heartbeats, traces.
//
// Each side opens one stream to write on; what the other side opened is only read (pubsub/README.md, "Stream
// management"). What the core sends in a turn leaves together at its end: a peer's control messages as one
// RPC, each message as one shared frame (see rpc.h).
//
// The life of a peer here:
//   connected ──(speaks pubsub: identify said so, or it opened a stream to us)──▶ linked: outbound stream open
//   linked ──(its last connection ends)──▶ gone
//   linked ──(our stream fails)──▶ waiting ──(next heartbeat, at most 4 times)──▶ linked
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "stack/env/env.h"
#include "stack/protocols/gossipsub/core.h"
#include "stack/protocols/gossipsub/gossipsub_metrics.h"
#include "stack/protocols/gossipsub/partial.h"
#include "stack/protocols/gossipsub/validation_desk.h"
#include "stack/protocols/pubsub/pubsub.h"
#include "stack/swarm/swarm.h"
#include "stack/wire/framing.h"

namespace mesocosm {

// A message for the application; valid during the call, message.payload() outlives it.
struct GossipSubDelivery {
  std::string_view topic;
  const Message& message;
  const MessageId& id;
  const PeerId& from;  // who handed it to us, empty if it left since; its author is message.from
};

class GossipSubHandler {
 public:
  // May call anything of GossipSub.
  virtual void on_message(const GossipSubDelivery& delivery) = 0;

 protected:
  ~GossipSubHandler() = default;
};

// For a topic whose messages come in parts.
class PartialHandler {
 public:
  // Whether the part belongs to the message; it is kept and passed on. May call nothing of GossipSub.
  virtual bool accept_part(ByteView group, std::size_t part, ByteView data) = 0;
  // All parts of a message that we had not published whole. May call anything of GossipSub.
  virtual void on_complete(std::string_view topic, ByteView group, const std::vector<Bytes>& parts) = 0;

 protected:
  ~PartialHandler() = default;
};

struct GossipSubOptions {
  GossipSubParams params = {};
  const KeyPair* key = nullptr;     // the host's; needed to sign
  MessageChecks* checks = nullptr;  // null: computes everything itself; else outlives the GossipSub
  std::unique_ptr<GossipSubPolicy> policy = nullptr;  // null: the specification's
  std::size_t max_queued_messages =
      256;  // for one peer whose stream takes no more; then the oldest are dropped
};

// What happened between the core and the streams.
struct GossipSubTraffic {
  std::uint64_t rpcs_sent = 0;
  std::uint64_t rpcs_received = 0;
  std::uint64_t bytes_sent = 0;  // of frames
  std::uint64_t bytes_received = 0;
  std::uint64_t messages_dropped = 0;    // from full queues
  std::uint64_t messages_cancelled = 0;  // while they waited, because the peer said IDONTWANT
  std::uint64_t control_dropped = 0;     // IHAVE and IWANT for peers that take nothing
  std::uint64_t streams_reset = 0;       // of peers that broke the protocol
};

class GossipSub final : public PubSub,
                        public SwarmObserver,
                        public ProtocolHandler,
                        private GossipSubActions,
                        private ValidationDesk::Events {
 public:
  // Registers itself with the swarm and must go before it. Begins its heartbeats at a random moment within
  // the first period. Requires valid params.
  GossipSub(Env& env, Swarm& swarm, GossipSubOptions options);
  ~GossipSub() override;

  Result<> subscribe(std::string_view topic) override;
  // The handler (not owned) gets each message once; our own are not delivered to ourselves. Subscribing again
  // replaces the handler. Error: limit.
  Result<> subscribe(std::string_view topic, GossipSubHandler& handler);
  // See GossipSubCore::subscribe_in_parts; whole messages go to the other handler, if there is one.
  Result<> subscribe_in_parts(std::string_view topic, const PartialTopic& settings, PartialHandler& handler,
                              GossipSubHandler* whole = nullptr);
  Result<> publish_parts(std::string_view topic, ByteView group, std::span<const Bytes> parts);
  void unsubscribe(std::string_view topic) override;
  bool subscribed(std::string_view topic) const;
  // See GossipSubCore::publish.
  Result<MessageId> publish(std::string_view topic, ByteView data) override;
  void set_validator(std::string_view topic, MessageValidator* validator);
  // Not owned; null: none. A validator of the topic judges what it accepts.
  void set_deferred_validator(std::string_view topic, DeferredValidator* validator);
  // What the application thinks of a peer: P5 of its score from now on.
  void set_app_score(const PeerId& peer, double value);
  // The scores of the peers that speak pubsub, in order of their slots; empty without params().score.
  struct ScoredPeer {
    PeerId peer;
    PeerScoreParts score;
  };
  std::vector<ScoredPeer> scores() const;
  // Dials it at these addresses now, and again whenever it is gone.
  void add_direct_peer(const PeerId& peer, std::span<const Multiaddr> addresses = {});
  void remove_direct_peer(const PeerId& peer);

  std::vector<PeerId> mesh_peers(std::string_view topic) const;
  std::vector<PeerId> peers(std::string_view topic) const;  // who subscribes to it
  std::vector<PeerId> peers() const;                        // who speaks pubsub
  const GossipSubCounters& counters() const { return core_.counters(); }
  const GossipSubTraffic& traffic() const { return traffic_; }
  const GossipSubCore& core() const { return core_; }
  // Messages waiting for the peer whose stream is furthest behind. Who publishes more than the network takes
  // waits until this is small again: beyond max_queued_messages the oldest are dropped.
  std::size_t backlog() const;
  std::size_t memory() const;  // bytes on the heap, without messages and streams

  // SwarmObserver
  void on_peer_connected(const PeerId& peer) override { consider(peer); }
  void on_peer_protocols(const PeerId& peer) override { consider(peer); }
  void on_peer_disconnected(const PeerId& peer) override;
  // ProtocolHandler
  void on_stream(std::unique_ptr<Stream> stream) override;

 private:
  class Inbound;
  class Link;
  struct Retry {
    PeerId peer;
    unsigned attempts;
  };
  struct Pending {  // a delivery, until the core has returned
    TopicIndex topic;
    PeerIndex from;
    Message message;
    MessageId id;
  };

  struct Completed {  // a message of parts, until the core has returned
    TopicIndex topic;
    Bytes group;
    std::vector<Bytes> parts;
  };

  // GossipSubActions
  void send(PeerIndex to, const RpcPart& part) override;
  void send_each(std::span<const PeerIndex> to, const RpcPart& part) override;
  bool cancel(PeerIndex to, const RpcPart& message) override;
  bool accept_part(TopicIndex topic, ByteView group, std::size_t part, ByteView data) override;
  void deliver_parts(TopicIndex topic, ByteView group, const std::vector<Bytes>& parts) override;
  void deliver(TopicIndex topic, const Message& message, const MessageId& id, PeerIndex from) override;
  void connect(const PeerId& peer, const Bytes& signed_record) override;
  Bytes signed_record(const PeerId& peer) override;
  void note(const GossipSubEvent& event) override;
  void validate(TopicIndex topic, const Message& message, const PeerId& from,
                ValidationTicket ticket) override;
  void on_verdict(ValidationTicket ticket, Validation verdict) override;  // ValidationDesk
  void wake_at(Time when) override;
  GossipSubTopicMetrics* metrics_of(std::string_view topic) override { return &metrics_.topic(topic); }

  Result<> subscribe(std::string_view topic, GossipSubHandler* handler);
  void consider(const PeerId& peer);
  PeerIndex link_up(const PeerId& peer, ProtocolId protocol);
  Gauge& peers_like(PeerIndex peer);
  void drop(PeerIndex peer);
  void retry_later(const PeerId& peer);
  Link& link(PeerIndex peer);
  Error on_frame(PeerIndex from, const Bytes& frame, std::size_t prefix);
  void hand_out_deliveries();
  void hand_out_parts();
  void log(const GossipSubEvent& event);
  void flush();
  void hold(PeerIndex peer);
  void release();
  void flush_control(Link& link);
  void write_message(Link& link, const RpcPart& part);
  void write_waiting(Link& link);
  void on_heartbeat();
  void count_scores();
  ValidationDesk& desk();
  void on_wake() { core_.on_wake(env_.clock.now()); }

  Env& env_;
  Swarm& swarm_;
  GossipSubMetrics& metrics_;
  std::size_t max_queued_messages_;
  std::unique_ptr<MessageChecks> own_checks_;
  GossipSubCore core_;
  std::vector<std::unique_ptr<Link>> links_;  // by PeerIndex
  std::vector<GossipSubHandler*> handlers_;   // by TopicIndex; null: the trace is told, nobody else
  std::unique_ptr<ValidationDesk> desk_;      // once something is deferred
  std::vector<DeferredValidator*> deferred_validators_;  // by TopicIndex
  std::vector<PeerIndex> dirty_;                         // links with control to send at the end of the turn
  std::vector<PeerIndex> held_;  // links with messages to send after what was written in the turn
  bool warned_ = false;          // IDONTWANT was said of the message at hand
  std::vector<Retry> retries_;
  std::vector<Pending> pending_;
  std::vector<PartialHandler*> partial_handlers_;  // by TopicIndex; empty unless parts are in use
  std::vector<Completed> completed_;
  std::vector<RpcPart> parts_;  // of the RPC at hand
  Bytes last_header_;           // of messages of the size that was sent last
  std::size_t last_header_for_ = 0;
  GossipSubTraffic traffic_;
  std::array<std::uint16_t, 5> scored_{};  // peers by kScoreBands, as the metrics have them
  MemberTimer<&GossipSub::on_heartbeat> heartbeat_{*this};
  MemberTimer<&GossipSub::on_wake> wake_{*this};
  MemberTask<&GossipSub::flush> flush_{*this};
  MemberTask<&GossipSub::release> release_{*this};
};

}  // namespace mesocosm
