// Noise for libp2p: Noise_XX_25519_ChaChaPoly_SHA256 with the peers' identity keys in its payloads
// (noiseprotocol.org revision 34; libp2p/specs, noise/README.md and
// connections/inlined-muxer-negotiation.md). Pure cores: secrets come in as arguments, bytes go in and out.
//
//   initiator   e ──▶                                       responder
//               ◀── e, ee, s, es {key, signature, muxers}
//               s, se {key, signature, muxers} ──▶
//
// Every message and every frame afterwards is preceded by its length as a big-endian u16.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "stack/base/bytes.h"
#include "stack/base/result.h"
#include "stack/crypto/keys.h"
#include "stack/secure/security.h"
#include "stack/wire/peer_id.h"

namespace mesocosm {

inline constexpr std::string_view kNoiseId = "/noise";
inline constexpr std::size_t kNoiseTag = 16;
inline constexpr std::size_t kNoiseLength = 2;
inline constexpr std::size_t kNoiseOverhead = kNoiseLength + kNoiseTag;  // a frame beyond its plaintext
inline constexpr std::size_t kNoiseMaxMessage = 65535;
inline constexpr std::size_t kNoiseMaxPlaintext = kNoiseMaxMessage - kNoiseTag;
inline constexpr std::size_t kNoiseMaxHandshakeMessage = 16 * 1024;  // ours; certificates hashes and all fit

using NoiseKey = std::array<std::uint8_t, 32>;

// Collects one length-prefixed message from slices that are cut anywhere. Holds bytes only while it is
// incomplete.
class NoiseFrame {
 public:
  // Takes what belongs to the message off `input`. The message without its length once it is complete: a
  // slice of `input` if it lay in one piece (owned() is false), else a buffer of its own. Errors: too_large
  // for lengths over `max`, bad_encoding for lengths under `min`.
  Result<std::optional<Bytes>> take(Bytes& input, std::size_t min, std::size_t max);
  bool owned() const { return owned_; }  // of the last message: nobody else has seen its buffer
  bool partial() const { return !buffer_.empty() || length_size_ > 0; }

 private:
  Bytes buffer_;
  std::uint16_t filled_ = 0;
  std::uint8_t length_high_ = 0;
  std::uint8_t length_size_ = 0;  // bytes of the length that have come: 0 or 1 between calls
  bool owned_ = false;
};

// After the handshake: two keys with their nonces, and a frame that is not complete yet. Idle it owns no
// memory.
class NoiseTransport final : public SecureChannel {
 public:
  static constexpr FrameShape kShape{kNoiseLength, kNoiseTag, kNoiseMaxPlaintext};

  NoiseTransport() = default;
  NoiseTransport(const NoiseKey& send, const NoiseKey& receive) : send_key_(send), receive_key_(receive) {}
  NoiseTransport(NoiseTransport&&) = default;
  NoiseTransport& operator=(NoiseTransport&&) = default;
  ~NoiseTransport() override;  // wipes the keys

  FrameShape shape() const override { return kShape; }
  void seal_frame(MutableByteView frame) override;
  Result<std::optional<Bytes>> open(Bytes& input) override;

 private:
  NoiseKey send_key_{};
  NoiseKey receive_key_{};
  std::uint64_t send_nonce_ = 0;
  std::uint64_t receive_nonce_ = 0;
  NoiseFrame frame_;
};

// The bare pattern XX, payloads and all, without libp2p: messages alternate, beginning with the initiator.
class NoiseXX {
 public:
  // `static_public` belongs to `static_secret`.
  NoiseXX(SecurityRole role, const NoiseKey& static_secret, const NoiseKey& static_public,
          const NoiseKey& ephemeral_secret, ByteView prologue = {});
  ~NoiseXX();  // wipes the keys
  NoiseXX(const NoiseXX&) = delete;
  NoiseXX& operator=(const NoiseXX&) = delete;

  bool our_turn() const { return (messages_ % 2 == 0) == (role_ == SecurityRole::initiator); }
  bool done() const { return messages_ == 3; }
  // The next message, length-prefixed. Requires our_turn(). Error: protocol_violation (a peer's key of small
  // order).
  Result<Bytes> write(ByteView payload);
  // The payload of the peer's next message. Errors: authentication, bad_encoding (too short),
  // protocol_violation.
  Result<Bytes> read(ByteView message);

  const NoiseKey& remote_static() const {
    return remote_static_;
  }  // from the peer's second or third message on
  const NoiseKey& hash() const { return hash_; }
  // The initiator's ephemeral public key: who listens in sees it first of all, and no two handshakes share it.
  const NoiseKey& first_public() const {
    return role_ == SecurityRole::initiator ? ephemeral_public_ : remote_ephemeral_;
  }
  // Of the frames after the handshake, the initiator's first. Requires done().
  std::array<NoiseKey, 2> frame_keys() const;
  NoiseTransport split() const;  // requires done()

