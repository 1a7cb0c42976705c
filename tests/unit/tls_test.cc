// TLS: handshakes of ours with each other and with OpenSSL's own, peers that lie, and the records afterwards.
#include "stack/secure/tls.h"

#include <set>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <openssl/rand.h>

#include "tests/unit/tls_harness.h"

using namespace mesocosm;
using namespace mesocosm::testing;

TEST_CASE("TLS: both sides learn who the other is and agree on a muxer", "[tls]") {
  for (const std::size_t chop : {SIZE_MAX, std::size_t{1}, std::size_t{100}}) {
    TlsPair pair;
    pair.run(chop);
    REQUIRE(pair.alice->done());
    REQUIRE(pair.bob->done());
    CHECK(pair.flights.size() == 3);
    CHECK(pair.alice->peer().id == tls_key(2).peer_id());
    CHECK(pair.alice->peer().public_key == tls_key(2).public_key().serialized());
    CHECK(pair.bob->peer().id == tls_key(1).peer_id());
    CHECK(pair.alice->muxer() == "/yamux/1.0.0");
    CHECK(pair.bob->muxer() == "/yamux/1.0.0");
    const auto a = pair.alice->channel(), b = pair.bob->channel();
    const Bytes hello = Bytes::copy("hello");
    Bytes sealed = a->seal({&hello, 1});
    CHECK(sealed.size() == 5 + TlsChannel::kShape.overhead());
    CHECK((**b->open(sealed)).text() == "hello");
    sealed = b->seal({&hello, 1});
    CHECK((**a->open(sealed)).text() == "hello");
  }
}

TEST_CASE("TLS: without a muxer in common multistream has to find one", "[tls]") {
  constexpr std::string_view kOther[] = {"/other/1.0.0"};
  const auto muxer = [](std::span<const std::string_view> alices, std::span<const std::string_view> bobs) {
    TlsPair pair;
    pair.alices.muxers = alices;
    pair.bobs.muxers = bobs;
    pair.run();
    REQUIRE(pair.alice->done());
    REQUIRE(pair.bob->done());
    CHECK(pair.alice->muxer() == pair.bob->muxer());
    return std::string(pair.alice->muxer());
  };
  CHECK(muxer(kYamuxOnly, kYamuxOnly) == "/yamux/1.0.0");
  CHECK(muxer(kOther, kYamuxOnly).empty());
  CHECK(muxer({}, kYamuxOnly).empty());
  CHECK(muxer(kYamuxOnly, {}).empty());
  CHECK(muxer({}, {}).empty());
}

TEST_CASE("TLS: a handshake repeats from its seeds, byte for byte", "[tls]") {
  const auto flights = [](std::uint8_t certificates, std::uint8_t handshakes) {
    TlsPair pair;
    TlsSecurity alice(tls_key(1), seed_of(certificates));
    pair.alices.seed = seed_of(handshakes);
    pair.alice = alice.begin(pair.alices);
    pair.bob = pair.bob_security.begin(pair.bobs);
    const Bytes hello = pair.alice->start();
    const Bytes answer = TlsPair::feed(*pair.bob, pair.bob_error, hello, SIZE_MAX);
    const Bytes last = TlsPair::feed(*pair.alice, pair.alice_error, answer, SIZE_MAX);
    TlsPair::feed(*pair.bob, pair.bob_error, last, SIZE_MAX);
    REQUIRE(pair.bob->done());
    return std::vector<Bytes>{hello, answer, last};
  };
  const auto first = flights(21, 22);
  CHECK(flights(21, 22) == first);
  const auto other = flights(21, 23);
  for (std::size_t i = 0; i < 3; ++i) CHECK(other[i] != first[i]);
  const auto other_certificate = flights(24, 22);
  CHECK(other_certificate[0] == first[0]);  // the seed of the handshake is all that a ClientHello is made of
  CHECK(other_certificate[2] != first[2]);
}

