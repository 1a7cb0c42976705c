// What the real implementations make: their addresses and CIDs, and what their peers sign, against ours.
#include <algorithm>
#include <array>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "stack/crypto/peer_record.h"
#include "stack/crypto/signed_envelope.h"
#include "stack/crypto/x25519.h"
#include "stack/protocols/gossipsub/message.h"
#include "stack/secure/noise.h"
#include "stack/secure/tls_certificate.h"
#include "stack/wire/cid.h"
#include "stack/wire/multiaddr.h"
#include "stack/wire/protobuf.h"
#include "stack/wire/varint.h"
#include "tests/unit/vector_file.h"

using namespace mesocosm;
using testing::from_hex;
using testing::read_vectors;
using testing::VectorLine;

namespace {

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

Bytes with_bit_flipped(const Bytes& bytes, std::size_t bit) {
  return Bytes::build(bytes.size(), [&](MutableByteView out) {
    std::copy(bytes.begin(), bytes.end(), out.begin());
    out[bit / 8] ^= static_cast<std::uint8_t>(0x80 >> bit % 8);
  });
}

// --- Addresses

// A value of each protocol that has one, in its preferred text.
std::string sample_value(const std::string& protocol) {
  static const std::map<std::string, std::string> samples{
      {"ip4", "192.0.2.1"},
      {"ip6", "2001:db8::1"},
      {"ip6zone", "eth0"},
      {"ipcidr", "24"},
      {"tcp", "4001"},
      {"udp", "4001"},
      {"dccp", "4001"},
      {"sctp", "4001"},
      {"dns", "example.com"},
      {"dns4", "example.com"},
      {"dns6", "example.com"},
      {"dnsaddr", "example.com"},
      {"sni", "example.com"},
      {"unix", "run/socket"},
      {"p2p", "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"},
      {"ipfs", "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"},
      {"onion", "timaq4ygg2iegci7:80"},
      {"onion3", "vww6ybal4bd7szmgncyruucpgfkqahzddi37ktceo3ah7ngmcopnpyyd:80"},
      {"garlic64", std::string(516, 'A')},
      {"garlic32", "566niximlxdzpanmn4qouucvua3k7neniwss47li5r6ugoertzuq"},
      {"certhash", "uEiAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIA"},
      {"http-path", "a%2Fb"},
      {"memory", "7"},
  };
  const auto found = samples.find(protocol);
  return found == samples.end() ? "" : found->second;
}

// --- What identities sign

struct Identity {
  PublicKey key;
  std::string peer, cid;
};

// A line that one implementation made with one of its identities, whose name is the line's first word.
struct Made {
  std::string by;
  Identity identity;
  VectorLine line;
};

std::vector<Made> made_by(const std::string& file, std::string_view kind) {
  std::map<std::string, Identity> identities;
  for (const VectorLine& line : read_vectors(file, "key")) {
    const PublicKey key = PublicKey::decode(from_hex(line.at(1))).value();
    identities.emplace(line.at(0), Identity{key, line.at(2), line.at(3)});
  }
  std::vector<Made> made;
  for (const VectorLine& line : read_vectors(file, kind))
    made.push_back({file + ": " + line.at(0), identities.at(line.at(0)), line});
  return made;
}

std::vector<Made> made_by_all(std::string_view kind) {
  std::vector<Made> all;
  for (const std::string by : {"go", "js", "rust"}) {
    if (by == "rust" && kind == "message") continue;  // its pubsub signs inside only
    const auto made = made_by(by + "-identities.txt", kind);
    all.insert(all.end(), made.begin(), made.end());
  }
  return all;
}

}  // namespace

TEST_CASE("vectors: every protocol of the multiaddr table", "[vectors][wire]") {
  const auto protocols = read_vectors("multiaddr-protocols.txt", "protocol");
  CHECK(protocols.size() == 41);
  for (const VectorLine& line : protocols) {
    const std::uint64_t code = std::stoull(line.at(0));
    const std::string &size = line.at(1), &name = line.at(2);
    INFO(name);
    const std::string value = sample_value(name);
    REQUIRE(value.empty() == (size == "0"));
    const std::string text = "/" + name + (value.empty() ? "" : "/" + value);
    const auto address = Multiaddr::parse(text);
    REQUIRE(address);
    CHECK(address->to_string() == (name == "ipfs" ? "/p2p/" + value : text));
    CHECK(Multiaddr::decode(address->bytes()) == *address);

    ByteView binary = address->bytes();
    const Varint encoded_code = decode_varint(binary);
    REQUIRE(encoded_code.ok());
    CHECK(encoded_code.value == code);
    binary = binary.subspan(encoded_code.length);
    if (name ==
        "memory") {  // the table leaves its form open; go and rust have a number of 64 bits and no length
      CHECK(to_hex(binary) == "0000000000000007");
    } else if (size == "V") {
      const Varint length = decode_varint(binary);
      REQUIRE(length.ok());
      CHECK(length.value == binary.size() - length.length);
    } else {
      CHECK(binary.size() * 8 == std::stoull(size));
    }
  }
}

