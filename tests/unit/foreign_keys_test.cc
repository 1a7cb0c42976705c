// Identity keys of RSA, ECDSA and secp256k1: what must be refused; DER.
#include "stack/crypto/foreign_keys.h"

#include <algorithm>
#include <string>

#include <catch2/catch.hpp>

#include "stack/crypto/keys.h"
#include "stack/wire/der.h"
#include "stack/wire/protobuf.h"
#include "tests/unit/foreign_key.h"
#include "tests/unit/vector_file.h"

using namespace mesocosm;
using testing::ForeignKey;
using testing::from_hex;
using testing::read_vectors;
using testing::VectorLine;

namespace {

Bytes key_message(KeyType type, const Bytes& data) {
  ByteWriter out;
  ProtoWriter proto(out);
  proto.varint(1, static_cast<std::uint64_t>(type));
  proto.bytes(2, data);
  return out.take();
}

ErrorCode refused(KeyType type, const Bytes& data) {
  const auto key = PublicKey::decode(key_message(type, data));
  return key ? ErrorCode::none : key.error().code;
}

Bytes with_bit_flipped(const Bytes& bytes, std::size_t bit) {
  return Bytes::build(bytes.size(), [&](MutableByteView out) {
    std::copy(bytes.begin(), bytes.end(), out.begin());
    out[bit / 8] ^= static_cast<std::uint8_t>(0x80 >> bit % 8);
  });
}

Bytes joined(const Bytes& a, const Bytes& b) { return concat(std::array{a, b}); }

const VectorLine& line_of(const std::vector<VectorLine>& lines, std::string_view first) {
  const auto at =
      std::find_if(lines.begin(), lines.end(), [&](const auto& line) { return line.at(0) == first; });
  REQUIRE(at != lines.end());
  return *at;
}

// DER around content: a definite length in its shortest form.
std::string der(std::string_view tag, const std::string& content) {
  const std::size_t size = content.size() / 2;
  const auto byte = [](std::size_t value) {
    return to_hex(Bytes::build(1, [&](MutableByteView out) { out[0] = static_cast<std::uint8_t>(value); }));
  };
  std::string length = size < 128   ? byte(size)
                       : size < 256 ? "81" + byte(size)
                                    : "82" + byte(size >> 8) + byte(size & 255);
  return std::string(tag) + length + content;
}

std::string rsa_info(const std::string& modulus, const std::string& exponent) {
  const std::string key = der("30", der("02", modulus) + der("02", exponent));
  return der("30", der("30", "06092a864886f70d0101010500") + der("03", "00" + key));
}

}  // namespace

TEST_CASE("foreign keys: other hashes and paddings do not verify", "[crypto]") {
  const Bytes message = Bytes::copy("a message");
  const VectorLine rsa = line_of(read_vectors("cryptography.txt", "rsa"), "3072");
  const PublicKey rsa_key = PublicKey::decode(key_message(KeyType::rsa, from_hex(rsa.at(1)))).value();
  CHECK(rsa_key.verify(message, from_hex(rsa.at(2))));
  CHECK(rsa_key.verify(message, from_hex(rsa.at(3))).error().code == ErrorCode::authentication);  // SHA-512
  CHECK(rsa_key.verify(message, from_hex(rsa.at(4))).error().code == ErrorCode::authentication);  // PSS

  const auto curves = read_vectors("cryptography.txt", "curve");
  const VectorLine p256 = line_of(curves, "secp256r1");
  const PublicKey p256_key = PublicKey::decode(key_message(KeyType::ecdsa, from_hex(p256.at(1)))).value();
  CHECK(p256_key.verify(message, from_hex(p256.at(4))));
  CHECK(p256_key.verify(message, from_hex(p256.at(5))).error().code == ErrorCode::authentication);  // SHA-384
  const VectorLine bitcoin = line_of(curves, "secp256k1");
  const PublicKey bitcoin_key =
      PublicKey::decode(key_message(KeyType::secp256k1, from_hex(bitcoin.at(2)))).value();
  CHECK(bitcoin_key.verify(message, from_hex(bitcoin.at(4))));
  CHECK(bitcoin_key.verify(message, from_hex(bitcoin.at(5))).error().code == ErrorCode::authentication);
  CHECK(PublicKey::decode(key_message(KeyType::secp256k1, from_hex(bitcoin.at(3)))) ==
        bitcoin_key);  // made compressed
}

