// The seam of security protocols: a handshake that proves who the peer is, and the channel that it leaves
// behind. Pure cores: secrets and the time come in as arguments, bytes go in and out.
//
//   Security (a host's, one a protocol) ── begin ──▶ SecurityHandshake ── channel ──▶ SecureChannel
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "stack/base/bytes.h"
#include "stack/base/result.h"
#include "stack/secure/key_log.h"
#include "stack/wire/peer_id.h"

namespace mesocosm {

enum class SecurityRole : std::uint8_t { initiator, responder };

using SecuritySeed = std::array<std::uint8_t, 32>;

// Who a handshake proved the peer to be.
struct SecurePeer {
  PeerId id;
  Bytes public_key;  // serialized PublicKey protobuf
};

// What a channel puts around plaintext, in bytes.
struct FrameShape {
  std::size_t head;
  std::size_t tail;
  std::size_t max_plaintext;

  constexpr std::size_t overhead() const { return head + tail; }
  // Bytes that `plaintext` bytes become.
  constexpr std::size_t sealed_size(std::size_t plaintext) const {
    return plaintext + (plaintext + max_plaintext - 1) / max_plaintext * overhead();
  }
};

// The two directions of an authenticated and encrypted byte stream. Idle it owns no memory beyond itself.
class SecureChannel {
 public:
  virtual ~SecureChannel() = default;

  virtual FrameShape shape() const = 0;
  // Seals one frame in place: `frame` has room for head, plaintext (there already) and tail.
  virtual void seal_frame(MutableByteView frame) = 0;
  // Takes what belongs to the next frames off `input`: their plaintext once one is complete, nothing if all
  // input was taken before. Errors: authentication, bad_encoding, too_large, protocol_violation, and what the
  // peer says of ours.
  virtual Result<std::optional<Bytes>> open(Bytes& input) = 0;
  // What the channel itself has to say before the next frame, sealed; mostly nothing.
  virtual Bytes control() { return {}; }
  // What says that no more frames follow; perhaps nothing.
  virtual Bytes farewell() { return {}; }

  // Joins slices and seals them as full frames, in one new buffer.
  Bytes seal(std::span<const Bytes> plaintext);
};

class SecurityHandshake {
 public:
  virtual ~SecurityHandshake() = default;

  virtual Bytes start() = 0;  // the initiator's first message, to be sent
  // Takes handshake messages off `input`; returns what to send, perhaps nothing. Once done(), what is left of
  // `input` belongs to channel(). Errors: authentication, peer_mismatch, bad_encoding, too_large,
  // protocol_violation, unsupported (the peer's type of key), negotiation_failed (no muxer in common).
  virtual Result<Bytes> on_bytes(Bytes& input) = 0;
  virtual bool done() const = 0;
  // What to tell the peer after an error, perhaps nothing.
  virtual Bytes last_words() { return {}; }

  // When done().
  virtual const SecurePeer& peer() const = 0;
  virtual std::string_view muxer() const = 0;  // negotiated early; empty: multistream has to
  virtual std::unique_ptr<SecureChannel> channel() = 0;
};

struct HandshakeRequest {
  SecurityRole role;
  std::span<const std::string_view> muxers;  // to negotiate early, the best first; empty: not at all.
                                             // The names outlive the handshake.
  PeerId expected;                           // the only peer that is accepted; empty: anybody
  SecuritySeed seed;                         // fresh random bytes; all secrets are made of them
  std::int64_t unix_seconds = 0;             // now; for the validity of certificates
  KeyLog* key_log = nullptr;                 // null: nobody is told the secrets
};

// A security protocol as a host speaks it, with the host's identity. Outlives its handshakes.
class Security {
 public:
  virtual ~Security() = default;
  virtual std::string_view id() const = 0;  // multistream's name for it
  virtual std::unique_ptr<SecurityHandshake> begin(const HandshakeRequest& request) = 0;
};

// Error: peer_mismatch, if `expected` is not empty and another peer.
Result<void> check_expected(const PeerId& peer, const PeerId& expected);

}  // namespace mesocosm
