// WebSocket's framing: the examples of RFC 6455, every kind of length, what has to be refused, and any cuts.
#include <algorithm>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "stack/websocket/frames.h"

using namespace mesocosm;

namespace {

Bytes bytes_of(std::initializer_list<int> list) {
  std::vector<std::uint8_t> bytes(list.begin(), list.end());
  return Bytes::copy(ByteView(bytes));
}

Bytes joined(std::initializer_list<Bytes> parts) {
  return concat(std::span<const Bytes>(parts.begin(), parts.size()));
}

WebSocketMask mask_of(std::array<std::uint8_t, 4> bytes) { return std::bit_cast<WebSocketMask>(bytes); }

// What a reader makes of bytes that come in pieces.
struct Outcome {
  std::string payload;
  std::vector<std::string> pings;
  bool closed = false;
  WebSocketCode code{};
  Error fault;
};

Outcome read_all(WebSocketRole role, const Bytes& all, std::size_t piece, std::size_t max = SIZE_MAX) {
  WebSocketReader reader(role);
  Outcome outcome;
  for (Bytes rest = all; !rest.empty();) {
    Bytes input = rest.take_front(piece);
    do {
      const Bytes payload = reader.read(input, max);
      CHECK(payload.size() <= max);
      outcome.payload += payload.text();
      if (reader.ping_came()) outcome.pings.emplace_back(reader.take_ping().text());
    } while (!input.empty());
  }
  outcome.closed = reader.closed();
  outcome.code = reader.close_code();
  outcome.fault = reader.fault();
  return outcome;
}

ErrorCode refusal(WebSocketRole role, const Bytes& bytes) {
  const Outcome outcome = read_all(role, bytes, 1);
  CHECK(read_all(role, bytes, SIZE_MAX).fault.code == outcome.fault.code);
  CHECK_FALSE(outcome.closed);
  return outcome.fault.code;
}

constexpr auto kClient = WebSocketRole::client;
constexpr auto kServer = WebSocketRole::server;

}  // namespace

TEST_CASE("the examples of RFC 6455, section 5.7", "[websocket]") {
  const auto hello = as_bytes("Hello");
  const WebSocketMask mask = mask_of({0x37, 0xfa, 0x21, 0x3d});

  // Text, of which libp2p has none: the frames are written all the same.
  const Bytes unmasked = bytes_of({0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f});
  const Bytes masked = bytes_of({0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58});
  CHECK(encode_frame(WebSocketOpcode::text, hello) == unmasked);
  CHECK(encode_frame(WebSocketOpcode::text, hello, mask) == masked);
  CHECK(refusal(kClient, unmasked) == ErrorCode::unsupported);
  CHECK(refusal(kServer, masked) == ErrorCode::unsupported);
  CHECK(refusal(kClient, bytes_of({0x01, 0x03, 0x48, 0x65, 0x6c})) == ErrorCode::unsupported);

  // The same as binary.
  const Bytes binary = bytes_of({0x82, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58});
  CHECK(encode_frame(WebSocketOpcode::binary, hello, mask) == binary);
  CHECK(read_all(kServer, binary, SIZE_MAX).payload == "Hello");
  const Bytes in_parts = bytes_of({0x02, 0x03, 0x48, 0x65, 0x6c, 0x80, 0x02, 0x6c, 0x6f});
  CHECK(read_all(kClient, in_parts, SIZE_MAX).payload == "Hello");

  const Bytes ping = bytes_of({0x89, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f});
  const Bytes pong = bytes_of({0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58});
  CHECK(encode_frame(WebSocketOpcode::ping, hello) == ping);
  CHECK(encode_frame(WebSocketOpcode::pong, hello, mask) == pong);
  CHECK(read_all(kClient, ping, SIZE_MAX).pings == std::vector<std::string>{"Hello"});
  const Outcome ponged = read_all(kServer, pong, SIZE_MAX);
  CHECK((ponged.fault.ok() && ponged.pings.empty() && ponged.payload.empty() && !ponged.closed));

  CHECK(encode_frame_head(WebSocketOpcode::binary, 256) == bytes_of({0x82, 0x7e, 0x01, 0x00}));
  CHECK(encode_frame_head(WebSocketOpcode::binary, 65536) ==
        bytes_of({0x82, 0x7f, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00}));
}

