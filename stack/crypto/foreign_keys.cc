// Keys are taken apart here and handed to OpenSSL as numbers. Its own readers would do more than we want: other
// algorithms, curves whose parameters the peer chose, lengths without bounds.
#include "stack/crypto/foreign_keys.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "stack/base/assert.h"
#include "stack/wire/der.h"

namespace mesocosm {
namespace {

constexpr std::array<std::uint8_t, 9> kRsaEncryption{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01};
constexpr std::array<std::uint8_t, 7> kEcPublicKey{0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01};
constexpr std::array<std::uint8_t, 8> kP256{0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
constexpr std::array<std::uint8_t, 5> kP384{0x2b, 0x81, 0x04, 0x00, 0x22};
constexpr std::array<std::uint8_t, 5> kP521{0x2b, 0x81, 0x04, 0x00, 0x23};

struct Curve {
  ByteView object_id;
  const char* name;  // OpenSSL's
  std::size_t coordinate;
};
constexpr std::array<Curve, 3> kCurves{{{kP256, "P-256", 32}, {kP384, "P-384", 48}, {kP521, "P-521", 66}}};

constexpr std::size_t kSecp256k1Coordinate = 32;
constexpr std::uint8_t kUncompressed = 4;  // a point's first byte; 2 and 3: compressed, y even or odd

// --- The encodings

struct RsaNumbers {
  ByteView modulus, exponent;  // big-endian, no leading zeros
};

struct CurvePoint {
  const Curve* curve;
  ByteView point;
};

// SubjectPublicKeyInfo ::= SEQUENCE { SEQUENCE { OBJECT IDENTIFIER, parameters }, BIT STRING }
struct KeyInfo {
  DerReader algorithm;
  ByteView key;
};

std::optional<KeyInfo> read_key_info(ByteView spki) {
  DerReader outside(spki);
  const auto body = outside.take(der::kSequence);
  if (!body || !outside.empty()) return std::nullopt;
  DerReader inside(*body);
  const auto algorithm = inside.take(der::kSequence);
  const auto key = inside.take_whole_bits();
  if (!algorithm || !key || !inside.empty()) return std::nullopt;
  return KeyInfo{DerReader(*algorithm), *key};
}

bool take_object_id(DerReader& reader, ByteView expected) {
  const auto id = reader.take(der::kObjectId);
  return id && equal(*id, expected);
}

std::optional<RsaNumbers> read_rsa(ByteView spki) {
  auto info = read_key_info(spki);
  if (!info || !take_object_id(info->algorithm, kRsaEncryption)) return std::nullopt;
  const auto parameters = info->algorithm.take(der::kNull);
  if (!parameters || !parameters->empty() || !info->algorithm.empty()) return std::nullopt;
  DerReader key(info->key);
  const auto body = key.take(der::kSequence);
  if (!body || !key.empty()) return std::nullopt;
  DerReader numbers(*body);
  const auto modulus = numbers.take_positive();
  const auto exponent = numbers.take_positive();
  if (!modulus || !exponent || !numbers.empty()) return std::nullopt;
  return RsaNumbers{*modulus, *exponent};
}

// Error: unsupported (a curve that is not one of ours).
Result<CurvePoint> read_ecdsa(ByteView spki) {
  const auto malformed = [] { return fail(ErrorCode::bad_encoding, "key: not an ECDSA public key"); };
  auto info = read_key_info(spki);
  if (!info || !take_object_id(info->algorithm, kEcPublicKey)) return malformed();
  const auto id = info->algorithm.take(der::kObjectId);
  if (!id || !info->algorithm.empty()) return malformed();
  const auto* const curve = std::find_if(kCurves.begin(), kCurves.end(),
                                         [&](const Curve& known) { return equal(known.object_id, *id); });
  if (curve == kCurves.end())
    return fail(ErrorCode::unsupported, "key: ECDSA on a curve other than P-256, P-384 and P-521");
  if (info->key.size() != 1 + 2 * curve->coordinate || info->key[0] != kUncompressed) return malformed();
  return CurvePoint{curve, info->key};
}

std::size_t bits_of(ByteView magnitude) { return magnitude.size() * 8 - std::countl_zero(magnitude[0]); }

// --- OpenSSL

struct Free {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(EVP_PKEY_CTX* context) const { EVP_PKEY_CTX_free(context); }
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using Key = std::unique_ptr<EVP_PKEY, Free>;

// Null if OpenSSL does not take the numbers.
Key make_key(const char* type, OSSL_PARAM* numbers) {
  const std::unique_ptr<EVP_PKEY_CTX, Free> context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  MC_ASSERT(context != nullptr && EVP_PKEY_fromdata_init(context.get()) == 1);
  EVP_PKEY* key = nullptr;
  if (EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, numbers) != 1) key = nullptr;
  return Key(key);
}

Key make_curve_key(const char* curve, ByteView point) {
  // OpenSSL reads these and does not change them.
  std::array<OSSL_PARAM, 3> numbers{
      OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, const_cast<char*>(curve), 0),
      OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, const_cast<std::uint8_t*>(point.data()),
                                        point.size()),
      OSSL_PARAM_construct_end()};
  return make_key("EC", numbers.data());
}

// OSSL_PARAM's integers are in the machine's order of bytes.
template <std::size_t Size>
std::array<std::uint8_t, Size> native_order(ByteView big_endian) {
  MC_ASSERT(big_endian.size() <= Size);
  std::array<std::uint8_t, Size> number{};
  if constexpr (std::endian::native == std::endian::little) {
    std::reverse_copy(big_endian.begin(), big_endian.end(), number.begin());
  } else {
    std::copy(big_endian.begin(), big_endian.end(), number.end() - big_endian.size());
  }
  return number;
}

Key make_rsa_key(const RsaNumbers& rsa) {
  auto modulus = native_order<kMaxRsaBits / 8>(rsa.modulus);
  auto exponent = native_order<sizeof(std::uint32_t)>(rsa.exponent);
  std::array<OSSL_PARAM, 3> numbers{
      OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_N, modulus.data(), modulus.size()),
      OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_E, exponent.data(), exponent.size()),
      OSSL_PARAM_construct_end()};
  return make_key("RSA", numbers.data());
}

