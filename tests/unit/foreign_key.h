// The specification's RSA, ECDSA and secp256k1 private keys, for tests that need a peer who has one.
#pragma once

#include <memory>

#include <openssl/evp.h>

#include "stack/crypto/keys.h"

namespace mesocosm::testing {

class ForeignKey {
 public:
  static ForeignKey of(KeyType type);  // requires a type other than Ed25519

  const PublicKey& public_key() const { return public_key_; }
  Bytes sign(ByteView message) const;

 private:
  struct Free {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  };
  ForeignKey(EVP_PKEY* secret, PublicKey public_key) : secret_(secret), public_key_(std::move(public_key)) {}

  std::unique_ptr<EVP_PKEY, Free> secret_;
  PublicKey public_key_;
};

}  // namespace mesocosm::testing
