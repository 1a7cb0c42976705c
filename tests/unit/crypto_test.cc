// Keys, signatures, key agreement, AEAD, HKDF, envelopes and peer records.
#include <algorithm>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "stack/crypto/aead.h"
#include "stack/crypto/hkdf.h"
#include "stack/crypto/keys.h"
#include "stack/crypto/peer_record.h"
#include "stack/crypto/signed_envelope.h"
#include "stack/crypto/x25519.h"
#include "stack/wire/protobuf.h"
#include "tests/unit/foreign_key.h"
#include "tests/unit/vector_file.h"

using namespace mesocosm;
using testing::spec_key;

namespace {

Bytes hex(std::string_view text) { return testing::from_hex(text); }

std::array<std::uint8_t, 32> hex32(std::string_view text) {
  std::array<std::uint8_t, 32> bytes{};
  const Bytes decoded = hex(text);
  REQUIRE(decoded.size() == 32);
  std::copy(decoded.begin(), decoded.end(), bytes.begin());
  return bytes;
}

KeyPair key_pair(std::uint8_t seed) {
  std::array<std::uint8_t, 32> bytes{};
  bytes.fill(seed);
  return KeyPair::from_seed(bytes);
}

// The wire form of `bytes` with one bit changed.
Bytes flipped(const Bytes& bytes, std::size_t bit) {
  return Bytes::build(bytes.size(), [&](MutableByteView out) {
    std::copy(bytes.begin(), bytes.end(), out.begin());
    out[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
  });
}

}  // namespace

TEST_CASE("Ed25519: RFC 8032 section 7.1", "[crypto]") {
  const struct {
    std::string_view seed, public_key, message, signature;
  } vectors[] = {
      {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
       "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
       "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf"
       "5f0595bbe24"
       "655141438e7a100b"},
      {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
       "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
       "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2"
       "eaeb4302aee"
       "b00d291612bb0c00"},
  };
  for (const auto& vector : vectors) {
    const KeyPair pair = KeyPair::from_seed(hex32(vector.seed));
    const Bytes message = hex(vector.message);
    CHECK(to_hex(pair.public_key().raw()) == vector.public_key);
    const Signature signature = pair.sign(message);
    CHECK(to_hex(signature) == vector.signature);
    CHECK(pair.public_key().verify(message, signature));
    CHECK(pair.public_key().verify(as_bytes("other"), signature).error().code == ErrorCode::authentication);
    CHECK(pair.public_key().verify(message, ByteView(signature).first(63)).error().code ==
          ErrorCode::authentication);
    CHECK(key_pair(1).public_key().verify(message, signature).error().code == ErrorCode::authentication);
  }
}

TEST_CASE("keys: the specification's vectors", "[crypto]") {
  const struct {
    std::string serialized;
    KeyType type;
    std::size_t raw_size;
  } expected[] = {{spec_key("public", "ecdsa"), KeyType::ecdsa, 91},
                  {spec_key("public", "ed25519"), KeyType::ed25519, 32},
                  {spec_key("public", "secp256k1"), KeyType::secp256k1, 33},
                  {spec_key("public", "rsa"), KeyType::rsa, 550}};
  for (const auto& vector : expected) {
    const PublicKey key = PublicKey::decode(hex(vector.serialized)).value();
    CHECK(key.type() == vector.type);
    CHECK(key.raw().size() == vector.raw_size);
    CHECK(to_hex(key.serialized()) == vector.serialized);
    CHECK(key.peer_id() == PeerId::from_public_key(hex(vector.serialized)));
  }

  const KeyPair pair = KeyPair::decode(hex(spec_key("private", "ed25519"))).value();
  CHECK(to_hex(pair.public_key().serialized()) == spec_key("public", "ed25519"));
  CHECK(to_hex(pair.serialized()) == spec_key("private", "ed25519"));
  CHECK(pair.peer_id().to_string() == "12D3KooWBtg3aaRMjxwedh83aGiUkwSxDwUZkzuJcfaqUmo7R3pq");
  CHECK(PublicKey::from_peer_id(pair.peer_id()) == pair.public_key());
  CHECK(PublicKey::from_peer_id(PeerId::from_public_key(hex(spec_key("public", "rsa")))).error().code ==
        ErrorCode::not_found);
  CHECK(KeyPair::decode(hex(spec_key("private", "ecdsa"))).error().code == ErrorCode::unsupported);
  CHECK(KeyPair::decode(hex(spec_key("private", "secp256k1"))).error().code == ErrorCode::unsupported);
}

TEST_CASE("keys: the older private form of 96 bytes", "[crypto]") {
  const std::string pair = spec_key("private", "ed25519"), seed = pair.substr(8, 64),
                    public_key = pair.substr(72);
  const Result<KeyPair> old = KeyPair::decode(hex("08011260" + seed + public_key + public_key));
  REQUIRE(old);
  CHECK(to_hex(old->serialized()) == spec_key("private", "ed25519"));
  std::string other = public_key;
  other[0] = other[0] == '0' ? '1' : '0';
  CHECK(KeyPair::decode(hex("08011260" + seed + public_key + other)).error().code == ErrorCode::bad_encoding);
  CHECK(KeyPair::decode(hex("08011260" + seed + other + public_key)).error().code == ErrorCode::bad_encoding);
  CHECK(KeyPair::decode(hex("08011240" + seed + other)).error().code == ErrorCode::bad_encoding);
  CHECK(KeyPair::decode(hex("08011220" + seed)).error().code == ErrorCode::bad_encoding);
}

TEST_CASE("keys: what does not decode, and what becomes canonical", "[crypto]") {
  const std::string raw(64, 'a');
  const PublicKey key = PublicKey::decode(hex("08011220" + raw)).value();
  CHECK(PublicKey::decode(hex("1220" + raw + "0801")) == key);        // another order
  CHECK(PublicKey::decode(hex("0881001220" + raw + "1801")) == key);  // a longer varint, an unknown field
  const std::string rsa = spec_key("public", "rsa");                  // its type is 0, and written
  CHECK(to_hex(PublicKey::decode(hex(rsa.substr(4) + "0800"))->serialized()) == rsa);
  const auto error = [](const std::string& text) { return PublicKey::decode(hex(text)).error().code; };
  CHECK(error("") == ErrorCode::bad_encoding);
  CHECK(error("1220" + raw) == ErrorCode::bad_encoding);
  CHECK(error("0801") == ErrorCode::bad_encoding);
  CHECK(error("08011221" + raw) == ErrorCode::bad_encoding);
  CHECK(error("0801121f" + raw.substr(2)) == ErrorCode::bad_encoding);
  CHECK(error("08041220" + raw) == ErrorCode::unsupported);
  ByteWriter large;
  ProtoWriter proto(large);
  proto.varint(1, 0);
  proto.string(2, std::string(5000, 'x'));
  CHECK(PublicKey::decode(large.take()).error().code == ErrorCode::too_large);
}

TEST_CASE("X25519: RFC 7748", "[crypto]") {
  // Section 5.2, and section 6.1 from Bob's side.
  CHECK(to_hex(*x25519(hex32("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4"),
                       hex32("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c"))) ==
        "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552");
  const X25519Key bob = hex32("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
  CHECK(to_hex(x25519_public(bob)) == "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
  CHECK(to_hex(*x25519(bob, hex32("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"))) ==
        "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
  CHECK(x25519(bob, X25519Key{}).error().code == ErrorCode::protocol_violation);
}

TEST_CASE("HMAC-SHA-256: RFC 4231, HKDF: RFC 5869", "[crypto]") {
  CHECK(to_hex(hmac_sha256(as_bytes("Jefe"), as_bytes("what do ya want for nothing?"))) ==
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  CHECK(to_hex(hmac_sha256(as_bytes(std::string(131, '\xaa')),
                           as_bytes("Test Using Larger Than Block-Size Key - Hash Key First"))) ==
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
  const auto outputs = hkdf<2>({}, as_bytes(std::string(22, '\x0b')));
  CHECK(to_hex(outputs[0]) + to_hex(outputs[1]).substr(0, 20) ==
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
  CHECK(hkdf<3>({}, as_bytes(std::string(22, '\x0b')))[1] == outputs[1]);
}

TEST_CASE("ChaCha20-Poly1305: RFC 8439 appendix A.5", "[crypto]") {
  const AeadKey key = hex32("1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0");
  const std::uint64_t counter = 0x0807060504030201;  // the RFC's nonce 00000000 0102030405060708
  const Bytes associated = hex("f33388860000000000004e91");
  const Bytes sealed =
      hex("64a0861575861af460f062c79be643bd5e805cfd345cf389f108670ac76c8cb24c6cfc18755d43eea09ee94e382d26b0bd"
          "b7b73c321b"
          "0100d4f03b7f355894cf332f830e710b97ce98c8a84abd0b948114ad176e008d33bd60f982b1ff37c8559797a06ef4f0ef"
          "61c186324e"
          "2b3506383606907b6a7c02b0f9f6157b53c867e4b9166c767b804d46a59b5216cde7a4e99040c5a40433225ee282a1b0a0"
          "6c523eaf45"
          "34d7f83fa1155b0047718cbc546a0d072b04b3564eea1b422273f548271a0bb2316053fa76991955ebd63159434ecebb4e"
          "466dae5a10"
          "73a6727627097a1049e617d91d361094fa68f0ff77987130305beaba2eda04df997b714d6c6f2c29a6ad5cb4022b02709b"
          "eead9d67890cbb22392336fea1851f38");
  std::vector<std::uint8_t> plain(sealed.size() - kAeadTagSize);
  REQUIRE(aead_open(key, counter, associated, sealed, plain));
  CHECK(std::string(plain.begin(), plain.begin() + 40) == "Internet-Drafts are draft documents vali");
  CHECK(plain.size() == 265);
  std::vector<std::uint8_t> again(sealed.size());
  aead_seal(key, counter, associated, plain, again);
  CHECK(equal(again, sealed));
}

TEST_CASE("AEAD: in place, any size, and every change is noticed", "[crypto]") {
  const AeadKey key = hex32(std::string(64, '7'));
  for (std::size_t size :
       {std::size_t{0}, std::size_t{1}, std::size_t{63}, std::size_t{64}, std::size_t{65519}}) {
    std::vector<std::uint8_t> buffer(size + kAeadTagSize, 0x5a);
    const MutableByteView all(buffer), body = all.first(size);
    aead_seal(key, 9, {}, body, all);
    const std::vector<std::uint8_t> sealed = buffer;
    REQUIRE(aead_open(key, 9, {}, all, body));
    CHECK(std::all_of(body.begin(), body.end(), [](std::uint8_t byte) { return byte == 0x5a; }));

    std::vector<std::uint8_t> out(size);
    CHECK_FALSE(aead_open(key, 10, {}, sealed, out));
    CHECK_FALSE(aead_open(key, 9, as_bytes("a"), sealed, out));
    for (std::size_t at : {std::size_t{0}, sealed.size() / 2, sealed.size() - 1}) {
      std::vector<std::uint8_t> changed = sealed;
      changed[at] ^= 1;
      CHECK_FALSE(aead_open(key, 9, {}, changed, out));
      CHECK(std::all_of(out.begin(), out.end(), [](std::uint8_t byte) { return byte == 0; }));
    }
  }
  std::vector<std::uint8_t> nothing;
  CHECK_FALSE(aead_open(key, 9, {}, as_bytes("short"), nothing));
}

TEST_CASE("signed envelopes: layout, domain, and every bit counts", "[crypto]") {
  const KeyPair signer = key_pair(3);
  const Bytes envelope = seal_envelope(signer, "test", as_bytes("/t"), as_bytes("payload"));
  const std::string signed_part =
      "0474657374"
      "022f74"
      "077061796c6f6164";
  CHECK(to_hex(envelope) == "0a24" + to_hex(signer.public_key().serialized()) +
                                "12022f74"
                                "1a077061796c6f6164"
                                "2a40" +
                                to_hex(signer.sign(hex(signed_part))));

  const Result<SignedEnvelope> opened = open_envelope(envelope, "test");
  REQUIRE(opened);
  CHECK(opened->signer == signer.public_key());
  CHECK(opened->payload_type.text() == "/t");
  CHECK(opened->payload.text() == "payload");

  CHECK(open_envelope(envelope, "tes").error().code == ErrorCode::authentication);
  for (std::size_t bit = 0; bit < envelope.size() * 8; ++bit) {
    if (open_envelope(flipped(envelope, bit), "test")) FAIL_CHECK("a changed bit was not noticed: " << bit);
  }
  for (std::size_t size = 0; size < envelope.size(); ++size)
    CHECK_FALSE(open_envelope(envelope.slice(0, size), "test"));
}

TEST_CASE("signed envelopes: from peers with RSA, ECDSA and secp256k1 keys", "[crypto]") {
  for (const KeyType type : {KeyType::rsa, KeyType::ecdsa, KeyType::secp256k1}) {
    const testing::ForeignKey signer = testing::ForeignKey::of(type);
    const Bytes signature = signer.sign(hex("0474657374022f74077061796c6f6164"));  // "test", "/t", "payload"
    const auto envelope = [&](std::string_view payload, const Bytes& signed_with) {
      ByteWriter out;
      ProtoWriter proto(out);
      proto.bytes(1, signer.public_key().serialized());
      proto.string(2, "/t");
      proto.string(3, payload);
      proto.bytes(5, signed_with);
      return out.take();
    };
    const Result<SignedEnvelope> opened = open_envelope(envelope("payload", signature), "test");
    REQUIRE(opened);
    CHECK(opened->signer == signer.public_key());
    CHECK(opened->payload.text() == "payload");
    CHECK(open_envelope(envelope("payloaf", signature), "test").error().code == ErrorCode::authentication);
    CHECK(open_envelope(envelope("payload", signature), "tesu").error().code == ErrorCode::authentication);
    const Bytes forged = flipped(signature, signature.size() * 8 - 1);
    CHECK(open_envelope(envelope("payload", forged), "test").error().code == ErrorCode::authentication);
  }
}

TEST_CASE("peer records: round trip", "[crypto]") {
  const KeyPair signer = key_pair(4);
  const std::vector<Multiaddr> addresses = {Multiaddr::parse("/ip4/192.0.2.1/tcp/4001").value(),
                                            Multiaddr::parse("/ip6/2001:db8::1/udp/4001/quic-v1").value()};
  const Result<PeerRecord> record = open_peer_record(seal_peer_record(signer, 1570215229, addresses));
  REQUIRE(record);
  CHECK(record->peer == signer.peer_id());
  CHECK(record->seq == 1570215229);
  CHECK(record->addresses == addresses);
}

TEST_CASE("peer records: another's, of another type, and with addresses that we cannot read", "[crypto]") {
  const KeyPair signer = key_pair(5), other = key_pair(6);
  const Bytes type = hex("0301");
  const auto record_of = [](const PeerId& peer) {
    ByteWriter out;
    ProtoWriter proto(out);
    proto.bytes(1, peer.bytes());
    proto.varint(2, 7);
    proto.message(3, [](ProtoWriter& info) { info.string(1, "\x7f\x7f"); });
    for (int i = 0; i < 100; ++i)
      proto.message(3, [&](ProtoWriter& info) { info.bytes(1, Multiaddr::tcp({}).bytes()); });
    return out.take();
  };
  const auto open = [&](std::string_view domain, const Bytes& payload_type, const PeerId& peer) {
    return open_peer_record(seal_envelope(signer, domain, payload_type, record_of(peer)));
  };
  const Result<PeerRecord> record = open("libp2p-peer-record", type, signer.peer_id());
  REQUIRE(record);
  CHECK(record->addresses.size() == PeerRecord::kMaxAddresses);
  CHECK(open("libp2p-peer-record", type, other.peer_id()).error().code == ErrorCode::peer_mismatch);
  CHECK(open("libp2p-peer-record", hex("0302"), signer.peer_id()).error().code == ErrorCode::bad_encoding);
  CHECK(open("libp2p-relay-rsvp", type, signer.peer_id()).error().code == ErrorCode::authentication);
}
