// PeerId: the multihash of a peer's public key (specs/peer-ids/peer-ids.md), as a small value.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "stack/base/bytes.h"
#include "stack/base/result.h"

namespace mesocosm {

class PeerId {
 public:
  static constexpr std::size_t kMaxSize = 44;  // an identity multihash of a 42-byte key

  PeerId() = default;  // nobody

  // From a serialized PublicKey protobuf: identity multihash up to 42 bytes, SHA-256 above.
  static PeerId from_public_key(ByteView serialized_key);
  // From multihash bytes (identity or sha2-256). Errors: bad_encoding, too_large, unsupported.
  static Result<PeerId> decode(ByteView multihash);
  // From text: base58btc ("12D3KooW...", "Qm...") or a CIDv1 with the libp2p-key codec.
  static Result<PeerId> parse(std::string_view text);

  bool empty() const { return size_ == 0; }
  ByteView bytes() const { return {bytes_.data(), size_}; }
  std::string to_string() const;  // base58btc
  std::string to_cid() const;     // CIDv1, base32
  // The serialized public key when the id carries it (identity multihash), else empty.
  ByteView inlined_key() const;
  std::uint64_t hash() const;  // the same on every machine

  auto operator<=>(const PeerId&) const = default;

 private:
  std::uint8_t size_ = 0;
  std::array<std::uint8_t, kMaxSize> bytes_{};
};

}  // namespace mesocosm

template <>
struct std::hash<mesocosm::PeerId> {
  std::size_t operator()(const mesocosm::PeerId& id) const noexcept { return id.hash(); }
};