TEST_CASE("payload of every kind of length goes through both ways, in any cuts", "[websocket]") {
  for (const std::size_t size : {0, 1, 125, 126, 127, 1000, 65535, 65536, 100'000}) {
    std::string text(size, ' ');
    for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i % 251);
    const Bytes from_server = encode_frame(WebSocketOpcode::binary, as_bytes(text));
    const Bytes from_client = encode_frame(WebSocketOpcode::binary, as_bytes(text), mask_of({1, 2, 3, 4}));
    CHECK(from_client.size() == from_server.size() + 4);
    for (const std::size_t piece :
         {std::size_t{1}, std::size_t{3}, std::size_t{64}, std::size_t{4097}, SIZE_MAX}) {
      for (const std::size_t max : {std::size_t{1}, std::size_t{1000}, SIZE_MAX}) {
        if (size > 1000 && (piece == 1 || max == 1)) continue;
        CHECK(read_all(kClient, from_server, piece, max).payload == text);
        CHECK(read_all(kServer, from_client, piece, max).payload == text);
      }
    }
  }
}

TEST_CASE("a server's payload is shared, a client's frames are joined", "[websocket]") {
  Bytes from_server = encode_frame(WebSocketOpcode::binary, as_bytes("as it is"));
  const std::uint8_t* at = from_server.data() + 2;
  WebSocketReader client(kClient);
  CHECK(client.read(from_server, SIZE_MAX).data() == at);

  const WebSocketMask mask = mask_of({9, 8, 7, 6});
  Bytes from_client = joined({encode_frame(WebSocketOpcode::binary, as_bytes("one "), mask),
                              encode_frame(WebSocketOpcode::ping, as_bytes("?"), mask),
                              encode_frame(WebSocketOpcode::binary, as_bytes("two "), mask),
                              encode_frame(WebSocketOpcode::binary, as_bytes("three"), mask)});
  WebSocketReader server(kServer);
  CHECK(server.read(from_client, SIZE_MAX).text() == "one two three");
  CHECK(from_client.empty());
  CHECK(server.take_ping().text() == "?");
}

TEST_CASE("masking is the same at every alignment and length", "[websocket]") {
  const std::array<std::uint8_t, 4> key{0xa1, 0xb2, 0xc3, 0xd4};
  std::vector<std::uint8_t> in(200), out(200);
  for (std::size_t i = 0; i < in.size(); ++i) in[i] = static_cast<std::uint8_t>(i * 7);
  for (std::size_t start = 0; start < 9; ++start) {
    for (std::size_t size = 0; size < 150; ++size) {
      apply_mask(ByteView(in).subspan(start, size), MutableByteView(out).first(size), mask_of(key));
      bool good = true;
      for (std::size_t i = 0; i < size; ++i) good = good && out[i] == (in[start + i] ^ key[i % 4]);
      CHECK(good);
    }
  }
}

TEST_CASE("control frames may stand within a message, and the last ping alone is answered", "[websocket]") {
  const Bytes bytes =
      joined({bytes_of({0x02, 0x01, 'a'}), bytes_of({0x89, 0x01, '1'}), bytes_of({0x89, 0x00}),
              bytes_of({0x00, 0x01, 'b'}), bytes_of({0x8a, 0x02, 'x', 'y'}), bytes_of({0x00, 0x00}),
              bytes_of({0x80, 0x01, 'c'})});
  const Outcome outcome = read_all(kClient, bytes, 1);
  CHECK(outcome.payload == "abc");
  CHECK(outcome.fault.ok());
  CHECK(outcome.pings == std::vector<std::string>{"1", ""});
  WebSocketReader reader(kClient);
  Bytes input = bytes;
  CHECK(reader.read(input, SIZE_MAX).text() == "a");
  CHECK(reader.ping_came());
  CHECK(reader.take_ping().empty());  // the second one, which carried nothing
  CHECK_FALSE(reader.ping_came());
}

