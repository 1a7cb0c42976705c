// The epidemic baselines' messages: whatever the bytes, what decodes stays within its bounds and decodes again.
#include <cstdint>

#include "stack/base/assert.h"
#include "stack/protocols/cyclon/message.h"
#include "stack/protocols/hyparview/message.h"
#include "stack/protocols/plumtree/message.h"
#include "stack/protocols/rumors/message.h"

namespace {

using namespace mesocosm;

struct NoAddresses final : AddressBook {
  std::vector<Multiaddr> addresses(const PeerId&) const override { return {}; }
};

void rumors(const Bytes& bytes) {
  const auto message = decode_rumors(bytes);
  if (!message) return;
  MC_ASSERT(message->rumors.size() <= RumorsMessage::kMaxItems + 1);
  MC_ASSERT(message->feedback.size() <= RumorsMessage::kMaxItems + 1);
  const auto again = decode_rumors(encode(*message));
  MC_ASSERT(again && again->rumors.size() == message->rumors.size());
  MC_ASSERT(again->feedback.size() == message->feedback.size() && again->pull == message->pull);
}

void cyclon(const Bytes& bytes) {
  const auto decoded = decode_cyclon(bytes);
  if (!decoded) return;
  const CyclonMessage& message = decoded->message;
  MC_ASSERT(message.entries.size() <= CyclonMessage::kMaxEntries);
  const auto again = decode_cyclon(encode(message, NoAddresses()));
  MC_ASSERT(again && again->message.kind == message.kind && again->message.ttl == message.ttl);
  MC_ASSERT(again->message.entries.size() == message.entries.size());
}

void hyparview(const Bytes& bytes) {
  const auto decoded = decode_hyparview(bytes);
  if (!decoded) return;
  MC_ASSERT(decoded->message.peers.size() <= HyParViewMessage::kMaxPeers);
  ByteWriter out;
  ProtoWriter writer(out);
  write_hyparview(writer, decoded->message, NoAddresses());
  const auto again = decode_hyparview(out.take());
  MC_ASSERT(again && again->message.peers == decoded->message.peers);
  MC_ASSERT(again->message.subject == decoded->message.subject);
}

void plumtree(const Bytes& bytes) {
  const auto message = decode_plumtree(bytes);
  if (!message) return;
  MC_ASSERT(message->announcements.size() <= PlumtreeMessage::kMaxAnnouncements);
  ByteWriter out;
  ProtoWriter writer(out);
  write_plumtree(writer, *message);
  const auto again = decode_plumtree(out.take());
  MC_ASSERT(again && again->announcements.size() == message->announcements.size());
}

void frame(const Bytes& bytes) {
  const auto decoded = decode_plumtree_frame(bytes);
  if (!decoded) return;
  MC_ASSERT(decoded->message.size() < bytes.size());
  const bool tree = decoded->kind == PlumtreeFrame::Kind::tree;
  tree ? plumtree(decoded->message) : hyparview(decoded->message);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes bytes = Bytes::copy(ByteView(data, size));
  rumors(bytes);
  cyclon(bytes);
  hyparview(bytes);
  plumtree(bytes);
  frame(bytes);
  return 0;
}
