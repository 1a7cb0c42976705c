// TLS as a security of the upgraded connection: which one is selected, and who learns of a refusal how.
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/unit/tls_harness.h"
#include "tests/unit/upgrade_harness.h"

using namespace mesocosm;
using namespace mesocosm::testing;

namespace {

constexpr SecurityProtocol kNoise = SecurityProtocol::noise, kTls = SecurityProtocol::tls;
constexpr std::int64_t kClockEpoch = 1'700'000'000;  // ManualClock's

TcpOptions offering(std::vector<SecurityProtocol> securities) {
  TcpOptions options;
  options.upgrade.securities = std::move(securities);
  return options;
}

// A wild peer at the other end of a byte stream of ours: it selects TLS and goes on from there.
struct WildEnd final : ByteStream::Events {
  WildPeer wild;
  std::unique_ptr<ByteStream> stream;
  std::string selection = "\x13/multistream/1.0.0\n\x0b/tls/1.0.0\n";
  bool dials;
  bool stays = false;  // after a failure
  std::size_t selected = 0;
  Error closed;

  WildEnd(bool as_dialer, WildPeer::Options options)
      : wild(as_dialer, std::move(options)), dials(as_dialer) {}
  void give(std::unique_ptr<ByteStream> given) {
    stream = std::move(given);
    stream->set_events(*this);
  }
  void on_readable() override {
    while (true) {
      Bytes bytes = stream->read(SIZE_MAX);
      if (bytes.empty()) break;
      const Bytes head = bytes.take_front(selection.size() - selected);
      selected += head.size();
      if (!head.empty() && selected == selection.size()) {
        if (!dials) stream->write(Bytes::copy(selection));
        say(wild.step({}));
      }
      if (!bytes.empty()) say(wild.step(bytes));
    }
    if (wild.failed && stream && !stays) stream->finish();
  }
  void say(Bytes bytes) {
    if (!bytes.empty()) stream->write(std::move(bytes));
  }
  void on_writable() override {
    if (dials) stream->write(Bytes::copy(selection));
  }
  void on_closed(Error error) override { closed = std::move(error); }
};

Forged forge_at_clock(std::int64_t from, std::int64_t to) {
  Recipe recipe;
  recipe.from = kClockEpoch + from;
  recipe.to = kClockEpoch + to;
  return forge(recipe);
}

}  // namespace

TEST_CASE("the dialer's first security that the listener speaks is selected", "[upgrade][tls]") {
  const auto selected = [](std::vector<SecurityProtocol> alices, std::vector<SecurityProtocol> bobs) {
    Two two(offering(std::move(alices)), offering(std::move(bobs)));
    two.connect();
    if (two.alice.connections.empty()) return two.alice.dial_errors.at(0).message();
    CHECK(two.bob.connection().info().security == two.alice.connection().info().security);
    return std::string(two.alice.connection().info().security);
  };
  CHECK(selected({kNoise, kTls}, {kNoise, kTls}) == "/noise");
  CHECK(selected({kNoise, kTls}, {kTls, kNoise}) == "/noise");
  CHECK(selected({kTls, kNoise}, {kNoise, kTls}) == "/tls/1.0.0");
  CHECK(selected({kNoise, kTls}, {kTls}) == "/tls/1.0.0");
  CHECK(selected({kTls, kNoise}, {kNoise}) == "/noise");
  CHECK(selected({kTls}, {kTls}) == "/tls/1.0.0");
  CHECK(selected({kTls}, {kNoise}) == "negotiation failed: the peer does not speak /tls/1.0.0");
  CHECK(selected({kNoise}, {kTls}) == "negotiation failed: the peer does not speak /noise");
}

TEST_CASE("hosts make their certificates once", "[upgrade][tls]") {
  Two two(only(kTls), only(kTls));
  two.connect();
  const std::size_t first = two.net.bytes(false);
  two.start();
  two.net.run_for(1s);
  REQUIRE(two.alice.connections.size() == 2);
  const std::size_t second = two.net.bytes(false) - first;
  CHECK(std::max(first, second) - std::min(first, second) <=
        4);  // signatures differ in length by a byte or two
  CHECK(two.alice.connection(1).info().peer == two.bob.id());
}

