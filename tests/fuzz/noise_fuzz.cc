// Noise fed with any bytes: as a handshake's payload, as messages of a handshake, and as frames.
#include "stack/base/assert.h"
#include "stack/secure/noise.h"
#include "tests/fuzz/fuzz_input.h"

using namespace mesocosm;

namespace {

NoiseKey key_of(std::uint8_t byte) {
  NoiseKey key;
  key.fill(byte);
  return key;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const NoiseIdentity identity(KeyPair::from_seed(key_of(1)), key_of(2));
  static constexpr std::string_view kMuxers[] = {"/yamux/1.0.0"};
  FuzzInput in(data, size);
  const std::size_t what = in.below(4);
  const std::size_t chop = 1 + in.byte();
  Bytes input = in.bytes(SIZE_MAX);
  if (what == 0) {
    const auto peer = decode_noise_payload(input, key_of(3));
    MC_ASSERT(!peer || !peer->id.empty());
    return 0;
  }
  if (what == 1) {
    NoiseTransport receiver(key_of(4), key_of(5));
    while (!input.empty()) {
      Bytes piece = input.take_front(chop);
      while (true) {
        const auto frame = receiver.open(piece);
        if (!frame) return 0;
        if (!*frame) break;
        MC_ASSERT(false);  // nobody knows the key
      }
      MC_ASSERT(piece.empty());
    }
    return 0;
  }
  NoiseHandshake handshake(what == 2 ? SecurityRole::initiator : SecurityRole::responder, identity, kMuxers,
                           key_of(6));
  if (what == 2) static_cast<void>(handshake.start());
  while (!input.empty()) {
    Bytes piece = input.take_front(chop);
    if (!handshake.on_bytes(piece)) return 0;
  }
  MC_ASSERT(handshake.state() != NoiseHandshake::State::done);
  return 0;
}
