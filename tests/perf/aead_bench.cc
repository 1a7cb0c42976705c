// ChaCha20-Poly1305 as stack/crypto/aead.h does it, against libsodium and against OpenSSL with a context that
// keeps its key: what the choice in aead.cc rests on. One line a case: ns, MB/s, and ratios of time.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <vector>

#include <openssl/evp.h>
#include <sodium.h>

#include "stack/base/assert.h"
#include "stack/crypto/aead.h"

using namespace mesocosm;

namespace {

// The best of several rounds of about 3 ms, in nanoseconds a call.
template <class Call>
double best_nanoseconds(std::size_t size, Call&& call) {
  using Clock = std::chrono::steady_clock;
  const std::size_t calls = 8'000'000 / (size + 1024) + 1;
  double best = 1e18;
  for (int round = 0; round < 15; ++round) {
    const auto start = Clock::now();
    for (std::size_t i = 0; i < calls; ++i) call();
    best = std::min(best, std::chrono::duration<double, std::nano>(Clock::now() - start).count());
  }
  return best / static_cast<double>(calls);
}

struct KeyedContext {
  explicit KeyedContext(const AeadKey& key) : context(EVP_CIPHER_CTX_new()) {
    MC_ASSERT(EVP_EncryptInit_ex(context, EVP_chacha20_poly1305(), nullptr, key.data(), nonce) == 1);
  }
  ~KeyedContext() { EVP_CIPHER_CTX_free(context); }
  void seal(ByteView plaintext, MutableByteView out) {
    int written = 0;
    ++nonce[4];
    EVP_EncryptInit_ex(context, nullptr, nullptr, nullptr, nonce);
    EVP_EncryptUpdate(context, out.data(), &written, plaintext.data(), static_cast<int>(plaintext.size()));
    EVP_EncryptFinal_ex(context, out.data() + plaintext.size(), &written);
    EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, kAeadTagSize, out.data() + plaintext.size());
  }
  EVP_CIPHER_CTX* context;
  std::uint8_t nonce[12] = {};
};

void measure(std::size_t size) {
  AeadKey key;
  key.fill(7);
  KeyedContext keyed(key);
  std::vector<std::uint8_t> plain(size, 1), sealed(size + kAeadTagSize);
  const std::uint8_t nonce[12] = {};
  const double ours = best_nanoseconds(size, [&] { aead_seal(key, 0, {}, plain, sealed); });
  const double ours_open = best_nanoseconds(size, [&] { MC_ASSERT(aead_open(key, 0, {}, sealed, plain)); });
  const double sodium = best_nanoseconds(size, [&] {
    crypto_aead_chacha20poly1305_ietf_encrypt(sealed.data(), nullptr, plain.data(), size, nullptr, 0, nullptr,
                                              nonce, key.data());
  });
  const double sodium_open = best_nanoseconds(size, [&] {
    MC_ASSERT(crypto_aead_chacha20poly1305_ietf_decrypt(plain.data(), nullptr, nullptr, sealed.data(),
                                                        sealed.size(), nullptr, 0, nonce, key.data()) == 0);
  });
  const double same_key = best_nanoseconds(size, [&] { keyed.seal(plain, sealed); });
  std::printf(
      "%6zu B  seal %8.0f ns %6.0f MB/s  of libsodium's time %.2f  of a kept key's %.2f | "
      "open %8.0f ns %6.0f MB/s  of libsodium's time %.2f\n",
      size, ours, 1e3 * static_cast<double>(size) / ours, ours / sodium, ours / same_key, ours_open,
      1e3 * static_cast<double>(size) / ours_open, ours_open / sodium_open);
}

}  // namespace

int main() {
  MC_ASSERT(sodium_init() >= 0);
  for (std::size_t size : {64u, 256u, 1024u, 4096u, 16384u, 65519u}) measure(size);
}
