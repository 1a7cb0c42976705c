// Multibase: binary as text behind a letter that names the base (multiformats/multibase), and the bases
// themselves.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "stack/base/bytes.h"
#include "stack/base/result.h"

namespace mesocosm {

// By its prefix letter. The lower-case ones are printed; base16, base32 and base36 are read in either case.
enum class Base : char {
  base16 = 'f',
  base32 = 'b',  // RFC 4648, no padding
  base36 = 'k',
  base58btc = 'z',
  base64 = 'm',     // RFC 4648, no padding
  base64url = 'u',  // RFC 4648, no padding
};

// Base 36 and base 58 take quadratic time, so texts are bounded.
inline constexpr std::size_t kMaxBaseText = 2048;

// Without the prefix letter. Decoding is strict: no padding, no spaces, no stray bits. Errors: bad_encoding,
// too_large.
std::string encode_base(Base base, ByteView bytes);
Result<Bytes> decode_base(Base base, std::string_view text);

// With it.
std::string encode_multibase(Base base, ByteView bytes);
Result<Bytes> decode_multibase(std::string_view text);  // also: unsupported, for a base we do not know

}  // namespace mesocosm
