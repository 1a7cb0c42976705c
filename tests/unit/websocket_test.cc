// WebSocketStream over a network in memory, against itself and against bytes written by hand; its handshake; and
// connections over it.
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "stack/websocket/handshake.h"
#include "stack/websocket/stream.h"
#include "tests/unit/upgrade_harness.h"

using namespace mesocosm;
using namespace mesocosm::testing;

namespace {

constexpr std::string_view kKey = "dGhlIHNhbXBsZSBub25jZQ==";  // of RFC 6455, section 1.3
constexpr std::string_view kRequest =
    "GET /any/path?at=all HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

HttpRequest request_of(std::string_view text) {
  HttpRequestParser parser;
  Bytes input = Bytes::copy(text);
  auto request = parser.on_bytes(input);
  REQUIRE((request && *request));
  return std::move(**request);
}

// One end of a byte stream, with what it was told.
struct End final : ByteStream::Events {
  std::unique_ptr<ByteStream> stream;
  std::string text;
  bool reads = true;
  int readable = 0, writable = 0;
  std::optional<Error> closed;
  std::function<void()> when_readable, when_writable, when_closed;

  void adopt(std::unique_ptr<ByteStream> accepted) {
    stream = std::move(accepted);
    stream->set_events(*this);
  }
  void take() {
    for (Bytes bytes = stream->read(SIZE_MAX); !bytes.empty(); bytes = stream->read(SIZE_MAX))
      text += bytes.text();
  }
  void on_readable() override {
    CHECK_FALSE(closed);
    ++readable;
    if (reads) take();
    if (when_readable) when_readable();
  }
  void on_writable() override {
    CHECK_FALSE(closed);
    ++writable;
    if (when_writable) when_writable();
  }
  void on_closed(Error error) override {
    CHECK_FALSE(closed);
    closed = std::move(error);
    if (when_closed) when_closed();
  }
  void write(std::string_view bytes) { stream->write(Bytes::copy(bytes)); }
};

// Two hosts of a network in memory; host 2 accepts at 4001.
struct Ground {
  PipeNetwork net;
  PipeHost one{net, 0x0a000001}, two{net, 0x0a000002};
  Rng rng{1};
  SeededEntropy entropy{Rng(2)};
  NoTrace trace;
  Env env{net.clock, one, rng, entropy, trace};
  std::uint64_t in = 0, out = 0;
  const Endpoint at{IpAddress::v4(0x0a000002), 4001};
  End client, server;

  // A client of ours; whoever accepts is handed to `accept`.
  void dial(std::function<void(std::unique_ptr<ByteStream>)> accept, std::string host = "here:4001") {
    net.listeners[at] = std::move(accept);
    client.stream = WebSocketStream::connect(env, at, std::move(host), client, {in, out});
  }
  // A server of ours and a client that writes bytes by hand.
  void dial_raw(std::string_view request = kRequest) {
    net.listeners[at] = [this](std::unique_ptr<ByteStream> stream) { accept(std::move(stream)); };
    client.stream = one.connect(at, client, {});
    client.when_writable = [this, request = std::string(request)] { client.write(request); };
    net.run_for(1s);
    client.when_writable = nullptr;
  }
  void accept(std::unique_ptr<ByteStream> stream) {
    server.adopt(WebSocketStream::accept(env, std::move(stream), {in, out}));
  }
  void connect() {
    dial([this](std::unique_ptr<ByteStream> stream) { accept(std::move(stream)); });
    net.run_for(1s);
  }
  void raw(std::string_view bytes) {
    net.clock.turn([&] { client.write(bytes); });
    net.run_for(1s);
  }
};

std::string frame(WebSocketOpcode opcode, std::string_view payload) {
  return std::string(encode_frame(opcode, as_bytes(payload), 0x12345678).text());
}

}  // namespace

