// What captures are written with: pcapng's blocks and IP packets, byte by byte, and the keys of handshakes.
#include <catch2/catch.hpp>

#include "sim/capture/ip_packet.h"
#include "sim/capture/pcapng.h"
#include "stack/secure/noise.h"
#include "stack/wire/multibase.h"
#include "tests/unit/tls_harness.h"

using namespace mesocosm;
using namespace mesocosm::capture;
using namespace mesocosm::testing;

namespace {

struct Lines final : KeyLog {
  void on_secret(std::string_view line) override { all.emplace_back(line); }
  std::vector<std::string> all;
};

NoiseKey key_of(const std::string& hex) {
  NoiseKey key;
  const auto bytes = decode_base(Base::base16, hex);
  REQUIRE((bytes && bytes->size() == key.size()));
  std::copy(bytes->begin(), bytes->end(), key.begin());
  return key;
}

}  // namespace

TEST_CASE("pcapng's blocks", "[capture]") {
  CHECK(to_hex(section_block("hi")) ==
        "0a0d0d0a"
        "34000000"
        "4d3c2b1a"
        "01000000"
        "ffffffffffffffff"
        "01000200"
        "68690000"
        "04000800"
        "4d65736f636f736d"
        "00000000"
        "34000000");
  CHECK(to_hex(interface_block("a", "b")) ==
        "01000000"
        "30000000"
        "65000000"
        "00000000"
        "02000100"
        "61000000"
        "03000100"
        "62000000"
        "09000100"
        "09000000"
        "00000000"
        "30000000");
  const std::pair<IpAddress, std::string> name(IpAddress::v4(0x01000001), "n-0");
  CHECK(to_hex(name_block({&name, 1})) ==
        "04000000"
        "1c000000"
        "01000800"
        "01000001"
        "6e2d3000"
        "00000000"
        "1c000000");
  CHECK(to_hex(packet_block(0x0102030405060708, PacketDirection::out, as_bytes("abcde"))) ==
        "06000000"
        "34000000"
        "00000000"
        "04030201"
        "08070605"
        "05000000"
        "05000000"
        "6162636465000000"
        "02000400"
        "02000000"
        "00000000"
        "34000000");
  CHECK(to_hex(secrets_block("x y\n")) ==
        "0a000000"
        "18000000"
        "4b534c54"
        "04000000"
        "7820790a"
        "18000000");
}

TEST_CASE("TCP and UDP packets with their checksums", "[capture]") {
  TcpHeader header;
  header.from = {IpAddress::v4(0x0a000001), 1};
  header.to = {IpAddress::v4(0x0a000002), 2};
  header.sequence = 0x01020304;
  header.acknowledgement = 0x05060708;
  header.window = 0x3000 << 7;
  header.ack = header.push = true;
  header.sent_ms = 9;
  header.echo_ms = 8;
  const Bytes packet = tcp_packet(header, as_bytes("xyz"));
  // The sums were computed apart, by RFC 1071.
  CHECK(to_hex(packet) ==
        "4500003700004000"
        "400626bf"
        "0a0000010a000002"
        "00010002"
        "01020304"
        "05060708"
        "80183000"
        "300e0000"
        "0101080a0000000900000008"
        "78797a");
  header.push = false;
  header.syn = true;
  CHECK(tcp_packet(header, {}).size() == 60);
  header.syn = false;
  header.rst = true;
  CHECK(tcp_packet(header, {}).size() == 40);
  const Bytes udp = udp_packet(header.from, header.to, as_bytes("ab"));
  CHECK(to_hex(udp) ==
        "4500001e00004000"
        "401126cd"
        "0a0000010a000002"
        "00010002000a8a72"
        "6162");

  std::array<std::uint8_t, 16> six{0xfd};
  header.from.ip = header.to.ip = IpAddress::v6(six);
  const Bytes v6 = tcp_packet(header, {});
  CHECK(v6.size() == 60);
  CHECK(v6[0] == 0x60);
}

TEST_CASE("checksums are left alone in fragments and in what is not whole", "[capture]") {
  const Bytes whole = udp_packet({IpAddress::v4(1), 1}, {IpAddress::v4(2), 2}, as_bytes("ab"));
  std::vector<std::uint8_t> fragment(whole.begin(), whole.end());
  fragment[6] = 0x20;  // more fragments
  fragment[26] = fragment[27] = 0;
  fill_checksums(fragment);
  CHECK((fragment[26] == 0 && fragment[27] == 0));
  CHECK((fragment[10] != whole[10] || fragment[11] != whole[11]));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    std::vector<std::uint8_t> cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    const auto before = cut;
    fill_checksums(cut);
    CHECK(cut == before);
  }
}

TEST_CASE("both sides of a TLS handshake log the same traffic secrets", "[capture][tls]") {
  TlsPair pair;
  Lines alice, bob;
  pair.alices.key_log = &alice;
  pair.bobs.key_log = &bob;
  pair.run();
  REQUIRE((pair.alice->done() && pair.bob->done()));
  for (const std::string label : {"CLIENT_HANDSHAKE_TRAFFIC_SECRET ", "SERVER_HANDSHAKE_TRAFFIC_SECRET ",
                                  "CLIENT_TRAFFIC_SECRET_0 ", "SERVER_TRAFFIC_SECRET_0 "}) {
    INFO(label);
    const auto has = [&](const std::string& line) { return line.starts_with(label); };
    const auto one = std::find_if(alice.all.begin(), alice.all.end(), has);
    REQUIRE(one != alice.all.end());
    CHECK(one->size() == label.size() + 64 + 1 + 64);
    CHECK(std::count(bob.all.begin(), bob.all.end(), *one) == 1);
  }
}

TEST_CASE("the logged keys of a Noise handshake open its frames", "[capture][noise]") {
  const NoiseIdentity alices(tls_key(1), seed_of(11)), bobs(tls_key(2), seed_of(12));
  Lines alice_log, bob_log;
  NoiseHandshake alice(SecurityRole::initiator, alices, kYamuxOnly, seed_of(13), {}, &alice_log);
  NoiseHandshake bob(SecurityRole::responder, bobs, kYamuxOnly, seed_of(14), {}, &bob_log);
  const Bytes first = alice.start();
  Bytes flight = first;
  flight = *bob.on_bytes(flight);
  flight = *alice.on_bytes(flight);
  REQUIRE(bob.on_bytes(flight));
  REQUIRE(alice_log.all.size() == 2);
  CHECK(alice_log.all == bob_log.all);
  const std::string ephemeral = to_hex(first.slice(kNoiseLength, 32));  // in the clear, first of all
  const std::string initiators = "NOISE_INITIATOR_KEY " + ephemeral + ' ';
  const std::string responders = "NOISE_RESPONDER_KEY " + ephemeral + ' ';
  REQUIRE(alice_log.all[0].starts_with(initiators));
  REQUIRE(alice_log.all[1].starts_with(responders));
  NoiseTransport reader(key_of(alice_log.all[1].substr(responders.size())),
                        key_of(alice_log.all[0].substr(initiators.size())));
  const Bytes plain = Bytes::copy("what alice says");
  Bytes sealed = alice.channel()->seal({&plain, 1});
  CHECK(reader.open(sealed).value().value() == plain);
}