TEST_CASE("a whole connection over TLS repeats from its seed, byte for byte", "[upgrade][tls]") {
  const auto run = [](std::uint8_t alice_number) {
    PipeNetwork net;
    std::vector<Bytes> flights;
    net.tamper = [&](bool, Bytes bytes) {
      flights.push_back(bytes);
      return bytes;
    };
    Host alice(net, alice_number, only(kTls)), bob(net, 2, only(kTls));
    const PeerId bob_id = bob.id();
    net.clock.turn([&] { alice.dial = alice.transport.dial(bob.address(), &bob_id, alice); });
    net.run_for(1s);
    const auto talker = alice.open({"/echo"}, true, "hello");
    net.run_for(1s);
    CHECK(talker->text == "hello");
    return flights;
  };
  const auto first = run(1);
  CHECK(first.size() == 5);
  CHECK(run(1) == first);
  const auto other = run(3);
  REQUIRE(other.size() == 5);
  for (std::size_t i = 0; i < 5; ++i) CHECK(other[i] != first[i]);
}

TEST_CASE("a listener refuses a certificate by name, and the dialer is told", "[upgrade][tls]") {
  PipeNetwork net;
  Host bob(net, 2, only(kTls));
  PipeHost network(net, 0x0a000009U);
  const Forged good = forge_at_clock(-100, 100), expired = forge_at_clock(-100, -10),
               early = forge_at_clock(60, 100);
  const auto dial = [&](std::vector<const Forged*> chain) {
    WildPeer::Options options;
    options.chain = std::move(chain);
    WildEnd end(true, options);
    end.give(network.connect(*bob.address().tcp_endpoint(), end, {}));
    net.run_for(500ms);
    const int alert = end.wild.alert;
    CHECK(end.closed.ok());
    return alert;
  };
  CHECK(dial({&good}) == -1);
  CHECK(bob.connections.size() == 1);
  CHECK(dial({&expired}) == SSL_AD_CERTIFICATE_EXPIRED);
  CHECK(dial({&early}) == SSL_AD_BAD_CERTIFICATE);
  CHECK(dial({&good, &good}) == SSL_AD_BAD_CERTIFICATE);
  CHECK(dial({}) == SSL_AD_CERTIFICATE_REQUIRED);
  net.run_for(60s);  // by the clock of the simulation
  CHECK(dial({&early}) == -1);
  CHECK(dial({&good}) == -1);
  net.run_for(60s);
  CHECK(dial({&good}) == SSL_AD_CERTIFICATE_EXPIRED);
  std::vector<std::string> refused;
  for (const Error& error : bob.refused) refused.push_back(error.message());
  const std::string start = "authentication failed: tls: ";
  CHECK(refused == std::vector<std::string>{
                       start + "the certificate has expired", start + "the certificate is not valid yet",
                       start + "a chain of 2 certificates", start + "the peer shows no certificate",
                       start + "the certificate has expired"});
}

TEST_CASE("who is refused and does not go is left after a while", "[upgrade][tls]") {
  PipeNetwork net;
  Host bob(net, 2, only(kTls));
  PipeHost network(net, 0x0a000009U);
  const Forged expired = forge_at_clock(-100, -10);
  WildPeer::Options options;
  options.chain = {&expired};
  std::vector<std::unique_ptr<WildEnd>> ends;
  for (int i = 0; i < 300; ++i) {
    auto& end = *ends.emplace_back(std::make_unique<WildEnd>(true, options));
    end.stays = true;
    end.give(network.connect(*bob.address().tcp_endpoint(), end, {}));
  }
  net.run_for(1s);
  const auto left = [&](ErrorCode code) {
    return std::count_if(ends.begin(), ends.end(), [&](const auto& end) { return end->closed.code == code; });
  };
  CHECK(bob.refused.size() == 300);
  CHECK(left(ErrorCode::reset) == 300 - 256);  // no more than so many are kept
  net.run_for(3s);
  CHECK(left(ErrorCode::reset) == 300 - 256);
  net.run_for(2s);
  CHECK(left(ErrorCode::reset) == 300);
}

