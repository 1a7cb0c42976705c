#include "stack/wire/peer_id.h"

#include <cstring>

#include "stack/base/assert.h"
#include "stack/base/hash.h"
#include "stack/wire/cid.h"
#include "stack/wire/multibase.h"
#include "stack/wire/multihash.h"
#include "stack/wire/sha256.h"

namespace mesocosm {
namespace {

constexpr std::size_t kMaxInlinedKey = 42;
constexpr std::size_t kMaxPeerIdText = 128;  // the longest form, base16 of a CID, is shorter
constexpr std::uint8_t kIdentity = static_cast<std::uint8_t>(HashCode::identity);
constexpr std::uint8_t kSha256 = static_cast<std::uint8_t>(HashCode::sha2_256);

static_assert(sizeof(PeerId) == PeerId::kMaxSize + 1);

}  // namespace

PeerId PeerId::from_public_key(ByteView serialized_key) {
  const bool inlined = serialized_key.size() <= kMaxInlinedKey;
  Sha256Digest hash;
  ByteView digest = serialized_key;
  if (!inlined) {
    hash = sha256(serialized_key);
    digest = hash;
  }
  PeerId id;
  id.bytes_[0] = inlined ? kIdentity : kSha256;
  id.bytes_[1] = static_cast<std::uint8_t>(digest.size());
  if (!digest.empty()) std::memcpy(id.bytes_.data() + 2, digest.data(), digest.size());
  id.size_ = static_cast<std::uint8_t>(2 + digest.size());
  return id;
}

Result<PeerId> PeerId::decode(ByteView multihash) {
  const Result<Multihash> hash = decode_multihash(multihash);
  if (!hash) return tl::unexpected(hash.error());
  switch (hash->code) {
    case HashCode::identity:
      if (hash->digest.empty()) return fail(ErrorCode::bad_encoding, "peer id: no key inside");
      if (hash->digest.size() > kMaxInlinedKey)
        return fail(ErrorCode::too_large, "peer id: inlined key too large");
      break;
    case HashCode::sha2_256:
      if (hash->digest.size() != sizeof(Sha256Digest))
        return fail(ErrorCode::bad_encoding, "peer id: cut hash");
      break;
    default:
      return fail(ErrorCode::unsupported, "peer id: hash function");
  }
  PeerId id;
  std::memcpy(id.bytes_.data(), multihash.data(), multihash.size());
  id.size_ = static_cast<std::uint8_t>(multihash.size());
  return id;
}

Result<PeerId> PeerId::parse(std::string_view text) {
  if (text.size() > kMaxPeerIdText) return fail(ErrorCode::too_large, "peer id: text too long");
  if (text.starts_with('1') || text.starts_with("Qm")) {
    const Result<Bytes> multihash = decode_base(Base::base58btc, text);
    if (!multihash) return tl::unexpected(multihash.error());
    return decode(*multihash);
  }
  const Result<Cid> cid = Cid::parse(text);
  if (!cid) return tl::unexpected(cid.error());
  if (cid->codec() != Codec::libp2p_key)
    return fail(ErrorCode::bad_encoding, "peer id: a CID of something else");
  return decode(cid->multihash());
}

std::string PeerId::to_string() const { return encode_base(Base::base58btc, bytes()); }

std::string PeerId::to_cid() const { return empty() ? "" : Cid::v1(Codec::libp2p_key, bytes()).to_string(); }

ByteView PeerId::inlined_key() const {
  return !empty() && bytes_[0] == kIdentity ? bytes().subspan(2) : ByteView{};
}

// The last bytes are a hash's or a key's, so they differ between peers already; mixing spreads them over all
// bits.
std::uint64_t PeerId::hash() const {
  std::uint64_t word = 0;
  if (size_ < sizeof word) return hash64(bytes());
  std::memcpy(&word, bytes_.data() + size_ - sizeof word, sizeof word);
  return mix64(word + size_);
}

}  // namespace mesocosm
