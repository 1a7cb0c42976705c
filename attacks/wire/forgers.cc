#include "attacks/wire/forgers.h"

#include <string>
#include <utility>

#include "stack/crypto/x25519.h"
#include "stack/wire/protobuf.h"

namespace mesocosm::wire_attacks {
namespace {

constexpr std::string_view kYamux[] = {"/yamux/1.0.0"};

// Independent secrets from one seed.
NoiseKey derived(const SecuritySeed& seed, std::uint8_t purpose) {
  NoiseKey key = seed;
  for (std::uint8_t& byte : key) byte = static_cast<std::uint8_t>(byte ^ purpose);
  return key;
}

// Owns the identity that NoiseHandshake refers to.
class HonestNoise final : public SecurityHandshake {
 public:
  explicit HonestNoise(const SecuritySeed& seed)
      : identity_(KeyPair::from_seed(seed), derived(seed, 1)),
        handshake_(SecurityRole::initiator, identity_, kYamux, derived(seed, 2)) {}

  Bytes start() override { return handshake_.start(); }
  Result<Bytes> on_bytes(Bytes& input) override { return handshake_.on_bytes(input); }
  bool done() const override { return handshake_.done(); }
  const SecurePeer& peer() const override { return handshake_.peer(); }
  std::string_view muxer() const override { return handshake_.muxer(); }
  std::unique_ptr<SecureChannel> channel() override { return handshake_.channel(); }

 private:
  NoiseIdentity identity_;
  NoiseHandshake handshake_;
};

class LyingNoise final : public SecurityHandshake {
 public:
  LyingNoise(const SecuritySeed& seed, NoisePayload payload)
      : static_public_(x25519_public(derived(seed, 1))),
        xx_(SecurityRole::initiator, derived(seed, 1), static_public_, derived(seed, 2)),
        payload_(std::move(payload)) {}

  Bytes start() override { return xx_.write({}).value(); }
  Result<Bytes> on_bytes(Bytes& input) override {
    auto message = frame_.take(input, 0, kNoiseMaxMessage);
    if (!message) return tl::unexpected<Error>(message.error());
    if (!*message) return Bytes{};
    if (auto read = xx_.read(**message); !read) return read;
    return xx_.write(payload_(static_public_));
  }
  bool done() const override { return xx_.done(); }
  const SecurePeer& peer() const override { return nobody_; }
  std::string_view muxer() const override { return kYamux[0]; }
  std::unique_ptr<SecureChannel> channel() override { return std::make_unique<NoiseTransport>(xx_.split()); }

 private:
  NoiseKey static_public_;
  NoiseXX xx_;
  NoiseFrame frame_;
  NoisePayload payload_;
  SecurePeer nobody_;
};

}  // namespace

std::unique_ptr<SecurityHandshake> honest_noise(const SecuritySeed& seed) {
  return std::make_unique<HonestNoise>(seed);
}

std::unique_ptr<SecurityHandshake> lying_noise(const SecuritySeed& seed, NoisePayload payload) {
  return std::make_unique<LyingNoise>(seed, std::move(payload));
}

Bytes noise_payload(ByteView public_key, ByteView signature, std::string_view muxer) {
  ByteWriter out;
  ProtoWriter proto(out);
  proto.bytes(1, public_key);
  proto.bytes(2, signature);
  proto.message(4, [&](ProtoWriter& extensions) { extensions.string(2, muxer); });
  return out.take();
}

Signature sign_noise_key(const KeyPair& signer, const NoiseKey& static_public) {
  const std::string text = "noise-libp2p-static-key:" + std::string(as_text(static_public));
  return signer.sign(as_bytes(text));
}

}  // namespace mesocosm::wire_attacks
