#include "attacks/iwant_spam/iwant_spam.h"

#include <algorithm>
#include <vector>

#include "attacks/gossip/adversary_core.h"

namespace mesocosm::attacks {

void IWantSpam::remember(const MessageId& id) {
  if (id.empty() || std::find(newest_.begin(), newest_.end(), id) != newest_.end()) return;
  newest_.push_back(id);
  if (newest_.size() > ids_) newest_.pop_front();
}

// What names a message is guessed from whether it has a number. It is passed on, so that the adversary stays in the mesh.
std::optional<Duration> IWantSpam::forward_after(AdversaryCore&, PeerIndex, const Message& message) {
  const bool numbered = !message.seqno.empty();
  remember(message_id(message, numbered ? MessageIdKind::from_seqno : MessageIdKind::content_hash));
  return Duration::zero();
}

void IWantSpam::on_gossip(AdversaryCore&, PeerIndex, const RpcPart& part) {
  if (part.kind != PartKind::ihave || !decode_ihave(part.body())) return;
  std::size_t heard = 0;
  each_id(part, [&](ByteView id) {
    remember(MessageId(id));
    return ++heard < ids_;
  });
}

void IWantSpam::on_beat(AdversaryCore& core, Time) {
  if (newest_.empty()) return;
  std::vector<ByteView> ids;
  for (const MessageId& id : newest_) ids.push_back(id.bytes());
  std::vector<RpcPart> parts;
  for (std::span<const ByteView> rest = ids; !rest.empty();) parts.push_back(make_iwant(rest));
  PeerSet asked;
  for (const AdversaryCore::Topic& topic : core.topics()) {
    for (PeerIndex peer : topic.members) {
      if (asked.insert(peer)) core.send(peer, parts, ids.size());
    }
  }
}

}  // namespace mesocosm::attacks
