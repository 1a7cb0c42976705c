// OpenSSL as TLS uses it: a library context of our own, whose random numbers are made from the seed of the
// handshake that is running. So a handshake repeats from its seed, and the process-wide context and generator
// are neither used nor changed.
#pragma once

#include <cstdint>
#include <memory>

#include "stack/secure/security.h"

// OpenSSL's own names, so that its headers stay in this folder's sources.
struct evp_pkey_st;
struct ossl_lib_ctx_st;
struct ssl_st;
struct x509_st;

namespace mesocosm {

struct OpensslFree {
  void operator()(evp_pkey_st* key) const;
  void operator()(ssl_st* ssl) const;
  void operator()(x509_st* certificate) const;
};
using SslPtr = std::unique_ptr<ssl_st, OpensslFree>;
using X509Ptr = std::unique_ptr<x509_st, OpensslFree>;
using KeyPtr = std::unique_ptr<evp_pkey_st, OpensslFree>;

// A stream of random bytes from a seed: HMAC-SHA-256 of a counter.
class TlsRandom {
 public:
  explicit TlsRandom(const SecuritySeed& seed) : seed_(seed) {}
  ~TlsRandom();  // wipes the seed
  TlsRandom(const TlsRandom&) = delete;
  TlsRandom& operator=(const TlsRandom&) = delete;
  void fill(MutableByteView out);

 private:
  SecuritySeed seed_;
  std::uint64_t counter_ = 0;
};

// While it lives, OpenSSL draws from `random` in this thread. Without one, whatever needs randomness fails.
class TlsRandomScope {
 public:
  explicit TlsRandomScope(TlsRandom& random);
  ~TlsRandomScope();
  TlsRandomScope(const TlsRandomScope&) = delete;
  TlsRandomScope& operator=(const TlsRandomScope&) = delete;

 private:
  TlsRandom* outer_;
};

// Made at the first use and kept for the life of the process: loading it takes milliseconds. Nothing of a host
// or a connection is in it. Several threads may use it.
ossl_lib_ctx_st* tls_library();

}  // namespace mesocosm