 private:
  void mix_hash(ByteView data);
  Result<void> mix_key(const NoiseKey& secret, const NoiseKey& peer_public);
  std::size_t encrypt(ByteView plaintext, MutableByteView out);
  Result<Bytes> decrypt(ByteView ciphertext);

  NoiseKey static_secret_, static_public_;
  NoiseKey ephemeral_secret_, ephemeral_public_;
  NoiseKey remote_static_{}, remote_ephemeral_{};
  NoiseKey hash_, chaining_key_, key_{};
  std::uint64_t nonce_ = 0;
  std::uint8_t messages_ = 0;
  SecurityRole role_;
  bool has_key_ = false;
};

// A host's static Noise key, signed by its identity key. Made once a host, as the specification allows.
class NoiseIdentity {
 public:
  NoiseIdentity(const KeyPair& identity, const NoiseKey& static_secret);
  ~NoiseIdentity();  // wipes the secret
  NoiseIdentity(const NoiseIdentity&) = default;
  NoiseIdentity& operator=(const NoiseIdentity&) = default;
  const NoiseKey& static_secret() const { return static_secret_; }
  const NoiseKey& static_public() const { return static_public_; }
  // The handshake payload; `muxers` empty: without the extension.
  Bytes payload(std::span<const std::string_view> muxers) const;

 private:
  NoiseKey static_secret_, static_public_;
  Bytes signed_key_;  // fields 1 and 2 of NoiseHandshakePayload
};

struct NoisePeer : SecurePeer {
  std::vector<std::string> muxers;  // in the peer's order; empty: it did not send the extension
};

// Decodes a handshake payload and checks its signature over the peer's static key.
// Errors: bad_encoding, authentication, unsupported (a type of key that we do not know), limit.
Result<NoisePeer> decode_noise_payload(ByteView payload, const NoiseKey& remote_static);

// The first of the initiator's muxers that the responder speaks too; empty if there is none.
std::string_view choose_muxer(std::span<const std::string> theirs, std::span<const std::string_view> ours,
                              SecurityRole our_role);

// States:
//   initiator: start ──▶ awaiting_reply ──▶ done
//   responder: awaiting_first ──▶ awaiting_last ──▶ done
class NoiseHandshake final : public SecurityHandshake {
 public:
  enum class State : std::uint8_t {
    start,           // initiator: start() was not called
    awaiting_reply,  // initiator: message 1 is sent, message 2 has not come
    awaiting_first,  // responder: message 1 has not come
    awaiting_last,   // responder: message 2 is sent, message 3 has not come
    done,            // peer() and transport() are there
    failed,
  };

  // `identity` and the views in `muxers` must outlive the handshake. `ephemeral_secret`: fresh random bytes.
  // `muxers` empty: no early muxer negotiation. `expected` empty: anybody.
  NoiseHandshake(SecurityRole role, const NoiseIdentity& identity, std::span<const std::string_view> muxers,
                 const NoiseKey& ephemeral_secret, const PeerId& expected = {}, KeyLog* key_log = nullptr);

  Bytes start() override;
  // Errors: as decode_noise_payload; peer_mismatch; negotiation_failed without a common muxer.
  Result<Bytes> on_bytes(Bytes& input) override;

  State state() const { return state_; }
  bool done() const override { return state_ == State::done; }
  const NoisePeer& peer() const override { return peer_; }
  std::string_view muxer() const override { return muxer_; }
  NoiseTransport transport() const { return xx_.split(); }
  std::unique_ptr<SecureChannel> channel() override { return std::make_unique<NoiseTransport>(xx_.split()); }

 private:
  Result<Bytes> on_message(ByteView message);
  Result<void> on_peer(ByteView payload);
  void log_keys();

  NoiseXX xx_;
  NoiseFrame frame_;
  const NoiseIdentity& identity_;
  std::vector<std::string_view> muxers_;
  PeerId expected_;
  KeyLog* key_log_;  // null: none
  NoisePeer peer_;
  std::string_view muxer_;
  SecurityRole role_;
  State state_;
};

class NoiseSecurity final : public Security {
 public:
  NoiseSecurity(const KeyPair& identity, const NoiseKey& static_secret)
      : identity_(identity, static_secret) {}

  std::string_view id() const override { return kNoiseId; }
  std::unique_ptr<SecurityHandshake> begin(const HandshakeRequest& request) override;

 private:
  NoiseIdentity identity_;
};

static_assert(sizeof(NoiseTransport) <= 128);

}  // namespace mesocosm
