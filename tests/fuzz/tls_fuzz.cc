// TLS fed with any bytes: as a handshake's flights, in place of the peer's in a handshake that is under way, and
// as records afterwards.
#include "stack/base/assert.h"
#include "stack/secure/tls.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/unit/tls_harness.h"

using namespace mesocosm;
using namespace mesocosm::testing;

namespace {

// A handshake of ours meets its peer's flights with bytes put in, left out or changed.
void tampered(FuzzInput& in) {
  TlsPair pair;
  bool changed = false;
  pair.run(1 + in.size(), [&](int, Bytes flight) {
    if (in.below(3) != 0) return flight;
    std::string text(flight.text());
    const std::size_t at = (in.byte() << 8 | in.byte()) % text.size();
    text.replace(at, in.below(4), in.bytes(in.below(8)).text());
    changed = changed || text != flight.text();
    return Bytes::copy(text);
  });
  if (!changed) MC_ASSERT(pair.bob->done());
  if (pair.bob->done()) MC_ASSERT(pair.bob->peer().id == tls_key(1).peer_id());
  if (pair.alice->done()) MC_ASSERT(pair.alice->peer().id == tls_key(2).peer_id());
}

void garbage(FuzzInput& in, bool we_dial) {
  TlsPair pair;
  const auto side = we_dial ? pair.alice_security.begin(pair.alices) : pair.bob_security.begin(pair.bobs);
  if (we_dial) static_cast<void>(side->start());
  Error error;
  TlsPair::feed(*side, error, in.bytes(SIZE_MAX), 1 + in.size());
  MC_ASSERT(!side->done());
}

// Sealed by one channel, cut and perhaps changed, opened by the other: an unchanged prefix, and nothing else.
void records(FuzzInput& in) {
  const AeadCipher cipher = in.below(2) == 0 ? AeadCipher::aes_128_gcm : AeadCipher::chacha20_poly1305;
  TlsChannel sender(cipher, seed_of(1), seed_of(2), 1 + in.size());
  TlsChannel receiver(cipher, seed_of(2), seed_of(1));
  std::string sent, received;
  while (!in.empty()) {
    const Bytes plaintext = Bytes::copy(std::string(in.size(), static_cast<char>(in.byte())));
    const Bytes parts[] = {sender.control(), sender.seal({&plaintext, 1})};
    Bytes sealed = concat(parts);
    sent += plaintext.text();
    if (in.below(8) == 0 && !sealed.empty()) {
      std::string text(sealed.text());
      text[in.size() % text.size()] = static_cast<char>(in.byte());
      sealed = Bytes::copy(text);
    }
    const std::size_t chop = 1 + in.size();
    while (!sealed.empty()) {
      Bytes piece = sealed.take_front(chop);
      while (true) {
        const auto opened = receiver.open(piece);
        if (!opened) return;
        if (!*opened) break;
        received += (*opened)->text();
        MC_ASSERT(sent.starts_with(received));
      }
      MC_ASSERT(piece.empty());
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzInput in(data, size);
  switch (in.below(4)) {
    case 0:
      tampered(in);
      break;
    case 1:
      garbage(in, true);
      break;
    case 2:
      garbage(in, false);
      break;
    default:
      records(in);
  }
  return 0;
}