TEST_CASE("TLS: without a handshake's seed there is no randomness", "[tls]") {
  std::uint8_t bytes[8];
  CHECK(RAND_bytes_ex(tls_library(), bytes, sizeof(bytes), 0) != 1);
  CHECK(RAND_priv_bytes_ex(tls_library(), bytes, sizeof(bytes), 0) != 1);
  TlsRandom one(seed_of(1)), two(seed_of(1));
  std::uint8_t drawn[100], again[100];
  {
    const TlsRandomScope scope(one);
    CHECK(RAND_bytes_ex(tls_library(), drawn, sizeof(drawn), 0) == 1);
  }
  CHECK(RAND_bytes_ex(tls_library(), bytes, sizeof(bytes), 0) != 1);
  two.fill(again);
  CHECK(equal(drawn, again));
  std::set<std::string> blocks;
  for (int i = 0; i < 1000; ++i) {
    std::uint8_t block[32];
    one.fill(block);
    blocks.insert(std::string(as_text(block)));
  }
  CHECK(blocks.size() == 1000);
  ERR_clear_error();
}

TEST_CASE("TLS: the ClientHello names no server and resumes nothing", "[tls]") {
  TlsPair pair;
  pair.run();
  const std::string_view hello = pair.flights[0].text();
  std::set<int> extensions;
  std::size_t at = 5 + 4 + 2 + 32;  // record, message, version, random
  at += 1 + static_cast<std::uint8_t>(hello[at]);
  CHECK(hello[5 + 4 + 2 + 32] == 0);                                   // no session id either
  at += 2 + static_cast<std::size_t>(hello[at] << 8 | hello[at + 1]);  // cipher suites
  at += 1 + static_cast<std::size_t>(hello[at]) + 2;                   // compression, length of extensions
  const auto number = [&](std::size_t i) {
    return static_cast<std::uint8_t>(hello[i]) << 8 | static_cast<std::uint8_t>(hello[i + 1]);
  };
  while (at + 4 <= hello.size()) {
    extensions.insert(number(at));
    at += 4 + static_cast<std::size_t>(number(at + 2));
  }
  CHECK(at == hello.size());
  CHECK(extensions.count(0) == 0);   // server_name
  CHECK(extensions.count(35) == 0);  // session_ticket
  CHECK(extensions.count(41) == 0);  // pre_shared_key
  CHECK(extensions.count(42) == 0);  // early_data
  CHECK(extensions.count(16) == 1);  // ALPN
  CHECK(extensions.count(51) == 1);  // key_share
}

TEST_CASE("TLS: another peer than the expected one is refused, and told so", "[tls]") {
  for (const bool dialer_expects : {true, false}) {
    TlsPair pair;
    (dialer_expects ? pair.alices : pair.bobs).expected = tls_key(9).peer_id();
    pair.run();
    const Error& ours = dialer_expects ? pair.alice_error : pair.bob_error;
    CHECK(ours.code == ErrorCode::peer_mismatch);
    CHECK(ours.detail == "the peer is " + tls_key(dialer_expects ? 2 : 1).peer_id().to_string());
    if (dialer_expects) {
      CHECK(pair.bob_error.message() == "authentication failed: tls: refused by the peer: bad certificate");
      continue;
    }
    CHECK(pair.alice->done());  // and learns afterwards that it was refused
    Bytes alert = pair.flights.back();
    CHECK(pair.alice->channel()->open(alert).error().message() ==
          "authentication failed: tls: refused by the peer: bad certificate");
  }
  TlsPair right;
  right.alices.expected = tls_key(2).peer_id();
  right.bobs.expected = tls_key(1).peer_id();
  right.run();
  CHECK(right.bob->done());
}

