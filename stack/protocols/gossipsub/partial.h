// PartialMessages: gossipsub's partial messages extension (libp2p/specs pubsub/gossipsub/partial-messages.md) as a pure
// state machine: a message is a group of numbered parts, and peers in a topic's mesh give each other those that the other
// side lacks. It says what it has by a bitmap, and the parts themselves follow.
//
// What a peer is to us in a group:
//
//   (stranger) ──(a heartbeat, or the mesh: we tell it our bitmap; or it speaks first)──▶ told
//        told  ──(its bitmap comes)──▶ known: gets what it lacks, at once and whenever we get more
//
// The extension leaves both encodings to the application; these are ours:
//
//   partsMetadata   one bit a part, from the lowest bit of the first byte on; set: the node has it, and wants the others
//   partialMessage  the same bitmap, of the parts that follow, then each of them: varint length, bytes
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "stack/base/bytes.h"
#include "stack/base/result.h"
#include "stack/protocols/gossipsub/peer_set.h"
#include "stack/protocols/gossipsub/rpc.h"

namespace mesocosm {

inline constexpr std::size_t kMaxMessageParts = 256;
inline constexpr std::size_t kMaxGroupId = 64;  // bytes

// Which parts of a message.
class PartBits {
 public:
  bool test(std::size_t part) const { return (words_[part / 64] >> (part % 64) & 1) != 0; }
  void set(std::size_t part) { words_[part / 64] |= std::uint64_t{1} << (part % 64); }
  std::size_t count() const {
    std::size_t sum = 0;
    for (std::uint64_t word : words_) sum += static_cast<std::size_t>(std::popcount(word));
    return sum;
  }
  bool empty() const { return *this == PartBits{}; }
  PartBits operator|(const PartBits& other) const;
  PartBits without(const PartBits& other) const;
  friend bool operator==(const PartBits&, const PartBits&) = default;

  static std::size_t encoded_size(std::size_t parts) { return (parts + 7) / 8; }
  Bytes encode(std::size_t parts) const;
  // Error: bad_encoding, unless it is as long as so many parts need and names no others.
  static Result<PartBits> decode(ByteView bytes, std::size_t parts);

 private:
  std::array<std::uint64_t, kMaxMessageParts / 64> words_{};
};

// How a topic's messages are cut, and our part in it.
struct PartialTopic {
  std::uint16_t parts = 0;            // of every message; at most kMaxMessageParts
  std::uint32_t max_part = 64 << 10;  // bytes of one
  bool requests = true;               // we want parts instead of whole messages; else we only give them
  bool eager = false;                 // parts are sent to mesh peers before they said what they have
};

// Numbers that bound what peers make us keep; go-libp2p-pubsub's.
struct PartialLimits {
  std::uint32_t groups = 255;         // in a topic, that peers began
  std::uint32_t groups_per_peer = 8;  // of those
  std::uint32_t heartbeats = 3;       // that a group is kept after it began, or after we published in it
};

struct PartialCounters {
  std::uint64_t sent = 0;  // RPCs
  std::uint64_t parts_sent = 0;
  std::uint64_t parts_received = 0;
  std::uint64_t parts_duplicate = 0;
  std::uint64_t parts_refused = 0;   // malformed, or not what the application accepts
  std::uint64_t groups_refused = 0;  // over the limits
  std::uint64_t completed = 0;
};

// What the core asks of its owner. Nothing may call back into the core.
class PartialActions {
 public:
  virtual void send_partial(PeerIndex to, const RpcPart& part) = 0;
  // Whether the part belongs there; it is kept and passed on.
  virtual bool accept_part(TopicIndex topic, ByteView group, std::size_t part, ByteView data) = 0;
  // We have all parts, in their order, of a message that we had not published whole.
  virtual void complete(TopicIndex topic, ByteView group, const std::vector<Bytes>& parts) = 0;

 protected:
  ~PartialActions() = default;
};

class PartialMessages {
 public:
  // `actions` outlives the core.
  explicit PartialMessages(PartialActions& actions, PartialLimits limits = {})
      : actions_(actions), limits_(limits) {}

  // --- commands ---
  // Requires 1 to kMaxMessageParts parts and a name. A second time: the settings change, groups are forgotten.
  void enable(TopicIndex topic, ByteView name, const PartialTopic& settings);
  void disable(TopicIndex topic);
  // What we have of a message ourselves; `parts` are at their places, empty ones are missing. Requires an enabled topic,
  // as many parts, none too long, and a group of 1 to kMaxGroupId bytes. It goes to `mesh`.
  void publish(TopicIndex topic, ByteView group, std::span<const Bytes> parts, const PeerSet& mesh);

  // --- events ---
  // The peer subscribed, and said so much; or it left the topic (both false).
  void on_subscription(PeerIndex peer, TopicIndex topic, bool requests, bool supports);
  void on_peer_removed(PeerIndex peer);
  // Error: bad_encoding; what the extension leaves to applications is refused without one.
  Result<> on_partial(PeerIndex from, TopicIndex topic, const PartialRpc& rpc, const PeerSet& mesh);
  void on_heartbeat();
  // In place of an IHAVE: peers outside the mesh are told which parts there are.
  void gossip(TopicIndex topic, std::span<const PeerIndex> peers);

  // --- state ---
  const PartialTopic* settings(TopicIndex topic) const;  // null: not enabled
  // Whether a peer wants parts from us and no whole messages.
  bool instead(TopicIndex topic, PeerIndex peer) const;
  // Whether the peer will give us parts, so that it need not be told IDONTWANT.
  bool gives(TopicIndex topic, PeerIndex peer) const;
  PartBits parts(TopicIndex topic, ByteView group) const;
  std::size_t groups(TopicIndex topic) const;
  const PartialCounters& counters() const { return counters_; }
  std::size_t memory() const;  // bytes on the heap, without parts

 private:
  struct Known {  // a peer in a group
    PeerIndex peer;
    bool spoke = false;  // its bitmap, or a part, came
    PartBits has;        // as it said last, and what it gave us
    PartBits sent;       // by us
    PartBits told;       // our bitmap as it knows it
    bool was_told = false;
  };
  struct Group {
    Bytes id;
    PeerIndex began = kNoPeer;  // who made us keep it; kNoPeer: ourselves, or somebody who left
    bool ours = false;          // we published in it
    bool complete = false;
    std::uint32_t left = 0;  // heartbeats
    PartBits have;
    std::vector<Bytes> parts;
    std::vector<Known> peers;
  };
  struct Topic {
    TopicIndex index;
    Bytes name;
    PartialTopic settings;
    std::vector<Group> groups;
  };
  struct Wish {  // of a peer, in a topic, whether it is enabled here or not
    TopicIndex topic;
    PeerIndex peer;
    bool requests;
  };

  Topic* find(TopicIndex topic);
  const Topic* find(TopicIndex topic) const;
  std::size_t place_of(TopicIndex topic, PeerIndex peer) const;  // in wishes_
  const Wish* wish(TopicIndex topic, PeerIndex peer) const;
  Group* group(Topic& topic, ByteView id);
  Group* begin_group(Topic& topic, ByteView id, PeerIndex from);
  static Known& known(Group& group, PeerIndex peer);
  Result<bool> take_parts(Topic& topic, Group& group, Known& from, ByteView partial);
  void spread(Topic& topic, Group& group, const PeerSet& mesh);
  void tell(Topic& topic, Group& group, Known& peer);

  PartialActions& actions_;
  PartialLimits limits_;
  std::vector<Topic> topics_;
  std::vector<Wish> wishes_;  // by topic, then by peer
  PartialCounters counters_;
};

}  // namespace mesocosm