TEST_CASE("close: with and without a code, and nothing behind it counts", "[websocket]") {
  CHECK(encode_close(WebSocketCode::normal) == bytes_of({0x03, 0xe8}));
  CHECK(encode_close(WebSocketCode::none).empty());
  const struct {
    Bytes bytes;
    int code;
  } cases[] = {
      {bytes_of({0x88, 0x00}), 1005},
      {bytes_of({0x88, 0x02, 0x03, 0xe8}), 1000},
      {bytes_of({0x88, 0x05, 0x03, 0xe9, 'b', 'y', 'e'}), 1001},
      {bytes_of({0x88, 0x02, 0x0f, 0xa0}), 4000},
  };
  for (const auto& [bytes, code] : cases) {
    for (const std::size_t piece : {std::size_t{1}, SIZE_MAX}) {
      const Bytes more =
          joined({bytes_of({0x82, 0x01, 'x'}), bytes, bytes_of({0xff, 0xff, 0x82, 0x01, 'y'})});
      const Outcome outcome = read_all(kClient, more, piece);
      CHECK(outcome.closed);
      CHECK(static_cast<int>(outcome.code) == code);
      CHECK(outcome.payload == "x");
      CHECK(outcome.fault.ok());
    }
  }
}

TEST_CASE("what RFC 6455 forbids is a violation", "[websocket]") {
  const auto violation = ErrorCode::protocol_violation;
  for (const int reserved : {0xc2, 0xa2, 0x92, 0xf2}) {
    CHECK(refusal(kClient, bytes_of({reserved, 0x00})) == violation);
  }
  for (const int opcode : {3, 4, 5, 6, 7, 11, 12, 13, 14, 15}) {
    CHECK(refusal(kClient, bytes_of({0x80 | opcode, 0x00})) == violation);
  }
  CHECK(refusal(kServer, bytes_of({0x82, 0x01, 'x'})) == violation);              // not masked
  CHECK(refusal(kClient, bytes_of({0x82, 0x81, 1, 2, 3, 4, 'x'})) == violation);  // masked
  CHECK(refusal(kClient, bytes_of({0x80, 0x01, 'x'})) == violation);              // continues nothing
  CHECK(refusal(kClient, bytes_of({0x02, 0x00, 0x82, 0x00})) == violation);       // message in a message
  CHECK(refusal(kClient, bytes_of({0x09, 0x00})) == violation);                   // a ping in parts
  CHECK(refusal(kClient, bytes_of({0x89, 0x7e, 0x00, 0x7e})) == violation);       // a ping of 126
  CHECK(refusal(kClient, bytes_of({0x82, 0x7e, 0x00, 0x7d})) == violation);       // 125 in 16 bits
  CHECK(refusal(kClient, bytes_of({0x82, 0x7f, 0, 0, 0, 0, 0, 0, 0xff, 0xff})) == violation);  // 65535 in 64
  CHECK(refusal(kClient, bytes_of({0x88, 0x01, 0x03})) == violation);                          // half a code
  for (const int code : {0, 999, 1004, 1005, 1006, 1015, 2999, 5000}) {
    CHECK(refusal(kClient, bytes_of({0x88, 0x02, code >> 8, code & 0xff})) == violation);
  }
}

TEST_CASE("a frame has at most 256 MiB, and none of it is kept", "[websocket]") {
  CHECK(refusal(kClient, bytes_of({0x82, 0x7f, 0, 0, 0, 0, 0x10, 0, 0, 1})) == ErrorCode::too_large);
  CHECK(refusal(kClient, bytes_of({0x82, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})) ==
        ErrorCode::too_large);
  WebSocketReader reader(kClient);
  Bytes head = bytes_of({0x82, 0x7f, 0, 0, 0, 0, 0x10, 0, 0, 0});
  CHECK(reader.read(head, SIZE_MAX).empty());
  CHECK(reader.fault().ok());
  const Bytes megabyte = Bytes::copy(std::string(1 << 20, 'x'));
  for (int i = 0; i < 256; ++i) {
    Bytes input = megabyte;
    CHECK(reader.read(input, SIZE_MAX).data() == megabyte.data());
  }
  Bytes next = bytes_of({0x88, 0x00});
  reader.advance(next);
  CHECK(reader.closed());
}

TEST_CASE("payload before a violation still counts", "[websocket]") {
  const WebSocketMask mask = mask_of({1, 1, 1, 1});
  const Bytes good = encode_frame(WebSocketOpcode::binary, as_bytes("good"), mask);
  const Outcome outcome = read_all(kServer, joined({good, bytes_of({0xf2, 0x80, 1, 2, 3, 4})}), SIZE_MAX);
  CHECK(outcome.payload == "good");
  CHECK(outcome.fault.code == ErrorCode::protocol_violation);
}
