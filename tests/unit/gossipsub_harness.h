// Harnesses for GossipSub's core: one core with scripted peers around it, and many cores joined by queues.
#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "stack/base/assert.h"
#include "stack/protocols/gossipsub/core.h"

namespace mesocosm::testing {

// A peer id as an Ed25519 key would give it; nobody has the key.
inline PeerId fake_peer(std::uint64_t number) {
  std::vector<std::uint8_t> key = {0x08, 0x01, 0x12, 0x20};
  for (std::uint64_t i = 0; i < 4; ++i) {
    std::uint64_t word = mix64(number * 4 + i);
    for (int j = 0; j < 8; ++j, word >>= 8) key.push_back(static_cast<std::uint8_t>(word));
  }
  return PeerId::from_public_key(key);
}

inline GossipSubParams unsigned_params() {
  GossipSubParams params;
  params.signature_policy = SignaturePolicy::strict_no_sign;
  params.message_id = MessageIdKind::content_hash;
  params.flood_publish = false;
  return params;
}

// One core; peers are scripted by the test, and what the core does is kept for looking at.
class Solo final : public GossipSubActions {
 public:
  struct Sent {
    PeerIndex to;
    RpcPart part;
  };

  explicit Solo(GossipSubParams params = unsigned_params(), std::unique_ptr<GossipSubPolicy> policy = nullptr,
                const KeyPair* key = nullptr, PeerId self = fake_peer(0))
      : core(params, {.peer = self, .key = key, .first_seqno = 1}, Rng(7), *this, checks, std::move(policy)) {
  }

  PeerIndex add(PeerKind kind = PeerKind::gossipsub_11, bool outbound = false) {
    return core.on_peer_added(fake_peer(++peers_made), kind, outbound, now);
  }
  std::vector<PeerIndex> add_members(std::size_t count, std::string_view topic, bool outbound = false) {
    std::vector<PeerIndex> added;
    for (std::size_t i = 0; i < count; ++i) {
      added.push_back(add(PeerKind::gossipsub_11, outbound));
      rpc(added.back(), make_subscription(true, as_bytes(topic)));
    }
    return added;
  }
  Result<> rpc(PeerIndex from, const RpcPart& part) { return core.on_rpc(from, {&part, 1}, now); }
  Result<> rpc(PeerIndex from, const std::vector<RpcPart>& parts) { return core.on_rpc(from, parts, now); }
  void heartbeats(std::size_t count = 1) {
    for (; count > 0; --count) {
      now += core.params().heartbeat;
      core.on_heartbeat(now);
    }
  }

  const GossipSubCore::Topic& topic(std::string_view name) const { return core.topic(core.find_topic(name)); }
  std::size_t mesh_size(std::string_view name) const { return topic(name).mesh.size(); }
  std::size_t count(PartKind kind, PeerIndex to = kNoPeer) const {
    return static_cast<std::size_t>(std::count_if(sent.begin(), sent.end(), [&](const Sent& s) {
      return s.part.kind == kind && (to == kNoPeer || s.to == to);
    }));
  }
  std::vector<Sent> take(PartKind kind) {
    std::vector<Sent> taken;
    for (const Sent& s : sent) {
      if (s.part.kind == kind) taken.push_back(s);
    }
    std::erase_if(sent, [&](const Sent& s) { return s.part.kind == kind; });
    return taken;
  }
  std::size_t events_of(GossipSubEvent::Kind kind) const {
    return static_cast<std::size_t>(std::count(events.begin(), events.end(), kind));
  }

  void send(PeerIndex to, const RpcPart& part) override { sent.push_back({to, part}); }
  void deliver(TopicIndex, const Message& message, const MessageId&, PeerIndex) override {
    delivered.push_back(std::string(as_text(message.data)));
  }
  void connect(const PeerId& peer, const Bytes& record) override { connects.emplace_back(peer, record); }
  Bytes signed_record(const PeerId& peer) override {
    return records ? Bytes::copy("record of " + to_hex(peer.bytes())) : Bytes();
  }
  void note(const GossipSubEvent& event) override { events.push_back(event.kind); }
  void wake_at(Time when) override { wakes.push_back(when); }
  void validate(TopicIndex, const Message&, const PeerId&, ValidationTicket ticket) override {
    tickets.push_back(ticket);
  }

  bool records = false;
  Time now{1h};
  std::uint64_t peers_made = 0;
  std::vector<Sent> sent;
  std::vector<std::string> delivered;
  std::vector<ValidationTicket> tickets;
  std::vector<std::pair<PeerId, Bytes>> connects;
  std::vector<GossipSubEvent::Kind> events;
  std::vector<Time> wakes;
  MessageChecks checks;
  GossipSubCore core;
};

// Cores joined by links; what is sent in one round arrives in the next, in order. With `encode`, every part
// goes through the RPC codec.
class CoreNet {
 public:
  struct Node final : GossipSubActions {
    Node(CoreNet& owner, std::size_t index, const GossipSubParams& params, std::uint64_t seed)
        : net(owner),
          number(index),
          core(params, {.peer = fake_peer(index)}, Rng(seed).fork("node", index), *this, owner.checks) {}
    void send(PeerIndex to, const RpcPart& part) override { net.queue_.push_back({number, to, part}); }
    void deliver(TopicIndex, const Message& message, const MessageId& id, PeerIndex) override {
      ++delivered[std::string(as_text(id.bytes()))];
      payload += message.data.size();
    }
    void connect(const PeerId&, const Bytes&) override { ++connects; }
    Bytes signed_record(const PeerId&) override { return {}; }
    void note(const GossipSubEvent& event) override {
      net.fingerprint =
          mix64(net.fingerprint ^ mix64(static_cast<std::uint64_t>(event.kind) << 56 ^ event.subject ^
                                        (std::uint64_t{number} << 32) ^ event.peer));
    }

