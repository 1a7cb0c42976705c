// Multihash: a hash that says which function made it (multiformats/multihash): varint code, varint size,
// digest.
#pragma once

#include <cstdint>

#include "stack/base/byte_writer.h"
#include "stack/base/bytes.h"
#include "stack/base/result.h"

namespace mesocosm {

enum class HashCode : std::uint64_t {
  identity = 0x00,
  sha2_256 = 0x12,
  sha2_512 = 0x13
};  // others are carried

struct Multihash {
  HashCode code;
  ByteView digest;  // a view into what was decoded
};

inline constexpr std::size_t kMaxDigestSize = 128;

// All of `bytes` must be one multihash; the digest's size is not checked against the function.
// Errors: bad_encoding, too_large (a digest over kMaxDigestSize).
Result<Multihash> decode_multihash(ByteView bytes);

void append_multihash(ByteWriter& out, HashCode code, ByteView digest);

}  // namespace mesocosm
