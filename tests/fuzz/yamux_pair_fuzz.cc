// Operations on a Yamux pair: neither side ever breaks the rules, and every stream that is not reset arrives
// whole.
#include <map>
#include <string>
#include <vector>

#include "stack/base/assert.h"
#include "stack/mux/yamux.h"
#include "tests/fuzz/fuzz_input.h"

using namespace mesocosm;

namespace {

struct Half {  // one side's view of a stream
  YamuxStream* stream;
  std::uint64_t sent = 0, received = 0;
  bool finished = false, ended = false, reset = false;
};

struct Side {
  Yamux mux;
  Time now{};
  std::map<std::uint32_t, Half> streams;
  std::string wire;  // from the other side, not delivered yet

  Side(bool client, const YamuxConfig& config) : mux(client, config, 1ms) {}

  void deliver(std::size_t n) {
    const std::string piece = wire.substr(0, n);
    wire.erase(0, piece.size());
    MC_ASSERT(mux.on_bytes(Bytes::copy(piece), now));
    events();
  }
  void events() {
    while (const auto event = mux.poll()) {
      const std::uint32_t id = event->stream->id();
      if (event->opened) streams[id] = {event->stream};
      Half& half = streams.at(id);
      half.ended = event->stream->ended();
      if (event->closed) {
        if (event->stream->reset_by_peer()) half.reset = true;
        MC_ASSERT(half.reset || (half.finished && half.ended));
      }
    }
  }
  void send_to(Side& other, std::size_t room) {
    std::vector<std::uint8_t> out(std::max(room, kYamuxMinFill));
    other.wire += as_text(ByteView(out).first(mux.fill(out)));
  }
  // Bytes are numbered by their place in the stream, so that order shows.
  void write(Half& half, std::size_t n) {
    if (half.finished || half.reset) return;
    mux.write(*half.stream, Bytes::build(n, [&](MutableByteView out) {
      for (std::uint8_t& byte : out) byte = static_cast<std::uint8_t>(half.sent++ * 31);
    }));
  }
  void read(Half& half, std::size_t most) {
    const Bytes bytes = mux.read(*half.stream, most, now);
    for (std::uint8_t byte : bytes) MC_ASSERT(byte == static_cast<std::uint8_t>(half.received++ * 31));
    half.ended = half.stream->ended();
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzInput in(data, size);
  YamuxConfig config;
  config.ack_backlog = 1 + static_cast<std::uint32_t>(in.below(4));
  config.max_streams = 1000;
  if (in.below(2) == 0) config.max_window = kYamuxInitialWindow;
  Side client(true, config), server(false, config);
  Side* sides[] = {&client, &server};
  const auto other = [&](Side& side) -> Side& { return &side == &client ? server : client; };
  while (!in.empty()) {
    Side& side = *sides[in.below(2)];
    const std::size_t what = in.below(10);
    if (what == 0 && side.streams.size() < 64) {
      YamuxStream& stream = side.mux.open(side.now);
      side.streams[stream.id()] = {&stream};
    } else if (what == 1) {
      side.now += std::chrono::microseconds(in.size());
    } else if (what == 2) {
      side.send_to(other(side), in.size());
    } else if (what == 3) {
      side.deliver(in.size());
    } else if (what == 4) {
      side.mux.ping(side.now);
    } else if (!side.streams.empty()) {
      auto at = side.streams.begin();
      std::advance(at, in.below(side.streams.size()));
      Half& half = at->second;
      if (what == 5) {
        side.read(half, in.size());
      } else if (what == 6) {
        side.mux.finish(*half.stream);
        half.finished = true;
      } else if (what == 7 && in.below(8) == 0) {
        side.mux.reset(*half.stream, 5);
        half.reset = true;
      } else {
        side.write(half, in.size());
      }
    }
  }
  // Everything moves and everybody reads until nothing happens any more.
  for (bool moved = true; moved;) {
    moved = false;
    for (Side* side : sides) {
      while (side->mux.has_output()) {
        const std::size_t before = other(*side).wire.size();
        side->send_to(other(*side), 65519);
        moved = moved || other(*side).wire.size() > before;
      }
      Side& to = other(*side);
      if (!to.wire.empty()) {
        to.deliver(to.wire.size());
        moved = true;
      }
      for (auto& [id, half] : to.streams) {
        while (half.stream->unread() > 0) to.read(half, SIZE_MAX);
        half.ended = half.stream->ended();
      }
      to.events();
    }
  }
  for (auto& [id, half] : client.streams) {
    const auto peer = server.streams.find(id);
    if (peer == server.streams.end()) {
      MC_ASSERT(half.reset);  // before the peer heard of it
      continue;
    }
    if (half.reset || peer->second.reset) continue;
    MC_ASSERT(half.sent == peer->second.received && peer->second.sent == half.received);
    MC_ASSERT(half.ended == peer->second.finished && peer->second.ended == half.finished);
  }
  return 0;
}
