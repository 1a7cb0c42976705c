#include "stack/wire/cid.h"

#include "stack/base/byte_writer.h"
#include "stack/wire/multibase.h"
#include "stack/wire/multihash.h"
#include "stack/wire/varint.h"

namespace mesocosm {
namespace {

constexpr std::size_t kVersion0Size = 34;  // always sha2-256
constexpr std::size_t kVersion0Text = 46;

bool is_version0(ByteView binary) {
  return binary.size() == kVersion0Size && binary[0] == 0x12 && binary[1] == 0x20;
}

}  // namespace

Cid Cid::v1(Codec codec, ByteView multihash) { return Cid(1, codec, Bytes::copy(multihash)); }

Result<Cid> Cid::parse(std::string_view text) {
  if (text.size() == kVersion0Text && text.starts_with("Qm")) {
    const Result<Bytes> binary = decode_base(Base::base58btc, text);
    if (!binary) return tl::unexpected(binary.error());
    if (!is_version0(*binary)) return fail(ErrorCode::bad_encoding, "CID: bad version 0");
    return decode(*binary);
  }
  const Result<Bytes> binary = decode_multibase(text);
  if (!binary) return tl::unexpected(binary.error());
  if (is_version0(*binary)) return fail(ErrorCode::bad_encoding, "CID: version 0 in multibase");
  return decode(*binary);
}

Result<Cid> Cid::decode(ByteView binary) {
  if (is_version0(binary)) return Cid(0, Codec::dag_pb, Bytes::copy(binary));
  const Varint version = decode_varint(binary);
  if (!version.ok()) return fail(ErrorCode::bad_encoding, "CID: bad version");
  if (version.value != 1)
    return fail(ErrorCode::unsupported, "CID: version " + std::to_string(version.value));
  binary = binary.subspan(version.length);
  const Varint codec = decode_varint(binary);
  if (!codec.ok()) return fail(ErrorCode::bad_encoding, "CID: bad codec");
  binary = binary.subspan(codec.length);
  const Result<Multihash> hash = decode_multihash(binary);
  if (!hash) return tl::unexpected(hash.error());
  return v1(static_cast<Codec>(codec.value), binary);
}

Bytes Cid::encode() const {
  if (version_ == 0) return multihash_;
  const auto codec = static_cast<std::uint64_t>(codec_);
  ByteWriter out(1 + varint_size(codec) + multihash_.size());
  append_varint(out, 1);
  append_varint(out, codec);
  out.put(multihash_);
  return out.take();
}

std::string Cid::to_string() const {
  if (version_ == 0) return encode_base(Base::base58btc, multihash_);
  return encode_multibase(Base::base32, encode());
}

}  // namespace mesocosm
