#include "stack/crypto/x25519.h"

#include <sodium/crypto_scalarmult_curve25519.h>

#include "stack/base/assert.h"
#include "stack/crypto/sodium.h"

namespace mesocosm {

X25519Key x25519_public(const X25519Key& secret) {
  prepare_sodium();
  X25519Key result;
  MC_ASSERT(crypto_scalarmult_curve25519_base(result.data(), secret.data()) == 0);
  return result;
}

Result<X25519Key> x25519(const X25519Key& secret, const X25519Key& their_public) {
  prepare_sodium();
  X25519Key result;
  if (crypto_scalarmult_curve25519(result.data(), secret.data(), their_public.data()) != 0)
    return fail(ErrorCode::protocol_violation, "X25519: public key of small order");
  return result;
}

}  // namespace mesocosm