TEST_CASE("the handshake of RFC 6455, section 1.3", "[websocket]") {
  CHECK(websocket_accept(kKey) == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  WebSocketNonce nonce;
  std::copy_n("the sample nonce", nonce.size(), nonce.begin());
  CHECK(websocket_key(nonce) == kKey);
  const WebSocketAnswer answer = answer_websocket_request(request_of(
      "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://example.com\r\n"
      "Sec-WebSocket-Protocol: chat, superchat\r\nSec-WebSocket-Extensions: permessage-deflate\r\n"
      "Sec-WebSocket-Version: 13\r\n\r\n"));
  CHECK(answer.error.ok());
  CHECK(answer.response.text() ==
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
  CHECK(websocket_request("a.example:80", kKey)->text() ==
        "GET / HTTP/1.1\r\nHost: a.example:80\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n");
  CHECK(websocket_request("a\r\nX: y", kKey).error().code == ErrorCode::bad_encoding);
}

TEST_CASE("requests that are no upgrade are answered and refused", "[websocket]") {
  const auto with = [](std::string_view from, std::string_view to) {
    std::string text(kRequest);
    const std::size_t at = text.find(from);
    REQUIRE(at != std::string::npos);
    return text.replace(at, from.size(), to);
  };
  const struct {
    std::string request;
    std::string_view status;
  } cases[] = {
      {"GET / HTTP/1.1\r\nHost: here\r\n\r\n", "HTTP/1.1 400 "},
      {with("GET", "POST"), "HTTP/1.1 400 "},
      {with("HTTP/1.1", "HTTP/1.0"), "HTTP/1.1 400 "},
      {with("Host: here\r\n", ""), "HTTP/1.1 400 "},
      {with("websocket", "h2c"), "HTTP/1.1 400 "},
      {with("Connection: Upgrade", "Connection: close"), "HTTP/1.1 400 "},
      {with("Version: 13", "Version: 8"), "HTTP/1.1 426 "},
      {with("Sec-WebSocket-Version: 13\r\n", ""), "HTTP/1.1 426 "},
      {with("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ"), "HTTP/1.1 400 "},
      {with("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZSBh"), "HTTP/1.1 400 "},
      {with("dGhlIHNhbXBsZSBub25jZQ==", "****************======"), "HTTP/1.1 400 "},
  };
  for (const auto& [text, status] : cases) {
    const WebSocketAnswer answer = answer_websocket_request(request_of(text));
    CHECK(answer.error.code == ErrorCode::negotiation_failed);
    CHECK(answer.response.text().starts_with(status));
  }
  const WebSocketAnswer version = answer_websocket_request(request_of(with("Version: 13", "Version: 8")));
  CHECK(version.response.text().find("\r\nSec-WebSocket-Version: 13\r\n") != std::string::npos);
}

TEST_CASE("answers that are no agreement are refused", "[websocket]") {
  HttpResponse good;
  good.status = 101;
  good.fields = {
      {"upgrade", "WebSocket"}, {"connection", "upgrade"}, {"Sec-WebSocket-Accept", websocket_accept(kKey)}};
  CHECK(check_websocket_response(good, kKey));
  const auto refused = [&](auto change) {
    HttpResponse response = good;
    change(response);
    const auto checked = check_websocket_response(response, kKey);
    return checked ? ErrorCode::none : checked.error().code;
  };
  CHECK(refused([](auto& r) { r.status = 404; }) == ErrorCode::negotiation_failed);
  CHECK(refused([](auto& r) { r.status = 200; }) == ErrorCode::negotiation_failed);
  CHECK(refused([](auto& r) { r.fields[0].value = "h2c"; }) == ErrorCode::protocol_violation);
  CHECK(refused([](auto& r) { r.fields.erase(r.fields.begin() + 1); }) == ErrorCode::protocol_violation);
  CHECK(refused([](auto& r) { r.fields[2].value[0] = 'x'; }) == ErrorCode::protocol_violation);
  CHECK(refused([](auto& r) {
          r.fields.push_back({"Sec-WebSocket-Extensions", "permessage-deflate"});
        }) == ErrorCode::protocol_violation);
  CHECK(refused([](auto& r) {
          r.fields.push_back({"Sec-WebSocket-Protocol", "chat"});
        }) == ErrorCode::protocol_violation);
}

TEST_CASE("bytes go both ways, however they are cut, and what is around them is counted", "[websocket]") {
  for (const std::size_t chop : {std::size_t{1}, std::size_t{7}, SIZE_MAX}) {
    Ground ground;
    ground.net.chop = chop;
    ground.connect();
    CHECK(ground.client.writable == 1);
    CHECK(ground.client.readable == 0);
    CHECK(ground.client.stream->remote() == ground.at);
    CHECK(ground.server.stream->remote() == ground.client.stream->local());
    const std::string text(70'000, 'x');
    ground.net.clock.turn([&] {
      ground.client.write(text);
      ground.server.write("short");
      ground.server.write("");
    });
    ground.net.run_for(1s);
    CHECK(ground.server.text == text);
    CHECK(ground.client.text == "short");
    const std::size_t sent = ground.net.bytes(true) + ground.net.bytes(false);
    CHECK(ground.out + 70'005 == sent);
    CHECK(ground.in == ground.out);
  }
}

TEST_CASE("what is written before the upgrade waits for it, on both sides", "[websocket]") {
  Ground ground;
  ground.dial([&](std::unique_ptr<ByteStream> stream) {
    ground.accept(std::move(stream));
    CHECK(ground.server.stream->writable() == 0);
    ground.server.write("from the server");
  });
  ground.client.write("from the client");
  ground.net.run_for(1s);
  CHECK(ground.client.text == "from the server");
  CHECK(ground.server.text == "from the client");
  CHECK(ground.server.writable == 1);
}

TEST_CASE("finish ends both directions, and what was on its way still arrives", "[websocket]") {
  Ground ground;
  ground.connect();
  ground.net.clock.turn([&] {
    ground.client.write("last");
    ground.client.stream->finish();
    ground.client.write("too late");
    ground.server.write("crossing");
  });
  CHECK(ground.client.stream->writable() == 0);
  ground.net.run_for(1s);
  CHECK(ground.server.text == "last");
  CHECK(ground.client.text == "crossing");
  REQUIRE((ground.client.closed && ground.server.closed));
  CHECK(ground.client.closed->ok());
  CHECK(ground.server.closed->ok());
  CHECK((ground.client.stream->ended() && ground.server.stream->ended()));
}

TEST_CASE("a Close that was sent arrives, though its stream is destroyed at once", "[websocket]") {
  Ground ground;
  ground.connect();
  ground.net.clock.turn([&] {
    ground.client.write("last");
    ground.client.stream->finish();
    ground.client.stream.reset();
  });
  ground.net.run_for(1s);
  CHECK(ground.server.text == "last");
  CHECK(ground.server.stream->ended());
}

TEST_CASE("pings are answered, the last one of many, and when there is room", "[websocket]") {
  Ground ground;
  ground.dial_raw();
  ground.client.text.clear();
  ground.raw(frame(WebSocketOpcode::ping, "one"));
  CHECK(ground.client.text == "\x8a\x03one");
  ground.client.text.clear();
  ground.raw(frame(WebSocketOpcode::ping, "two") + frame(WebSocketOpcode::pong, "?") +
             frame(WebSocketOpcode::ping, "three"));
  CHECK(ground.client.text == "\x8a\x05three");
  CHECK(ground.server.readable == 0);

  ground.client.text.clear();
  ground.client.reads = false;
  ground.net.clock.turn([&] { ground.server.write(std::string(ground.net.buffer, 'x')); });
  ground.net.run_for(1s);
  const std::size_t flights = ground.net.flights.size();
  for (int i = 0; i < 10; ++i) ground.raw(frame(WebSocketOpcode::ping, std::to_string(i)));
  CHECK(ground.net.flights.size() == flights + 10);  // nothing came back
  ground.net.clock.turn([&] { ground.client.take(); });
  ground.net.run_for(1s);
  ground.net.clock.turn([&] { ground.client.take(); });
  CHECK(
      ground.client.text.ends_with("x\x8a\x01"
                                   "9"));
}

TEST_CASE("who breaks the framing gets a Close that says so, and the error is named", "[websocket]") {
  const struct {
    std::string bytes;
    ErrorCode error;
    std::string_view close;
  } cases[] = {
      {"\x82\x01x", ErrorCode::protocol_violation, "\x88\x02\x03\xea"},
      {frame(WebSocketOpcode::text, "text"), ErrorCode::unsupported, "\x88\x02\x03\xeb"},
      {std::string("\x82\xff\x7f\0\0\0\0\0\0\0....", 14), ErrorCode::too_large, "\x88\x02\x03\xf1"},
      {std::string("\x88\x81....\x03", 7), ErrorCode::protocol_violation, "\x88\x02\x03\xea"},
  };
  for (const auto& [bytes, error, close] : cases) {
    Ground ground;
    ground.dial_raw();
    ground.client.text.clear();
    ground.raw(frame(WebSocketOpcode::binary, "before") + bytes);
    CHECK(ground.server.text == "before");
    REQUIRE(ground.server.closed);
    CHECK(ground.server.closed->code == error);
    CHECK(ground.client.text == close);
    CHECK(ground.client.stream->ended());
  }
}

TEST_CASE("who asks for something else is told and refused", "[websocket]") {
  const struct {
    std::string_view request;
    ErrorCode error;
    std::string_view status;
  } cases[] = {
      {"GET / HTTP/1.1\r\nHost: here\r\n\r\n", ErrorCode::negotiation_failed, "HTTP/1.1 400 "},
      {"\x13/multistream/1.0.0\n", ErrorCode::bad_encoding, "HTTP/1.1 400 "},
  };
  for (const auto& [request, error, status] : cases) {
    Ground ground;
    ground.dial_raw(request);
    REQUIRE(ground.server.closed);
    CHECK(ground.server.closed->code == error);
    CHECK(ground.client.text.starts_with(status));
  }
  Ground large;
  large.dial_raw("GET /" + std::string(10'000, 'x'));
  REQUIRE(large.server.closed);
  CHECK(large.server.closed->code == ErrorCode::too_large);
}

TEST_CASE("a server that does not upgrade is refused by name", "[websocket]") {
  const struct {
    std::string_view response;
    ErrorCode error;
  } cases[] = {
      {"HTTP/1.1 404 Not Found\r\nContent-Length: 99\r\n\r\n", ErrorCode::negotiation_failed},
      {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
       ErrorCode::protocol_violation},
      {"\x13/multistream/1.0.0\n", ErrorCode::bad_encoding},
  };
  for (const auto& [response, error] : cases) {
    Ground ground;
    ground.dial([&](std::unique_ptr<ByteStream> stream) {
      ground.server.adopt(std::move(stream));
      ground.server.write(response);
    });
    ground.net.run_for(1s);
    CHECK(ground.server.text.starts_with("GET / HTTP/1.1\r\nHost: here:4001\r\n"));
    REQUIRE(ground.client.closed);
    CHECK(ground.client.closed->code == error);
    CHECK(ground.client.writable == 0);
  }
  Ground ground;
  ground.dial([](std::unique_ptr<ByteStream>) {}, "here\r\nX: y");
  ground.net.run_for(1s);
  REQUIRE(ground.client.closed);
  CHECK(ground.client.closed->code == ErrorCode::bad_encoding);
}

TEST_CASE("an end without a Close is a reset, wherever it comes", "[websocket]") {
  for (const std::string_view before : {"", "GET / HTTP/1.1\r\n", "whole"}) {
    Ground ground;
    ground.dial_raw(before == "whole" ? kRequest : before);
    ground.net.clock.turn([&] { ground.client.stream->finish(); });
    ground.net.run_for(1s);
    REQUIRE(ground.server.closed);
    CHECK(ground.server.closed->code == ErrorCode::reset);
    CHECK_FALSE(ground.server.stream->ended());
  }
}

TEST_CASE("frames that come with the request or its answer are read", "[websocket]") {
  Ground ground;
  ground.dial_raw(std::string(kRequest) + frame(WebSocketOpcode::binary, "early"));
  CHECK(ground.server.text == "early");
  ground.raw(frame(WebSocketOpcode::binary, "later"));
  CHECK(ground.server.text == "earlylater");
}

TEST_CASE("a reader that does not read stops the writer", "[websocket]") {
  Ground ground;
  ground.connect();
  ground.server.reads = false;
  const Bytes piece = Bytes::copy(std::string(64 * 1024, 'x'));
  std::size_t written = 0;
  const auto push = [&] {
    for (; ground.client.stream->writable() > 0 && written < 8'000'000; written += piece.size())
      ground.client.stream->write(piece);
  };
  ground.client.when_writable = push;
  ground.net.clock.turn(push);
  ground.net.run_for(1s);
  CHECK(written < 2 * ground.net.buffer);
  ground.server.reads = true;
  ground.net.clock.turn([&] { ground.server.take(); });
  ground.net.run_for(10s);
  CHECK(written >= 8'000'000);
  CHECK(ground.server.text.size() == written);
}

TEST_CASE("a WebSocket may be destroyed in each of its callbacks", "[websocket]") {
  const std::string where = GENERATE("on_writable", "on_readable", "end", "on_closed", "refused");
  Ground ground;
  const auto destroy = [&] { ground.client.stream.reset(); };
  if (where == "on_writable") ground.client.when_writable = destroy;
  if (where == "on_closed" || where == "refused") ground.client.when_closed = destroy;
  if (where == "on_readable" || where == "end") {
    ground.client.when_readable = [&] {
      if (where == "on_readable" || ground.client.stream->ended()) destroy();
    };
  }
  ground.dial([&](std::unique_ptr<ByteStream> stream) {
    if (where == "refused") {
      ground.server.adopt(std::move(stream));
      return ground.server.write("HTTP/1.1 500 No\r\n\r\n");
    }
    ground.accept(std::move(stream));
    ground.server.write("with the answer");
    if (where == "end" || where == "on_closed") ground.server.stream->finish();
  });
  ground.net.run_for(1s);
  CHECK(ground.client.stream == nullptr);
}

// --- Connections

TEST_CASE("a listener tells why it refused, in its time, and serves others meanwhile", "[websocket]") {
  const struct {
    std::string_view bytes;
    ErrorCode error;
    Duration after;
  } cases[] = {
      {"GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n", ErrorCode::negotiation_failed, 1s},
      {"\x13/multistream/1.0.0\n", ErrorCode::bad_encoding, 1s},
      {kRequest, ErrorCode::timeout, 11s},                      // and then silence
      {"GET / HTTP/1.1\r\nHost: he", ErrorCode::timeout, 11s},  // the same, earlier
      {"", ErrorCode::timeout, 11s},                            // or from the beginning
      {"GET / HTTP/1.1\r\n\r\nrest", ErrorCode::negotiation_failed, 1s},
  };
  for (const auto& [bytes, error, after] : cases) {
    Two two({}, {}, true);
    End stranger;
    two.net.clock.turn([&] {
      stranger.stream = two.alice.network.connect({IpAddress::v4(0x0a000002), 4001}, stranger, {});
      stranger.write(bytes);
    });
    two.connect();
    CHECK(two.bob.connections.size() == 1);
    two.net.run_for(after);
    REQUIRE(two.bob.refused.size() == 1);
    CHECK(two.bob.refused[0].code == error);
    CHECK((stranger.closed || stranger.stream->ended()));
  }
}

TEST_CASE("hosts connect over WebSocket, say so in their addresses, and echo", "[websocket]") {
  for (const std::size_t chop : {SIZE_MAX, std::size_t{1}}) {
    Two two({}, {}, true);
    two.net.chop = chop;
    CHECK(two.bob.address().to_string() == "/ip4/10.0.0.2/tcp/4001/ws");
    two.connect();
    REQUIRE(two.alice.connections.size() == 1);
    REQUIRE(two.bob.connections.size() == 1);
    CHECK(two.alice.connection().info().peer == two.bob.id());
    CHECK(two.alice.connection().info().remote.to_string() == "/ip4/10.0.0.2/tcp/4001/ws");
    CHECK(two.bob.connection().info().local.to_string() == "/ip4/10.0.0.2/tcp/4001/ws");
    CHECK(two.alice.connection().info().local == two.bob.connection().info().remote);
    CHECK(two.bob.connection().info().remote.contains(AddressCode::ws));
    const auto talker = two.alice.open({"/echo"}, false, "hello");
    two.net.run_for(1s);
    CHECK(talker->text == "hello");
    CHECK(two.alice.traffic.wire.out == two.net.bytes(true));
    CHECK(two.alice.traffic.wire.in == two.net.bytes(false));
    CHECK(two.bob.traffic.wire.out == two.net.bytes(false));
    CHECK(two.bob.traffic.wire.in == two.net.bytes(true));
    two.net.clock.turn([&] { two.alice.connection().close(0); });
    two.net.run_for(1s);
    CHECK(two.alice.closed.size() == 1);
    CHECK(two.bob.closed.size() == 1);
  }
}
