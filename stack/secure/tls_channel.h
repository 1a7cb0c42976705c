// TLS 1.3's record layer after the handshake (RFC 8446, sections 4.6, 5 and 6): records sealed and opened
// where they lie. libssl makes the handshake and hands its secrets over, because a connection of libssl's own
// copies every byte twice and takes tens of KiB when idle.
//
//   record:  23, 3, 3, length (u16)  |  plaintext, its type, zeros  |  tag
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "stack/crypto/aead.h"
#include "stack/secure/security.h"
#include "stack/wire/sha256.h"

namespace mesocosm {

inline constexpr std::size_t kTlsHeader = 5;
inline constexpr std::size_t kTlsTail = 1 + kAeadTagSize;  // the type of the plaintext, the tag
inline constexpr std::size_t kTlsMaxPlaintext = 16 * 1024;
inline constexpr std::size_t kTlsMaxRecord = kTlsMaxPlaintext + 256;  // after the header; padding included

using TlsSecret = Sha256Digest;  // all cipher suites that we speak hash with SHA-256

// What an alert says about the peer's reason. The error for close_notify is none.
Error tls_alert_error(std::uint8_t description);

class TlsChannel final : public SecureChannel {
 public:
  static constexpr FrameShape kShape{kTlsHeader, kTlsTail, kTlsMaxPlaintext};
  // Records under one key. AES-GCM's limit is 2^24.5 (RFC 8446, section 5.5).
  static constexpr std::uint64_t kRecordsPerKey = std::uint64_t{1} << 24;

  // From the application traffic secrets of both directions.
  TlsChannel(AeadCipher cipher, const TlsSecret& send, const TlsSecret& receive,
             std::uint64_t records_per_key = kRecordsPerKey);
  ~TlsChannel() override;  // wipes the keys

  FrameShape shape() const override { return kShape; }
  void seal_frame(MutableByteView frame) override;
  // Opens all records that are whole in `input` at once. An alert of the peer's is an error too; after
  // close_notify input is ignored.
  Result<std::optional<Bytes>> open(Bytes& input) override;
  Bytes control() override;
  Bytes farewell() override;

 private:
  enum class Content : std::uint8_t { alert = 21, handshake = 22, application = 23 };

  struct Keys {
    TlsSecret secret;
    AeadKey key;
    AeadNonce iv;
    std::uint64_t sequence = 0;

    void derive(AeadCipher cipher);  // key and iv, from the secret
    void update(AeadCipher cipher);  // to the next generation
    AeadNonce nonce() const;
  };

  static std::size_t whole_records(ByteView input);
  Bytes open_whole(Bytes& input, std::size_t room);
  bool collect(Bytes& input);
  Bytes open_partial();
  std::size_t open_record(ByteView header, ByteView sealed, MutableByteView out);
  Result<std::size_t> on_inner(ByteView inner);
  Result<void> on_control(Content type, ByteView content);
  Result<void> on_handshake(ByteView content);
  void seal_as(Content type, MutableByteView frame);
  Bytes seal_control(Content type, ByteView content);

  Keys send_, receive_;
  std::uint64_t records_per_key_;
  Bytes partial_;                   // of a record whose beginning has come, without its header
  std::unique_ptr<Error> failure_;  // told when what came before it was
  std::uint32_t skip_ = 0;          // bytes of a session ticket that are still to come
  std::uint16_t filled_ = 0;        // bytes of partial_ that have come
  std::array<std::uint8_t, kTlsHeader> header_{};
  std::uint8_t header_size_ = 0;   // bytes of header_ that have come
  std::uint8_t idle_records_ = 0;  // in a row, without content
  AeadCipher cipher_;
  bool update_due_ = false;  // the peer asked for a KeyUpdate
  bool finished_ = false;    // close_notify came
};

static_assert(sizeof(TlsChannel) <= 288);

}  // namespace mesocosm
