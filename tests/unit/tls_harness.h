// For tests of TLS: two handshakes of ours against each other, certificates with any fault, and a peer made of
// OpenSSL alone, which shows them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "stack/base/assert.h"
#include "stack/secure/tls.h"

namespace mesocosm::testing {

inline constexpr std::int64_t kNow = 1'760'000'000;  // in 2025
inline constexpr std::int64_t kTestDay = 86'400;
inline constexpr std::string_view kYamuxOnly[] = {"/yamux/1.0.0"};

inline SecuritySeed seed_of(std::uint8_t byte) {
  SecuritySeed seed;
  seed.fill(byte);
  return seed;
}
inline KeyPair tls_key(std::uint8_t byte) { return KeyPair::from_seed(seed_of(byte)); }

// Alice dials Bob.
struct TlsPair {
  TlsSecurity alice_security{tls_key(1), seed_of(11)}, bob_security{tls_key(2), seed_of(12)};
  HandshakeRequest alices{SecurityRole::initiator, kYamuxOnly, {}, seed_of(13), kNow};
  HandshakeRequest bobs{SecurityRole::responder, kYamuxOnly, {}, seed_of(14), kNow};
  std::unique_ptr<SecurityHandshake> alice, bob;
  std::vector<Bytes> flights;  // the dialer's first
  Error alice_error, bob_error;

