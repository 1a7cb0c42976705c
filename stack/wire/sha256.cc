// OpenSSL's block function, because it uses the processor's SHA instructions: on an AMD EPYC 64 KiB take 0.25
// of libsodium 1.0.18's time. The low-level calls are deprecated in OpenSSL 3.0, but EVP costs an algorithm
// look-up and an allocation a hash, which for the short inputs of a handshake is more than the hash itself.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "stack/wire/sha256.h"

#include <openssl/sha.h>

namespace mesocosm {
namespace {

SHA256_CTX* context(std::array<std::uint8_t, sizeof(SHA256_CTX)>& state) {
  return reinterpret_cast<SHA256_CTX*>(state.data());
}

}  // namespace

Sha256::Sha256() {
  static_assert(sizeof(SHA256_CTX) == kStateSize && alignof(SHA256_CTX) <= 8);
  SHA256_Init(context(state_));
}

Sha256& Sha256::update(ByteView bytes) {
  SHA256_Update(context(state_), bytes.data(), bytes.size());
  return *this;
}

Sha256Digest Sha256::finish() {
  Sha256Digest digest;
  SHA256_Final(digest.data(), context(state_));
  return digest;
}

Sha256Digest sha256(ByteView bytes) { return Sha256().update(bytes).finish(); }

}  // namespace mesocosm
