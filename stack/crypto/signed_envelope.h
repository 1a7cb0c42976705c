// Signed envelopes (specs/RFC/0002-signed-envelopes.md): a payload with its type, its signer's key and a
// signature that holds in one domain only.
#pragma once

#include <string_view>

#include "stack/base/bytes.h"
#include "stack/base/result.h"
#include "stack/crypto/keys.h"

namespace mesocosm {

struct SignedEnvelope {
  PublicKey signer;
  Bytes payload_type;
  Bytes payload;  // a slice of what was opened
};

Bytes seal_envelope(const KeyPair& signer, std::string_view domain, ByteView payload_type, ByteView payload);

// What the envelope holds, if its signature is valid in `domain`. The caller checks who the signer is and the
// type. Errors: bad_encoding, too_large, unsupported (key type), authentication.
Result<SignedEnvelope> open_envelope(const Bytes& envelope, std::string_view domain);

}  // namespace mesocosm
