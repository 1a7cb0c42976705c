// The upgraded connection and the TCP transport over a network in memory.
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <malloc.h>

#include "stack/secure/noise.h"
#include "stack/transport/crowd_control.h"
#include "tests/source_path.h"
#include "tests/unit/upgrade_harness.h"

using namespace mesocosm;
using namespace mesocosm::testing;

namespace {

std::size_t heap_bytes() { return mallinfo2().uordblks; }  // zero under a sanitizer

// A test case that names it runs once for each.
#define EACH_SECURITY GENERATE(SecurityProtocol::noise, SecurityProtocol::tls)

// What a handshake costs, as text: each turn's bytes, and when each side may open streams.
std::string handshake_figures(std::string_view title, TcpOptions options, bool websocket = false) {
  Two two(options, options, websocket);
  const Time start = two.net.clock.now();
  std::ostringstream out;
  Time open[2];
  two.alice.when_connected = [&] { open[0] = two.net.clock.now(); };
  two.bob.when_connected = [&] { open[1] = two.net.clock.now(); };
  two.connect();
  out << title << "\n";
  for (const Flight& flight : two.net.flights) {
    out << (flight.from_dialer ? "  dialer   " : "  listener ") << flight.bytes << " bytes\n";
  }
  const auto one_way = [&](Time at) { return (at - start) / two.net.latency; };
  out << "  dialer sends " << two.net.bytes(true) << " bytes, listener sends " << two.net.bytes(false)
      << " bytes\n";
  out << "  open after one-way trips (TCP's two included): dialer " << one_way(open[0]) << ", listener "
      << one_way(open[1]) << "\n";
  return out.str();
}

}  // namespace

TEST_CASE("two hosts connect, know each other, and echo", "[upgrade]") {
  const SecurityProtocol security = EACH_SECURITY;
  for (const std::size_t chop : {SIZE_MAX, std::size_t{1}, std::size_t{7}}) {
    const bool early = chop != 7;
    Two two(only(security, early), only(security));
    two.net.chop = chop;
    two.connect();
    REQUIRE(two.alice.connections.size() == 1);
    REQUIRE(two.bob.connections.size() == 1);
    const ConnectionInfo& info = two.alice.connection().info();
    CHECK(info.peer == two.bob.id());
    CHECK(info.peer_public_key == two.bob.key.public_key().serialized());
    CHECK(info.direction == Direction::outbound);
    CHECK(info.security == (security == SecurityProtocol::noise ? "/noise" : "/tls/1.0.0"));
    CHECK(info.muxer == "/yamux/1.0.0");
    CHECK(info.remote.to_string() == "/ip4/10.0.0.2/tcp/4001");
    CHECK(two.bob.connection().info().peer == two.alice.id());
    CHECK(two.bob.connection().info().remote == info.local);
    auto talker = two.alice.open({"/echo"}, true, "hello");
    two.net.clock.turn([&] { talker->stream->finish(); });
    two.net.run_for(1s);
    CHECK(talker->text == "hello");
    CHECK(talker->ended);
    CHECK(talker->closed == 1);
    CHECK(talker->error.ok());
    CHECK(two.bob.inbound[0]->closed == 1);
    CHECK(two.bob.inbound[0]->error.ok());
    CHECK(two.alice.connection().stream_count() == 0);
    CHECK(two.bob.connection().stream_count() == 0);
  }
}

// The collapsed transport charges these figures; change the file only together with it.
TEST_CASE("the handshake costs what the golden figures say", "[upgrade]") {
  std::string figures;
  for (const SecurityProtocol first : {SecurityProtocol::noise, SecurityProtocol::tls}) {
    const bool noise = first == SecurityProtocol::noise;
    const std::string name = noise ? "Noise" : "TLS";
    const SecurityProtocol second = noise ? SecurityProtocol::tls : SecurityProtocol::noise;
    for (const bool alone : {true, false}) {
      TcpOptions options = only(first);
      if (!alone) options.upgrade.securities = {first, second};
      const std::string title = "TCP, " + name + (alone ? ", " : " as the first of two, ");
      figures += handshake_figures(title + "Yamux negotiated in the handshake", options);
      options.upgrade.early_muxer = false;
      figures += handshake_figures(title + "Yamux negotiated by multistream", options);
    }
  }
  figures += handshake_figures("WebSocket, Noise, Yamux negotiated in the handshake",
                               only(SecurityProtocol::noise), true);
  std::ifstream file(source_path("tests/golden/handshake.txt"));
  std::stringstream golden;
  golden << file.rdbuf();
  CHECK(figures == golden.str());
}

