#include "tests/unit/foreign_key.h"

#include <string>
#include <vector>

#include "stack/base/assert.h"
#include "stack/wire/protobuf.h"
#include "tests/unit/vector_file.h"

namespace mesocosm::testing {
namespace {

const char* name_of(KeyType type) {
  switch (type) {
    case KeyType::rsa:
      return "rsa";
    case KeyType::secp256k1:
      return "secp256k1";
    case KeyType::ecdsa:
      return "ecdsa";
    case KeyType::ed25519:
      break;
  }
  MC_ASSERT(false && "a foreign type");
  return "";
}

Bytes spec_bytes(std::string_view which, const char* type) { return from_hex(spec_key(which, type)); }

Bytes data_of(const Bytes& key_message) {
  Bytes data;
  for (ProtoReader reader(key_message); reader.next();) {
    if (reader.tag() == proto_bytes(2)) data = reader.bytes();
  }
  return data;
}

EVP_PKEY* read_der(const Bytes& der) {
  const std::uint8_t* at = der.data();
  return d2i_AutoPrivateKey(nullptr, &at, static_cast<long>(der.size()));
}

// The bare number: OpenSSL wants it inside an ECPrivateKey {1, number, [0] curve}.
EVP_PKEY* read_secp256k1(const Bytes& number) {
  std::vector<std::uint8_t> der{0x30, 0x2e, 0x02, 0x01, 0x01, 0x04, 0x20};
  der.insert(der.end(), number.begin(), number.end());
  for (const std::uint8_t byte : {0xa0, 0x07, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x0a}) der.push_back(byte);
  return read_der(Bytes::copy(der));
}

}  // namespace

ForeignKey ForeignKey::of(KeyType type) {
  const Bytes data = data_of(spec_bytes("private", name_of(type)));
  EVP_PKEY* secret = type == KeyType::secp256k1 ? read_secp256k1(data) : read_der(data);
  MC_ASSERT(secret != nullptr);
  return ForeignKey(secret, PublicKey::decode(spec_bytes("public", name_of(type))).value());
}

Bytes ForeignKey::sign(ByteView message) const {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  std::vector<std::uint8_t> signature(1024);
  std::size_t size = signature.size();
  MC_ASSERT(EVP_DigestSignInit_ex(context, nullptr, "SHA256", nullptr, nullptr, secret_.get(), nullptr) == 1);
  MC_ASSERT(EVP_DigestSign(context, signature.data(), &size, message.data(), message.size()) == 1);
  EVP_MD_CTX_free(context);
  return Bytes::copy(ByteView(signature).first(size));
}

}  // namespace mesocosm::testing
