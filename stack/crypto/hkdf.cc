#include "stack/crypto/hkdf.h"

namespace mesocosm {

Sha256Digest hmac_sha256(ByteView key, ByteView message) {
  constexpr std::size_t kBlock = 64;
  std::array<std::uint8_t, kBlock> inner{}, outer{};
  Sha256Digest short_key;
  if (key.size() > kBlock) {
    short_key = sha256(key);
    key = short_key;
  }
  for (std::size_t i = 0; i < kBlock; ++i) {
    const std::uint8_t byte = i < key.size() ? key[i] : 0;
    inner[i] = byte ^ 0x36;
    outer[i] = byte ^ 0x5c;
  }
  const Sha256Digest digest = Sha256().update(inner).update(message).finish();
  return Sha256().update(outer).update(digest).finish();
}

}  // namespace mesocosm
