#include "stack/protocols/gossipsub/draft.h"

#include <algorithm>

#include "stack/wire/protobuf.h"

namespace mesocosm {
namespace {

constexpr std::uint32_t kTopic = 1;
constexpr std::uint32_t kId = 2;
constexpr std::uint32_t kLength = 3;

}  // namespace

RpcPart make_draft(DraftField field, const DraftBody& body) {
  ByteWriter out;
  ProtoWriter proto(out);
  if (!body.topic.empty()) proto.bytes(kTopic, body.topic);
  if (!body.id.empty()) proto.bytes(kId, body.id);
  if (body.length > 0) proto.varint(kLength, body.length);
  return make_control(static_cast<std::uint32_t>(field), out.take());
}

Result<DraftBody> decode_draft(ByteView body) {
  DraftBody decoded;
  FieldWalk field(body);
  while (field.next()) {
    if (field.tag() == proto_bytes(kTopic)) decoded.topic = field.bytes();
    if (field.tag() == proto_bytes(kId)) decoded.id = field.bytes();
    if (field.tag() == proto_varint(kLength)) decoded.length = field.value();
  }
  if (!field.ok()) return fail(ErrorCode::bad_encoding, "rpc: a draft's control message");
  return decoded;
}

bool PullQueue::offer(std::uint64_t hash, ByteView id, PeerIndex peer, Time now) {
  if (++offers_[peer] > kMostOfPeer) return false;
  if (const auto known = wanted_.find(hash); known != wanted_.end()) {
    std::vector<PeerIndex>& others = known->second.others;
    const bool told = std::find(others.begin(), others.end(), peer) != others.end();
    if (!told && others.size() < kMostOthers) others.push_back(peer);
    return false;
  }
  if (wanted_.size() >= kMost) return false;
  wanted_[hash] = {.id = Bytes::copy(id), .deadline = now + timeout_, .others = {}};
  return true;
}

void PullQueue::forget(PeerIndex peer) {
  for (auto& [hash, wanted] : wanted_) std::erase(wanted.others, peer);
  offers_.erase(peer);
}

Time PullQueue::due() const {
  Time due = Time::max();
  for (const auto& [hash, wanted] : wanted_) due = std::min(due, wanted.deadline);
  return due;
}

Result<> DraftPolicy::on_control(GossipSubCore& core, PeerIndex from, const RpcPart& part, Time now) {
  const auto body = decode_draft(part.body());
  if (!body) return tl::unexpected(body.error());
  const auto field = static_cast<DraftField>(part.field);
  if (field == hello_) {
    speakers_.insert(from);
  } else if (speaks(from)) {
    on_draft(core, from, field, *body, now);
  }
  return {};
}

}  // namespace mesocosm
