#include "stack/wire/multihash.h"

#include "stack/wire/varint.h"

namespace mesocosm {

Result<Multihash> decode_multihash(ByteView bytes) {
  const Varint code = decode_varint(bytes);
  if (!code.ok()) return fail(ErrorCode::bad_encoding, "multihash: bad function code");
  bytes = bytes.subspan(code.length);
  const Varint size = decode_varint(bytes);
  if (!size.ok()) return fail(ErrorCode::bad_encoding, "multihash: bad digest size");
  bytes = bytes.subspan(size.length);
  if (size.value > kMaxDigestSize) return fail(ErrorCode::too_large, "multihash: digest too large");
  if (size.value != bytes.size())
    return fail(ErrorCode::bad_encoding, "multihash: digest of another size than stated");
  return Multihash{static_cast<HashCode>(code.value), bytes};
}

void append_multihash(ByteWriter& out, HashCode code, ByteView digest) {
  append_varint(out, static_cast<std::uint64_t>(code));
  append_varint(out, digest.size());
  out.put(digest);
}

}  // namespace mesocosm
