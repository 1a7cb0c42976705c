// Security handshakes that lie: initiators for a RawPeer.
#pragma once

#include <functional>
#include <memory>

#include "stack/crypto/keys.h"
#include "stack/secure/noise.h"
#include "stack/secure/security.h"

namespace mesocosm::wire_attacks {

// An honest one, with an identity of its own made of `seed`.
std::unique_ptr<SecurityHandshake> honest_noise(const SecuritySeed& seed);

// What the liar puts into the handshake instead of its signed payload; `static_public` is its Noise key.
using NoisePayload = std::function<Bytes(const NoiseKey& static_public)>;

// Noise up to the last message, whose payload is a lie; the liar takes the handshake for done when it has told it.
std::unique_ptr<SecurityHandshake> lying_noise(const SecuritySeed& seed, NoisePayload payload);

// A payload of {1 key, 2 signature, 4 {2 muxer}}, whatever they are worth.
Bytes noise_payload(ByteView public_key, ByteView signature, std::string_view muxer = "/yamux/1.0.0");
// The signature that belongs there.
Signature sign_noise_key(const KeyPair& signer, const NoiseKey& static_public);

}  // namespace mesocosm::wire_attacks