TEST_CASE("TLS: with OpenSSL's own, both ways, data, tickets, key updates and the end", "[tls]") {
  Recipe recipe;
  for (const std::string key : {"P-256", "P-384", "P-521", "ED25519", "RSA2048"}) {
    recipe.key = key;
    const Forged forged = forge(recipe);
    for (const bool we_dial : {true, false}) {
      for (const std::string suite : {"TLS_AES_128_GCM_SHA256", "TLS_CHACHA20_POLY1305_SHA256"}) {
        WildPeer::Options options;
        options.chain = {&forged};
        options.tickets = 3;
        options.cipher_suites = suite;
        WildPair pair(we_dial, options, tls_key(2).peer_id());
        INFO(key << " " << suite << " " << we_dial << " " << pair.error.message());
        REQUIRE(pair.channel != nullptr);
        CHECK(pair.ours->muxer() == "/yamux/1.0.0");
        for (const int update :
             {-1, SSL_KEY_UPDATE_NOT_REQUESTED, SSL_KEY_UPDATE_REQUESTED, SSL_KEY_UPDATE_REQUESTED}) {
          if (update >= 0) REQUIRE(SSL_key_update(pair.wild.ssl(), update) == 1);
          pair.received.clear();
          pair.wild.received.clear();
          const std::string big(100'000, 'x');
          pair.take(pair.wild.write(big));
          CHECK(pair.received == big);
          pair.exchange(pair.seal("hello"));
          pair.exchange(pair.seal(big));
          CHECK(pair.wild.received == "hello" + big);
          CHECK_FALSE(pair.wild.failed);
        }
        pair.exchange(pair.channel->farewell());
        CHECK(pair.wild.closed);
        SSL_shutdown(pair.wild.ssl());
        pair.take(pair.wild.take());
        CHECK(pair.error.ok());
        pair.take(Bytes::copy("whatever follows"));
        CHECK(pair.error.ok());
      }
    }
  }
}

TEST_CASE("TLS: a certificate with a fault is refused by name, on either side", "[tls]") {
  const auto refused = [](const Recipe& recipe, int alert = SSL_AD_BAD_CERTIFICATE) {
    const Forged forged = forge(recipe);
    WildPeer::Options options;
    options.chain = {&forged};
    Error errors[2];
    for (const bool we_dial : {true, false}) {
      WildPair pair(we_dial, options);
      CHECK_FALSE(pair.ours->done());
      CHECK(pair.wild.alert == alert);
      errors[we_dial ? 0 : 1] = pair.error;
    }
    CHECK(errors[0].message() == errors[1].message());
    return errors[0].message();
  };
  Recipe recipe;
  recipe.to = kNow - 1;
  CHECK(refused(recipe, SSL_AD_CERTIFICATE_EXPIRED) ==
        "authentication failed: tls: the certificate has expired");
  recipe = {};
  recipe.from = kNow + 1;
  CHECK(refused(recipe) == "authentication failed: tls: the certificate is not valid yet");
  recipe = {};
  recipe.extensions = 0;
  CHECK(refused(recipe) == "authentication failed: tls: the certificate has no libp2p extension");
  recipe = {};
  recipe.signed_prefix = "libp2p-tls-handshake";
  CHECK(refused(recipe) ==
        "authentication failed: tls: the certificate is not signed by the identity it names: "
        "signature: does not verify");
  recipe = {};
  recipe.public_key = tls_key(3).public_key().serialized();
  CHECK(refused(recipe) ==
        "authentication failed: tls: the certificate is not signed by the identity it names: "
        "signature: does not verify");
  recipe = {};
  recipe.signer = "P-256";
  CHECK(refused(recipe) ==
        "authentication failed: tls: the certificate does not carry its own key's signature");
  recipe = {};
  recipe.key = "RSA1024";
  const std::string key = refused(recipe, SSL_AD_UNSUPPORTED_CERTIFICATE);
  CHECK(key == "unsupported: tls: the certificate has a type of key that is not supported");
}

TEST_CASE("TLS: more than one certificate, none, another ALPN, another version", "[tls]") {
  const Forged forged = forge({}), second = forge({});
  WildPeer::Options options;
  options.chain = {&forged, &second};
  for (const bool we_dial : {true, false}) {
    WildPair pair(we_dial, options);
    CHECK(pair.error.message() == "authentication failed: tls: a chain of 2 certificates");
    CHECK(pair.wild.alert == SSL_AD_BAD_CERTIFICATE);
  }
  options.chain = {};
  WildPair bare(false, options);
  CHECK(bare.error.message() == "authentication failed: tls: the peer shows no certificate");
  CHECK(bare.wild.alert == SSL_AD_CERTIFICATE_REQUIRED);

  options.chain = {&forged};
  options.protocols = "\x02h2";
  WildPair h2_client(false, options);
  CHECK(h2_client.error.message() ==
        "negotiation failed: tls: none of the protocols that the peer offers is spoken");
  CHECK(h2_client.wild.alert == SSL_AD_NO_APPLICATION_PROTOCOL);
  WildPair h2_server(true, options);
  CHECK(h2_server.error.message() == "negotiation failed: tls: refused by the peer: no application protocol");
  options.protocols = "\x06libp2p";
  for (const bool we_dial : {true, false}) {
    WildPair old(we_dial, options);
    CHECK(old.ours->done());
    CHECK(old.ours->muxer().empty());
  }

  options.max_version = TLS1_2_VERSION;
  WildPair old_client(false, options);
  CHECK(old_client.error.message() == "negotiation failed: tls: the peer does not speak TLS 1.3");
  CHECK(old_client.wild.alert == SSL_AD_PROTOCOL_VERSION);
  WildPair old_server(true, options);
  CHECK(old_server.error.message() == "negotiation failed: tls: refused by the peer: protocol version");
  options.max_version = TLS1_3_VERSION;
  options.cipher_suites = "TLS_AES_256_GCM_SHA384";
  WildPair other_suite(false, options);
  CHECK(other_suite.error.message() == "negotiation failed: tls: no cipher suite in common");
}

TEST_CASE("TLS: garbage and floods end the handshake", "[tls]") {
  const auto fed = [](bool we_dial, Bytes garbage) {
    TlsPair pair;
    const auto side = we_dial ? pair.alice_security.begin(pair.alices) : pair.bob_security.begin(pair.bobs);
    if (we_dial) side->start();
    Error error;
    TlsPair::feed(*side, error, std::move(garbage), 1000);
    CHECK_FALSE(side->done());
    return error.code;
  };
  // A record of a handshake message that never ends.
  std::string flood;
  for (int i = 0; i < 5; ++i) {
    flood += std::string("\x16\x03\x03\x40\x00", 5) + (i == 0 ? std::string("\x0b\x00\xff\xff", 4) : "");
    flood += std::string(i == 0 ? 16'380 : 16'384, 'x');
  }
  for (const bool we_dial : {true, false}) {
    CHECK(fed(we_dial, Bytes::copy("\x13/multistream/1.0.0\n")) == ErrorCode::negotiation_failed);
    CHECK(fed(we_dial, Bytes::copy(std::string(100, '\0'))) != ErrorCode::none);
    CHECK(fed(we_dial, Bytes::copy(flood)) != ErrorCode::none);
  }
  // Nobody may make us read for ever: empty records that are allowed before the end of the handshake.
  std::string records;
  for (int i = 0; i < 10'000; ++i) records += std::string("\x14\x03\x03\x00\x01\x01", 6);
  CHECK(fed(false, Bytes::copy(records)) != ErrorCode::none);
}

TEST_CASE("TLS: no flight survives a change", "[tls]") {
  TlsPair honest;
  honest.run();
  for (std::size_t flight = 0; flight < 3; ++flight) {
    for (std::size_t at = 5; at < honest.flights[flight].size(); at += flight == 1 ? 13 : 29) {
      TlsPair pair;
      pair.run(SIZE_MAX, [&](int i, Bytes bytes) {
        if (static_cast<std::size_t>(i) != flight) return bytes;
        std::string changed(bytes.text());
        changed[at] = static_cast<char>(changed[at] ^ 0x10);
        return Bytes::copy(changed);
      });
      INFO("flight " << flight << " byte " << at);
      CHECK_FALSE(pair.bob->done());
      CHECK_FALSE((pair.bob_error.ok() && pair.alice_error.ok() && pair.alice->done()));
    }
  }
}
