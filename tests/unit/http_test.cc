// HTTP messages: parsing however they are cut, limits, and writing what can be read back.
#include "stack/http/http.h"

#include <string>
#include <vector>

#include <catch2/catch.hpp>

using namespace mesocosm;

namespace {

constexpr std::string_view kUpgrade =
    "GET /chat?x=1 HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n"
    "Connection: keep-alive, Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

// Feeds the text in pieces; what was left behind the message is returned too.
template <class Parser>
auto parse(Parser& parser, std::string_view text, std::size_t piece, std::string* rest = nullptr) {
  using Outcome = decltype(parser.on_bytes(std::declval<Bytes&>()));
  while (!text.empty()) {
    Bytes input = Bytes::copy(text.substr(0, piece));
    text.remove_prefix(std::min(piece, text.size()));
    auto outcome = parser.on_bytes(input);
    if (outcome && !*outcome) {
      CHECK(input.empty());
      continue;
    }
    if (rest != nullptr) *rest = std::string(input.text()) + std::string(text);
    return outcome;
  }
  return Outcome(std::nullopt);
}

ErrorCode refusal_of_request(std::string_view text, std::size_t piece = SIZE_MAX) {
  HttpRequestParser parser;
  const auto outcome = parse(parser, text, piece);
  return outcome ? ErrorCode::none : outcome.error().code;
}

}  // namespace

TEST_CASE("a request is the same however it is cut", "[http]") {
  for (const std::size_t piece :
       {std::size_t{1}, std::size_t{2}, std::size_t{7}, std::size_t{100}, SIZE_MAX}) {
    HttpRequestParser parser;
    std::string rest;
    const auto request = parse(parser, std::string(kUpgrade) + "what follows", piece, &rest);
    REQUIRE(request);
    REQUIRE(*request);
    CHECK((*request)->method == "GET");
    CHECK((*request)->target == "/chat?x=1");
    CHECK((*request)->version == 11);
    CHECK((*request)->field("host") == "server.example.com");
    CHECK((*request)->field("nothing").empty());
    CHECK((*request)->lists("connection", "upgrade"));
    CHECK((*request)->lists("Connection", "Keep-Alive"));
    CHECK_FALSE((*request)->lists("Connection", "close"));
    CHECK((*request)->fields.size() == 4);
    CHECK(rest == "what follows");
  }
}

TEST_CASE("messages follow each other on a connection", "[http]") {
  HttpRequestParser parser;
  Bytes input = Bytes::copy(
      "GET /one HTTP/1.1\r\nHost: a\r\n\r\nPOST /two HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"
      "GET /three HTTP/1.0\r\n\r\n");
  const auto one = parser.on_bytes(input), two = parser.on_bytes(input), three = parser.on_bytes(input);
  REQUIRE((one && *one && two && *two && three && *three));
  CHECK((*one)->target == "/one");
  CHECK((*one)->keep_alive);
  CHECK((*two)->method == "POST");
  CHECK((*two)->body == "hello");
  CHECK((*three)->target == "/three");
  CHECK((*three)->version == 10);
  CHECK_FALSE((*three)->keep_alive);
  CHECK(input.empty());
}