TEST_CASE("foreign keys: ECDSA signatures in DER only", "[crypto]") {
  const ForeignKey key = ForeignKey::of(KeyType::ecdsa);
  const Bytes message = Bytes::copy("m");
  const auto code = [&](const std::string& signature) {
    return key.public_key().verify(message, from_hex(signature)).error().code;
  };
  std::string signature;
  do {  // until both numbers are short enough to have no leading zero
    signature = to_hex(key.sign(message));
  } while (signature.size() != 2 * 70);
  REQUIRE(key.public_key().verify(message, from_hex(signature)));
  const std::string r = signature.substr(8, 64), s = signature.substr(76, 64);
  CHECK(code(r + s) == ErrorCode::authentication);                                    // the bare numbers
  CHECK(code("308144" + signature.substr(4)) == ErrorCode::authentication);           // a longer length
  CHECK(code("3080" + signature.substr(4) + "0000") == ErrorCode::authentication);    // BER
  CHECK(code("3045022100" + r + signature.substr(72)) == ErrorCode::authentication);  // a leading zero
  CHECK(code("30470220" + r + "0220" + s + "020101") == ErrorCode::authentication);   // a third number
  CHECK(code("3006020100020100") == ErrorCode::authentication);                       // zeros
}

TEST_CASE("foreign keys: refused are weak, huge and odd keys", "[crypto]") {
  for (const VectorLine& line : read_vectors("cryptography.txt", "rsa")) {
    const ErrorCode expected = line.at(0) == "3072" ? ErrorCode::none : ErrorCode::unsupported;
    CHECK(refused(KeyType::rsa, from_hex(line.at(1))) == expected);
  }
  const auto rsa = [&](std::size_t bytes, std::string_view lead, const std::string& exponent) {
    return refused(KeyType::rsa,
                   from_hex(rsa_info(std::string(lead) + std::string(bytes * 2 - 2, 'f'), exponent)));
  };
  CHECK(rsa(1024, "00ff", "010001") == ErrorCode::none);  // 8,192 bits
  CHECK(rsa(1025, "01", "010001") == ErrorCode::too_large);
  CHECK(rsa(1900, "01", "010001") == ErrorCode::too_large);
  CHECK(rsa(256, "00ff", "03") == ErrorCode::none);
  CHECK(rsa(256, "00ff", "01") == ErrorCode::unsupported);
  CHECK(rsa(256, "00ff", "02") == ErrorCode::unsupported);
  CHECK(rsa(256, "00ff", "7fffffff") == ErrorCode::none);
  CHECK(rsa(256, "00ff", "0080000001") == ErrorCode::unsupported);
  CHECK(rsa(256, "ff", "03") == ErrorCode::bad_encoding);    // negative
  CHECK(rsa(256, "0001", "03") == ErrorCode::bad_encoding);  // a zero too many
  CHECK(rsa(256, "00ff", "") == ErrorCode::bad_encoding);

  const auto curves = read_vectors("cryptography.txt", "curve");
  CHECK(refused(KeyType::ecdsa, from_hex(line_of(curves, "secp224r1").at(1))) == ErrorCode::unsupported);
  CHECK(refused(KeyType::ecdsa, from_hex(line_of(curves, "secp256k1").at(1))) == ErrorCode::unsupported);
  CHECK(refused(KeyType::secp256k1, from_hex(line_of(curves, "secp256k1").at(1))) == ErrorCode::bad_encoding);
}