  // Runs the handshakes to their ends, with bytes in pieces; `tamper` may change a flight.
  template <class Tamper>
  void run(std::size_t chop, Tamper tamper) {
    alice = alice_security.begin(alices);
    bob = bob_security.begin(bobs);
    Bytes flight = alice->start();
    for (int i = 0; !flight.empty() && i < 10; ++i) {
      flights.push_back(flight);
      flight = i % 2 == 0 ? feed(*bob, bob_error, tamper(i, flight), chop)
                          : feed(*alice, alice_error, tamper(i, flight), chop);
    }
  }
  void run(std::size_t chop = SIZE_MAX) {
    run(chop, [](int, Bytes flight) { return flight; });
  }
  static Bytes feed(SecurityHandshake& to, Error& error, Bytes flight, std::size_t chop) {
    std::vector<Bytes> replies;
    while (!flight.empty() && error.ok()) {
      Bytes piece = flight.take_front(chop);
      auto reply = to.on_bytes(piece);
      if (!reply) error = reply.error();
      replies.push_back(reply ? *reply : to.last_words());
    }
    return concat(replies);
  }
};

// A certificate, perhaps with faults.
struct Recipe {
  std::int64_t from = kNow - kTestDay, to = kNow + kTestDay;
  int version = X509_VERSION_3;
  int extensions = 1;  // how often the libp2p extension is in it
  bool critical = false;
  std::optional<std::string> value;  // of the extension, instead of the right one
  std::string signed_prefix = "libp2p-tls-handshake:";
  std::string other_extension;  // the OID of one more
  bool other_critical = false;
  std::string key = "P-256";  // or another curve, "ED25519", "RSA" with bits behind it
  std::string signer;         // a type of key, if not the certificate's own one signs
  const EVP_MD* digest = EVP_sha256();
  Bytes public_key;  // instead of the identity's
  std::uint8_t identity = 2;
};

struct Forged {
  X509Ptr certificate;
  KeyPtr key;
};

inline KeyPtr make_key(const std::string& kind) {
  if (kind == "ED25519") return KeyPtr(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  if (kind.starts_with("RSA")) {
    return KeyPtr(
        EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", static_cast<std::size_t>(std::stoul(kind.substr(3)))));
  }
  return KeyPtr(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", kind.c_str()));
}

inline std::string der_element(char tag, std::string_view content) {
  std::string out{tag};
  if (content.size() < 128) {
    out += static_cast<char>(content.size());
  } else {
    out += '\x82';
    out += static_cast<char>(content.size() >> 8);
    out += static_cast<char>(content.size());
  }
  return out += content;
}

inline void add_extension(X509* to, const std::string& oid, bool critical, std::string_view value) {
  ASN1_OBJECT* id = OBJ_txt2obj(oid.c_str(), 1);
  ASN1_OCTET_STRING* octets = ASN1_OCTET_STRING_new();
  ASN1_OCTET_STRING_set(octets, reinterpret_cast<const unsigned char*>(value.data()),
                        static_cast<int>(value.size()));
  X509_EXTENSION* extension = X509_EXTENSION_create_by_OBJ(nullptr, id, critical ? 1 : 0, octets);
  X509_add_ext(to, extension, -1);
  X509_EXTENSION_free(extension);
  ASN1_OCTET_STRING_free(octets);
  ASN1_OBJECT_free(id);
}

inline std::string public_key_info(EVP_PKEY* key) {
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key, &der);
  std::string text(reinterpret_cast<char*>(der), static_cast<std::size_t>(size));
  OPENSSL_free(der);
  return text;
}

inline Forged forge(const Recipe& recipe) {
  Forged made{X509Ptr(X509_new()), make_key(recipe.key)};
  X509* certificate = made.certificate.get();
  MC_ASSERT(made.key != nullptr);
  X509_set_version(certificate, recipe.version);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  ASN1_TIME_set(X509_getm_notBefore(certificate), recipe.from);
  ASN1_TIME_set(X509_getm_notAfter(certificate), recipe.to);
  X509_set_pubkey(certificate, made.key.get());
  const KeyPair identity = tls_key(recipe.identity);
  const std::string text = recipe.signed_prefix + public_key_info(made.key.get());
  const Signature signature = identity.sign(as_bytes(text));
  const Bytes public_key = recipe.public_key.empty() ? identity.public_key().serialized() : recipe.public_key;
  const std::string value = recipe.value.value_or(
      der_element(0x30, der_element(4, public_key.text()) + der_element(4, as_text(signature))));
  for (int i = 0; i < recipe.extensions; ++i) {
    add_extension(certificate, "1.3.6.1.4.1.53594.1.1", recipe.critical, value);
  }
  if (!recipe.other_extension.empty())
    add_extension(certificate, recipe.other_extension, recipe.other_critical, "\x05\x00");
  const KeyPtr other = recipe.signer.empty() ? nullptr : make_key(recipe.signer);
  EVP_PKEY* signer = other ? other.get() : made.key.get();
  MC_ASSERT(X509_sign(certificate, signer, EVP_PKEY_is_a(signer, "ED25519") ? nullptr : recipe.digest) > 0);
  return made;
}

inline Bytes der_of(X509* certificate) {
  unsigned char* der = nullptr;
  const int size = i2d_X509(certificate, &der);
  const Bytes bytes = Bytes::copy(ByteView(der, static_cast<std::size_t>(size)));
  OPENSSL_free(der);
  return bytes;
}

// TLS of OpenSSL's own, over buffers in memory. Believes everybody.
class WildPeer {
 public:
  struct Options {
    std::vector<const Forged*> chain;  // the first one's key is used
    std::string protocols = "\x0c/yamux/1.0.0\x06libp2p";
    int max_version = TLS1_3_VERSION;
    std::string cipher_suites = "TLS_AES_128_GCM_SHA256";
    std::size_t tickets = 0;
    bool refuses = false;  // whatever certificate it is shown
  };

  WildPeer(bool dials, Options options) : options_(std::move(options)) {
    context_ = SSL_CTX_new(TLS_method());
    SSL_CTX_set_max_proto_version(context_, options_.max_version);
    SSL_CTX_set_ciphersuites(context_, options_.cipher_suites.c_str());
    SSL_CTX_set_num_tickets(context_, options_.tickets);
    SSL_CTX_set_security_level(context_, 0);
    SSL_CTX_set_cert_verify_callback(context_, options_.refuses ? refuse : believe, nullptr);
    SSL_CTX_set_verify(context_, SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set_alpn_select_cb(context_, choose, &options_);
    for (std::size_t i = 0; i < options_.chain.size(); ++i) {
      X509* certificate = options_.chain[i]->certificate.get();
      if (i == 0) {
        MC_ASSERT(SSL_CTX_use_certificate(context_, certificate) == 1);
        MC_ASSERT(SSL_CTX_use_PrivateKey(context_, options_.chain[i]->key.get()) == 1);
      } else {
        MC_ASSERT(SSL_CTX_add1_chain_cert(context_, certificate) == 1);
      }
    }
    ssl_ = SSL_new(context_);
    in_ = BIO_new(BIO_s_mem());
    out_ = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl_, in_, out_);
    if (dials) {
      const auto* list = reinterpret_cast<const unsigned char*>(options_.protocols.data());
      SSL_set_alpn_protos(ssl_, list, static_cast<unsigned>(options_.protocols.size()));
      SSL_set_connect_state(ssl_);
    } else {
      SSL_set_accept_state(ssl_);
    }
  }
  WildPeer(const WildPeer&) = delete;
  WildPeer& operator=(const WildPeer&) = delete;
  ~WildPeer() {
    SSL_free(ssl_);
    SSL_CTX_free(context_);
    ERR_clear_error();
  }

  SSL* ssl() { return ssl_; }
  // Takes bytes, goes on as far as it can; what it has to send.
  Bytes step(ByteView input) {
    if (!input.empty()) BIO_write(in_, input.data(), static_cast<int>(input.size()));
    ERR_clear_error();
    if (SSL_is_init_finished(ssl_) == 0) {
      const int result = SSL_do_handshake(ssl_);
      if (result != 1 && SSL_get_error(ssl_, result) == SSL_ERROR_SSL) fail();
    }
    read();
    return take();
  }
  Bytes write(std::string_view text) {
    MC_ASSERT(SSL_write(ssl_, text.data(), static_cast<int>(text.size())) == static_cast<int>(text.size()));
    return take();
  }
  Bytes take() {
    char* data = nullptr;
    const long size = BIO_get_mem_data(out_, &data);
    const Bytes bytes = Bytes::copy(std::string_view(data, static_cast<std::size_t>(size)));
    static_cast<void>(BIO_reset(out_));
    return bytes;
  }

  std::string received;
  int alert = -1;  // the description of the alert that came
  bool failed = false, closed = false;

 private:
  void read() {
    char piece[4096];
    while (SSL_is_init_finished(ssl_) == 1) {
      ERR_clear_error();
      const int size = SSL_read(ssl_, piece, sizeof(piece));
      if (size > 0) {
        received.append(piece, static_cast<std::size_t>(size));
        continue;
      }
      const int error = SSL_get_error(ssl_, size);
      if (error == SSL_ERROR_SSL) fail();
      if (error == SSL_ERROR_ZERO_RETURN) closed = true;
      return;
    }
  }
  void fail() {
    failed = true;
    const int reason = ERR_GET_REASON(ERR_peek_last_error());
    if (reason >= SSL_AD_REASON_OFFSET) alert = reason - SSL_AD_REASON_OFFSET;
  }
  static int believe(X509_STORE_CTX*, void*) { return 1; }
  static int refuse(X509_STORE_CTX* store, void*) {
    X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
    return 0;
  }
  static int choose(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in,
                    unsigned in_size, void* options) {
    const std::string& list = static_cast<Options*>(options)->protocols;
    unsigned char* chosen = nullptr;
    if (SSL_select_next_proto(&chosen, out_size, reinterpret_cast<const unsigned char*>(list.data()),
                              static_cast<unsigned>(list.size()), in, in_size) != OPENSSL_NPN_NEGOTIATED)
      return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
  }

  Options options_;
  SSL_CTX* context_;
  SSL* ssl_;
  BIO* in_;
  BIO* out_;
};

// Ours with a wild peer, until nobody has anything to say.
struct WildPair {
  TlsSecurity security{tls_key(1), seed_of(11)};
  std::unique_ptr<SecurityHandshake> ours;
  std::unique_ptr<SecureChannel> channel;
  WildPeer wild;
  Error error;  // ours
  std::string received;

  WildPair(bool we_dial, WildPeer::Options options, PeerId expected = {},
           std::span<const std::string_view> muxers = kYamuxOnly)
      : ours(security.begin({we_dial ? SecurityRole::initiator : SecurityRole::responder, muxers, expected,
                             seed_of(13), kNow})),
        wild(!we_dial, std::move(options)) {
    Bytes out = we_dial ? ours->start() : Bytes{};
    exchange(std::move(out));
  }
  // Gives the peer what is ours to send, and goes on from there.
  void exchange(Bytes out) {
    for (int i = 0; i < 10; ++i) {
      Bytes in = wild.step(out);
      if (in.empty()) return;
      out = take(std::move(in));
    }
  }
  Bytes take(Bytes in) {
    Bytes reply;
    if (!error.ok()) return {};
    if (!ours->done()) {
      auto answer = ours->on_bytes(in);
      if (!answer) {
        error = answer.error();
        return ours->last_words();
      }
      reply = *answer;
    }
    if (!ours->done()) return reply;
    if (!channel) channel = ours->channel();
    while (true) {
      auto opened = channel->open(in);
      if (!opened) {
        error = opened.error();
        return {};
      }
      if (!*opened) return reply;
      received += (*opened)->text();
    }
  }
  Bytes seal(std::string_view text) {
    const Bytes parts[] = {channel->control(), Bytes::copy(text)};
    const Bytes sealed = channel->seal({parts + 1, 1});
    const Bytes both[] = {parts[0], sealed};
    return concat(both);
  }
};

}  // namespace mesocosm::testing
