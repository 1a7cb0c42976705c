// Peer ids from binary and from text.
#include "stack/base/assert.h"
#include "stack/wire/peer_id.h"

using namespace mesocosm;

namespace {

void check(const PeerId& id) {
  MC_ASSERT(!id.empty() && id.bytes().size() <= PeerId::kMaxSize);
  const Result<PeerId> from_binary = PeerId::decode(id.bytes());
  MC_ASSERT(from_binary && *from_binary == id && from_binary->hash() == id.hash());
  const Result<PeerId> from_cid = PeerId::parse(id.to_cid());
  MC_ASSERT(from_cid && *from_cid == id);
  const Result<PeerId> from_text = PeerId::parse(id.to_string());
  MC_ASSERT(from_text && *from_text == id);
  if (!id.inlined_key().empty()) MC_ASSERT(PeerId::from_public_key(id.inlined_key()) == id);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes(data, size);
  if (const auto id = PeerId::decode(bytes)) check(*id);
  if (const auto id = PeerId::parse(as_text(bytes))) check(*id);
  check(PeerId::from_public_key(Bytes::copy(size == 0 ? as_bytes("k") : bytes)));
  return 0;
}
