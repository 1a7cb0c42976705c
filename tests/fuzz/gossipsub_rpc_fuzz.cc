// Any bytes as an RPC: every part decodes or is refused, shares the input, and what was understood encodes
// again to something that means the same.
#include <cstdint>
#include <vector>

#include "stack/base/assert.h"
#include "stack/protocols/gossipsub/draft.h"
#include "stack/protocols/gossipsub/message.h"
#include "stack/protocols/gossipsub/rpc.h"

namespace {

using namespace mesocosm;

bool within(ByteView part, const Bytes& whole) {
  return part.empty() ||
         (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

// Looks into a part; whether it is well-formed.
bool look_into(const RpcPart& part) {
  switch (part.kind) {
    case PartKind::subscription:
      return decode_subscription(part.body()).has_value();
    case PartKind::message: {
      const auto message = decode_message(part);
      if (!message) return false;
      for (SignaturePolicy policy : {SignaturePolicy::strict_sign, SignaturePolicy::strict_no_sign}) {
        static_cast<void>(follows_policy(*message, policy));
      }
      static_cast<void>(signature_valid(*message));
      static_cast<void>(message_id(*message, MessageIdKind::content_hash).hash());
      static_cast<void>(message_id(*message, MessageIdKind::from_seqno).hash());
      MC_ASSERT(equal(message->payload(), message->data));
      return true;
    }
    case PartKind::ihave: {
      const bool fine = decode_ihave(part.body()).has_value();
      each_id(part, [&](ByteView id) {
        MC_ASSERT(within(id, part.bytes));
        return true;
      });
      return fine;
    }
    case PartKind::iwant:
    case PartKind::idontwant:
      return decode_iwant(part.body()).has_value();
    case PartKind::graft:
      return decode_graft(part.body()).has_value();
    case PartKind::prune: {
      const auto prune = decode_prune(part.bytes, 16);
      MC_ASSERT(!prune || prune->peers.size() <= 16);
      return prune.has_value();
    }
    case PartKind::extensions:
      return decode_extensions(part.body()).has_value();
    case PartKind::partial: {
      const auto partial = decode_partial(part.body());
      MC_ASSERT(!partial || (within(partial->group, part.bytes) && within(partial->message, part.bytes)));
      return partial.has_value();
    }
    case PartKind::test_extension:
      return true;
    case PartKind::other:
      MC_ASSERT(part.field > 0 && part.field <= kMaxControlField);
      return decode_draft(part.body()).has_value();
  }
  return false;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes input = Bytes::copy(ByteView(data, size));
  std::vector<RpcPart> parts;
  if (!decode_rpc(input, parts)) return 0;
  std::vector<RpcPart> control;
  for (const RpcPart& part : parts) {
    MC_ASSERT(within(part.bytes, input));
    look_into(part);
    if (part.kind != PartKind::message) control.push_back(part);
    if (part.kind != PartKind::message) continue;
    // Framed alone, it comes back as the frame that it was.
    const RpcPart framed = frame_message({part.body()});
    std::vector<RpcPart> again;
    std::size_t prefix = 1;
    while (framed.bytes[prefix - 1] >= 0x80) ++prefix;
    MC_ASSERT(decode_frame(framed.bytes, prefix, again).has_value());
    MC_ASSERT(again.size() == 1 && again[0].header == framed.header && equal(again[0].body(), part.body()));
  }
  // Control in any split comes back part by part, subscriptions first within a frame.
  std::size_t count = 0;
  for (Rpc rest = control; !rest.empty();) {
    const Bytes frame = encode_control_frame(rest, 64);
    std::size_t prefix = 1;
    while (frame[prefix - 1] >= 0x80) ++prefix;
    std::vector<RpcPart> again;
    MC_ASSERT(decode_frame(frame, prefix, again).has_value());
    count += again.size();
  }
  MC_ASSERT(count == control.size());
  return 0;
}
