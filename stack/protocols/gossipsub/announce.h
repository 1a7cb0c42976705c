// AnnouncePolicy: gossipsub v2.0 (libp2p/specs pull request 653, working draft of 2024-12-23): mesh peers are told of a
// message by IANNOUNCE, and get it when they say INEED.
#pragma once

#include "stack/protocols/gossipsub/draft.h"
#include "stack/protocols/gossipsub/variants.h"

namespace mesocosm {

class AnnouncePolicy final : public DraftPolicy {
 public:
  explicit AnnouncePolicy(const VariantSettings& settings);
  static GossipSubVariant variant();

  void choose_push(GossipSubCore& core, const OutgoingMessage& message,
                   std::vector<PeerIndex>& peers) override;
  bool wants(GossipSubCore& core, PeerIndex from, std::uint64_t hash, ByteView id) override;
  void on_heartbeat(GossipSubCore&, Time) override { pulls_.on_heartbeat(); }
  void on_wake(GossipSubCore& core, Time now) override;
  void on_peer_removed(GossipSubCore& core, PeerIndex peer) override;
  void on_delivered(GossipSubCore&, TopicIndex, PeerIndex, std::uint64_t message) override {
    pulls_.arrived(message);
  }

 private:
  void on_draft(GossipSubCore& core, PeerIndex from, DraftField field, const DraftBody& body,
                Time now) override;
  void on_announcement(GossipSubCore& core, PeerIndex from, const DraftBody& body, Time now);

  double d_announce_;
  PullQueue pulls_;  // the draft's acache
};

}  // namespace mesocosm