TEST_CASE("foreign keys: bytes too many, too few, or of another type", "[crypto]") {
  for (const KeyType type : {KeyType::rsa, KeyType::ecdsa, KeyType::secp256k1}) {
    const Bytes raw = Bytes::copy(ForeignKey::of(type).public_key().raw());
    CHECK(refused(type, raw) == ErrorCode::none);
    CHECK(refused(type, joined(raw, from_hex("00"))) == ErrorCode::bad_encoding);
    for (std::size_t size = 0; size < raw.size(); ++size)
      CHECK(refused(type, raw.slice(0, size)) == ErrorCode::bad_encoding);
    for (const KeyType other : {KeyType::rsa, KeyType::ecdsa, KeyType::secp256k1, KeyType::ed25519}) {
      if (other != type) CHECK(refused(other, raw) == ErrorCode::bad_encoding);
    }
  }
}

TEST_CASE("foreign keys: a point off its curve does not verify anything", "[crypto]") {
  for (const KeyType type : {KeyType::ecdsa, KeyType::secp256k1}) {
    const ForeignKey key = ForeignKey::of(type);
    const Bytes message = Bytes::copy("m"), signature = key.sign(message);
    CHECK(key.public_key().verify(message, signature));
    std::size_t off_curve = 0;
    const Bytes raw = Bytes::copy(key.public_key().raw());
    for (std::size_t bit = 0; bit < 64; ++bit) {  // in the last eight bytes: a coordinate's low end
      const auto changed =
          PublicKey::decode(key_message(type, with_bit_flipped(raw, raw.size() * 8 - 1 - bit)));
      REQUIRE(changed);
      const auto verified = changed->verify(message, signature);
      REQUIRE_FALSE(verified);
      off_curve += verified.error().code == ErrorCode::bad_encoding;
    }
    CHECK(off_curve >= (type == KeyType::ecdsa ? 64 : 16));  // half of all x have no y
  }
}

TEST_CASE("DER: strict and bounded", "[wire]") {
  const auto take = [](std::string_view text, std::uint8_t tag) {
    const Bytes bytes = from_hex(text);
    const auto content = DerReader(bytes).take(tag);
    return content ? to_hex(*content) : "none";
  };
  CHECK(take("0500", der::kNull).empty());
  CHECK(take("0403010203", der::kOctetString) == "010203");
  CHECK(take("0403010203", der::kInteger) == "none");
  CHECK(take("04030102", der::kOctetString) == "none");
  CHECK(take("04", der::kOctetString) == "none");
  CHECK(take("", der::kOctetString) == "none");
  CHECK(take("048103010203", der::kOctetString) == "none");  // short lengths have one byte
  CHECK(take("048001020300", der::kOctetString) == "none");  // indefinite
  CHECK(take("04850000000001aa", der::kOctetString) == "none");
  CHECK(take("0484ffffffff00", der::kOctetString) == "none");
  CHECK(take("048180" + std::string(256, 'a'), der::kOctetString) == std::string(256, 'a'));
  CHECK(take("04820080" + std::string(256, 'a'), der::kOctetString) == "none");
  CHECK(take("04820100" + std::string(512, 'a'), der::kOctetString) == std::string(512, 'a'));

  const auto positive = [](std::string_view text) {
    const Bytes bytes = from_hex(text);
    const auto magnitude = DerReader(bytes).take_positive();
    return magnitude ? to_hex(*magnitude) : "none";
  };
  CHECK(positive("020101") == "01");
  CHECK(positive("02020080") == "80");
  CHECK(positive("020180") == "none");    // negative
  CHECK(positive("020100") == "none");    // zero
  CHECK(positive("0202007f") == "none");  // a zero too many
  CHECK(positive("0200") == "none");

  const Bytes bits = from_hex("030200aa0302010003020000");
  DerReader reader(bits);
  CHECK(to_hex(reader.take_whole_bits().value()) == "aa");
  CHECK_FALSE(reader.take_whole_bits());  // a bit is unused
  CHECK_FALSE(reader.take(der::kSequence));
  CHECK(reader.take(der::kBitString));  // nothing was taken before
  CHECK_FALSE(reader.empty());
}