TEST_CASE("an idle connection end stays within its budget", "[upgrade]") {
  constexpr int kConnections = 64;
  const SecurityProtocol security = EACH_SECURITY;
  const bool websocket = GENERATE(false, true);
  Two two(only(security), only(security), websocket);
  two.net.latency = 1ms;
  two.net.flights.reserve(4096);  // not to grow while the rest is measured
  struct Quiet final : ByteStream::Events {
    void on_readable() override {}
    void on_writable() override {}
    void on_closed(Error) override {}
  } quiet;
  two.net.flights.reserve(10'000);  // so that it does not grow under the scales
  two.connect();                    // whatever is made once
  const auto settle = [&] { two.net.run_for(60s); };
  settle();
  std::size_t before = heap_bytes();
  {  // what the byte streams of this test take themselves
    std::vector<std::unique_ptr<ByteStream>> kept;
    two.net.listeners[{IpAddress::v4(1), 1}] = [&](std::unique_ptr<ByteStream> stream) {
      stream->set_events(quiet);
      kept.push_back(std::move(stream));
    };
    for (int i = 0; i < kConnections; ++i)
      kept.push_back(two.alice.network.connect({IpAddress::v4(1), 1}, quiet, {}));
    settle();
    before = heap_bytes();
    kept.clear();
    settle();
    before -= heap_bytes();  // bytes of the streams
  }
  const std::size_t empty = heap_bytes();
  for (int i = 0; i < kConnections; ++i) {
    two.start();
    two.net.run_for(1s);
  }
  settle();
  REQUIRE(two.alice.connections.size() == kConnections + 1);
  const std::size_t idle = heap_bytes() - empty - before;
  std::vector<std::unique_ptr<Talker>> talkers;
  for (auto& connection : two.alice.connections) {
    auto talker = std::make_unique<Talker>();
    const ProtocolId offers[] = {"/sink"};
    two.net.clock.turn([&] { talker->stream = connection->open(offers, true, *talker); });
    talkers.push_back(std::move(talker));
  }
  settle();
  const std::size_t with_stream = heap_bytes() - empty - before;
  if (empty == 0) return;
  const std::size_t per_end = idle / (2 * kConnections);
  const std::size_t per_stream = (with_stream - idle) / (2 * kConnections) - sizeof(Talker) - 24;
  std::cout << "idle connection end" << (websocket ? " over WebSocket: " : ": ") << per_end
            << " bytes (UpgradedConnection itself " << sizeof(UpgradedConnection)
            << "), an idle stream's end " << per_stream << " more\n";
  CHECK(per_end <= (websocket ? 2048 : 1536));
  CHECK(per_stream <= 288);
}

TEST_CASE("a wrong peer is refused, by dial and by address", "[upgrade]") {
  const TcpOptions options = only(EACH_SECURITY);
  Two two(options, options);
  const PeerId other = key_pair(9).peer_id();
  two.net.clock.turn(
      [&] { two.alice.dial = two.alice.transport.dial(two.bob.address(), &other, two.alice); });
  two.net.run_for(1s);
  REQUIRE(two.alice.dial_errors.size() == 1);
  CHECK(two.alice.dial_errors[0].code == ErrorCode::peer_mismatch);
  const Multiaddr named = two.bob.address().with_peer(other);
  two.net.clock.turn([&] { two.alice.dial = two.alice.transport.dial(named, nullptr, two.alice); });
  two.net.run_for(1s);
  CHECK(two.alice.dial_errors.at(1).code == ErrorCode::peer_mismatch);
  const PeerId bob = two.bob.id();
  two.net.clock.turn([&] { two.alice.dial = two.alice.transport.dial(named, &bob, two.alice); });
  two.net.run_for(1s);
  CHECK(two.alice.dial_errors.at(2).code == ErrorCode::peer_mismatch);
  CHECK(two.bob.connections.empty());
  CHECK(two.alice.connections.empty());
}

TEST_CASE("dialing nobody, and what is no TCP address", "[upgrade]") {
  Two two;
  const auto dial = [&](std::string_view address) {
    const Multiaddr parsed = *Multiaddr::parse(address);
    CHECK(two.alice.transport.can_dial(parsed) == (address.find("udp") == std::string_view::npos));
    two.net.clock.turn([&] { two.alice.dial = two.alice.transport.dial(parsed, nullptr, two.alice); });
    two.net.run_for(1s);
    return two.alice.dial_errors.empty() ? ErrorCode::none : two.alice.dial_errors.back().code;
  };
  CHECK(dial("/ip4/10.0.0.2/tcp/9") == ErrorCode::refused);
  CHECK(dial("/ip4/10.0.0.2/udp/9/quic-v1") == ErrorCode::unsupported);
  CHECK(dial("/dns4/nowhere.example/tcp/4001") == ErrorCode::not_found);
  two.alice.dial_errors.clear();
  two.net.names["bob.example"] = {IpAddress::v4(0x0a0000ff), IpAddress::v4(0x0a000002)};  // the first refuses
  CHECK(dial("/dns4/bob.example/tcp/4001") == ErrorCode::none);
  CHECK(two.alice.connections.size() == 1);
}

TEST_CASE("when too many handshakes are under way, one of the busiest source goes", "[upgrade]") {
  const auto ip = [](const char* text) { return IpAddress::parse(text).value(); };
  const auto out = [&](std::vector<const char*> texts) {
    std::vector<IpAddress> sources;
    for (const char* text : texts) sources.push_back(ip(text));
    return crowded_out(sources);
  };
  CHECK(out({"10.0.0.1"}) == 0);
  CHECK(out({"10.0.0.1", "10.0.0.2", "10.0.0.3"}) == 0);  // all alike: the first
  CHECK(out({"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.2"}) == 1);
  CHECK(out({"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.2", "10.0.0.1"}) == 0);
  CHECK(out({"10.0.0.9", "10.0.0.2", "10.0.0.3", "10.0.0.3", "10.0.0.2"}) == 1);
  CHECK(out({"10.0.0.1", "2001:db8::1", "2001:db8:0:1::1", "2001:db8::ffff:1"}) == 1);  // by network
  CHECK(out({"0.0.0.0", "::", "10.0.0.1", "::"}) == 1);
}

TEST_CASE("silent and slow peers run into the handshake's timeout", "[upgrade]") {
  TcpOptions options;
  options.max_pending_inbound = 2;
  Two two({}, options);
  struct Slow final : ByteStream::Events {
    std::unique_ptr<ByteStream> stream;
    ErrorCode closed = ErrorCode::none;
    void on_readable() override {}
    void on_writable() override {}
    void on_closed(Error error) override { closed = error.code; }
  } slow[3];
  for (Slow& one : slow) one.stream = two.alice.network.connect({IpAddress::v4(0x0a000002), 4001}, one, {});
  two.net.run_for(1s);
  CHECK(slow[0].closed == ErrorCode::reset);  // over the limit, and it has had the most time
  for (int i = 0; i < 8; ++i) {
    slow[1].stream->write(Bytes::copy("\x13/multistream/1.0.0\n").slice(static_cast<std::size_t>(i), 1));
    two.net.run_for(1s);
  }
  CHECK(slow[1].closed == ErrorCode::none);
  two.net.run_for(2s);
  CHECK(slow[1].closed == ErrorCode::reset);
  CHECK(slow[2].closed == ErrorCode::reset);
  two.connect();  // there is room again
  CHECK(two.bob.connections.size() == 1);
  // And the dialer's side: somebody accepts and says nothing.
  std::vector<std::unique_ptr<ByteStream>> kept;
  two.net.listeners[{IpAddress::v4(7), 1}] = [&](std::unique_ptr<ByteStream> stream) {
    kept.push_back(std::move(stream));
  };
  two.net.clock.turn([&] {
    two.alice.dial = two.alice.transport.dial(*Multiaddr::parse("/ip4/0.0.0.7/tcp/1"), nullptr, two.alice);
  });
  two.net.run_for(11s);
  REQUIRE(two.alice.dial_errors.size() == 1);
  CHECK(two.alice.dial_errors[0].code == ErrorCode::timeout);
}

TEST_CASE("tampering ends the handshake or the connection", "[upgrade]") {
  for (std::size_t victim = 0; victim < 8; ++victim) {
    Two two;
    std::size_t count = 0;
    two.net.tamper = [&](bool, Bytes bytes) {
      if (count++ != victim) return bytes;
      std::string changed(bytes.text());
      changed[changed.size() - 1] = static_cast<char>(changed[changed.size() - 1] ^ 1);
      return Bytes::copy(changed);
    };
    two.connect();
    INFO("flight " << victim);
    if (victim < 4) {
      CHECK(two.alice.dial_errors.size() == 1);
      CHECK(two.bob.connections.empty());
      continue;
    }
    REQUIRE(two.alice.connections.size() == 1);
    std::unique_ptr<Talker> talker = two.alice.open({"/echo"}, true, "hello");
    two.net.run_for(1s);
    CHECK(talker->text != "hello\x01");
    if (victim == 4) {  // the third Noise message: Alice believes in the connection until Bob aborts
      CHECK(two.bob.connections.empty());
      CHECK(two.alice.closed.at(0).code == ErrorCode::reset);
      CHECK(talker->error.code == ErrorCode::reset);
      CHECK(talker->closed == 1);
    } else if (victim == 5) {
      CHECK(two.bob.closed.at(0).code == ErrorCode::authentication);
      CHECK(two.alice.closed.at(0).code == ErrorCode::reset);
      CHECK(talker->closed == 1);
    }
  }
}

TEST_CASE("a muxer that is refused after all ends the connection by name", "[upgrade]") {
  // A listener that speaks Noise, and no muxer.
  struct Listener final : ByteStream::Events {
    NoiseIdentity identity{key_pair(7), NoiseKey{1}};
    NoiseHandshake noise{SecurityRole::responder, identity, {}, NoiseKey{2}};
    std::unique_ptr<ByteStream> stream;
    std::unique_ptr<SecureChannel> channel;
    Bytes head;
    void on_readable() override {
      Bytes bytes = stream->read(SIZE_MAX);
      if (head.empty()) {
        head = bytes.take_front(28);
        stream->write(head);
      }
      if (!noise.done()) stream->write(*noise.on_bytes(bytes));
      if (!noise.done()) return;
      if (!channel) channel = noise.channel();
      while (const auto text = *channel->open(bytes)) {
        if (text->text() != "\x13/multistream/1.0.0\n\x0d/yamux/1.0.0\n") continue;
        const Bytes refusal = Bytes::copy("\x13/multistream/1.0.0\n\x03na\n");
        stream->write(channel->seal({&refusal, 1}));
      }
    }
    void on_writable() override {}
    void on_closed(Error) override {}
  } listener;
  PipeNetwork net;
  Host alice(net, 1, only(SecurityProtocol::noise));
  const Endpoint at{IpAddress::v4(7), 1};
  net.listeners[at] = [&](std::unique_ptr<ByteStream> stream) {
    listener.stream = std::move(stream);
    listener.stream->set_events(listener);
  };
  net.clock.turn([&] { alice.dial = alice.transport.dial(Multiaddr::tcp(at), nullptr, alice); });
  std::unique_ptr<Talker> talker;
  alice.when_connected = [&] {
    talker = std::make_unique<Talker>();
    const ProtocolId offers[] = {"/echo"};
    talker->stream = alice.connection().open(offers, true, *talker);
    talker->stream->write(Bytes::copy("behind the muxer's offer"));
  };
  net.run_for(1s);
  REQUIRE(alice.closed.size() == 1);
  CHECK(alice.closed[0].message() == "negotiation failed: the peer does not speak /yamux/1.0.0");
  CHECK(talker->error.code == ErrorCode::negotiation_failed);
  CHECK(talker->closed == 1);
}

TEST_CASE("streams agree on the best common protocol, or fail", "[upgrade]") {
  Two two;
  two.connect();
  auto talker = two.alice.open({"/none", "/echo", "/sink"}, false, "written before anything is agreed");
  CHECK(talker->stream->protocol().empty());
  CHECK(talker->stream->writable() == 0);
  two.net.clock.turn([&] { talker->stream->finish(); });
  two.net.run_for(1s);
  CHECK(talker->stream->protocol() == "/echo");
  CHECK(talker->text == "written before anything is agreed");
  CHECK(talker->error.ok());
  CHECK(talker->closed == 1);
  auto plain = two.alice.open({"/sink"}, false);
  two.net.run_for(1s);
  CHECK(plain->writable == 1);
  CHECK(plain->stream->protocol() == "/sink");
  for (const bool lazy : {false, true}) {
    auto refused = two.alice.open({"/nothing"}, lazy, "data");
    two.net.run_for(1s);
    CHECK(refused->closed == 1);
    CHECK(refused->error.code == ErrorCode::negotiation_failed);
    CHECK(refused->stream->read(100).empty());
    two.net.clock.turn([&] { refused->stream->write(Bytes::copy("to nobody")); });
  }
  two.net.run_for(1s);
  CHECK(two.bob.inbound.size() == 2);
  CHECK(two.bob.connection().stream_count() == 1);
}

TEST_CASE("a lazy stream that both sides finish early still delivers everything", "[upgrade]") {
  Two two;
  two.connect();
  two.bob.when_stream = [](Talker& talker) {  // answers and finishes before it has read anything
    talker.stream->write(Bytes::copy("answer"));
    talker.stream->finish();
  };
  auto talker = two.alice.open({"/sink"}, true, "question");
  two.net.clock.turn([&] { talker->stream->finish(); });
  two.net.run_for(1s);
  CHECK(talker->text == "answer");
  CHECK(talker->closed == 1);
  CHECK(talker->error.ok());
  CHECK(two.bob.inbound.at(0)->text == "question");
  CHECK(two.bob.inbound.at(0)->closed == 1);
}

TEST_CASE("a thousand streams at once", "[upgrade]") {
  const TcpOptions options = only(EACH_SECURITY);
  Two two(options, options);
  two.connect();
  std::vector<std::unique_ptr<Talker>> talkers;
  for (int i = 0; i < 1000; ++i) {
    talkers.push_back(two.alice.open({"/echo"}, true, "stream " + std::to_string(i)));
    two.net.clock.turn([&] { talkers.back()->stream->finish(); });
  }
  two.net.run_for(5s);
  for (int i = 0; i < 1000; ++i) {
    CHECK(talkers[static_cast<std::size_t>(i)]->text == "stream " + std::to_string(i));
    CHECK(talkers[static_cast<std::size_t>(i)]->closed == 1);
  }
  CHECK(two.alice.connection().stream_count() == 0);
  CHECK(two.bob.connection().stream_count() == 0);
}

TEST_CASE("a thousand negotiating streams in one turn: the backlog bounds what is open", "[upgrade]") {
  Two two;
  two.connect();
  std::vector<std::unique_ptr<Talker>> talkers;
  two.net.clock.turn([&] {
    for (int i = 0; i < 1000; ++i) {
      auto& talker = *talkers.emplace_back(std::make_unique<Talker>());
      const ProtocolId offers[] = {"/echo"};
      talker.stream = two.alice.connection().open(offers, false, talker);
      talker.stream->write(Bytes::copy("hello"));
      talker.stream->finish();
    }
  });
  two.net.run_for(5s);
  for (const auto& talker : talkers) CHECK(talker->text == "hello");
}

TEST_CASE("megabytes pass in both directions, with little held on the way", "[upgrade]") {
  const TcpOptions options = only(EACH_SECURITY);
  for (const std::size_t buffer : {std::size_t{3000}, std::size_t{1 << 20}}) {
    Two two(options, options);
    two.net.buffer = buffer;
    two.net.latency = 1ms;
    two.connect();
    auto talker = two.alice.open({"/echo"}, true);
    std::size_t sent = 0;
    const std::size_t total = 5'000'000;
    const auto push = [&](Talker& self) {
      while (sent < total && self.stream->writable() > 0) {
        const std::size_t n = std::min({self.stream->writable(), total - sent, std::size_t{50'000}});
        self.stream->write(Bytes::copy(std::string(n, 'x')));
        sent += n;
        if (sent == total) self.stream->finish();
      }
    };
    talker->when_writable = push;
    two.net.clock.turn([&] { push(*talker); });
    two.net.run_for(60s);
    CHECK(talker->received == total);
    CHECK(talker->closed == 1);
    const auto largest = std::max_element(two.net.flights.begin(), two.net.flights.end(),
                                          [](const Flight& a, const Flight& b) { return a.bytes < b.bytes; });
    CHECK(largest->bytes <= std::max<std::size_t>(buffer, 4096) + 600'000);
  }
}

TEST_CASE("a reader that stops holds up its own stream only", "[upgrade]") {
  const TcpOptions options = only(EACH_SECURITY);
  Two two(options, options);
  two.connect();
  two.bob.when_stream = [](Talker& talker) { talker.reads = talker.stream->protocol() != "/sink"; };
  auto stuck = two.alice.open({"/sink"}, true);
  two.net.clock.turn([&] { stuck->stream->write(Bytes::copy(std::string(1'000'000, 'x'))); });
  two.net.run_for(1s);
  CHECK(stuck->stream->writable() == 0);
  CHECK(two.alice.traffic.of("/sink").out == 1'000'000);
  auto other = two.alice.open({"/echo"}, true, "still here");
  two.net.run_for(1s);
  CHECK(other->text == "still here");
  two.net.clock.turn([&] {
    two.bob.inbound[0]->reads = true;
    two.bob.inbound[0]->take();
  });
  two.net.run_for(1s);
  CHECK(two.bob.inbound[0]->received == 1'000'000);
  CHECK(stuck->writable == 1);
}

TEST_CASE("reset reaches the peer with its code", "[upgrade]") {
  const TcpOptions options = only(EACH_SECURITY);
  Two two(options, options);
  two.connect();
  auto talker = two.alice.open({"/echo"}, true, "hello");
  two.net.run_for(1s);
  two.net.clock.turn([&] { two.bob.inbound[0]->stream->reset(0x1003); });
  two.net.run_for(1s);
  CHECK(talker->error.code == ErrorCode::reset);
  CHECK(talker->error.detail == "reset with code 4099");
  CHECK(two.bob.inbound[0]->closed == 0);  // no callbacks after one's own reset
  auto dropped = two.alice.open({"/echo"}, true, "hello");
  two.net.run_for(1s);
  two.net.clock.turn([&] { dropped.reset(); });
  two.net.run_for(1s);
  CHECK(two.bob.inbound[1]->error.code == ErrorCode::reset);
}

TEST_CASE("close says goodbye behind everything that was written", "[upgrade]") {
  const TcpOptions options = only(EACH_SECURITY);
  Two two(options, options);
  two.connect();
  auto talker = two.alice.open({"/sink"}, true);
  two.net.clock.turn([&] {
    talker->stream->write(Bytes::copy(std::string(100'000, 'x')));
    two.alice.connection().close(0);
  });
  CHECK(talker->closed == 1);
  CHECK(talker->error.code == ErrorCode::cancelled);
  two.net.run_for(1s);
  REQUIRE(two.bob.closed.size() == 1);
  CHECK(two.bob.closed[0].ok());
  CHECK(two.bob.inbound.at(0)->received == 100'000);
  CHECK(two.bob.inbound[0]->error.code == ErrorCode::reset);
  REQUIRE(two.alice.closed.size() == 1);
  CHECK(two.alice.closed[0].ok());
  auto late = two.alice.open({"/echo"}, true, "too late");
  two.net.run_for(1s);
  CHECK(late->closed == 1);
}

TEST_CASE("close gives up on a peer that never ends its side", "[upgrade]") {
  Two two;
  two.connect();
  two.net.tamper = [](bool, Bytes) { return Bytes{}; };  // nothing arrives any more
  two.bob.when_closed = [](Error) {};
  two.net.clock.turn([&] { two.alice.connection().close(0); });
  two.bob.connections.clear();
  two.net.run_for(10s);
  CHECK(two.alice.closed.size() == 1);
}

TEST_CASE("a destroyed connection resets the peer's, and streams outlive it harmlessly", "[upgrade]") {
  const TcpOptions options = only(EACH_SECURITY);
  Two two(options, options);
  two.connect();
  auto talker = two.alice.open({"/echo"}, true, "hello");
  two.net.run_for(1s);
  two.net.clock.turn([&] { two.alice.connections.clear(); });
  CHECK(talker->closed == 0);
  CHECK(talker->stream->read(10).empty());
  CHECK(talker->stream->writable() == 0);
  talker->stream->write(Bytes::copy("x"));
  talker->stream->finish();
  talker->stream->reset();
  two.net.run_for(1s);
  CHECK(two.bob.closed.at(0).code == ErrorCode::reset);
  CHECK(two.bob.inbound.at(0)->error.code == ErrorCode::reset);
}

TEST_CASE("anything may be destroyed in any callback", "[upgrade]") {
  const TcpOptions options = only(EACH_SECURITY);
  const auto scene = [&](auto arrange) {
    Two two(options, options);
    std::unique_ptr<Talker> talker;
    arrange(two, talker);
    two.connect();
    if (!two.alice.connections.empty()) {
      talker = two.alice.open({"/echo"}, true, "hello");
      arrange(two, talker);
      two.net.run_for(1s);
    }
    two.net.run_for(20s);
  };
  scene([](Two& two, auto&) { two.alice.when_connected = [&] { two.alice.connections.clear(); }; });
  scene([](Two& two, auto&) { two.bob.when_connected = [&] { two.bob.connections.clear(); }; });
  scene([](Two& two, auto&) { two.bob.when_connected = [&] { two.bob.connection().close(0); }; });
  scene([](Two& two, auto&) { two.bob.when_stream = [&](Talker&) { two.bob.connections.clear(); }; });
  scene([](Two& two, auto&) { two.bob.when_stream = [&](Talker& t) { t.stream.reset(); }; });
  scene([](Two& two, auto&) {
    two.bob.when_stream = [](Talker& t) {
      t.reads = false;
      t.when_readable = [](Talker& self) { self.stream.reset(); };
    };
  });
  scene([](Two& two, auto& talker) {
    if (talker) talker->when_readable = [&](Talker&) { two.alice.connections.clear(); };
  });
  scene([](Two& two, auto& talker) {
    if (!talker) return;
    two.bob.when_stream = [](Talker& t) { t.stream->reset(); };
    talker->when_closed = [&](Talker&) { two.alice.connections.clear(); };
  });
  scene([](Two& two, auto& talker) {
    if (!talker) return;
    two.bob.when_stream = [](Talker& t) { t.stream->reset(); };
    talker->when_closed = [&](Talker& t) { t.stream.reset(); };
  });
  scene([](Two& two, auto&) {
    two.bob.when_stream = [&](Talker&) { two.bob.connection().close(0); };
    two.alice.when_closed = [&](Error) { two.alice.connections.clear(); };
    two.bob.when_closed = [&](Error) { two.bob.connections.clear(); };
  });
}

TEST_CASE("a dial can be cancelled at any moment", "[upgrade]") {
  for (int after = 0; after < 80; after += 5) {
    Two two;
    two.start();
    two.net.run_for(std::chrono::milliseconds(after));
    two.net.clock.turn([&] { two.alice.dial.reset(); });
    two.net.run_for(20s);
    CHECK(two.alice.connections.size() == (after >= 60 ? 1 : 0));
    CHECK(two.alice.dial_errors.empty());
  }
}

TEST_CASE("a stream that never agrees on a protocol times out", "[upgrade]") {
  Two two;
  two.connect();
  two.net.tamper = [](bool from_dialer, Bytes bytes) { return from_dialer ? bytes : Bytes{}; };
  auto talker = two.alice.open({"/echo"}, false);
  two.net.run_for(9s);
  CHECK(talker->closed == 0);
  two.net.run_for(2s);
  CHECK(talker->closed == 1);
  CHECK(talker->error.code == ErrorCode::timeout);
}

TEST_CASE("keepalive notices a connection that is dead", "[upgrade]") {
  TcpOptions options;
  options.upgrade.keepalive = 30s;
  Two two(options);
  two.connect();
  two.net.run_for(300s);
  CHECK(two.alice.closed.empty());
  two.net.tamper = [](bool, Bytes) { return Bytes{}; };
  two.net.run_for(61s);
  REQUIRE(two.alice.closed.size() == 1);
  CHECK(two.alice.closed[0].code == ErrorCode::timeout);
}

TEST_CASE("payload and wire bytes are counted", "[upgrade]") {
  Two two;
  two.connect();
  auto talker = two.alice.open({"/echo"}, true, "12345");
  two.net.run_for(1s);
  CHECK(two.alice.traffic.of("/echo").out == 5);
  CHECK(two.alice.traffic.of("/echo").in == 5);
  CHECK(two.bob.traffic.of("/echo").in == 5);
  CHECK(two.alice.traffic.wire.out == two.net.bytes(true));
  CHECK(two.alice.traffic.wire.in == two.net.bytes(false));
  CHECK(two.bob.traffic.wire.out == two.net.bytes(false));
  // One frame each way: header 12, multistream header 20, "/echo" 7, data 5, Noise 18.
  CHECK(two.net.flights.at(5).bytes == 12 + 20 + 7 + 5 + 18);
  CHECK(two.net.flights.at(6).bytes == 12 + 20 + 7 + 5 + 18);
}
