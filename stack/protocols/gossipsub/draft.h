// What policies of drafts have in common: control messages of their own, to peers who speak the draft too, and messages
// that are asked of one peer at a time.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "stack/protocols/gossipsub/core.h"
#include "stack/protocols/gossipsub/peer_set.h"

namespace mesocosm {

// Numbers in ControlMessage. The drafts' own, 6 and 7 in all three, differ in meaning from draft to draft, and 6 is
// v1.3's extension handshake by now.
enum class DraftField : std::uint32_t {
  announcing = 1020,   // I speak gossipsub v2.0's draft
  iannounce = 1021,    // { 1 topic, 2 message id }
  ineed = 1022,        // { 2 message id }
  choking = 1030,      // I speak the choke extension's draft
  choke = 1031,        // { 1 topic }
  unchoke = 1032,      // { 1 topic }
  preambling = 1040,   // I speak gossipsub v1.4's draft
  preamble = 1041,     // { 1 topic, 2 message id, 3 length }
  imreceiving = 1042,  // { 2 message id, 3 length }
};

struct DraftBody {
  ByteView topic;
  ByteView id;
  std::uint64_t length = 0;  // bytes of payload; 0: not said
};
RpcPart make_draft(DraftField field, const DraftBody& body = {});
Result<DraftBody> decode_draft(ByteView body);

// Messages that peers have and we want. Each is asked of one peer, and of the next who offered it if no answer comes.
class PullQueue {
 public:
  explicit PullQueue(Duration timeout) : timeout_(timeout) {}

  // A peer has a message that we have not seen: whether to ask it, now. Ignored (false): beyond kMost messages, and
  // beyond kMostOfPeer offers of a peer in a heartbeat.
  bool offer(std::uint64_t hash, ByteView id, PeerIndex peer, Time now);
  bool waiting(std::uint64_t hash) const { return wanted_.contains(hash); }
  void arrived(std::uint64_t hash) { wanted_.erase(hash); }
  void forget(PeerIndex peer);
  void on_heartbeat() { offers_.clear(); }
  // Calls ask(PeerIndex, ByteView id) for what is due, and forgets what nobody else has.
  template <class Ask>
  void retry(Time now, Ask&& ask) {
    for (auto at = wanted_.begin(); at != wanted_.end();) {
      Wanted& wanted = at->second;
      if (now < wanted.deadline) {
        ++at;
      } else if (wanted.others.empty()) {
        at = wanted_.erase(at);
      } else {
        const PeerIndex next = wanted.others.front();
        wanted.others.erase(wanted.others.begin());
        wanted.deadline = now + timeout_;
        ask(next, wanted.id.view());
        ++at;
      }
    }
  }
  Time due() const;  // when to retry; Time::max(): nothing is waited for

 private:
  static constexpr std::size_t kMost = 4096;
  static constexpr std::size_t kMostOfPeer = 512;
  static constexpr std::size_t kMostOthers = 64;
  struct Wanted {
    Bytes id;
    Time deadline;
    std::vector<PeerIndex> others;  // who has it too, the earliest first
  };

  Duration timeout_;
  std::map<std::uint64_t, Wanted> wanted_;
  std::map<PeerIndex, std::size_t> offers_;  // in this heartbeat
};

// A policy that tells each peer that it speaks a draft, and knows who said so.
class DraftPolicy : public GossipSubPolicy {
 public:
  explicit DraftPolicy(DraftField hello) : hello_(hello) {}

  void on_peer_added(GossipSubCore& core, PeerIndex peer) override { core.send(peer, make_draft(hello_)); }
  void on_peer_removed(GossipSubCore&, PeerIndex peer) override { speakers_.erase(peer); }
  Result<> on_control(GossipSubCore& core, PeerIndex from, const RpcPart& part, Time now) final;

 protected:
  bool speaks(PeerIndex peer) const { return speakers_.contains(peer); }
  virtual void on_draft(GossipSubCore& core, PeerIndex from, DraftField field, const DraftBody& body,
                        Time now) = 0;

 private:
  DraftField hello_;
  PeerSet speakers_;
};

}  // namespace mesocosm
