// multistream-select: both cores against each other and against raw bytes.
#include "stack/negotiate/multistream.h"

#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "stack/base/rng.h"

using namespace mesocosm;

namespace {

std::string lines(std::initializer_list<std::string_view> texts) {
  std::string out;
  for (std::string_view text : texts) append_multistream_message(out, text);
  return out;
}

struct Names final : MultistreamChooser {
  std::vector<std::string_view> names;
  bool lists = false;
  explicit Names(std::vector<std::string_view> spoken, bool with_ls = false)
      : names(std::move(spoken)), lists(with_ls) {}
  std::string_view choose(std::string_view offered) const override {
    for (std::string_view name : names) {
      if (name == offered) return name;
    }
    return {};
  }
  std::vector<std::string_view> list() const override {
    return lists ? names : std::vector<std::string_view>{};
  }
};

// A dialer and a listener whose bytes travel in pieces of `chop` bytes.
struct Pair {
  MultistreamDialer dialer;
  MultistreamListener listener;
  Names names;
  std::size_t chop;
  std::string to_listener, to_dialer;
  Error error;

  Pair(std::vector<std::string_view> offers, std::vector<std::string_view> spoken, std::size_t piece)
      : dialer(offers), names(std::move(spoken)), chop(piece) {
    to_listener = dialer.start().text();
  }
  bool over() const {
    return !error.ok() ||
           (dialer.state() == MultistreamState::selected && listener.state() == MultistreamState::selected);
  }
  void run() {
    while (!over() && !(to_listener.empty() && to_dialer.empty())) {
      step(
          to_listener, [&](Bytes piece) { return listener.on_bytes(piece, names); }, to_dialer);
      if (!over())
        step(
            to_dialer, [&](Bytes piece) { return dialer.on_bytes(piece); }, to_listener);
    }
  }
  template <class Feed>
  void step(std::string& from, Feed feed, std::string& to) {
    const std::string piece = from.substr(0, chop);
    from.erase(0, piece.size());
    auto reply = feed(Bytes::copy(piece));
    if (!reply) {
      error = reply.error();
    } else {
      to += reply->text();
    }
  }
};

}  // namespace

TEST_CASE("multistream messages on the wire", "[multistream]") {
  CHECK(to_hex(as_bytes(lines({"na"}))) == "036e610a");
  const std::string_view offers[] = {"/noise"};
  CHECK(MultistreamDialer(offers).start().text() == "\x13/multistream/1.0.0\n\x07/noise\n");
  const std::string long_name(200, 'x');
  CHECK(to_hex(as_bytes(lines({long_name})).first(2)) == "c901");  // 201 with its newline
}

TEST_CASE("multistream agrees on the first common offer, however the bytes are cut", "[multistream]") {
  for (const std::size_t chop : {1, 2, 3, 7, 20, 1000}) {
    Pair first({"/a/1", "/b/1"}, {"/b/1", "/a/1"}, chop);
    first.run();
    CHECK(first.dialer.selected() == "/a/1");
    CHECK(first.listener.selected() == "/a/1");
    Pair second({"/c", "/d", "/b/1"}, {"/b/1"}, chop);
    second.run();
    CHECK(second.over());
    CHECK(second.error.ok());
    CHECK(second.dialer.selected() == "/b/1");
  }
}

TEST_CASE("multistream without anything in common fails", "[multistream]") {
  Pair pair({"/a", "/b"}, {"/c"}, 5);
  pair.run();
  CHECK(pair.error.code == ErrorCode::negotiation_failed);
  CHECK(pair.dialer.state() == MultistreamState::failed);
}

TEST_CASE("a listener's refusal outlives what makes no sense behind it", "[multistream]") {
  MultistreamListener listener;
  Bytes last_words;
  const auto answer = listener.on_bytes(
      Bytes::copy(lines({"/multistream/1.0.0", "/a"}) + std::string(3, '\0')), Names({"/b"}), &last_words);
  CHECK(answer.error().code == ErrorCode::bad_encoding);
  CHECK(last_words.text() == lines({"/multistream/1.0.0", "na"}));
}

