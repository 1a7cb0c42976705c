// The certificates of libp2p's TLS (libp2p/specs, tls/tls.md): self-signed, with an extension in which the
// host's identity key signs the certificate's key.
#pragma once

#include <cstddef>
#include <cstdint>

#include "stack/base/bytes.h"
#include "stack/base/result.h"
#include "stack/crypto/keys.h"
#include "stack/secure/security.h"
#include "stack/secure/tls_library.h"

namespace mesocosm {

inline constexpr std::size_t kTlsMaxCertificate = 16 * 1024;  // ours; an RSA key of 16,384 bits fits

// A host's certificate with its key, ECDSA on P-256. Made once a host, as the specification allows.
struct TlsIdentity {
  X509Ptr certificate;
  KeyPtr key;

  // Valid from a day before `unix_seconds` (the peers' clocks differ) for a hundred years. Repeats from the
  // seed.
  static TlsIdentity make(const KeyPair& identity, const SecuritySeed& seed, std::int64_t unix_seconds);
};

// Who a certificate proves to be, if it is one that the specification allows, at this time. Errors:
// bad_encoding; too_large; unsupported (the certificate's or the identity's type of key, an unknown critical
// extension); authentication (not yet valid, expired, without the extension, a signature that does not verify).
Result<SecurePeer> check_tls_certificate(x509_st* certificate, std::int64_t unix_seconds);
// The same for its DER encoding.
Result<SecurePeer> decode_tls_certificate(ByteView der, std::int64_t unix_seconds);

}  // namespace mesocosm
