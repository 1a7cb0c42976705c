// X25519 key agreement (RFC 7748), through libsodium.
#pragma once

#include <array>
#include <cstdint>

#include "stack/base/result.h"

namespace mesocosm {

using X25519Key =
    std::array<std::uint8_t, 32>;  // a secret (any 32 random bytes), a public key or a shared secret

X25519Key x25519_public(const X25519Key& secret);

// The shared secret. Error: protocol_violation, for public keys of small order, which make it predictable.
Result<X25519Key> x25519(const X25519Key& secret, const X25519Key& their_public);

}  // namespace mesocosm
