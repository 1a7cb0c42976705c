#include "stack/secure/tls_library.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>
#include <vector>

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "stack/base/assert.h"
#include "stack/crypto/hkdf.h"
#include "stack/crypto/wipe.h"

namespace mesocosm {
namespace {

constexpr const char* kGeneratorName = "MESOCOSM";
constexpr std::size_t kMaxRequest = 64 * 1024;

thread_local TlsRandom* current = nullptr;

// --- A random number generator that holds nothing itself, and a provider of it alone

using Function = void (*)();

void* new_generator(void*, void*, const OSSL_DISPATCH*) {
  static char token;  // any address but null
  return &token;
}
void free_generator(void*) {}
int instantiate(void*, unsigned, int, const unsigned char*, std::size_t, const OSSL_PARAM*) { return 1; }
int uninstantiate(void*) { return 1; }
int generate(void*, unsigned char* out, std::size_t size, unsigned, int, const unsigned char*, std::size_t) {
  if (current == nullptr) return 0;
  current->fill({out, size});
  return 1;
}
int reseed(void*, int, const unsigned char*, std::size_t, const unsigned char*, std::size_t) { return 1; }
int lock(void*) { return 1; }
void unlock(void*) {}

int get_parameters(void*, OSSL_PARAM* parameters) {
  OSSL_PARAM* state = OSSL_PARAM_locate(parameters, OSSL_RAND_PARAM_STATE);
  if (state != nullptr && OSSL_PARAM_set_int(state, EVP_RAND_STATE_READY) == 0) return 0;
  OSSL_PARAM* strength = OSSL_PARAM_locate(parameters, OSSL_RAND_PARAM_STRENGTH);
  if (strength != nullptr && OSSL_PARAM_set_uint(strength, 256) == 0) return 0;
  OSSL_PARAM* request = OSSL_PARAM_locate(parameters, OSSL_RAND_PARAM_MAX_REQUEST);
  return request == nullptr || OSSL_PARAM_set_size_t(request, kMaxRequest) == 1 ? 1 : 0;
}

const OSSL_DISPATCH kGenerator[] = {
    {OSSL_FUNC_RAND_NEWCTX, reinterpret_cast<Function>(new_generator)},
    {OSSL_FUNC_RAND_FREECTX, reinterpret_cast<Function>(free_generator)},
    {OSSL_FUNC_RAND_INSTANTIATE, reinterpret_cast<Function>(instantiate)},
    {OSSL_FUNC_RAND_UNINSTANTIATE, reinterpret_cast<Function>(uninstantiate)},
    {OSSL_FUNC_RAND_GENERATE, reinterpret_cast<Function>(generate)},
    {OSSL_FUNC_RAND_RESEED, reinterpret_cast<Function>(reseed)},
    {OSSL_FUNC_RAND_ENABLE_LOCKING, reinterpret_cast<Function>(lock)},
    {OSSL_FUNC_RAND_LOCK, reinterpret_cast<Function>(lock)},
    {OSSL_FUNC_RAND_UNLOCK, reinterpret_cast<Function>(unlock)},
    {OSSL_FUNC_RAND_GET_CTX_PARAMS, reinterpret_cast<Function>(get_parameters)},
    {0, nullptr}};
const OSSL_ALGORITHM kGenerators[] = {
    {kGeneratorName, "provider=mesocosm", kGenerator, "the running handshake's seed"},
    {nullptr, nullptr, nullptr, nullptr}};

const OSSL_ALGORITHM* query_generator(void*, int operation, int* no_cache) {
  *no_cache = 0;
  return operation == OSSL_OP_RAND ? kGenerators : nullptr;
}

const OSSL_DISPATCH kGeneratorProvider[] = {
    {OSSL_FUNC_PROVIDER_QUERY_OPERATION, reinterpret_cast<Function>(query_generator)}, {0, nullptr}};

int start_generator(const OSSL_CORE_HANDLE*, const OSSL_DISPATCH*, const OSSL_DISPATCH** out,
                    void** context) {
  static char token;
  *out = kGeneratorProvider;
  *context = &token;
  return 1;
}

// --- A provider that passes on what TLS needs of OpenSSL's default one, which lives in a library context behind.
//
// For each certificate OpenSSL 3.0 goes through every decoder, key type and cipher that it has, which with all of
// them takes a quarter of a handshake's time. And a peer can send us no key that is not here.

struct Needed {
  int operation;
  std::vector<std::string_view> names;
};

std::vector<Needed> needed_algorithms() {
  return {{OSSL_OP_DIGEST,
           {"SHA1", "SHA2-256", "SHA2-384", "SHA2-512", "MD5", "MD5-SHA1"}},  // libssl wants these
          {OSSL_OP_CIPHER, {"AES-128-GCM", "ChaCha20-Poly1305"}},
          {OSSL_OP_MAC, {"HMAC"}},
          {OSSL_OP_KDF, {"HKDF", "TLS13-KDF"}},
          {OSSL_OP_KEYMGMT, {"EC", "RSA", "RSA-PSS", "ED25519", "X25519", "HMAC"}},
          {OSSL_OP_KEYEXCH, {"ECDH", "X25519"}},
          {OSSL_OP_SIGNATURE, {"ECDSA", "RSA", "ED25519", "HMAC"}},
          {OSSL_OP_ENCODER, {"EC"}},
          {OSSL_OP_DECODER, {"EC", "RSA", "ED25519"}}};
}

struct Selection {
  OSSL_PROVIDER* original;
  std::array<std::vector<OSSL_ALGORITHM>, OSSL_OP__HIGHEST + 1>
      lists;  // by operation, each with an empty end
};

const Selection* selection = nullptr;  // made once, before its provider starts

bool is_among(const OSSL_ALGORITHM& algorithm, const Needed& needed) {
  const bool coder = needed.operation == OSSL_OP_ENCODER || needed.operation == OSSL_OP_DECODER;
  const std::string_view properties(algorithm.property_definition);
  if (coder && properties.find("SubjectPublicKeyInfo") == std::string_view::npos) return false;
  const std::string_view aliases(
      algorithm.algorithm_names);  // such as "RSA:rsaEncryption:1.2.840.113549.1.1.1"
  const std::string_view name = aliases.substr(0, aliases.find(':'));
  return std::find(needed.names.begin(), needed.names.end(), name) != needed.names.end();
}

Selection* select_from(OSSL_PROVIDER* original) {
  auto* selected = new Selection{original, {}};
  for (const Needed& needed : needed_algorithms()) {
    auto& list = selected->lists[static_cast<std::size_t>(needed.operation)];
    int no_cache = 0;
    const OSSL_ALGORITHM* all = OSSL_PROVIDER_query_operation(original, needed.operation, &no_cache);
    for (; all != nullptr && all->algorithm_names != nullptr; ++all) {
      if (is_among(*all, needed)) list.push_back(*all);
    }
    MC_ASSERT(list.size() >= needed.names.size());
    list.push_back({});
  }
  return selected;
}

const OSSL_ALGORITHM* query(void*, int operation, int* no_cache) {
  *no_cache = 0;
  if (operation == OSSL_OP_RAND) return kGenerators;
  if (operation < 0 || operation > OSSL_OP__HIGHEST) return nullptr;
  const auto& list = selection->lists[static_cast<std::size_t>(operation)];
  return list.empty() ? nullptr : list.data();
}

int get_capabilities(void*, const char* capability, OSSL_CALLBACK* callback, void* argument) {
  return OSSL_PROVIDER_get_capabilities(selection->original, capability, callback, argument);
}

const OSSL_DISPATCH kProvider[] = {
    {OSSL_FUNC_PROVIDER_QUERY_OPERATION, reinterpret_cast<Function>(query)},
    {OSSL_FUNC_PROVIDER_GET_CAPABILITIES, reinterpret_cast<Function>(get_capabilities)},
    {0, nullptr}};

int start_provider(const OSSL_CORE_HANDLE*, const OSSL_DISPATCH*, const OSSL_DISPATCH** out, void** context) {
  *out = kProvider;
  *context = OSSL_PROVIDER_get0_provider_ctx(selection->original);
  return 1;
}

// --- The library contexts

OSSL_LIB_CTX* make_library(OSSL_provider_init_fn* start) {
  OSSL_LIB_CTX* library = OSSL_LIB_CTX_new();
  MC_ASSERT(library != nullptr);
  MC_ASSERT(OSSL_PROVIDER_add_builtin(library, "mesocosm", start) == 1);
  MC_ASSERT(OSSL_PROVIDER_load(library, "mesocosm") != nullptr);
  MC_ASSERT(RAND_set_DRBG_type(library, kGeneratorName, nullptr, nullptr, nullptr) == 1);
  MC_ASSERT(RAND_set_seed_source_type(library, kGeneratorName, nullptr) == 1);
  return library;
}

OSSL_LIB_CTX* make_libraries() {
  OSSL_PROVIDER* original = OSSL_PROVIDER_load(make_library(start_generator), "default");
  MC_ASSERT(original != nullptr);
  selection = select_from(original);
  return make_library(start_provider);
}

}  // namespace

TlsRandom::~TlsRandom() { wipe(seed_); }

void TlsRandom::fill(MutableByteView out) {
  while (!out.empty()) {
    std::array<std::uint8_t, sizeof(counter_)> number;
    for (std::size_t i = 0; i < number.size(); ++i)
      number[i] = static_cast<std::uint8_t>(counter_ >> (8 * i));
    ++counter_;
    Sha256Digest block = hmac_sha256(seed_, number);
    const std::size_t n = std::min(block.size(), out.size());
    std::copy_n(block.begin(), n, out.begin());
    wipe(block);
    out = out.subspan(n);
  }
}

TlsRandomScope::TlsRandomScope(TlsRandom& random) : outer_(std::exchange(current, &random)) {}

TlsRandomScope::~TlsRandomScope() { current = outer_; }

void OpensslFree::operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
void OpensslFree::operator()(SSL* ssl) const { SSL_free(ssl); }
void OpensslFree::operator()(X509* certificate) const { X509_free(certificate); }

OSSL_LIB_CTX* tls_library() {
  static OSSL_LIB_CTX* const library = make_libraries();
  return library;
}

}  // namespace mesocosm