TEST_CASE("a dialer that was refused after its own success learns why", "[upgrade][tls]") {
  for (const bool early_muxer : {true, false}) {
    PipeNetwork net;
    Host alice(net, 1, only(kTls, early_muxer));
    const Forged forged = forge_at_clock(-100, 100);
    WildPeer::Options options;
    options.chain = {&forged};
    options.refuses = true;
    WildEnd end(false, options);
    const Endpoint at{IpAddress::v4(7), 1};
    net.listeners[at] = [&](std::unique_ptr<ByteStream> stream) { end.give(std::move(stream)); };
    net.clock.turn([&] { alice.dial = alice.transport.dial(Multiaddr::tcp(at), nullptr, alice); });
    net.run_for(1s);
    const std::string expected = "authentication failed: tls: refused by the peer: bad certificate";
    REQUIRE(alice.connections.size() == 1);
    CHECK(alice.connection().info().early_muxer == early_muxer);
    REQUIRE(alice.closed.size() == 1);
    CHECK(alice.closed[0].message() == expected);
  }
}

TEST_CASE("a dialer refuses a listener's certificate by name, and tells it", "[upgrade][tls]") {
  PipeNetwork net;
  Host alice(net, 1, only(kTls));
  const Forged forged = forge_at_clock(-100, -1);
  WildPeer::Options options;
  options.chain = {&forged};
  WildEnd end(false, options);
  const Endpoint at{IpAddress::v4(7), 1};
  net.listeners[at] = [&](std::unique_ptr<ByteStream> stream) { end.give(std::move(stream)); };
  net.clock.turn([&] { alice.dial = alice.transport.dial(Multiaddr::tcp(at), nullptr, alice); });
  net.run_for(1s);
  REQUIRE(alice.dial_errors.size() == 1);
  CHECK(alice.dial_errors[0].message() == "authentication failed: tls: the certificate has expired");
  CHECK(end.wild.alert == SSL_AD_CERTIFICATE_EXPIRED);
}

TEST_CASE("TLS connections say goodbye", "[upgrade][tls]") {
  PipeNetwork net;
  Host bob(net, 2, only(kTls));
  PipeHost network(net, 0x0a000009U);
  const Forged forged = forge_at_clock(-100, 100);
  WildPeer::Options options;
  options.chain = {&forged};
  WildEnd end(true, options);
  end.give(network.connect(*bob.address().tcp_endpoint(), end, {}));
  net.run_for(500ms);
  REQUIRE(bob.connections.size() == 1);
  net.clock.turn([&] { bob.connection().close(); });
  net.run_for(500ms);
  CHECK(end.wild.closed);                                             // close_notify
  CHECK(end.wild.received.substr(0, 2) == std::string("\0\x03", 2));  // behind Yamux's GOAWAY
}

TEST_CASE("a TLS handshake that stops runs into the timeout", "[upgrade][tls]") {
  PipeNetwork net;
  Host bob(net, 2, only(kTls));
  PipeHost network(net, 0x0a000009U);
  const Forged forged = forge_at_clock(-100, 100);
  WildPeer::Options options;
  options.chain = {&forged};
  WildEnd end(true, options);
  std::size_t flights = 0;
  net.tamper = [&](bool from_dialer, Bytes bytes) {  // the dialer's last flight does not come
    return from_dialer && ++flights == 3 ? Bytes{} : bytes;
  };
  end.give(network.connect(*bob.address().tcp_endpoint(), end, {}));
  net.run_for(9s);
  CHECK(bob.refused.empty());
  net.run_for(2s);
  REQUIRE(bob.refused.size() == 1);
  CHECK(bob.refused[0].code == ErrorCode::timeout);
}
