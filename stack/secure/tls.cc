#include "stack/secure/tls.h"

#include <algorithm>
#include <utility>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "stack/base/assert.h"
#include "stack/crypto/wipe.h"
#include "stack/wire/multibase.h"

namespace mesocosm {
namespace {

constexpr std::string_view kAlpn = "libp2p";
constexpr std::uint32_t kAes128GcmSha256 = 0x1301;
constexpr std::uint32_t kChaCha20Poly1305Sha256 = 0x1303;

// AES-128-GCM first by measurement: see tests/perf/aead_bench.cc.
constexpr const char* kCipherSuites = "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256";
constexpr const char* kGroups = "X25519:P-256";
constexpr const char* kSignatures =
    "ecdsa_secp256r1_sha256:ed25519:ecdsa_secp384r1_sha384:ecdsa_secp521r1_sha512:"
    "rsa_pss_rsae_sha256:rsa_pss_rsae_sha384:rsa_pss_rsae_sha512:rsa_pkcs1_sha256";

// A list of protocols as ALPN has it: each with its length before it.
std::string encode_protocols(std::span<const std::string_view> muxers) {
  std::string list;
  const auto put = [&](std::string_view name) {
    list += static_cast<char>(name.size());
    list += name;
  };
  for (std::string_view muxer : muxers) put(muxer);
  put(kAlpn);
  return list;
}

// "LABEL client_random secret", in hexadecimal digits. The secret, if the label is this one.
std::optional<TlsSecret> parse_secret(std::string_view line, std::string_view label) {
  if (!line.starts_with(label) || line.size() <= label.size() || line[label.size()] != ' ')
    return std::nullopt;
  auto bytes = decode_base(Base::base16, line.substr(line.rfind(' ') + 1));
  if (!bytes || bytes->size() != sizeof(TlsSecret)) return std::nullopt;
  TlsSecret secret;
  std::copy(bytes->begin(), bytes->end(), secret.begin());
  return secret;
}

// What libssl's last error means. The peer's own reason comes as an alert.
Error library_error() {
  const unsigned long last = ERR_peek_last_error();
  const int reason = ERR_GET_REASON(last);
  if (ERR_GET_LIB(last) == ERR_LIB_SSL && reason >= SSL_AD_REASON_OFFSET) {
    return tls_alert_error(static_cast<std::uint8_t>(reason - SSL_AD_REASON_OFFSET));
  }
  switch (reason) {
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
      return {ErrorCode::authentication, "tls: the peer shows no certificate"};
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_WRONG_SSL_VERSION:
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_VERSION_TOO_LOW:
      return {ErrorCode::negotiation_failed, "tls: the peer does not speak TLS 1.3"};
    case SSL_R_NO_SHARED_CIPHER:
      return {ErrorCode::negotiation_failed, "tls: no cipher suite in common"};
    case SSL_R_NO_SUITABLE_KEY_SHARE:
      return {ErrorCode::negotiation_failed, "tls: no group in common"};
    case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
    case SSL_R_WRONG_SIGNATURE_TYPE:
      return {ErrorCode::negotiation_failed, "tls: no signature algorithm in common"};
    case SSL_R_BAD_SIGNATURE:
      return {ErrorCode::authentication, "tls: the peer does not have its certificate's key"};
    case SSL_R_DIGEST_CHECK_FAILED:
    case SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC:
      return {ErrorCode::authentication, "tls: a handshake message does not verify"};
    case SSL_R_EXCESSIVE_MESSAGE_SIZE:
    case SSL_R_ENCRYPTED_LENGTH_TOO_LONG:
    case SSL_R_DATA_LENGTH_TOO_LONG:
    case SSL_R_PACKET_LENGTH_TOO_LONG:
      return {ErrorCode::too_large, "tls: a handshake message too large"};
    default: {
      const char* text = ERR_reason_error_string(last);
      return {ErrorCode::protocol_violation, std::string("tls: ") + (text == nullptr ? "failed" : text)};
    }
  }
}

// What the peer is told about our reason; libssl turns these into alerts.
int verify_result(const Error& error) {
  if (error.detail.ends_with("has expired")) return X509_V_ERR_CERT_HAS_EXPIRED;
  if (error.code == ErrorCode::unsupported) return X509_V_ERR_INVALID_PURPOSE;
  return X509_V_ERR_CERT_REJECTED;
}

}  // namespace

// --- What libssl calls

struct TlsHandshake::Hooks {
  static TlsHandshake& of(const SSL* ssl) { return *static_cast<TlsHandshake*>(SSL_get_app_data(ssl)); }
  static TlsHandshake& of(BIO* bio) { return *static_cast<TlsHandshake*>(BIO_get_data(bio)); }