TEST_CASE("data behind a lazy offer is handed on by both sides", "[multistream]") {
  const std::string_view offers[] = {"/echo"};
  MultistreamDialer dialer(offers);
  MultistreamListener listener;
  const Names names({"/echo"});
  auto reply = listener.on_bytes(Bytes::copy(std::string(dialer.start().text()) + "ping"), names);
  REQUIRE(reply);
  CHECK(listener.state() == MultistreamState::selected);
  CHECK(listener.take_rest().text() == "ping");
  CHECK(reply->text() == lines({"/multistream/1.0.0", "/echo"}));
  REQUIRE(dialer.on_bytes(Bytes::copy(std::string(reply->text()) + "pong")));
  CHECK(dialer.state() == MultistreamState::selected);
  CHECK(dialer.take_rest().text() == "pong");
}

TEST_CASE("simultaneous open and ls are answered", "[multistream]") {
  MultistreamListener listener;
  auto reply =
      listener.on_bytes(Bytes::copy(lines({kMultistreamId, "/libp2p/simultaneous-connect", "ls", "/noise"})),
                        Names({"/noise"}));
  REQUIRE(reply);
  CHECK(reply->text() == lines({kMultistreamId, "na", "na", "/noise"}));
  MultistreamListener lister;
  reply = lister.on_bytes(Bytes::copy(lines({kMultistreamId, "ls"})), Names({"/a", "/b"}, true));
  REQUIRE(reply);
  CHECK(reply->text() == lines({kMultistreamId}) + "\x09\x03/a\n\x03/b\n\n");
}

TEST_CASE("multistream refuses what is not multistream", "[multistream]") {
  const auto listen_to = [](std::string text) {
    MultistreamListener listener;
    auto reply = listener.on_bytes(Bytes::copy(text), Names({"/a"}));
    return reply ? ErrorCode::none : reply.error().code;
  };
  CHECK(listen_to("GET / HTTP/1.1\r\n\r\n") == ErrorCode::none);  // 'G' = 71 bytes: waits for them
  CHECK(listen_to("\x04GET\n") == ErrorCode::protocol_violation);
  CHECK(listen_to(std::string("\0", 1)) == ErrorCode::bad_encoding);
  CHECK(listen_to("\x03"
                  "abc") == ErrorCode::bad_encoding);
  CHECK(listen_to(std::string("\x83\x00", 2)) == ErrorCode::bad_encoding);
  CHECK(listen_to("\x81\x08") == ErrorCode::too_large);  // 1,025
  CHECK(listen_to("\xff\xff\xff") == ErrorCode::too_large);
  CHECK(listen_to("\x80\x08" + std::string(1023, 'x') + "\n") ==
        ErrorCode::protocol_violation);  // 1,024 is allowed
  std::string flood = lines({kMultistreamId});
  for (int i = 0; i < 65; ++i) flood += lines({"/nothing"});
  CHECK(listen_to(flood) == ErrorCode::limit);
}

TEST_CASE("random cuts do not change what multistream agrees on", "[multistream]") {
  Rng rng(7);
  for (int round = 0; round < 200; ++round) {
    Pair pair({"/x", "/y/long/name/1.0.0", "/z"}, {"/z"}, 1);
    while (!pair.over()) {
      pair.chop = 1 + rng.below(12);
      pair.step(
          pair.to_listener, [&](Bytes b) { return pair.listener.on_bytes(b, pair.names); }, pair.to_dialer);
      if (pair.over()) break;
      pair.step(
          pair.to_dialer, [&](Bytes b) { return pair.dialer.on_bytes(b); }, pair.to_listener);
    }
    CHECK(pair.error.ok());
    CHECK(pair.dialer.selected() == "/z");
  }
}
