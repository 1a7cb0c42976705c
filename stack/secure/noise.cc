#include "stack/secure/noise.h"

#include <algorithm>
#include <utility>

#include "stack/base/assert.h"
#include "stack/base/byte_writer.h"
#include "stack/crypto/aead.h"
#include "stack/crypto/hkdf.h"
#include "stack/crypto/wipe.h"
#include "stack/crypto/x25519.h"
#include "stack/wire/protobuf.h"

namespace mesocosm {
namespace {

constexpr std::string_view kProtocolName = "Noise_XX_25519_ChaChaPoly_SHA256";
constexpr std::string_view kStaticKeyPrefix = "noise-libp2p-static-key:";
constexpr std::size_t kMaxMuxers = 64;
static_assert(kProtocolName.size() == 32);  // so that it is the first hash itself

void put_length(MutableByteView out, std::size_t length) {
  out[0] = static_cast<std::uint8_t>(length >> 8);
  out[1] = static_cast<std::uint8_t>(length);
}

std::string signed_text(const NoiseKey& static_public) {
  std::string text(kStaticKeyPrefix);
  text += as_text(static_public);
  return text;
}

}  // namespace

// --- Frames

Result<std::optional<Bytes>> NoiseFrame::take(Bytes& input, std::size_t min, std::size_t max) {
  if (buffer_.empty()) {
    if (input.size() + length_size_ < kNoiseLength) {
      if (!input.empty()) {
        length_high_ = input[0];
        length_size_ = 1;
        input = {};
      }
      return std::nullopt;
    }
    const std::size_t high = length_size_ == 1 ? length_high_ : input[0];
    const std::size_t length = high << 8 | input[kNoiseLength - 1 - length_size_];
    if (length > max)
      return fail(ErrorCode::too_large, "noise: message over " + std::to_string(max) + " bytes");
    if (length < min) return fail(ErrorCode::bad_encoding, "noise: message too short");
    input.take_front(kNoiseLength - length_size_);
    length_size_ = 0;
    if (input.size() >= length) {
      owned_ = false;
      return input.take_front(length);
    }
    buffer_ = Bytes::build(length, [](MutableByteView) {});
    filled_ = 0;
  }
  // The buffer is filled before anybody else sees it.
  const std::size_t n = std::min(buffer_.size() - filled_, input.size());
  if (n > 0) std::memcpy(const_cast<std::uint8_t*>(buffer_.data()) + filled_, input.data(), n);
  input.take_front(n);
  filled_ = static_cast<std::uint16_t>(filled_ + n);
  if (filled_ < buffer_.size()) return std::nullopt;
  owned_ = true;
  return std::exchange(buffer_, {});
}

// --- Transport

NoiseTransport::~NoiseTransport() {
  wipe(send_key_);
  wipe(receive_key_);
}

void NoiseTransport::seal_frame(MutableByteView frame) {
  MC_ASSERT(frame.size() >= kNoiseOverhead && frame.size() <= kNoiseLength + kNoiseMaxMessage);
  const std::size_t size = frame.size() - kNoiseOverhead;
  put_length(frame, size + kNoiseTag);
  const MutableByteView body = frame.subspan(kNoiseLength);
  aead_seal(send_key_, send_nonce_++, {}, body.first(size), body);
}

Result<std::optional<Bytes>> NoiseTransport::open(Bytes& input) {
  auto frame = frame_.take(input, kNoiseTag, kNoiseMaxMessage);
  if (!frame || !*frame) return frame;
  Bytes ciphertext = std::move(**frame);
  const std::size_t size = ciphertext.size() - kNoiseTag;
  const std::uint64_t nonce = receive_nonce_++;
  bool authentic = false;
  Bytes plaintext;
  if (frame_.owned()) {  // nobody else has seen the buffer: in place
    authentic =
        aead_open(receive_key_, nonce, {}, ciphertext, {const_cast<std::uint8_t*>(ciphertext.data()), size});
    plaintext = ciphertext.slice(0, size);
  } else if (size == 0) {
    authentic = aead_open(receive_key_, nonce, {}, ciphertext, {});
  } else {
    plaintext = Bytes::build(
        size, [&](MutableByteView out) { authentic = aead_open(receive_key_, nonce, {}, ciphertext, out); });
  }
  if (!authentic) return fail(ErrorCode::authentication, "noise: a frame does not verify");
  return plaintext;
}

// --- The pattern

NoiseXX::NoiseXX(SecurityRole role, const NoiseKey& static_secret, const NoiseKey& static_public,
                 const NoiseKey& ephemeral_secret, ByteView prologue)
    : static_secret_(static_secret),
      static_public_(static_public),
      ephemeral_secret_(ephemeral_secret),
      ephemeral_public_(x25519_public(ephemeral_secret)),
      role_(role) {
  std::copy(kProtocolName.begin(), kProtocolName.end(), hash_.begin());
  chaining_key_ = hash_;
  mix_hash(prologue);
}

NoiseXX::~NoiseXX() {
  wipe(static_secret_);
  wipe(ephemeral_secret_);
  wipe(chaining_key_);
  wipe(key_);
}

void NoiseXX::mix_hash(ByteView data) {
  Sha256 hash;
  hash.update(hash_);
  hash.update(data);
  hash_ = hash.finish();
}

// MixKey(DH(secret, peer_public)). Error: protocol_violation, for public keys that make the secret
// predictable.
Result<void> NoiseXX::mix_key(const NoiseKey& secret, const NoiseKey& peer_public) {
  auto shared = x25519(secret, peer_public);
  if (!shared) return tl::unexpected<Error>(std::move(shared.error()));
  const auto keys = hkdf<2>(chaining_key_, *shared);
  chaining_key_ = keys[0];
  key_ = keys[1];
  wipe(*shared);
  nonce_ = 0;
  has_key_ = true;
  return {};
}

// EncryptAndHash: writes the ciphertext to `out` and returns its size.
std::size_t NoiseXX::encrypt(ByteView plaintext, MutableByteView out) {
  std::size_t size = plaintext.size();
  if (has_key_) {
    size += kNoiseTag;
    aead_seal(key_, nonce_++, hash_, plaintext, out.first(size));
  } else if (size > 0) {
    std::memcpy(out.data(), plaintext.data(), size);
  }
  mix_hash(out.first(size));
  return size;
}

// DecryptAndHash.
Result<Bytes> NoiseXX::decrypt(ByteView ciphertext) {
  if (!has_key_) {
    mix_hash(ciphertext);
    return Bytes::copy(ciphertext);
  }
  if (ciphertext.size() < kNoiseTag) return fail(ErrorCode::bad_encoding, "noise: message too short");
  std::vector<std::uint8_t> plaintext(ciphertext.size() - kNoiseTag);
  if (!aead_open(key_, nonce_++, hash_, ciphertext, plaintext)) {
    return fail(ErrorCode::authentication, "noise: a handshake message does not verify");
  }
  mix_hash(ciphertext);
  return Bytes::copy(ByteView(plaintext));
}

Result<Bytes> NoiseXX::write(ByteView payload) {
  MC_ASSERT(our_turn() && !done());
  constexpr std::size_t kKey = sizeof(NoiseKey);
  constexpr std::size_t kSizes[] = {kKey, 2 * kKey + 2 * kNoiseTag, kKey + 2 * kNoiseTag};
  const std::size_t size = kSizes[messages_] + payload.size();
  MC_ASSERT(size <= kNoiseMaxMessage);
  Result<void> mixed;
  Bytes message = Bytes::build(kNoiseLength + size, [&](MutableByteView out) {
    put_length(out, size);
    std::size_t at = kNoiseLength;
    if (messages_ < 2) {  // e
      std::copy(ephemeral_public_.begin(), ephemeral_public_.end(), out.begin() + kNoiseLength);
      mix_hash(ephemeral_public_);
      at += kKey;
    }
    if (messages_ == 1) mixed = mix_key(ephemeral_secret_, remote_ephemeral_);  // ee
    if (messages_ > 0 && mixed) {
      at += encrypt(static_public_, out.subspan(at));      // s
      mixed = mix_key(static_secret_, remote_ephemeral_);  // es for the responder, se for the initiator
    }
    if (mixed) encrypt(payload, out.subspan(at));
  });
  if (!mixed) return tl::unexpected<Error>(std::move(mixed.error()));
  ++messages_;
  return message;
}

Result<Bytes> NoiseXX::read(ByteView message) {
  MC_ASSERT(!our_turn() && !done());
  constexpr std::size_t kSealedKey = sizeof(NoiseKey) + kNoiseTag;
  const std::size_t least = (messages_ < 2 ? sizeof(NoiseKey) : 0) + (messages_ > 0 ? kSealedKey : 0);
  if (message.size() < least) return fail(ErrorCode::bad_encoding, "noise: message too short");
  Result<void> mixed;
  if (messages_ < 2) {  // e
    std::copy_n(message.begin(), remote_ephemeral_.size(), remote_ephemeral_.begin());
    mix_hash(remote_ephemeral_);
    message = message.subspan(remote_ephemeral_.size());
  }
  if (messages_ == 1) mixed = mix_key(ephemeral_secret_, remote_ephemeral_);  // ee
  if (messages_ > 0 && mixed) {
    auto key = decrypt(message.first(kSealedKey));  // s
    if (!key) return key;
    std::copy_n(key->begin(), remote_static_.size(), remote_static_.begin());
    mixed = mix_key(ephemeral_secret_, remote_static_);  // es for the initiator, se for the responder
    message = message.subspan(kSealedKey);
  }
  if (!mixed) return tl::unexpected<Error>(std::move(mixed.error()));
  auto payload = decrypt(message);
  if (payload) ++messages_;
  return payload;
}

std::array<NoiseKey, 2> NoiseXX::frame_keys() const {
  MC_ASSERT(done());
  return hkdf<2>(chaining_key_, {});
}

NoiseTransport NoiseXX::split() const {
  const auto keys = frame_keys();
  return role_ == SecurityRole::initiator ? NoiseTransport(keys[0], keys[1])
                                          : NoiseTransport(keys[1], keys[0]);
}

// --- libp2p's payload

NoiseIdentity::NoiseIdentity(const KeyPair& identity, const NoiseKey& static_secret)
    : static_secret_(static_secret), static_public_(x25519_public(static_secret)) {
  ByteWriter out;
  ProtoWriter writer(out);
  writer.bytes(1, identity.public_key().serialized());
  writer.bytes(2, identity.sign(as_bytes(signed_text(static_public_))));
  signed_key_ = out.take();
}

NoiseIdentity::~NoiseIdentity() { wipe(static_secret_); }

Bytes NoiseIdentity::payload(std::span<const std::string_view> muxers) const {
  if (muxers.empty()) return signed_key_;
  ByteWriter out;
  out.put(signed_key_);
  ProtoWriter(out).message(4, [&](ProtoWriter& extensions) {
    for (std::string_view muxer : muxers) extensions.string(2, muxer);
  });
  return out.take();
}

Result<NoisePeer> decode_noise_payload(ByteView payload, const NoiseKey& remote_static) {
  NoisePeer peer;
  Bytes signature, extensions;
  ProtoReader reader(Bytes::copy(payload));
  while (reader.next()) {
    switch (reader.tag()) {
      case proto_bytes(1):
        peer.public_key = reader.bytes();
        break;
      case proto_bytes(2):
        signature = reader.bytes();
        break;
      case proto_bytes(4):
        extensions = reader.bytes();
        break;
      default:
        break;
    }
  }
  if (!reader.ok()) return fail(ErrorCode::bad_encoding, "noise: malformed handshake payload");
  ProtoReader inner(extensions);
  while (inner.next()) {
    if (inner.tag() != proto_bytes(2)) continue;
    if (peer.muxers.size() == kMaxMuxers) return fail(ErrorCode::limit, "noise: too many muxers");
    peer.muxers.emplace_back(inner.bytes().text());
  }
  if (!inner.ok()) return fail(ErrorCode::bad_encoding, "noise: malformed extensions");
  auto key = PublicKey::decode(peer.public_key);
  if (!key) return tl::unexpected<Error>(std::move(key.error()));
  if (auto verified = key->verify(as_bytes(signed_text(remote_static)), signature); !verified) {
    return tl::unexpected<Error>(std::move(verified.error()));
  }
  peer.public_key = key->serialized();
  peer.id = key->peer_id();
  return peer;
}

std::string_view choose_muxer(std::span<const std::string> theirs, std::span<const std::string_view> ours,
                              SecurityRole our_role) {
  const auto ours_in = [&](std::string_view name) {
    const auto at = std::find(ours.begin(), ours.end(), name);
    return at == ours.end() ? std::string_view{} : *at;
  };
  if (our_role == SecurityRole::responder) {
    for (const std::string& name : theirs) {
      if (const auto mine = ours_in(name); !mine.empty()) return mine;
    }
    return {};
  }
  for (std::string_view name : ours) {
    if (std::find(theirs.begin(), theirs.end(), name) != theirs.end()) return name;
  }
  return {};
}

// --- The handshake

NoiseHandshake::NoiseHandshake(SecurityRole role, const NoiseIdentity& identity,
                               std::span<const std::string_view> muxers, const NoiseKey& ephemeral_secret,
                               const PeerId& expected, KeyLog* key_log)
    : xx_(role, identity.static_secret(), identity.static_public(), ephemeral_secret),
      identity_(identity),
      muxers_(muxers.begin(), muxers.end()),
      expected_(expected),
      key_log_(key_log),
      role_(role),
      state_(role == SecurityRole::initiator ? State::start : State::awaiting_first) {}

Bytes NoiseHandshake::start() {
  MC_ASSERT(state_ == State::start);
  state_ = State::awaiting_reply;
  return *xx_.write({});  // mixes no key yet: cannot fail
}

Result<Bytes> NoiseHandshake::on_bytes(Bytes& input) {
  Bytes reply;
  while (state_ != State::done && state_ != State::failed) {
    auto frame = frame_.take(input, 0, kNoiseMaxHandshakeMessage);
    if (frame && !*frame) break;
    Result<Bytes> answer = frame ? on_message(**frame) : tl::unexpected<Error>(std::move(frame.error()));
    if (!answer) {
      state_ = State::failed;
      return answer;
    }
    if (!answer->empty()) reply = std::move(*answer);  // at most one message is ours to send
  }
  return reply;
}

Result<Bytes> NoiseHandshake::on_message(ByteView message) {
  auto payload = xx_.read(message);
  if (!payload) return payload;
  if (state_ == State::awaiting_first) {  // its payload is not secret, and nobody's
    state_ = State::awaiting_last;
    return xx_.write(identity_.payload(muxers_));
  }
  if (auto known = on_peer(*payload); !known) return tl::unexpected<Error>(std::move(known.error()));
  Result<Bytes> reply;
  if (state_ == State::awaiting_reply) reply = xx_.write(identity_.payload(muxers_));
  if (reply) {
    state_ = State::done;
    if (key_log_ != nullptr) log_keys();
  }
  return reply;
}

void NoiseHandshake::log_keys() {
  const auto keys = xx_.frame_keys();
  const std::string whose = ' ' + to_hex(xx_.first_public()) + ' ';
  key_log_->on_secret("NOISE_INITIATOR_KEY" + whose + to_hex(keys[0]));
  key_log_->on_secret("NOISE_RESPONDER_KEY" + whose + to_hex(keys[1]));
}

Result<void> NoiseHandshake::on_peer(ByteView payload) {
  auto peer = decode_noise_payload(payload, xx_.remote_static());
  if (!peer) return tl::unexpected<Error>(std::move(peer.error()));
  peer_ = std::move(*peer);
  if (auto checked = check_expected(peer_.id, expected_); !checked) return checked;
  if (muxers_.empty() || peer_.muxers.empty()) return {};
  muxer_ = choose_muxer(peer_.muxers, muxers_, role_);
  if (muxer_.empty()) return fail(ErrorCode::negotiation_failed, "no muxer in common");
  return {};
}

std::unique_ptr<SecurityHandshake> NoiseSecurity::begin(const HandshakeRequest& request) {
  return std::make_unique<NoiseHandshake>(request.role, identity_, request.muxers, request.seed,
                                          request.expected, request.key_log);
}

}  // namespace mesocosm