  static int read(BIO* bio, char* out, int size) {
    TlsHandshake& self = of(bio);
    BIO_clear_retry_flags(bio);
    if (self.input_ == nullptr || self.input_->empty()) {
      BIO_set_retry_read(bio);
      return -1;
    }
    const Bytes piece = self.input_->take_front(static_cast<std::size_t>(size));
    self.taken_ += piece.size();
    if (self.taken_ > kTlsMaxHandshake) {
      self.refusal_ = Error{ErrorCode::too_large, "tls: the peer's handshake is over 32 KiB"};
      return -1;
    }
    std::memcpy(out, piece.data(), piece.size());
    return static_cast<int>(piece.size());
  }

  static int write(BIO* bio, const char* data, int size) {
    BIO_clear_retry_flags(bio);
    of(bio).output_.put(std::string_view(data, static_cast<std::size_t>(size)));
    return size;
  }

  static long control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

  static void log_key(const SSL* ssl, const char* line) {
    TlsHandshake& self = of(ssl);
    if (self.key_log_ != nullptr) self.key_log_->on_secret(line);
    if (auto client = parse_secret(line, "CLIENT_TRAFFIC_SECRET_0")) self.client_secret_ = client;
    if (auto server = parse_secret(line, "SERVER_TRAFFIC_SECRET_0")) self.server_secret_ = server;
  }

  static int verify(X509_STORE_CTX* store, void*) {
    const int index = SSL_get_ex_data_X509_STORE_CTX_idx();
    TlsHandshake& self = of(static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, index)));
    const int length = sk_X509_num(X509_STORE_CTX_get0_untrusted(store));
    auto peer = self.check_peer(X509_STORE_CTX_get0_cert(store), length);
    if (!peer) {
      X509_STORE_CTX_set_error(store, verify_result(peer.error()));
      self.refusal_ = std::move(peer.error());
      return 0;
    }
    self.peer_ = std::move(*peer);
    return 1;
  }

  static int select_protocol(SSL* ssl, const unsigned char** out, unsigned char* out_size,
                             const unsigned char* in, unsigned in_size, void*) {
    ByteView chosen;
    if (!of(ssl).choose_protocol({in, in_size}, chosen)) return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen.data();
    *out_size = static_cast<unsigned char>(chosen.size());
    return SSL_TLSEXT_ERR_OK;
  }

  static BIO_METHOD* make_bio_method() {
    BIO_METHOD* method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "mesocosm");
    MC_ASSERT(method != nullptr);
    BIO_meth_set_read(method, read);
    BIO_meth_set_write(method, write);
    BIO_meth_set_ctrl(method, control);
    return method;
  }

  static SSL_CTX* make_context() {
    TlsRandom random(SecuritySeed{});  // for the keys of session tickets, which are never given out
    const TlsRandomScope scope(random);
    SSL_CTX* context = SSL_CTX_new_ex(tls_library(), nullptr, TLS_method());
    MC_ASSERT(context != nullptr);
    SSL_CTX_set_security_level(context, 1);
    MC_ASSERT(SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1);
    MC_ASSERT(SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) == 1);
    MC_ASSERT(SSL_CTX_set_ciphersuites(context, kCipherSuites) == 1);
    MC_ASSERT(SSL_CTX_set1_groups_list(context, kGroups) == 1);
    MC_ASSERT(SSL_CTX_set1_sigalgs_list(context, kSignatures) == 1);
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
    SSL_CTX_clear_options(context, SSL_OP_ENABLE_MIDDLEBOX_COMPAT);
    MC_ASSERT(SSL_CTX_set_num_tickets(context, 0) == 1);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_max_cert_list(context, kTlsMaxCertificate);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    SSL_CTX_set_cert_verify_callback(context, verify, nullptr);
    SSL_CTX_set_alpn_select_cb(context, select_protocol, nullptr);
    SSL_CTX_set_keylog_callback(context, log_key);
    return context;
  }

  static BIO* make_bio(TlsHandshake& self) {
    static BIO_METHOD* const method = make_bio_method();
    BIO* bio = BIO_new_ex(tls_library(), method);
    MC_ASSERT(bio != nullptr);
    BIO_set_data(bio, &self);
    BIO_set_init(bio, 1);
    return bio;
  }

  static SslPtr make_ssl(TlsHandshake& self, const TlsIdentity& identity) {
    static SSL_CTX* const context = make_context();
    SslPtr ssl(SSL_new(context));
    MC_ASSERT(ssl != nullptr);
    SSL_set_app_data(ssl.get(), &self);
    BIO* bio = make_bio(self);
    SSL_set_bio(ssl.get(), bio, bio);
    MC_ASSERT(SSL_use_certificate(ssl.get(), identity.certificate.get()) == 1);
    MC_ASSERT(SSL_use_PrivateKey(ssl.get(), identity.key.get()) == 1);
    return ssl;
  }
};

// --- The handshake

