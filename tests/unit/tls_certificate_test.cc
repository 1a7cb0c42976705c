// Certificates of libp2p's TLS: our own, the specification's, and what is refused.
#include "stack/secure/tls_certificate.h"

#include <functional>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/unit/tls_harness.h"
#include "tests/unit/vector_file.h"

using namespace mesocosm;
using namespace mesocosm::testing;

namespace {

std::string verdict(ByteView der, std::int64_t now = kNow) {
  const auto peer = decode_tls_certificate(der, now);
  return peer ? peer->id.to_string() : peer.error().message();
}
std::string verdict(const Recipe& recipe) { return verdict(der_of(forge(recipe).certificate.get())); }

const std::string kBob = tls_key(2).peer_id().to_string();

}  // namespace

TEST_CASE("TLS certificate: ours is valid for a hundred years, and repeats from its seed", "[tls]") {
  const TlsIdentity identity = TlsIdentity::make(tls_key(2), seed_of(5), kNow);
  const Bytes der = der_of(identity.certificate.get());
  const std::int64_t century = 36'525 * kTestDay;
  CHECK(verdict(der) == kBob);
  CHECK(verdict(der, kNow - kTestDay + 1) == kBob);
  CHECK(verdict(der, kNow + century - 1) == kBob);
  CHECK(verdict(der, kNow - kTestDay - 1) == "authentication failed: tls: the certificate is not valid yet");
  CHECK(verdict(der, kNow + century + 1) == "authentication failed: tls: the certificate has expired");
  const auto again = [](std::uint8_t key, std::uint8_t seed, std::int64_t now) {
    return der_of(TlsIdentity::make(tls_key(key), seed_of(seed), now).certificate.get());
  };
  CHECK(again(2, 5, kNow) == der);
  CHECK(again(2, 6, kNow) != der);
  CHECK(again(3, 5, kNow) != der);
  CHECK(again(2, 5, kNow + 1) != der);
}

TEST_CASE("TLS certificate: the specification's vectors", "[tls]") {
  const auto valid = read_vectors("tls.txt", "valid");
  CHECK(valid.size() == 3);
  for (const VectorLine& line : valid) {
    INFO(line.at(0));
    CHECK(verdict(from_hex(line.at(2))) == line.at(1));
  }
  for (const VectorLine& line : read_vectors("tls.txt", "invalid")) {
    CHECK(verdict(from_hex(line.at(0))) ==
          "authentication failed: tls: the certificate is not signed by the identity it names: "
          "signature: does not verify");
  }
}

TEST_CASE("TLS certificate: what the specification allows", "[tls]") {
  Recipe recipe;
  for (const char* key : {"P-256", "P-384", "P-521", "ED25519", "RSA2048"}) {
    recipe.key = key;
    CHECK(verdict(recipe) == kBob);
  }
  recipe = {};
  recipe.critical = true;
  CHECK(verdict(recipe) == kBob);
  recipe = {};
  recipe.other_extension = "1.2.3.4";
  CHECK(verdict(recipe) == kBob);
  recipe = {};
  recipe.from = -1000 * kTestDay;
  recipe.to = 67'000'000'000;  // in 4093
  CHECK(verdict(recipe) == kBob);
  for (const EVP_MD* digest : {EVP_sha384(), EVP_sha512()}) {
    recipe = {};
    recipe.digest = digest;
    CHECK(verdict(recipe) == kBob);
  }
}

TEST_CASE("TLS certificate: every fault has a name", "[tls]") {
  const std::string start = "tls: the certificate ";
  const std::string forged = "authentication failed: " + start;
  const std::string malformed = "bad encoding: " + start;
  const std::string unsupported = "unsupported: " + start;
  struct Case {
    std::string expected;
    std::function<void(Recipe&)> fault;
  };
  const std::string value_of_nobody = der_element(0x30, der_element(4, "nobody") + der_element(4, "nothing"));
  const std::vector<Case> cases = {
      {forged + "has expired", [](Recipe& r) { r.to = kNow - 1; }},
      {forged + "is not valid yet", [](Recipe& r) { r.from = kNow + 1; }},
      {forged + "is not valid yet", [](Recipe& r) { r.from = kNow + 20, r.to = kNow - 20; }},
      {forged + "has no libp2p extension", [](Recipe& r) { r.extensions = 0; }},
      {malformed + "has the libp2p extension twice", [](Recipe& r) { r.extensions = 2; }},
      {forged + "is not signed by the identity it names: signature: does not verify",
       [](Recipe& r) { r.signed_prefix = "other:"; }},
      {forged + "is not signed by the identity it names: signature: does not verify",
       [](Recipe& r) { r.public_key = tls_key(3).public_key().serialized(); }},
      {forged + "does not carry its own key's signature", [](Recipe& r) { r.signer = "P-256"; }},
      {forged + "does not carry its own key's signature", [](Recipe& r) { r.signer = "RSA2048"; }},
      {unsupported + "has the critical extension 1.2.3.4",
       [](Recipe& r) { r.other_extension = "1.2.3.4", r.other_critical = true; }},
      {unsupported + "has a type of key that is not supported", [](Recipe& r) { r.key = "secp256k1"; }},
      {unsupported + "has a type of key that is not supported", [](Recipe& r) { r.key = "RSA1024"; }},
      {unsupported + "has a type of signature that is not supported",
       [](Recipe& r) { r.digest = EVP_sha1(); }},
      {malformed + "is not of version 3", [](Recipe& r) { r.version = 0; }},
      {malformed + "has a malformed libp2p extension", [](Recipe& r) { r.value = ""; }},
      {malformed + "has a malformed libp2p extension", [](Recipe& r) { r.value = "\x30\x01\x04"; }},
      {malformed + "has a malformed libp2p extension", [&](Recipe& r) { r.value = value_of_nobody + "x"; }},
      {malformed + "has a malformed libp2p extension",
       [&](Recipe& r) { r.value = value_of_nobody.substr(0, value_of_nobody.size() - 1); }},
      {malformed + "names no usable identity: key: not a key message",
       [&](Recipe& r) { r.value = value_of_nobody; }},
      {unsupported + "names no usable identity: key: type 9",
       [](Recipe& r) { r.public_key = Bytes::copy("\x08\x09\x12\x01x"); }},
  };
  for (const Case& one : cases) {
    Recipe recipe;
    one.fault(recipe);
    CHECK(verdict(recipe) == one.expected);
  }
}

TEST_CASE("TLS certificate: bytes that are none", "[tls]") {
  const Bytes der = der_of(forge({}).certificate.get());
  REQUIRE(verdict(der) == kBob);
  const std::string malformed = "bad encoding: tls: the certificate does not decode";
  for (std::size_t size = 0; size < der.size(); size += 7) CHECK(verdict(der.slice(0, size)) == malformed);
  CHECK(verdict(Bytes::copy(std::string(der.text()) + "x")) == malformed);
  CHECK(verdict(Bytes::copy(std::string(20'000, '\x30'))) ==
        "too large: tls: the certificate is over 16 KiB");
  for (std::size_t at = 0; at < der.size(); ++at) {  // every byte is under one signature or the other
    std::string changed(der.text());
    changed[at] = static_cast<char>(changed[at] ^ 1);
    CHECK(verdict(as_bytes(changed)) != kBob);
  }
}