    CoreNet& net;
    std::size_t number;
    GossipSubCore core;
    std::map<PeerIndex, std::pair<std::size_t, PeerIndex>> neighbours;  // their node, our index there
    std::map<std::string, int> delivered;
    std::uint64_t payload = 0;
    std::size_t connects = 0;
  };

  CoreNet(std::size_t count, const GossipSubParams& params, std::uint64_t seed, bool encode = false)
      : encode_(encode), rng_(Rng(seed).fork("net")) {
    for (std::size_t i = 0; i < count; ++i) nodes.push_back(std::make_unique<Node>(*this, i, params, seed));
  }

  void join(std::size_t dialer, std::size_t listener) {
    Node& a = *nodes[dialer];
    Node& b = *nodes[listener];
    if (a.core.find_peer(b.core.self()) != kNoPeer) return;
    const PeerKind kind = std::min(a.core.params().version, b.core.params().version);
    const PeerIndex at_a = a.core.on_peer_added(b.core.self(), kind, true, now);
    const PeerIndex at_b = b.core.on_peer_added(a.core.self(), kind, false, now);
    a.neighbours[at_a] = {listener, at_b};
    b.neighbours[at_b] = {dialer, at_a};
  }
  void join_randomly(std::size_t degree) {
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      for (std::size_t k = 0; k < degree / 2; ++k) {
        const std::size_t other = rng_.below(nodes.size());
        if (other != i) join(i, other);
      }
    }
  }
  void subscribe_all(std::string_view topic) {
    for (auto& node : nodes) node->core.subscribe(topic, now);
  }
  // Delivers everything that is under way, and what follows from it.
  void settle() {
    while (!queue_.empty()) {
      const Flight flight = std::move(queue_.front());
      queue_.pop_front();
      if (drop > 0 && flight.part.kind == PartKind::message && rng_.chance(drop)) continue;
      const auto [to, index] = nodes[flight.from]->neighbours.at(flight.to);
      MC_ASSERT(arrive(*nodes[to], index, flight.part).has_value());
    }
  }
  void heartbeat() {
    now += nodes[0]->core.params().heartbeat;
    for (auto& node : nodes) {
      node->core.on_heartbeat(now);
      settle();
    }
  }
  GossipSubCounters total() const {
    GossipSubCounters sum;
    for (const auto& node : nodes) {
      const GossipSubCounters& c = node->core.counters();
      sum.published += c.published;
      sum.delivered += c.delivered;
      sum.duplicates += c.duplicates;
      sum.rejected += c.rejected;
      sum.ignored += c.ignored;
      sum.messages_sent += c.messages_sent;
      sum.messages_received += c.messages_received;
      sum.payload_sent += c.payload_sent;
      sum.payload_received += c.payload_received;
      sum.ihave_sent += c.ihave_sent;
      sum.ihave_received += c.ihave_received;
      sum.iwant_sent += c.iwant_sent;
      sum.iwant_received += c.iwant_received;
      sum.iwant_served += c.iwant_served;
      sum.grafts_sent += c.grafts_sent;
      sum.grafts_received += c.grafts_received;
      sum.prunes_sent += c.prunes_sent;
      sum.prunes_received += c.prunes_received;
    }
    return sum;
  }

  Time now{1h};
  double drop = 0;  // share of messages that get lost
  std::uint64_t fingerprint = 0;
  MessageChecks checks;
  std::vector<std::unique_ptr<Node>> nodes;

 private:
  struct Flight {
    std::size_t from;
    PeerIndex to;
    RpcPart part;
  };

  Result<> arrive(Node& node, PeerIndex from, const RpcPart& part) {
    if (!encode_) return node.core.on_rpc(from, {&part, 1}, now);
    Rpc rest(&part, 1);
    const bool message = part.kind == PartKind::message;
    Bytes frame = message ? part.bytes : encode_control_frame(rest, kMaxControlRpc);
    if (message && part.header == 0)
      frame = concat(std::vector{message_header(part.bytes.size()), part.bytes});
    std::size_t prefix = 1;
    while (frame[prefix - 1] >= 0x80) ++prefix;
    std::vector<RpcPart> parts;
    if (auto done = decode_frame(frame, prefix, parts); !done) return done;
    return node.core.on_rpc(from, parts, now);
  }

  bool encode_;
  Rng rng_;
  std::deque<Flight> queue_;
};

}  // namespace mesocosm::testing
