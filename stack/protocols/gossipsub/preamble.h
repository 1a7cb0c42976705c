// PreamblePolicy: gossipsub v1.4 (libp2p/specs pull request 654, working draft of 2025-05-01): a large message is told of
// by PREAMBLE just before it is sent, and who hears that asks its mesh by IMRECEIVING not to send it, too.
//
//   unknown ──(PREAMBLE from the mesh, or IHAVE: IWANT)──▶ expected of a peer ──(it came)──▶ done
//                                                            │      ▲
//                                 (it is late: a penalty)    ▼      │ IWANT
//                                        another has it (IDONTWANT, IHAVE, PREAMBLE)?
//                                        no: whoever says so next is asked, for as long again; then unknown
#pragma once

#include <cstddef>
#include <map>
#include <utility>
#include <vector>

#include "stack/protocols/gossipsub/draft.h"
#include "stack/protocols/gossipsub/variants.h"
#include "stack/protocols/pubsub/message_id.h"

namespace mesocosm {

class PreamblePolicy : public DraftPolicy {
 public:
  explicit PreamblePolicy(const VariantSettings& settings);
  static GossipSubVariant variant();

  void choose_push(GossipSubCore& core, const OutgoingMessage& message,
                   std::vector<PeerIndex>& peers) override;
  bool wants(GossipSubCore& core, PeerIndex from, std::uint64_t hash, ByteView id) override;
  bool on_rpc(GossipSubCore& core, PeerIndex from, Rpc rpc, Time now) override;
  void on_heartbeat(GossipSubCore& core, Time now) override;
  void on_wake(GossipSubCore& core, Time now) override;
  void on_peer_removed(GossipSubCore& core, PeerIndex peer) override;

  std::size_t expected() const { return expected_.size(); }  // messages
  std::size_t deferred() const;  // messages that are not sent to a peer, for each peer
  static constexpr std::size_t kMostExpected = 4096;
  static constexpr std::size_t kMostAskedOfPeer = 512;     // of them, for an IHAVE of the peer
  static constexpr std::size_t kMostDeferredForPeer = 64;  // IMRECEIVING of one peer
  static constexpr std::size_t kMostHolders = 64;

 private:
  struct ById {
    bool operator()(const MessageId& a, const MessageId& b) const;
  };
  struct Expected {                 // a message that we have not, and hope for (the draft's ongoing_receives)
    std::uint64_t length = 0;       // as the PREAMBLE has it; 0: there was none
    PeerIndex announcer = kNoPeer;  // whose PREAMBLE it was, unless it left
    PeerIndex asked = kNoPeer;      // whose IHAVE it began with
    PeerIndex sender = kNoPeer;     // who is to send it now
    bool promised = false;          // the sender said PREAMBLE: it was not asked
    bool idle = false;              // nobody has it that could be asked
    Time deadline{};
    std::vector<PeerIndex> holders;  // who has it too
  };
  using Messages = std::map<MessageId, Expected, ById>;
  struct Receiver {  // a peer that has said IMRECEIVING
    std::uint64_t length;
    Time until;
  };
  using Receivers = std::map<MessageId, std::map<PeerIndex, Receiver>, ById>;
  struct Counts {  // of what a peer has begun and has not ended
    std::uint32_t announced = 0;
    std::uint32_t asked = 0;
    std::uint32_t deferred = 0;
  };

  void on_draft(GossipSubCore& core, PeerIndex from, DraftField field, const DraftBody& body,
                Time now) override;
  void on_preamble(GossipSubCore& core, PeerIndex from, const DraftBody& body, Time now);
  void on_imreceiving(GossipSubCore& core, PeerIndex from, const DraftBody& body, Time now);
  void on_idontwant(GossipSubCore& core, PeerIndex from, ByteView id, Time now);
  bool offer(GossipSubCore& core, Expected& message, PeerIndex from, bool promised, Time now);
  void expect_of(GossipSubCore& core, Expected& message, PeerIndex sender, bool promised, Time now);
  bool give_up_waiting(GossipSubCore& core, const MessageId& id, Expected& message, Time now);
  void ask(GossipSubCore& core, PeerIndex peer, const MessageId& id);
  void tell_mesh(GossipSubCore& core, TopicIndex topic, PeerIndex but, const DraftBody& body);
  Duration patience(const GossipSubCore& core, std::uint64_t length) const;
  Messages::iterator forget(Messages::iterator message);

  std::uint64_t threshold_;
  std::uint32_t most_announced_;
  double safe_rate_;
  Duration margin_;
  Messages expected_;
  Receivers receivers_;
  std::map<PeerIndex, Counts> counts_;
};

}  // namespace mesocosm
