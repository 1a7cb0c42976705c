// Multibase, CIDs, peer ids and multiaddrs.
#include <set>

#include <catch2/catch.hpp>

#include "stack/wire/cid.h"
#include "stack/wire/multiaddr.h"
#include "stack/wire/multibase.h"
#include "stack/wire/multihash.h"
#include "stack/wire/peer_id.h"
#include "stack/wire/sha256.h"
#include "tests/unit/vector_file.h"

using namespace mesocosm;
using testing::spec_key;

namespace {

Bytes hex(std::string_view text) { return decode_base(Base::base16, text).value(); }

std::string round_trip(std::string_view text) {
  const Result<Multiaddr> address = Multiaddr::parse(text);
  if (!address) return address.error().message();
  const Result<Multiaddr> again = Multiaddr::decode(address->bytes().view());
  if (!again) return again.error().message();
  CHECK(*again == *address);
  return again->to_string();
}

}  // namespace

TEST_CASE("SHA-256: FIPS 180-4 examples", "[wire]") {
  CHECK(to_hex(sha256({})) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(to_hex(sha256(as_bytes("abc"))) ==
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  Sha256 pieces;
  pieces.update(as_bytes("a"));
  Sha256 fork = pieces;
  CHECK(pieces.update(as_bytes("bc")).finish() == sha256(as_bytes("abc")));
  CHECK(fork.update(as_bytes("b")).finish() == sha256(as_bytes("ab")));
}

TEST_CASE("multibase: RFC 4648 and multibase's own vectors", "[wire]") {
  const struct {
    std::string_view text, multibase;
  } vectors[] = {
      {"yes mani !", "f796573206d616e692021"},
      {"yes mani !", "bpfsxgidnmfxgsibb"},
      {"yes mani !", "k2lcpzo5yikidynfl"},
      {"yes mani !", "z7paNL19xttacUY"},
      {"yes mani !", "meWVzIG1hbmkgIQ"},
      {"yes mani !", "ueWVzIG1hbmkgIQ"},
      {{"\0yes mani !", 11}, "z17paNL19xttacUY"},
      {{"\0\0yes mani !", 12}, "k002lcpzo5yikidynfl"},
      {{"\0\0yes mani !", 12}, "baaahszltebwwc3tjeaqq"},
  };
  for (const auto& vector : vectors) {
    CAPTURE(vector.multibase);
    CHECK(encode_multibase(static_cast<Base>(vector.multibase[0]), as_bytes(vector.text)) ==
          vector.multibase);
    CHECK(decode_multibase(vector.multibase)->text() == vector.text);
  }
  CHECK(decode_multibase("F796573206D616E692021")->text() == "yes mani !");
  CHECK(decode_multibase("BPFSXGIDNMFXGSIBB")->text() == "yes mani !");
  CHECK(decode_multibase("K2LCPZO5YIKIDYNFL")->text() == "yes mani !");
}

TEST_CASE("multibase: what does not decode", "[wire]") {
  for (std::string_view text :
       {"", "f7", "f7g", "ba", "bab", "b0a", "z0", "zl", "uA", "uAB", "ueWVzIG1hbmkgIQ=", "uab+/"}) {
    CAPTURE(text);
    const Result<Bytes> bytes = decode_multibase(text);
    REQUIRE_FALSE(bytes);
    CHECK(bytes.error().code == ErrorCode::bad_encoding);
  }
  CHECK(decode_multibase("?abc").error().code == ErrorCode::unsupported);
  CHECK(decode_multibase("Zabc").error().code == ErrorCode::unsupported);
  CHECK(decode_multibase("z" + std::string(kMaxBaseText + 1, '2')).error().code == ErrorCode::too_large);
}

TEST_CASE("multihash: bounds", "[wire]") {
  CHECK(decode_multihash(hex("1220" + std::string(64, 'a')))->digest.size() == 32);
  CHECK(decode_multihash(hex("0000"))->digest.empty());
  CHECK(decode_multihash(hex("1220aa")).error().code == ErrorCode::bad_encoding);
  CHECK(decode_multihash(hex("0001aaaa")).error().code == ErrorCode::bad_encoding);
  CHECK(decode_multihash(hex("00")).error().code == ErrorCode::bad_encoding);
  CHECK(decode_multihash({}).error().code == ErrorCode::bad_encoding);
  CHECK(decode_multihash(hex("008101" + std::string(258, 'a'))).error().code == ErrorCode::too_large);
}

TEST_CASE("CIDs: versions 0 and 1", "[wire]") {
  const std::string v0 = "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N";
  const Cid a = Cid::parse(v0).value();
  CHECK(a.version() == 0);
  CHECK(a.codec() == Codec::dag_pb);
  CHECK(a.to_string() == v0);
  CHECK(Cid::decode(a.encode()) == a);

  // The CID specification's example: zb2rh... is raw, sha2-256.
  const Cid b = Cid::parse("zb2rhe5P4gXftAwvA4eXQ5HJwsER2owDyS9sKaQRRVQPn93bA").value();
  CHECK(b.version() == 1);
  CHECK(b.codec() == Codec::raw);
  CHECK(to_hex(b.multihash()) == "12206e6ff7950a36187a801613426e858dce686cd7d7e3c0fc42ee0330072d245c95");
  CHECK(b.to_string() == "bafkreidon73zkcrwdb5iafqtijxildoonbwnpv7dyd6ef3qdgads2jc4su");
  CHECK(Cid::parse(b.to_string()) == b);
  CHECK(Cid::decode(b.encode()) == b);
}

TEST_CASE("CIDs: what does not decode", "[wire]") {
  CHECK_FALSE(Cid::parse(""));
  CHECK_FALSE(Cid::parse("QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5"));
  CHECK_FALSE(Cid::parse("zQmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"));  // version 0 is bare
  CHECK_FALSE(Cid::decode(hex("0155")));
  CHECK_FALSE(Cid::decode(hex("0155122000")));
  CHECK(Cid::decode(hex("02550000")).error().code == ErrorCode::unsupported);
  CHECK(Cid::decode(hex("0155000000")).error().code == ErrorCode::bad_encoding);  // trailing byte
}

TEST_CASE("peer ids of the specification's keys", "[wire]") {
  const struct {
    std::string key;
    std::string_view text, cid;
    bool inlined;
  } expected[] = {
      {spec_key("public", "ecdsa"), "QmVMT29id3TUASyfZZ6k9hmNyc2nYabCo4uMSpDw4zrgDk",
       "bafzbeidigywdclqvl5hxfefwp5onbffcfife7pza57mmfb4tiqmtkdjw64", false},
      {spec_key("public", "ed25519"), "12D3KooWBtg3aaRMjxwedh83aGiUkwSxDwUZkzuJcfaqUmo7R3pq",
       "bafzaajaiaejcahwr5d5ofrfbis4l5d6uwr57hu5tjodrypfm6yaq6dsc2r2pzyt6", true},
      {spec_key("public", "secp256k1"), "16Uiu2HAmLhLvBoYaoZfaMUKuibM6ac163GwKY74c5kiSLg5KvLpY",
       "bafzaajiiaijcca3xo7uzjzcsyilaj6i54cj44qk7kqzpoao5rti2pjx6udtdbp6kte", true},
      {spec_key("public", "rsa"), "QmaeANgBs1DTSxWSrPPtobgQuxW8XTfsS4ydbK4rCHzqxG",
       "bafzbeifwzcumbiyql7bhv7fe7mixg6i7aohegq75k234m63bnw6dbicmzu", false},
  };
  std::set<std::uint64_t> hashes;
  for (const auto& vector : expected) {
    const Bytes key = hex(vector.key);
    const PeerId id = PeerId::from_public_key(key);
    CHECK(id.to_string() == vector.text);
    CHECK(id.to_cid() == vector.cid);
    CHECK(PeerId::parse(vector.text) == id);
    CHECK(PeerId::parse(vector.cid) == id);
    CHECK(PeerId::decode(id.bytes()) == id);
    CHECK(equal(id.inlined_key(), vector.inlined ? key.view() : ByteView{}));
    hashes.insert(id.hash());
  }
  CHECK(hashes.size() == 4);
}

TEST_CASE("peer ids: the specification's examples, one peer in two notations", "[wire]") {
  const PeerId a = PeerId::parse("bafzbeie5745rpv2m6tjyuugywy4d5ewrqgqqhfnf445he3omzpjbx5xqxe").value();
  CHECK(a.to_string() == "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N");
  CHECK(PeerId::parse("12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA")->bytes().size() == 38);
  // Base 36, as IPNS names are written.
  CHECK(PeerId::parse("k51qzi5uqu5dhb6l8spkdx7yxafegfkee5by8h7lmjh2ehc2sgg34z7c15vzqs"));
}

TEST_CASE("peer ids: what does not decode", "[wire]") {
  CHECK(PeerId::decode({}).error().code == ErrorCode::bad_encoding);
  CHECK(PeerId::decode(hex("0000")).error().code == ErrorCode::bad_encoding);
  CHECK(PeerId::decode(hex("1210" + std::string(32, 'a'))).error().code == ErrorCode::bad_encoding);
  CHECK(PeerId::decode(hex("002b" + std::string(86, 'a'))).error().code == ErrorCode::too_large);
  CHECK(PeerId::decode(hex("1340" + std::string(128, 'a'))).error().code == ErrorCode::unsupported);
  CHECK(PeerId::parse("").error().code == ErrorCode::bad_encoding);
  CHECK(PeerId::parse("QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5I").error().code ==
        ErrorCode::bad_encoding);
  CHECK(PeerId::parse("QmxoHT6iViN5xAjoz1VZ553cL31U9F94ht3QvWR1FrEbZY").error().code ==
        ErrorCode::bad_encoding);
  // A CID of content, not of a key.
  CHECK(PeerId::parse("bafkreidon73zkcrwdb5iafqtijxildoonbwnpv7dyd6ef3qdgads2jc4su").error().code ==
        ErrorCode::bad_encoding);
  CHECK(PeerId::parse(std::string(200, '1')).error().code == ErrorCode::too_large);
}

TEST_CASE("multiaddrs: known binary forms", "[wire]") {
  const struct {
    std::string_view text, binary;
  } expected[] = {
      {"/ip4/192.0.2.42/tcp/443", "04c000022a0601bb"},
      {"/ip4/127.0.0.1/udp/1234", "047f000001910204d2"},
      {"/ip4/127.0.0.1/tcp/4321", "047f0000010610e1"},
      {"/ip4/127.0.0.1/udp/1234/ip4/127.0.0.1/tcp/4321", "047f000001910204d2047f0000010610e1"},
      {"/onion/aaimaq4ygg2iegci:80", "bc030010c0439831b48218480050"},
      {"/onion3/vww6ybal4bd7szmgncyruucpgfkqahzddi37ktceo3ah7ngmcopnpyyd:1234",
       "bd03adadec040be047f9658668b11a504f3155001f231a37f54c4476c07fb4cc139ed7e30304d2"},
  };
  for (const auto& vector : expected) {
    CHECK(to_hex(Multiaddr::parse(vector.text)->bytes()) == vector.binary);
    CHECK(Multiaddr::decode(hex(vector.binary))->to_string() == vector.text);
  }
}

TEST_CASE("multiaddrs print as they parse", "[wire]") {
  for (std::string_view text :
       {"/ip4/1.2.3.4",
        "/ip4/0.0.0.0",
        "/ip4/192.0.2.0/ipcidr/24",
        "/ip6/::1",
        "/ip6/2601:9:4f81:9700:803e:ca65:66e8:c21/udp/1234/quic-v1",
        "/ip6zone/x/ip6/fe80::1",
        "/ip6zone/x%y/ip6/fe80::1/udp/1234/quic",
        "/onion/timaq4ygg2iegci7:80/http",
        "/onion3/vww6ybal4bd7szmgncyruucpgfkqahzddi37ktceo3ah7ngmcopnpyyd:80/http",
        "/garlic32/566niximlxdzpanmn4qouucvua3k7neniwss47li5r6ugoertzuq/tcp/80",
        "/p2p-stardust",
        "/tcp/443/tls/http/http-path/api%2Fv0%2Flogin",
        "/udp/0",
        "/tcp/0",
        "/sctp/65535",
        "/dccp/1",
        "/p2p/QmcgpsyWgH8Y8ajJz1Cu72KnS5uo2Aa2LpzU7kinSupNKC",
        "/p2p/12D3KooWCryG7Mon9orvQxcS1rYZjotPgpwoJNHHKcLLfE4Hf5mV",
        "/udp/1234/udt",
        "/udp/1234/utp",
        "/tcp/1234/https",
        "/tcp/1234/tls/sni/example.com/http",
        "/ip4/127.0.0.1/udp/1234/quic-v1/webtransport",
        "/unix/a/b/c/d/e",
        "/unix/stdio",
        "/ip4/1.2.3.4/tcp/80/unix/a/b/c",
        "/ip4/127.0.0.1/tcp/9090/http/p2p-webrtc-direct",
        "/ip4/127.0.0.1/tcp/127/ws",
        "/ip4/127.0.0.1/tcp/127/tls/ws",
        "/ip4/127.0.0.1/tcp/127/wss",
        "/ip4/127.0.0.1/tcp/127/noise",
        "/ip4/127.0.0.1/udp/127/webrtc-direct",
        "/memory/4",
        "/memory/18446744073709551615",
        "/dns/example.com",
        "/dns4/a.b/tcp/1",
        "/dns6/a.b/tcp/1",
        "/dnsaddr/bootstrap.libp2p.io/p2p/QmcgpsyWgH8Y8ajJz1Cu72KnS5uo2Aa2LpzU7kinSupNKC",
        "/ip4/1.2.3.4/tcp/1/p2p/QmcgpsyWgH8Y8ajJz1Cu72KnS5uo2Aa2LpzU7kinSupNKC/p2p-circuit",
        "/ip6/::ffff:1.2.3.4/tcp/1"}) {
    CHECK(round_trip(text) == text);
  }
  const std::string garlic = "/garlic64/" + std::string(512, '~') + "A-==";  // 386 bytes
  CHECK(round_trip("/garlic64/" + std::string(512, '~') + "A-AA/http") ==
        "/garlic64/" + std::string(512, '~') + "A-AA/http");
  CHECK(Multiaddr::parse(garlic).error().code == ErrorCode::bad_encoding);  // stray bits in the filling
}

TEST_CASE("multiaddrs: other spellings become one", "[wire]") {
  const std::string p2p = "/p2p/QmcgpsyWgH8Y8ajJz1Cu72KnS5uo2Aa2LpzU7kinSupNKC";
  CHECK(round_trip("/ipfs/QmcgpsyWgH8Y8ajJz1Cu72KnS5uo2Aa2LpzU7kinSupNKC") == p2p);
  CHECK(round_trip("/p2p/bafzbeigvf25ytwc3akrijfecaotc74udrhcxzh2cx3we5qqnw5vgrei4bm") == p2p);
  CHECK(round_trip("/p2p/k2k4r8oqamigqdo6o7hsbfwd45y70oyynp98usk7zmyfrzpqxh1pohl7") == p2p);
  CHECK(round_trip("/ip4/127.0.0.1/tcp/1234/") == "/ip4/127.0.0.1/tcp/1234");
  CHECK(round_trip("/ip6/2001:DB8:0:0::1") == "/ip6/2001:db8::1");
  CHECK(round_trip("/http-path/a+b%2fc%20%ff:@") == "/http-path/a%2Bb%2Fc%20%FF%3A%40");
  CHECK(
      round_trip("/ip4/127.0.0.1/udp/1234/quic-v1/webtransport/certhash/b2uaraocy6yrdblb4sfptaddgimjmmpy") ==
      "/ip4/127.0.0.1/udp/1234/quic-v1/webtransport/certhash/u1QEQOFj2IjCsPJFfMAxmQxLGPw");
}

TEST_CASE("multiaddrs: malformed texts", "[wire]") {
  for (
      std::string_view text :
      {"",
       "/",
       "//",
       "ip4/1.2.3.4",
       "/ip4",
       "/ip4/::1",
       "/ip4/fdpsofodsajfdoisa",
       "/ip4/1.2.3",
       "/ip4/1.2.3.4.5",
       "/ip4/::/ipcidr/256",
       "/ip4/1.2.3.4/ipcidr/256",
       "/ip6",
       "/ip6/1.2.3.4",
       "/ip6zone",
       "/ip6zone/",
       "/ip6zone//ip6/fe80::1",
       "/udp",
       "/tcp",
       "/sctp",
       "/udp/65536",
       "/tcp/65536",
       "/tcp/-1",
       "/tcp/+1",
       "/tcp/ 1",
       "/tcp/0x1",
       "/tcp/1e1",
       "/quic/65536",
       "/quic-v1/65536",
       "/onion/9imaq4ygg2iegci7:80",
       "/onion/aaimaq4ygg2iegci7:80",
       "/onion/timaq4ygg2iegci7:0",
       "/onion/timaq4ygg2iegci7:-1",
       "/onion/timaq4ygg2iegci7",
       "/onion/timaq4ygg2iegci@:666",
       "/onion3/9ww6ybal4bd7szmgncyruucpgfkqahzddi37ktceo3ah7ngmcopnpyyd:80",
       "/onion3/vww6ybal4bd7szmgncyruucpgfkqahzddi37ktceo3ah7ngmcopnpyyd7:80",
       "/onion3/vww6ybal4bd7szmgncyruucpgfkqahzddi37ktceo3ah7ngmcopnpyyd:0",
       "/onion3/vww6ybal4bd7szmgncyruucpgfkqahzddi37ktceo3ah7ngmcopnpyyd",
       "/garlic64/AAAA",
       "/garlic32/566niximlxdzpanmn4qouucvua3k7neniwss47li5r6ugoertzuqzwassw",  // stray bits, which go ignores
       "/udp/1234/sctp",
       "/udp/1234/udt/1234",
       "/udp/1234/utp/1234",
       "/ip4/127.0.0.1/udp/jfodsajfidosajfoidsa",
       "/ip4/127.0.0.1/udp",
       "/ip4/127.0.0.1/tcp/jfodsajfidosajfoidsa",
       "/ip4/127.0.0.1/tcp",
       "/ip4/127.0.0.1//tcp/1",
       "/ip4/127.0.0.1/quic/1234",
       "/ip4/127.0.0.1/udp/1234/quic-v1/webtransport/certhash",
       "/ip4/127.0.0.1/udp/1234/quic-v1/webtransport/certhash/b2uaraocy6yrdblb4sfptaddgimjmmp",
       "/ip4/127.0.0.1/ipfs",
       "/ip4/127.0.0.1/ipfs/tcp",
       "/ip4/127.0.0.1/p2p",
       "/ip4/127.0.0.1/p2p/tcp",
       "/unix",
       "/unix/",
       "/ip4/1.2.3.4/tcp/80/unix",
       "/ip4/127.0.0.1/tcp/9090/http/p2p-webcrt-direct",
       "/memory/92233720368547758081",
       "/p2p/QmxoHT6iViN5xAjoz1VZ553cL31U9F94ht3QvWR1FrEbZY",
       "/dns/",
       "/dns/a b",
       "/http-path/",
       "/http-path/a%2",
       "/http-path/a%zz",
       "/http-path/a b",
       "/foo/1"}) {
    CAPTURE(text);
    CHECK_FALSE(Multiaddr::parse(text));
  }
  CHECK(Multiaddr::parse("/foo").error().code == ErrorCode::unsupported);
  CHECK(Multiaddr::parse("/dns/" + std::string(5000, 'a')).error().code == ErrorCode::too_large);
  CHECK(Multiaddr::parse("/dns/" + std::string(1100, 'a')).error().code == ErrorCode::too_large);
}

TEST_CASE("multiaddrs: malformed binaries", "[wire]") {
  for (std::string_view binary : {"",
                                  "04",
                                  "047f0000",
                                  "047f00000106",
                                  "06",
                                  "0610",
                                  "a503",
                                  "a50322",
                                  "a5030112",
                                  "a503021220",
                                  "3500",
                                  "3501",
                                  "35012f",
                                  "350120",
                                  "8c0180",
                                  "9003012f",
                                  "900302612f",  // a path ends the address and begins with a slash
                                  "9003022f610601bb",
                                  "840080",
                                  "bc030010c0439831b48218480000",
                                  "ff",
                                  "ffffffffffffffffff01",
                                  "8400",
                                  "35810061"}) {
    CAPTURE(binary);
    CHECK_FALSE(Multiaddr::decode(hex(binary)));
  }
  CHECK(Multiaddr::decode(hex("7f")).error().code == ErrorCode::unsupported);
  CHECK(Multiaddr::decode(as_bytes(std::string(1025, 'x'))).error().code == ErrorCode::too_large);
}

TEST_CASE("multiaddrs: endpoints and peers", "[wire]") {
  const Endpoint v4{IpAddress::v4(0xc0000201), 4001};
  const Endpoint v6{IpAddress::parse("2001:db8::1").value(), 4001};
  CHECK(Multiaddr::tcp(v4).to_string() == "/ip4/192.0.2.1/tcp/4001");
  CHECK(Multiaddr::tcp(v4).tcp_endpoint() == v4);
  CHECK_FALSE(Multiaddr::tcp(v4).udp_endpoint());
  CHECK(Multiaddr::udp(v6).to_string() == "/ip6/2001:db8::1/udp/4001");
  CHECK(Multiaddr::udp(v6).udp_endpoint() == v6);

  const PeerId peer = PeerId::from_public_key(hex(spec_key("public", "ed25519")));
  const PeerId other = PeerId::from_public_key(hex(spec_key("public", "rsa")));
  const Multiaddr full = Multiaddr::tcp(v4).with_peer(peer);
  CHECK(full.to_string() == "/ip4/192.0.2.1/tcp/4001/p2p/" + peer.to_string());
  CHECK(full.tcp_endpoint() == v4);
  CHECK(full.peer() == peer);
  CHECK(full.without_peer() == Multiaddr::tcp(v4));
  CHECK(full.without_peer().without_peer() == Multiaddr::tcp(v4));
  CHECK_FALSE(Multiaddr::tcp(v4).peer());
  CHECK(Multiaddr().with_peer(peer).without_peer().empty());
  const Multiaddr websocket = Multiaddr::parse("/ip4/0.0.0.0/tcp/4001/ws").value();
  CHECK(websocket.with_ip(v4.ip).to_string() == "/ip4/192.0.2.1/tcp/4001/ws");
  CHECK(websocket.with_ip(v6.ip).to_string() == "/ip6/2001:db8::1/tcp/4001/ws");
  const Multiaddr named = Multiaddr::parse("/dns4/example.org/tcp/4001").value();
  CHECK(named.with_ip(v4.ip) == named);

  const Multiaddr relayed = Multiaddr::parse(full.to_string() + "/p2p-circuit").value();
  CHECK_FALSE(relayed.tcp_endpoint());
  CHECK_FALSE(relayed.peer());
  CHECK(relayed.with_peer(other).peer() == other);
  CHECK(relayed.contains(AddressCode::p2p_circuit));
  CHECK_FALSE(full.contains(AddressCode::p2p_circuit));
  CHECK(Multiaddr::websocket(v4).to_string() == "/ip4/192.0.2.1/tcp/4001/ws");
  CHECK(Multiaddr::websocket(v6) == *Multiaddr::parse(Multiaddr::tcp(v6).to_string() + "/ws"));
  CHECK_FALSE(Multiaddr::parse("/ip4/1.2.3.4/tcp/80/ws")->tcp_endpoint());
  CHECK_FALSE(Multiaddr::parse("/dns4/localhost/tcp/80")->tcp_endpoint());
  CHECK(Multiaddr::tcp(v4) < Multiaddr::tcp(v6));
}

TEST_CASE("multiaddrs: walking the components", "[wire]") {
  const Multiaddr address = Multiaddr::parse("/dns4/example.com/tcp/443/tls/ws").value();
  MultiaddrReader part(address);
  REQUIRE(part.next());
  CHECK(part.code() == AddressCode::dns4);
  CHECK(part.text() == "example.com");
  CHECK_FALSE(part.ip());
  REQUIRE(part.next());
  CHECK(part.code() == AddressCode::tcp);
  CHECK(part.port() == 443);
  CHECK(to_hex(part.rest()) == "c003dd03");
  REQUIRE(part.next());
  REQUIRE(part.next());
  CHECK(part.value().empty());
  CHECK_FALSE(part.next());
}

TEST_CASE("the longest addresses are as long as text as they need", "[multiaddr]") {
  std::vector<std::uint8_t> binary;
  while (binary.size() < Multiaddr::kMaxSize)
    binary.insert(binary.end(), {0xdf, 0x03});  // /p2p-websocket-star
  const auto address = Multiaddr::decode(ByteView(binary));
  REQUIRE(address);
  const auto again = Multiaddr::parse(address->to_string());
  REQUIRE(again);
  CHECK(*again == *address);
}