TEST_CASE("vectors: multiaddrs as go-multiaddr has them", "[vectors][wire]") {
  for (const VectorLine& line : read_vectors("go-addresses.txt", "address")) {
    INFO(line.at(0));
    const auto address = Multiaddr::parse(line.at(0));
    REQUIRE(address);
    CHECK(to_hex(address->bytes()) == line.at(1));
    CHECK(Multiaddr::decode(from_hex(line.at(1))) == *address);
    CHECK(Multiaddr::parse(line.at(2)) == *address);  // its preferred text
    CHECK(address->to_string() == line.at(2));
  }
  for (const VectorLine& line : read_vectors("go-addresses.txt", "refused")) {
    INFO(line.at(0));
    CHECK_FALSE(Multiaddr::parse(line.at(0)));
  }
}

TEST_CASE("vectors: CIDs as go-cid has them", "[vectors][wire]") {
  const std::vector<std::string> bases{"base16",      "base16upper", "base32", "base32upper", "base36",
                                       "base36upper", "base58btc",   "base64", "base64url"};
  std::size_t others = 0;
  for (const VectorLine& line : read_vectors("go-cids.txt", "cid")) {
    const std::string &base = line.at(4), &text = line.at(5);
    INFO(base << " " << text);
    const auto cid = Cid::decode(from_hex(line.at(3)));
    REQUIRE(cid);
    CHECK(std::to_string(cid->version()) == line.at(0));
    CHECK(std::to_string(static_cast<std::uint64_t>(cid->codec())) == line.at(1));
    CHECK(to_hex(cid->multihash()) == line.at(2));
    CHECK(to_hex(cid->encode()) == line.at(3));
    if (std::find(bases.begin(), bases.end(), base) == bases.end()) {
      ++others;
      CHECK(Cid::parse(text).error().code == ErrorCode::unsupported);
      continue;
    }
    CHECK(Cid::parse(text) == *cid);
    if (cid->version() == 0 || base == "base32") CHECK(cid->to_string() == text);
  }
  CHECK(others == 10);  // bases that nobody uses for CIDs: read by none of our code, and refused by name
  for (const VectorLine& line : read_vectors("go-cids.txt", "refused")) {
    INFO(line.at(0));
    CHECK_FALSE(Cid::parse(line.at(0)));
  }
  for (const VectorLine& line : read_vectors("go-cids.txt", "refused-binary")) {
    INFO(line.at(0));
    CHECK_FALSE(Cid::decode(from_hex(line.at(0))));
  }
}

TEST_CASE("vectors: peer ids of real peers' keys", "[vectors][crypto]") {
  for (const auto& [by, identity, line] : made_by_all("key")) {
    INFO(by);
    const PeerId id = identity.key.peer_id();
    CHECK(to_hex(identity.key.serialized()) == line.at(1));
    CHECK(id.to_string() == identity.peer);
    CHECK(id.to_cid() == identity.cid);
    CHECK(PeerId::parse(identity.peer) == id);
    CHECK(PeerId::parse(identity.cid) == id);
  }
}

TEST_CASE("vectors: what real peers signed verifies, and nothing else does", "[vectors][crypto]") {
  for (const auto& [by, identity, line] : made_by_all("signature")) {
    INFO(by);
    const PublicKey& key = identity.key;
    const Bytes message = from_hex(line.at(1)), signature = from_hex(line.at(2));
    CHECK(key.verify(message, signature));

    const auto forged = [&](const Bytes& text, const Bytes& forgery) {
      const auto verified = key.verify(text, forgery);
      return !verified && verified.error().code == ErrorCode::authentication;
    };
    for (std::size_t bit = 0; bit < signature.size() * 8; bit += 7)
      CHECK(forged(message, with_bit_flipped(signature, bit)));
    CHECK(forged(with_bit_flipped(message, 3), signature));
    CHECK(forged(message, concat(std::array{signature, from_hex("00")})));
    CHECK(forged(message, signature.slice(0, signature.size() - 1)));
    CHECK(forged(message, {}));
  }
}

TEST_CASE("vectors: signed peer records of real peers", "[vectors][crypto]") {
  for (const auto& [by, identity, line] : made_by_all("peer-record")) {
    INFO(by);
    const Bytes envelope = from_hex(line.at(3));
    const auto record = open_peer_record(envelope);
    REQUIRE(record);
    CHECK(record->peer.to_string() == identity.peer);
    CHECK(std::to_string(record->seq) == line.at(1));
    std::vector<std::string> addresses;
    for (const Multiaddr& address : record->addresses) addresses.push_back(address.to_string());
    CHECK(addresses == split(line.at(2), ','));
    for (std::size_t bit = 0; bit < envelope.size() * 8; bit += 61)
      CHECK_FALSE(open_peer_record(with_bit_flipped(envelope, bit)));
  }
}

