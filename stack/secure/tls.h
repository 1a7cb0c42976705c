// TLS 1.3 for libp2p (libp2p/specs, tls/tls.md and connections/inlined-muxer-negotiation.md): libssl makes the
// handshake, TlsChannel the records after it. Pure cores: secrets and the time come in as arguments, bytes go
// in and out.
//
//   initiator   ClientHello {muxers, "libp2p"} ──▶                                    responder
//               ◀── ServerHello, {muxer}, CertificateRequest, Certificate, CertificateVerify, Finished
//               Certificate, CertificateVerify, Finished ──▶
//
// The initiator is done when its last flight leaves, before the responder has looked at its certificate. A
// refusal comes as an alert, and is the channel's first error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "stack/base/byte_writer.h"
#include "stack/base/bytes.h"
#include "stack/base/result.h"
#include "stack/crypto/keys.h"
#include "stack/secure/security.h"
#include "stack/secure/tls_certificate.h"
#include "stack/secure/tls_channel.h"
#include "stack/secure/tls_library.h"

namespace mesocosm {

inline constexpr std::string_view kTlsId = "/tls/1.0.0";
inline constexpr std::size_t kTlsMaxHandshake = 32 * 1024;  // ours; that the peer may send until done

// States:
//   initiator: start ──▶ running ──▶ done
//   responder:           running ──▶ done
class TlsHandshake final : public SecurityHandshake {
 public:
  // `identity` outlives the handshake.
  TlsHandshake(const TlsIdentity& identity, const HandshakeRequest& request);
  ~TlsHandshake() override;  // wipes the secrets

  Bytes start() override;
  Result<Bytes> on_bytes(Bytes& input) override;
  bool done() const override { return state_ == State::done; }
  Bytes last_words() override { return output_.take(); }

  const SecurePeer& peer() const override { return peer_; }
  std::string_view muxer() const override { return muxer_; }
  std::unique_ptr<SecureChannel> channel() override;

 private:
  enum class State : std::uint8_t {
    start,    // initiator: start() was not called
    running,  // libssl awaits bytes
    done,     // peer() and channel() are there
    failed,
  };
  struct Hooks;  // what libssl calls

  Result<void> step();
  Result<void> finish();
  bool choose_protocol(ByteView offers, ByteView& chosen);
  bool accepts(std::string_view protocol) const;
  Result<SecurePeer> check_peer(x509_st* certificate, int chain_length) const;

  SslPtr ssl_;
  TlsRandom random_;
  std::vector<std::string_view> muxers_;
  PeerId expected_;
  std::int64_t unix_seconds_;
  KeyLog* key_log_;  // null: none
  SecurityRole role_;
  State state_;
  SecurePeer peer_;
  std::string_view muxer_;
  std::optional<Error> refusal_;  // why we refuse the peer
  Bytes* input_ = nullptr;        // of the running call
  ByteWriter output_;
  std::size_t taken_ = 0;  // bytes of the peer's
  AeadCipher cipher_{};
  std::optional<TlsSecret> client_secret_, server_secret_;  // of application data
};

class TlsSecurity final : public Security {
 public:
  // The certificate is made of `seed` at the first handshake.
  TlsSecurity(const KeyPair& identity, const SecuritySeed& seed) : key_(identity), seed_(seed) {}

  std::string_view id() const override { return kTlsId; }
  std::unique_ptr<SecurityHandshake> begin(const HandshakeRequest& request) override;

 private:
  KeyPair key_;
  SecuritySeed seed_;
  std::optional<TlsIdentity> identity_;
};

}  // namespace mesocosm
