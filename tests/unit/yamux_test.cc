// Yamux: two cores against each other, and one against frames made by hand.
#include "stack/mux/yamux.h"

#include <map>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "stack/base/rng.h"

using namespace mesocosm;

namespace {

enum : std::uint8_t { kData = 0, kWindowUpdate = 1, kPing = 2, kGoAway = 3 };
enum : std::uint16_t { kSyn = 1, kAck = 2, kFin = 4, kRst = 8 };

struct Frame {
  std::uint8_t type;
  std::uint16_t flags;
  std::uint32_t id, length;
  std::string body = {};
  bool operator==(const Frame&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Frame& frame) {
  return out << "{type " << int(frame.type) << " flags " << frame.flags << " id " << frame.id << " length "
             << frame.length << " body " << frame.body.substr(0, 20) << "}";
}

void append(std::string& out, const Frame& frame) {
  const auto put = [&](std::uint32_t value, int bytes) {
    for (int i = bytes - 1; i >= 0; --i) out += static_cast<char>(value >> (8 * i));
  };
  put(0, 1);
  put(frame.type, 1);
  put(frame.flags, 2);
  put(frame.id, 4);
  put(frame.length, 4);
  out += frame.body;
}

Bytes bytes_of(std::initializer_list<Frame> frames) {
  std::string out;
  for (const Frame& frame : frames) append(out, frame);
  return Bytes::copy(out);
}

Frame data(std::uint32_t id, std::string body, std::uint16_t flags = 0) {
  return {kData, flags, id, static_cast<std::uint32_t>(body.size()), body};
}

std::vector<Frame> parse(ByteView bytes) {
  std::vector<Frame> frames;
  const auto get = [&](std::size_t at, int n) {
    std::uint32_t value = 0;
    for (int i = 0; i < n; ++i) value = value << 8 | bytes[at + static_cast<std::size_t>(i)];
    return value;
  };
  while (!bytes.empty()) {
    REQUIRE(bytes.size() >= kYamuxHeader);
    Frame frame{static_cast<std::uint8_t>(get(1, 1)), static_cast<std::uint16_t>(get(2, 2)), get(4, 4),
                get(8, 4)};
    bytes = bytes.subspan(kYamuxHeader);
    if (frame.type == kData) {
      REQUIRE(bytes.size() >= frame.length);
      frame.body = as_text(bytes.first(frame.length));
      bytes = bytes.subspan(frame.length);
    }
    frames.push_back(std::move(frame));
  }
  return frames;
}

std::string output(Yamux& mux, std::size_t limit = SIZE_MAX) {
  std::string out;
  while (mux.has_output() && out.size() < limit) {
    std::vector<std::uint8_t> buffer(
        std::min<std::size_t>(65'519, std::max(mux.output_bound(), kYamuxMinFill)));
    const std::size_t n = mux.fill(buffer);
    if (n == 0) break;
    out += as_text(ByteView(buffer).first(n));
  }
  return out;
}

std::vector<Frame> frames(Yamux& mux) { return parse(as_bytes(output(mux))); }

// One side: a core that remembers what it was told.
struct Side {
  YamuxConfig config;
  Yamux mux;
  Time now{};
  std::vector<YamuxStream*> accepted;
  std::map<YamuxStream*, std::string> text;
  std::map<YamuxStream*, int> ended, closed, writable;
  bool reads = true;
  Error error;

  explicit Side(bool client, YamuxConfig settings = {}, Duration rtt = {})
      : config(settings), mux(client, config, rtt) {}

  void feed(Bytes bytes) {
    if (auto taken = mux.on_bytes(std::move(bytes), now); !taken) error = taken.error();
    events();
  }
  void feed(std::initializer_list<Frame> list) { feed(bytes_of(list)); }
  void events() {
    while (const auto event = mux.poll()) {
      if (event->opened) accepted.push_back(event->stream);
      if (event->readable && reads) read(event->stream);
      if (event->writable) ++writable[event->stream];
      if (event->closed) ++closed[event->stream];
    }
  }
  void read(YamuxStream* stream, std::size_t most = SIZE_MAX) {
    while (most > 0) {
      const Bytes bytes = mux.read(*stream, most, now);
      if (bytes.empty()) break;
      most -= bytes.size();
      text[stream] += bytes.text();
    }
    if (stream->ended()) ended[stream] = 1;
  }
};

struct Pair {
  Side client, server;
  std::size_t chop = SIZE_MAX;

  explicit Pair(YamuxConfig config = {}, Duration rtt = {})
      : client(true, config, rtt), server(false, config, rtt) {}
  // Moves bytes until both are silent; returns how many went each way.
  void pump() {
    while (client.mux.has_output() || server.mux.has_output()) {
      move(client, server);
      move(server, client);
    }
    client.events();
    server.events();
  }
  void move(Side& from, Side& to) {
    Bytes bytes = Bytes::copy(output(from.mux));
    while (!bytes.empty()) to.feed(bytes.take_front(chop));
  }
};

constexpr std::uint32_t kWindow = kYamuxInitialWindow;

YamuxConfig untuned() {
  YamuxConfig config;
  config.max_window = kWindow;
  return config;
}

}  // namespace

TEST_CASE("SYN rides on data, ACK comes at once, FIN has a frame of its own", "[yamux]") {
  Side client(true), server(false);
  YamuxStream& stream = client.mux.open({});
  client.mux.write(stream, Bytes::copy("hello"));
  client.mux.finish(stream);
  const auto sent = frames(client.mux);
  CHECK(sent == std::vector<Frame>{data(1, "hello", kSyn), data(1, "", kFin)});
  server.feed({data(1, "hello", kSyn), data(1, "", kFin)});
  REQUIRE(server.accepted.size() == 1);
  YamuxStream& accepted = *server.accepted[0];
  CHECK(server.text[&accepted] == "hello");
  CHECK(server.ended[&accepted] == 1);
  CHECK(server.closed[&accepted] == 0);
  CHECK(frames(server.mux) == std::vector<Frame>{{kWindowUpdate, kAck, 1, 0}});
  server.mux.finish(accepted);
  CHECK(frames(server.mux) == std::vector<Frame>{data(1, "", kFin)});
  server.events();
  CHECK(server.closed[&accepted] == 1);
  CHECK(server.mux.stream_count() == 0);
  client.feed({{kWindowUpdate, kAck, 1, 0}, data(1, "", kFin)});
  CHECK(client.closed[&stream] == 1);
  CHECK(client.mux.stream_count() == 0);
  client.mux.release(stream);
  server.mux.release(accepted);
}

TEST_CASE("a stream without data opens with a window update, and the answer carries ACK", "[yamux]") {
  Side client(true), server(false);
  client.mux.open({});
  client.mux.open({});
  CHECK(frames(client.mux) == std::vector<Frame>{{kWindowUpdate, kSyn, 1, 0}, {kWindowUpdate, kSyn, 3, 0}});
  server.feed({{kWindowUpdate, kSyn, 1, 0}});
  server.mux.write(*server.accepted[0], Bytes::copy("first words"));
  CHECK(frames(server.mux) == std::vector<Frame>{data(1, "first words", kAck)});
  YamuxStream& own = server.mux.open({});
  CHECK(own.id() == 2);
}

TEST_CASE("the peer's credit is never exceeded, not even with SYN", "[yamux]") {
  Side client(true);
  YamuxStream& stream = client.mux.open({});
  client.mux.write(stream, Bytes::copy(std::string(kWindow + 1000, 'x')));
  std::size_t sent = 0;
  for (const Frame& frame : frames(client.mux)) sent += frame.body.size();
  CHECK(sent == kWindow);
  CHECK(stream.send_credit() == 0);
  CHECK(stream.unsent() == 1000);
  CHECK(!client.mux.has_output());
  client.feed({{kWindowUpdate, kAck, 1, 300}});
  CHECK(frames(client.mux) == std::vector<Frame>{data(1, std::string(300, 'x'))});
  client.feed({{kWindowUpdate, 0, 1, 5000}});
  CHECK(frames(client.mux) == std::vector<Frame>{data(1, std::string(700, 'x'))});
  CHECK(stream.send_credit() == 4300);
}

TEST_CASE("credit is given for what was read, when it is half a window", "[yamux]") {
  Pair pair(untuned());
  pair.server.reads = false;
  YamuxStream& stream = pair.client.mux.open({});
  pair.client.mux.write(stream, Bytes::copy(std::string(kWindow * 2, 'x')));
  pair.pump();
  YamuxStream& accepted = *pair.server.accepted.at(0);
  CHECK(accepted.unread() == kWindow);  // and no more, since nobody reads
  CHECK(accepted.receive_credit() == 0);
  CHECK(stream.unsent() == kWindow);
  pair.server.read(&accepted, kWindow / 2 - 1);
  CHECK(!pair.server.mux.has_output());
  pair.server.read(&accepted, 1);
  CHECK(frames(pair.server.mux) == std::vector<Frame>{{kWindowUpdate, 0, 1, kWindow / 2}});
  CHECK(accepted.receive_credit() == kWindow / 2);
  pair.client.feed({{kWindowUpdate, 0, 1, kWindow / 2}});
  pair.pump();
  CHECK(accepted.unread() == kWindow);
  CHECK(stream.unsent() == kWindow / 2);
  pair.server.reads = true;
  pair.server.read(&accepted);
  pair.pump();
  CHECK(pair.server.text[&accepted].size() == kWindow * 2);
  CHECK(accepted.window() == kWindow);
}

TEST_CASE("a window doubles while half of it is read within four round trips", "[yamux]") {
  Pair pair({}, 100ms);
  YamuxStream& stream = pair.client.mux.open({});
  pair.client.mux.write(stream, Bytes::copy(std::string(kWindow, 'x')));
  pair.server.now = pair.client.now = Time(100ms);
  pair.pump();
  YamuxStream& accepted = *pair.server.accepted.at(0);
  CHECK(accepted.window() == 2 * kWindow);  // opened at 100 ms and read at once
  pair.server.now = Time(600ms);            // now more than four round trips later
  pair.client.mux.write(stream, Bytes::copy(std::string(kWindow, 'x')));
  pair.pump();
  CHECK(accepted.window() == 2 * kWindow);
  for (int i = 0; i < 100; ++i) {
    pair.client.mux.write(stream, Bytes::copy(std::string(8 * kWindow, 'x')));
    pair.pump();
  }
  CHECK(accepted.window() == 16 * 1024 * 1024);
  CHECK(pair.server.text[&accepted].size() == (2 + 800) * std::size_t{kWindow});
}

TEST_CASE("all windows together grow no further than the configured sum", "[yamux]") {
  YamuxConfig config;
  config.max_window_growth = 3 * kWindow;
  Pair pair(config, 100ms);
  for (int i = 0; i < 4; ++i) {
    pair.client.mux.write(pair.client.mux.open({}), Bytes::copy(std::string(kWindow, 'x')));
  }
  pair.pump();
  std::uint64_t sum = 0;
  for (YamuxStream* stream : pair.server.accepted) sum += stream->window();
  CHECK(sum == 4 * kWindow + 3 * kWindow);
}

TEST_CASE("a full stream asks for more when half of it has left", "[yamux]") {
  Pair pair(untuned());
  pair.server.reads = false;
  YamuxStream& stream = pair.client.mux.open({});
  CHECK(pair.client.mux.writable(stream) == 256 * 1024);
  pair.client.mux.write(stream, Bytes::copy(std::string(512 * 1024, 'x')));
  CHECK(pair.client.mux.writable(stream) == 0);
  pair.pump();
  CHECK(stream.unsent() == 256 * 1024);
  CHECK(pair.client.writable[&stream] == 0);
  pair.server.reads = true;
  pair.server.read(pair.server.accepted.at(0));
  pair.pump();
  CHECK(pair.client.writable[&stream] == 1);
  CHECK(pair.client.mux.writable(stream) == 256 * 1024);
}

TEST_CASE("RST ends a stream on both sides, with its code, which is no credit", "[yamux]") {
  Pair pair;
  YamuxStream& stream = pair.client.mux.open({});
  pair.client.mux.write(stream, Bytes::copy("data"));
  pair.pump();
  YamuxStream& accepted = *pair.server.accepted.at(0);
  pair.server.mux.write(accepted, Bytes::copy("never sent"));
  pair.server.mux.reset(accepted, 0x1001);
  const auto sent = frames(pair.server.mux);
  CHECK(sent == std::vector<Frame>{{kWindowUpdate, kRst, 1, 0x1001}});
  pair.client.feed({{kWindowUpdate, kRst, 1, 0x1001}});
  CHECK(pair.client.closed[&stream] == 1);
  CHECK(stream.reset_by_peer());
  CHECK(stream.reset_code() == 0x1001);
  CHECK(stream.send_credit() == kWindow - 4);
  CHECK(pair.client.mux.stream_count() == 0);
  CHECK(pair.server.mux.stream_count() == 0);
  pair.client.mux.write(stream, Bytes::copy("ignored"));
  CHECK(!pair.client.mux.has_output());
  // What was under way for a stream that is gone is skipped.
  pair.server.feed(
      {data(1, "late"), {kWindowUpdate, 0, 1, 100}, {kWindowUpdate, kRst, 1, 0}, {kPing, kSyn, 0, 7}});
  CHECK(pair.server.error.ok());
  CHECK(frames(pair.server.mux) == std::vector<Frame>{{kPing, kAck, 0, 7}});
}

TEST_CASE("a stream that the peer never heard of is reset without a word", "[yamux]") {
  Side client(true);
  YamuxStream& stream = client.mux.open({});
  client.mux.write(stream, Bytes::copy("x"));
  client.mux.release(stream);
  CHECK(output(client.mux).empty());
  CHECK(client.mux.stream_count() == 0);
}

TEST_CASE("a released stream lingers until what was written has left", "[yamux]") {
  Pair pair(untuned());
  YamuxStream& stream = pair.client.mux.open({});
  pair.pump();
  YamuxStream& accepted = *pair.server.accepted.at(0);
  pair.server.mux.finish(accepted);
  pair.pump();
  pair.server.reads = false;
  pair.client.mux.write(stream, Bytes::copy(std::string(kWindow + 10, 'x')));
  pair.client.mux.finish(stream);
  pair.client.mux.release(stream);
  pair.pump();
  CHECK(pair.client.mux.stream_count() == 1);
  pair.server.reads = true;
  pair.server.read(&accepted);
  pair.pump();
  CHECK(pair.server.text[&accepted].size() == kWindow + 10);
  CHECK(pair.server.closed[&accepted] == 1);
  CHECK(pair.client.mux.stream_count() == 0);
}

TEST_CASE("at most the backlog of our streams is unacknowledged; the others wait", "[yamux]") {
  YamuxConfig config;
  config.ack_backlog = 3;
  Side client(true, config);
  std::vector<YamuxStream*> streams;
  for (int i = 0; i < 6; ++i) {
    streams.push_back(&client.mux.open({}));
    client.mux.write(*streams.back(), Bytes::copy("x"));
  }
  CHECK(frames(client.mux).size() == 3);
  CHECK(!client.mux.has_output());
  client.feed({{kWindowUpdate, kAck, 3, 0}});
  CHECK(frames(client.mux) == std::vector<Frame>{data(7, "x", kSyn)});
  client.mux.release(*streams[4]);             // waits itself: its turn goes to the next one
  client.feed({{kWindowUpdate, kRst, 1, 0}});  // a refusal is an answer too
  CHECK(frames(client.mux) == std::vector<Frame>{data(11, "x", kSyn)});
}

TEST_CASE("streams over the limit are refused", "[yamux]") {
  YamuxConfig config;
  config.max_streams = 2;
  Side server(false, config);
  server.feed(
      {{kWindowUpdate, kSyn, 1, 0}, {kWindowUpdate, kSyn, 3, 0}, data(5, "refused", kSyn), data(1, "ok")});
  CHECK(server.accepted.size() == 2);
  CHECK(server.text[server.accepted[0]] == "ok");
  CHECK(frames(server.mux) == std::vector<Frame>{{kWindowUpdate, kRst, 5, 0},
                                                 {kWindowUpdate, kAck, 1, 0},
                                                 {kWindowUpdate, kAck, 3, 0}});
}

TEST_CASE("pings are echoed and measured", "[yamux]") {
  Side client(true);
  client.feed({{kPing, kSyn, 0, 0xdeadbeef}});
  CHECK(frames(client.mux) == std::vector<Frame>{{kPing, kAck, 0, 0xdeadbeef}});
  client.mux.ping(Time(1s));
  client.mux.ping(Time(2s));  // one at a time
  CHECK(frames(client.mux) == std::vector<Frame>{{kPing, kSyn, 0, 1}});
  client.now = Time(3s);
  client.feed({{kPing, kAck, 0, 99}});
  CHECK(client.mux.ping_outstanding());
  client.feed({{kPing, kAck, 0, 1}});
  CHECK(client.mux.rtt() == 2s);
  CHECK(!client.mux.ping_outstanding());
}

TEST_CASE("GOAWAY leaves behind the data, and nothing opens afterwards", "[yamux]") {
  Side client(true), server(false);
  YamuxStream& stream = client.mux.open({});
  client.mux.write(stream, Bytes::copy("last"));
  client.mux.go_away(0);
  CHECK(frames(client.mux) == std::vector<Frame>{data(1, "last", kSyn), {kGoAway, 0, 0, 0}});
  YamuxStream& late = client.mux.open({});
  client.events();
  CHECK(client.closed[&late] == 1);
  server.feed({data(1, "last", kSyn), {kGoAway, 0, 0, 0}});
  CHECK(server.mux.go_away_received() == 0U);
  CHECK(server.text[server.accepted[0]] == "last");
  client.feed({{kWindowUpdate, kSyn, 2, 0}});
  CHECK(client.accepted.empty());
  client.mux.abort();
  client.events();
  CHECK(client.closed[&stream] == 1);
}

TEST_CASE("violations are named and answered with GOAWAY", "[yamux]") {
  const auto violation = [](std::initializer_list<Frame> list) {
    Side server(false);
    server.feed(list);
    CHECK(server.error.code == ErrorCode::protocol_violation);
    const auto sent = frames(server.mux);
    REQUIRE(!sent.empty());
    CHECK(std::count(sent.begin(), sent.end(), Frame{kGoAway, 0, 0, 1}) == 1);
    return server.error.detail;
  };
  const std::string window(kWindow, 'x');
  CHECK(violation({{4, 0, 0, 0}}) == "yamux: unknown frame type");
  CHECK(violation({data(0, "x")}) == "yamux: stream frame for the session");
  CHECK(violation({data(2, "x", kSyn)}) == "yamux: SYN with our own kind of id");
  CHECK(violation({data(1, "x", kSyn), data(1, "x", kSyn)}) == "yamux: SYN for an open stream");
  CHECK(violation({data(1, window + "x", kSyn)}) == "yamux: data over the window");
  CHECK(violation({data(1, "x", kSyn | kFin), data(1, "x")}) == "yamux: data after FIN");
  CHECK(violation({{kWindowUpdate, kSyn, 1, 0}, {kWindowUpdate, 0, 1, 0xfffffff0}}) ==
        "yamux: window over 4 GiB");
  CHECK(violation({{kPing, kSyn, 1, 0}}) == "yamux: ping for a stream");
  Side server(false);
  server.feed(Bytes::copy(std::string("\1\0\0\0\0\0\0\0\0\0\0\0", 12)));
  CHECK(server.error.detail == "yamux: unknown version");
}

TEST_CASE("a peer that does not read answers is cut off", "[yamux]") {
  Side server(false);
  for (int i = 0; i < 2000 && server.error.ok(); ++i) server.feed({{kPing, kSyn, 0, 1}});
  CHECK(server.error.detail == "yamux: more answers are owed than the peer takes");
}

TEST_CASE("a stream that is opened and reset at once was never there", "[yamux]") {
  Side server(false);
  server.feed(
      {{kWindowUpdate, kSyn, 1, 0}, data(3, "x", kSyn), {kWindowUpdate, kRst, 3, 0}, data(5, "y", kSyn)});
  CHECK(server.accepted.size() == 2);
  CHECK(server.mux.stream_count() == 2);
  CHECK(frames(server.mux) == std::vector<Frame>{{kWindowUpdate, kAck, 1, 0}, {kWindowUpdate, kAck, 5, 0}});
  std::string flood;  // in one piece; each number once more, and in every order
  for (std::uint32_t id = 7; id < 40'007; id += 2) {
    for (const std::uint32_t each : {id, 0x40000002 - id, 7U}) {
      append(flood, {kWindowUpdate, kSyn, each, 0});
      append(flood, {kWindowUpdate, kRst, each, 0});
    }
  }
  server.feed(Bytes::copy(flood));
  CHECK(server.error.ok());
  CHECK(server.accepted.size() == 2);
  CHECK(server.mux.stream_count() == 2);
  CHECK_FALSE(server.mux.has_output());
  server.feed({data(1, "still")});
  CHECK(server.text[server.accepted[0]] == "still");
}

TEST_CASE("when all streams together have too much to send, each makes do with little", "[yamux]") {
  YamuxConfig config;
  config.max_unsent = 300'000;
  Side client(true, config);
  YamuxStream& first = client.mux.open({});
  YamuxStream& second = client.mux.open({});
  const Bytes much = Bytes::copy(std::string(200'000, 'x'));
  client.mux.write(first, much);
  CHECK(client.mux.writable(first) == kWindow - 200'000);
  CHECK(client.mux.writable(second) == kWindow);
  client.mux.write(second, much.slice(0, 100'000));
  CHECK(client.mux.writable(first) == 0);
  CHECK(client.mux.writable(second) == 0);
  YamuxStream& third = client.mux.open({});
  CHECK(client.mux.writable(third) == 16 * 1024);
  client.mux.write(third, much.slice(0, 16 * 1024));
  CHECK(client.mux.writable(third) == 0);

  Side server(false);
  server.feed(Bytes::copy(output(client.mux, 100'000)));
  client.events();
  CHECK(client.writable[&third] == 1);  // it has sent its little
  CHECK(client.mux.writable(third) == 16 * 1024);
  CHECK(client.mux.writable(first) == 0);
  while (client.mux.has_output()) server.feed(Bytes::copy(output(client.mux, 50'000)));
  client.events();
  CHECK(client.writable[&first] == 1);
  CHECK(client.writable[&second] == 1);
  CHECK(client.mux.writable(first) == kWindow);
  CHECK(client.mux.writable(second) == kWindow);
  CHECK(client.mux.writable(third) == kWindow);

  client.mux.write(first, much);  // what is reset counts no more
  client.mux.write(second, much);
  CHECK(client.mux.writable(third) == 16 * 1024);
  client.mux.reset(second);
  CHECK(client.mux.writable(third) == 16 * 1024);
  client.mux.reset(first);
  CHECK(client.mux.writable(third) == kWindow);
}

TEST_CASE("tiny pieces that nobody reads are joined", "[yamux]") {
  Side server(false);
  server.reads = false;
  server.feed({{kWindowUpdate, kSyn, 1, 0}});
  std::string expected;
  for (int i = 0; i < 10'000; ++i) {
    expected += static_cast<char>(i);
    server.feed({data(1, expected.substr(expected.size() - 1))});
  }
  int slices = 0;
  std::string text;
  while (true) {
    const Bytes bytes = server.mux.read(*server.accepted[0], SIZE_MAX, {});
    if (bytes.empty()) break;
    text += bytes.text();
    ++slices;
  }
  CHECK(text == expected);
  CHECK(slices == 3);
}

TEST_CASE("streams share the output in turn", "[yamux]") {
  Side client(true);
  for (int i = 0; i < 3; ++i) client.mux.write(client.mux.open({}), Bytes::copy(std::string(40'000, 'x')));
  std::vector<std::uint32_t> order;
  for (const Frame& frame : frames(client.mux)) order.push_back(frame.id);
  CHECK(order.size() >= 9);
  CHECK(std::vector<std::uint32_t>(order.begin(), order.begin() + 6) ==
        std::vector<std::uint32_t>{1, 3, 5, 1, 3, 5});
}

TEST_CASE("frames fit the buffer they are written to", "[yamux]") {
  Side client(true);
  YamuxStream& stream = client.mux.open({});
  client.mux.write(stream, Bytes::copy(std::string(3000, 'x')));
  std::vector<std::uint8_t> buffer(kYamuxMinFill);
  CHECK(client.mux.fill(MutableByteView(buffer).first(11)) == 0);
  CHECK(client.mux.fill(MutableByteView(buffer).first(500)) == 0);  // no tiny frames for a buffer's end
  CHECK(client.mux.fill(buffer) == kYamuxMinFill);
  CHECK(stream.unsent() == 3000 - (kYamuxMinFill - kYamuxHeader));
}

TEST_CASE("many streams at once arrive whole, however the bytes are cut", "[yamux]") {
  Rng rng(3);
  for (const std::size_t chop : {std::size_t{1}, std::size_t{13}, SIZE_MAX}) {
    Pair pair(untuned());
    pair.chop = chop;
    std::map<std::uint32_t, std::string> sent;
    std::vector<YamuxStream*> streams;
    for (int i = 0; i < 1000; ++i) {
      YamuxStream& stream = pair.client.mux.open({});
      streams.push_back(&stream);
      std::string body(rng.below(chop == 1 ? 100 : 3000), static_cast<char>('a' + i % 26));
      sent[stream.id()] = body;
      pair.client.mux.write(stream, Bytes::copy(body));
      pair.client.mux.finish(stream);
    }
    pair.pump();
    REQUIRE(pair.server.accepted.size() == 1000);
    for (YamuxStream* stream : pair.server.accepted) {
      CHECK(pair.server.text[stream] == sent[stream->id()]);
      CHECK(pair.server.ended[stream] == 1);
      pair.server.mux.finish(*stream);
    }
    pair.pump();
    CHECK(pair.client.mux.stream_count() == 0);
    CHECK(pair.server.mux.stream_count() == 0);
    CHECK(pair.client.closed.size() == 1000);
    for (YamuxStream* stream : streams) pair.client.mux.release(*stream);
  }
}
