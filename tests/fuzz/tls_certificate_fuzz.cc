// A peer's certificate of any bytes: it decodes to a peer or to an error. A valid one with some bytes changed is
// never believed to be somebody else's.
#include "stack/base/assert.h"
#include "stack/secure/tls_certificate.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/unit/tls_harness.h"

using namespace mesocosm;
using namespace mesocosm::testing;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Bytes valid = der_of(TlsIdentity::make(tls_key(2), seed_of(5), kNow).certificate.get());
  FuzzInput in(data, size);
  if (in.below(2) == 0) {
    const auto peer = decode_tls_certificate(in.bytes(SIZE_MAX), kNow);
    MC_ASSERT(!peer || !peer->id.empty());
    return 0;
  }
  std::string changed(valid.text());
  while (!in.empty()) {
    const std::size_t at = (in.byte() << 8 | in.byte()) % changed.size();
    changed[at] = static_cast<char>(in.byte());
  }
  const auto peer = decode_tls_certificate(as_bytes(changed), kNow);
  MC_ASSERT(!peer || (changed == valid.text() && peer->id == tls_key(2).peer_id()));
  return 0;
}