// Over SHA-256, with the type's default padding (RSA: PKCS#1 v1.5; EC has none).
Result<> verify(const Key& key, ByteView message, ByteView signature) {
  const std::unique_ptr<EVP_MD_CTX, Free> context(EVP_MD_CTX_new());
  const bool valid =
      key != nullptr && context != nullptr &&
      EVP_DigestVerifyInit_ex(context.get(), nullptr, "SHA256", nullptr, nullptr, key.get(), nullptr) == 1 &&
      EVP_DigestVerify(context.get(), signature.data(), signature.size(), message.data(), message.size()) ==
          1;
  if (valid) return {};
  ERR_clear_error();  // OpenSSL's queue is the thread's: the next one to look must not find this
  if (key == nullptr) return fail(ErrorCode::bad_encoding, "key: not a point of its curve");
  return fail(ErrorCode::authentication, "signature: does not verify");
}

}  // namespace

Result<Bytes> canonical_rsa_key(const Bytes& spki) {
  const auto rsa = read_rsa(spki);
  if (!rsa) return fail(ErrorCode::bad_encoding, "key: not an RSA public key");
  const std::size_t bits = bits_of(rsa->modulus);
  if (bits < kMinRsaBits)
    return fail(ErrorCode::unsupported, "key: RSA of " + std::to_string(bits) + " bits is too weak");
  if (bits > kMaxRsaBits)
    return fail(ErrorCode::too_large, "key: RSA of " + std::to_string(bits) + " bits is too large");
  const bool odd = (rsa->exponent.back() & 1) != 0, one = rsa->exponent.size() == 1 && rsa->exponent[0] == 1;
  if (!odd || one || bits_of(rsa->exponent) > 31)
    return fail(ErrorCode::unsupported, "key: RSA with an exponent that nobody uses");
  return spki;  // DER has one encoding
}

Result<Bytes> canonical_ecdsa_key(const Bytes& spki) {
  if (const auto key = read_ecdsa(spki); !key) return tl::unexpected(key.error());
  return spki;
}

Result<Bytes> canonical_secp256k1_key(const Bytes& point) {
  const std::uint8_t form = point.empty() ? 0 : point[0];
  if ((form == 2 || form == 3) && point.size() == 1 + kSecp256k1Coordinate) return point;
  if (form != kUncompressed || point.size() != 1 + 2 * kSecp256k1Coordinate)
    return fail(ErrorCode::bad_encoding, "key: not a secp256k1 public key");
  return Bytes::build(1 + kSecp256k1Coordinate, [&](MutableByteView out) {
    out[0] = 2 | (point[point.size() - 1] & 1);
    std::copy_n(point.begin() + 1, kSecp256k1Coordinate, out.begin() + 1);
  });
}

Result<> verify_rsa(ByteView spki, ByteView message, ByteView signature) {
  const auto rsa = read_rsa(spki);
  MC_ASSERT(rsa);
  return verify(make_rsa_key(*rsa), message, signature);
}

Result<> verify_ecdsa(ByteView spki, ByteView message, ByteView signature) {
  const auto key = read_ecdsa(spki);
  MC_ASSERT(key);
  return verify(make_curve_key(key->curve->name, key->point), message, signature);
}

Result<> verify_secp256k1(ByteView point, ByteView message, ByteView signature) {
  return verify(make_curve_key("secp256k1", point), message, signature);
}

}  // namespace mesocosm
