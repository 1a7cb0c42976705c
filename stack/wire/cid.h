// Cid: a content identifier (multiformats/cid), versions 0 and 1.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "stack/base/bytes.h"
#include "stack/base/result.h"

namespace mesocosm {

enum class Codec : std::uint64_t {
  raw = 0x55,
  dag_pb = 0x70,
  dag_cbor = 0x71,
  libp2p_key = 0x72
};  // others are carried

class Cid {
 public:
  // `multihash` must be valid.
  static Cid v1(Codec codec, ByteView multihash);
  // Text: "Qm..." is version 0, anything else is multibase of version 1. Errors: bad_encoding, too_large,
  // unsupported.
  static Result<Cid> parse(std::string_view text);
  // All of `binary` must be one CID.
  static Result<Cid> decode(ByteView binary);

  int version() const { return version_; }
  Codec codec() const { return codec_; }
  const Bytes& multihash() const { return multihash_; }
  Bytes encode() const;
  std::string to_string() const;  // version 0: base58btc; version 1: base32

  friend bool operator==(const Cid&, const Cid&) = default;

 private:
  Cid(int version, Codec codec, Bytes multihash)
      : codec_(codec), multihash_(std::move(multihash)), version_(version) {}

  Codec codec_;
  Bytes multihash_;
  int version_;
};

}  // namespace mesocosm