TEST_CASE("vectors: a reservation voucher of go-libp2p, another type of envelope", "[vectors][crypto]") {
  for (const auto& [by, identity, line] : made_by("go-identities.txt", "voucher")) {
    INFO(by);
    const Bytes envelope = from_hex(line.at(4));
    const auto opened = open_envelope(envelope, "libp2p-relay-rsvp");
    REQUIRE(opened);
    CHECK(opened->signer == identity.key);
    CHECK(to_hex(opened->payload_type) == "0302");
    Bytes relay, peer;
    std::uint64_t expiration = 0;
    for (ProtoReader reader(opened->payload); reader.next();) {
      if (reader.tag() == proto_bytes(1)) relay = reader.bytes();
      if (reader.tag() == proto_bytes(2)) peer = reader.bytes();
      if (reader.tag() == proto_varint(3)) expiration = reader.value();
    }
    CHECK(PeerId::decode(relay)->to_string() == line.at(1));
    CHECK(PeerId::decode(peer)->to_string() == line.at(2));
    CHECK(std::to_string(expiration) == line.at(3));
    CHECK(open_peer_record(envelope).error().code == ErrorCode::authentication);  // of another domain
  }
}

TEST_CASE("vectors: Noise responders", "[vectors][noise]") {
  constexpr std::string_view kYamux[] = {"/yamux/1.0.0"};
  NoiseKey seed{};
  const NoiseIdentity ours(KeyPair::from_seed(seed), seed);
  for (const auto& [by, identity, line] : made_by_all("noise")) {
    INFO(by << " " << line.at(2));
    const Bytes secret = from_hex(line.at(1)), second = from_hex(line.at(4));
    NoiseKey ephemeral;
    std::copy(secret.begin(), secret.end(), ephemeral.begin());
    const bool early = line.at(2) != "none";
    const auto prefixed = [](const Bytes& message) {
      ByteWriter out;
      out.put_u16_be(static_cast<std::uint16_t>(message.size()));
      out.put(message);
      return out.take();
    };
    NoiseHandshake handshake(SecurityRole::initiator, ours, kYamux, ephemeral);
    CHECK(to_hex(handshake.start().slice(kNoiseLength)) == line.at(3));
    Bytes input = prefixed(second);
    REQUIRE(handshake.on_bytes(input));
    REQUIRE(handshake.done());
    CHECK(handshake.peer().id.to_string() == identity.peer);
    CHECK(handshake.peer().public_key == identity.key.serialized());
    CHECK(handshake.peer().muxers == (early ? split(line.at(2), ',') : std::vector<std::string>{}));
    CHECK(handshake.muxer() == (early ? kYamux[0] : ""));

    for (std::size_t bit = 0; bit < second.size() * 8; bit += 97) {
      NoiseHandshake fooled(SecurityRole::initiator, ours, kYamux, ephemeral);
      fooled.start();
      Bytes changed = prefixed(with_bit_flipped(second, bit));
      CHECK_FALSE(fooled.on_bytes(changed));
    }
  }
}

TEST_CASE("vectors: certificates of the TLS handshake", "[vectors][tls]") {
  constexpr std::int64_t kNewYear = 1'798'761'600;  // 2027: a few weeks after they were made
  for (const auto& [by, identity, line] : made_by_all("certificate")) {
    INFO(by);
    const Bytes der = from_hex(line.at(1));
    const auto peer = decode_tls_certificate(der, kNewYear);
    REQUIRE(peer);
    CHECK(peer->id.to_string() == identity.peer);
    CHECK(peer->public_key == identity.key.serialized());
    for (std::size_t bit = 0; bit < der.size() * 8; bit += 97)
      CHECK_FALSE(decode_tls_certificate(with_bit_flipped(der, bit), kNewYear));
  }
}

TEST_CASE("vectors: signed pubsub messages", "[vectors][gossipsub]") {
  for (const auto& [by, identity, line] : made_by_all("message")) {
    INFO(by);
    const Bytes bytes = from_hex(line.at(3));
    const RpcPart part = frame_message({bytes});
    const auto message = decode_message(part);
    REQUIRE(message);
    CHECK(PeerId::decode(message->from)->to_string() == identity.peer);
    CHECK(to_hex(message->topic) == line.at(1));
    CHECK(to_hex(message->data) == line.at(2));
    const bool inlined = !PeerId::decode(message->from)->inlined_key().empty();
    CHECK((message->key.data() != nullptr || inlined));  // js sends the key whether or not it is in the id
    CHECK(signature_valid(*message));
    for (std::size_t bit = 0; bit < bytes.size() * 8; bit += 61) {
      const RpcPart other = frame_message({with_bit_flipped(bytes, bit)});
      const auto changed = decode_message(other);
      CHECK_FALSE((changed && signature_valid(*changed)));
    }
  }
}