TlsHandshake::TlsHandshake(const TlsIdentity& identity, const HandshakeRequest& request)
    : random_(request.seed),
      muxers_(request.muxers.begin(), request.muxers.end()),
      expected_(request.expected),
      unix_seconds_(request.unix_seconds),
      key_log_(request.key_log),
      role_(request.role),
      state_(role_ == SecurityRole::initiator ? State::start : State::running) {
  const TlsRandomScope scope(random_);
  ssl_ = Hooks::make_ssl(*this, identity);
  if (role_ == SecurityRole::responder) {
    SSL_set_accept_state(ssl_.get());
    return;
  }
  SSL_set_connect_state(ssl_.get());
  const std::string protocols = encode_protocols(muxers_);
  const auto* bytes = reinterpret_cast<const unsigned char*>(protocols.data());
  MC_ASSERT(SSL_set_alpn_protos(ssl_.get(), bytes, static_cast<unsigned>(protocols.size())) == 0);
}

TlsHandshake::~TlsHandshake() {
  for (auto* secret : {&client_secret_, &server_secret_}) {
    if (*secret) wipe(**secret);
  }
}

Bytes TlsHandshake::start() {
  MC_ASSERT(state_ == State::start);
  state_ = State::running;
  MC_ASSERT(step());  // nothing of the peer's is looked at yet
  return output_.take();
}

Result<Bytes> TlsHandshake::on_bytes(Bytes& input) {
  MC_ASSERT(state_ != State::start);
  if (state_ != State::running) return Bytes{};
  input_ = &input;
  auto taken = step();
  input_ = nullptr;
  if (!taken) {
    state_ = State::failed;
    return tl::unexpected<Error>(std::move(taken.error()));
  }
  return output_.take();
}

Result<void> TlsHandshake::step() {
  const TlsRandomScope scope(random_);
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_.get());
  if (result == 1) return finish();
  if (SSL_get_error(ssl_.get(), result) == SSL_ERROR_WANT_READ) return {};
  Error error = refusal_ ? *refusal_ : library_error();
  ERR_clear_error();
  return tl::unexpected<Error>(std::move(error));
}

Result<void> TlsHandshake::finish() {
  const unsigned char* protocol = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl_.get(), &protocol, &size);
  const std::string_view selected = as_text({protocol, size});
  if (!selected.empty() && !accepts(selected)) {
    return fail(ErrorCode::negotiation_failed, "tls: the peer chose a protocol that was not offered");
  }
  const auto muxer = std::find(muxers_.begin(), muxers_.end(), selected);
  if (muxer != muxers_.end()) muxer_ = *muxer;
  MC_ASSERT(!peer_.id.empty() && client_secret_ && server_secret_ && SSL_has_pending(ssl_.get()) == 0);
  const SSL_CIPHER* cipher = SSL_get_current_cipher(ssl_.get());
  cipher_ = SSL_CIPHER_get_protocol_id(cipher) == kAes128GcmSha256 ? AeadCipher::aes_128_gcm
                                                                   : AeadCipher::chacha20_poly1305;
  MC_ASSERT(cipher_ == AeadCipher::aes_128_gcm ||
            SSL_CIPHER_get_protocol_id(cipher) == kChaCha20Poly1305Sha256);
  state_ = State::done;
  ssl_.reset();
  return {};
}

std::unique_ptr<SecureChannel> TlsHandshake::channel() {
  MC_ASSERT(done());
  const bool dialed = role_ == SecurityRole::initiator;
  return std::make_unique<TlsChannel>(cipher_, dialed ? *client_secret_ : *server_secret_,
                                      dialed ? *server_secret_ : *client_secret_);
}

bool TlsHandshake::accepts(std::string_view protocol) const {
  return protocol == kAlpn || std::find(muxers_.begin(), muxers_.end(), protocol) != muxers_.end();
}

// The first that the peer offers and we accept.
bool TlsHandshake::choose_protocol(ByteView offers, ByteView& chosen) {
  while (!offers.empty()) {
    const std::size_t size = offers[0];
    if (offers.size() <= size) break;
    const ByteView name = offers.subspan(1, size);
    if (accepts(as_text(name))) {
      chosen = name;
      return true;
    }
    offers = offers.subspan(1 + size);
  }
  refusal_ =
      Error{ErrorCode::negotiation_failed, "tls: none of the protocols that the peer offers is spoken"};
  return false;
}

Result<SecurePeer> TlsHandshake::check_peer(X509* certificate, int chain_length) const {
  if (chain_length != 1)
    return fail(ErrorCode::authentication,
                "tls: a chain of " + std::to_string(chain_length) + " certificates");
  auto peer = check_tls_certificate(certificate, unix_seconds_);
  if (!peer) return peer;
  if (auto expected = check_expected(peer->id, expected_); !expected)
    return tl::unexpected<Error>(std::move(expected.error()));
  return peer;
}

std::unique_ptr<SecurityHandshake> TlsSecurity::begin(const HandshakeRequest& request) {
  if (!identity_) identity_ = TlsIdentity::make(key_, seed_, request.unix_seconds);
  return std::make_unique<TlsHandshake>(*identity_, request);
}

}  // namespace mesocosm
