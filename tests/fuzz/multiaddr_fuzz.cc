// Multiaddrs from text and from binary: each form that is accepted stands for the other.
#include "stack/base/assert.h"
#include "stack/wire/multiaddr.h"

using namespace mesocosm;

namespace {

void check(const Multiaddr& address) {
  MC_ASSERT(!address.empty() && address.bytes().size() <= Multiaddr::kMaxSize);
  const Result<Multiaddr> from_binary = Multiaddr::decode(address.bytes());
  MC_ASSERT(from_binary && *from_binary == address);
  const Result<Multiaddr> from_text = Multiaddr::parse(address.to_string());
  MC_ASSERT(from_text && *from_text == address);
  address.tcp_endpoint();
  address.udp_endpoint();
  const std::optional<PeerId> peer = address.peer();
  const Multiaddr bare = address.without_peer();
  MC_ASSERT(bare.empty() || Multiaddr::decode(bare.bytes()));
  if (peer && bare != address) MC_ASSERT(bare.with_peer(*peer) == address);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes(data, size);
  if (const auto address = Multiaddr::decode(bytes)) {
    MC_ASSERT(equal(address->bytes(), bytes));
    check(*address);
  }
  if (const auto address = Multiaddr::parse(as_text(bytes))) check(*address);
  return 0;
}