TEST_CASE("responses: bodies with a length, to the end of the connection, and none", "[http]") {
  for (const std::size_t piece : {std::size_t{1}, std::size_t{5}, SIZE_MAX}) {
    HttpResponseParser parser;
    std::string rest;
    auto response = parse(parser, "HTTP/1.1 200 Fine\r\nContent-Length: 4\r\n\r\nbodyrest", piece, &rest);
    REQUIRE((response && *response));
    CHECK((*response)->status == 200);
    CHECK((*response)->reason == "Fine");
    CHECK((*response)->body == "body");
    CHECK(rest == "rest");
    response =
        parse(parser, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81", piece, &rest);
    REQUIRE((response && *response));
    CHECK((*response)->status == 101);
    CHECK(rest == "\x81");
    response = parse(parser, "HTTP/1.1 400 Bad Request\r\n\r\nuntil the end", piece);
    REQUIRE(response);
    CHECK_FALSE(*response);
    const auto ended = parser.on_end();
    REQUIRE(ended);
    CHECK(ended->status == 400);
    CHECK(ended->body == "until the end");
  }
}

TEST_CASE("a head alone leaves the body to others", "[http]") {
  HttpResponseParser parser({}, HttpExtent::head_only);
  std::string rest;
  const auto response =
      parse(parser, "HTTP/1.1 404 Not Found\r\nContent-Length: 99999999\r\n\r\nNot here", 10, &rest);
  REQUIRE((response && *response));
  CHECK((*response)->status == 404);
  CHECK((*response)->body.empty());
  CHECK(rest == "Not here");
}

TEST_CASE("a message that is cut is an error at the end only", "[http]") {
  for (const std::string_view text : {"", "GET /", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: a\r\n",
                                      "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhell"}) {
    HttpRequestParser parser;
    const auto outcome = parse(parser, text, 3);
    REQUIRE(outcome);
    CHECK_FALSE(*outcome);
    const auto ended = parser.on_end();
    REQUIRE_FALSE(ended);
    CHECK(ended.error().code == ErrorCode::bad_encoding);
  }
}

TEST_CASE("what is not HTTP is refused", "[http]") {
  for (const std::size_t piece : {std::size_t{1}, SIZE_MAX}) {
    CHECK(refusal_of_request("\x13/multistream/1.0.0\n\x07/noise\n\r\n\r\n", piece) ==
          ErrorCode::bad_encoding);
    CHECK(refusal_of_request("GET / HTTP/2.0\r\n\r\n", piece) == ErrorCode::bad_encoding);
    CHECK(refusal_of_request("GET / HTTP/1.1\r\nNo colon\r\n\r\n", piece) == ErrorCode::bad_encoding);
    CHECK(refusal_of_request("GET / HTTP/1.1\r\nA b: c\r\n\r\n", piece) == ErrorCode::bad_encoding);
    CHECK(refusal_of_request("POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", piece) ==
          ErrorCode::bad_encoding);
    CHECK(refusal_of_request("POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", piece) ==
          ErrorCode::bad_encoding);
    CHECK(refusal_of_request("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", piece) ==
          ErrorCode::unsupported);
  }
}

TEST_CASE("another protocol is told at its first byte", "[http]") {
  CHECK(refusal_of_request("\x13") == ErrorCode::bad_encoding);
  HttpResponseParser parser;
  const auto outcome = parse(parser, "SSH-2.0", 1);
  REQUIRE_FALSE(outcome);
  CHECK(outcome.error().code == ErrorCode::bad_encoding);
}

TEST_CASE("limits hold, exactly", "[http]") {
  const std::string start = "GET / HTTP/1.1\r\nA: ";
  const auto head_of = [&](std::size_t size) {
    return start + std::string(size - start.size() - 4, 'x') + "\r\n\r\n";
  };
  for (const std::size_t piece : {std::size_t{1}, std::size_t{1000}, SIZE_MAX}) {
    CHECK(refusal_of_request(head_of(8192), piece) == ErrorCode::none);
    CHECK(refusal_of_request(head_of(8193), piece) == ErrorCode::too_large);
    CHECK(refusal_of_request(start + std::string(100'000, 'x'), piece) ==
          ErrorCode::too_large);  // without an end
    const std::string post = "POST / HTTP/1.1\r\nContent-Length: ";
    CHECK(refusal_of_request(post + "65536\r\n\r\n" + std::string(65536, 'b'), piece) == ErrorCode::none);
    CHECK(refusal_of_request(post + "65537\r\n\r\n", piece) == ErrorCode::too_large);
  }
}

TEST_CASE("what is written can be read", "[http]") {
  HttpRequest request;
  request.target = "/metrics";
  request.fields = {{"Host", "127.0.0.1:9090"}, {"Accept", "text/plain"}};
  auto bytes = encode(request);
  REQUIRE(bytes);
  CHECK(bytes->text() == "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1:9090\r\nAccept: text/plain\r\n\r\n");
  HttpResponse response;
  response.fields = {{"Content-Type", "text/plain"}};
  response.body = "up 1\n";
  bytes = encode(response);
  REQUIRE(bytes);
  CHECK(bytes->text() == "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nup 1\n");
  HttpResponse switching;
  switching.status = 101;
  bytes = encode(switching);
  REQUIRE(bytes);
  CHECK(bytes->text() == "HTTP/1.1 101 Switching Protocols\r\n\r\n");
}

TEST_CASE("nothing is written that would be read as something else", "[http]") {
  const auto refused = [](const auto& message) {
    const auto bytes = encode(message);
    return !bytes && bytes.error().code == ErrorCode::bad_encoding;
  };
  HttpRequest request;
  request.fields = {{"Host", "evil\r\nX: y"}};
  CHECK(refused(request));
  request.fields = {{"Na me", "x"}};
  CHECK(refused(request));
  request.fields.clear();
  request.target = "/ HTTP/1.1\r\n";
  CHECK(refused(request));
  request.target = "/";
  request.method = "GET /";
  CHECK(refused(request));
  HttpResponse response;
  response.reason = "OK\r\n";
  CHECK(refused(response));
  response.reason = {};
  response.status = 99;
  CHECK(refused(response));
  response.status = 204;
  response.body = "nothing";
  CHECK(refused(response));
}
