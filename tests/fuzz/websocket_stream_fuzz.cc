// A WebSocketStream of either role against any bytes, with a good handshake before them or without: it ends with a
// named error or takes payload, and never calls after its end.
#include <memory>
#include <string>

#include "stack/base/assert.h"
#include "stack/websocket/handshake.h"
#include "stack/websocket/stream.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/unit/memory_stream.h"

using namespace mesocosm;
using namespace mesocosm::testing;

namespace {

struct End : ByteStream::Events {
  std::unique_ptr<ByteStream> stream;
  std::size_t received = 0;
  bool closed = false;

  virtual void on_bytes(Bytes bytes) { received += bytes.size(); }
  void on_readable() override {
    MC_ASSERT(!closed);
    for (Bytes bytes = stream->read(1000); !bytes.empty(); bytes = stream->read(1000))
      on_bytes(std::move(bytes));
  }
  void on_writable() override { MC_ASSERT(!closed); }
  void on_closed(Error error) override {
    MC_ASSERT(!closed && (error.ok() == stream->ended()));
    closed = true;
  }
};

// The other side: answers a handshake if it is told to.
struct Raw final : End {
  bool answers = false;
  HttpRequestParser parser;
  void on_bytes(Bytes bytes) override {
    if (!answers) return;
    const auto request = parser.on_bytes(bytes);
    MC_ASSERT(request);
    if (!*request) return;
    answers = false;
    WebSocketAnswer answer = answer_websocket_request(**request);
    MC_ASSERT(answer.error.ok());
    stream->write(answer.response);
  }
  void on_closed(Error) override { closed = true; }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzInput in(data, size);
  PipeNetwork net;
  net.chop = 1 + in.size();
  net.buffer = 1 + in.size();
  PipeHost one(net, 1), two(net, 2);
  Rng rng(1);
  SeededEntropy entropy{Rng(2)};
  NoTrace trace;
  Env env{net.clock, one, rng, entropy, trace};
  std::uint64_t overhead_in = 0, overhead_out = 0;
  const WebSocketOverhead overhead{overhead_in, overhead_out};
  const Endpoint at{IpAddress::v4(2), 4001};
  End ours;
  Raw theirs;
  const bool good_handshake = in.below(4) != 0;
  const bool client = in.below(2) == 0;
  net.listeners[at] = [&](std::unique_ptr<ByteStream> stream) {
    End& end = client ? static_cast<End&>(theirs) : ours;
    end.stream = client ? std::move(stream) : WebSocketStream::accept(env, std::move(stream), overhead);
    end.stream->set_events(end);
  };
  if (client) {
    theirs.answers = good_handshake;
    ours.stream = WebSocketStream::connect(env, at, "host:1", ours, overhead);
  } else {
    theirs.stream = one.connect(at, theirs, {});
  }
  net.run_for(1s);
  if (!client && good_handshake) {
    theirs.stream->write(*websocket_request("host:1", websocket_key({})));
    net.run_for(1s);
  }
  while (!in.empty() && theirs.stream != nullptr && ours.stream != nullptr) {
    net.clock.turn([&] {
      switch (in.below(8)) {
        case 0:
          ours.stream->write(Bytes::copy(std::string(in.byte() * 4, 'x')));
          break;
        case 1:
          if (in.below(8) == 0) ours.stream->finish();
          break;
        case 2:
          if (in.below(8) == 0) theirs.stream->finish();
          break;
        default:
          theirs.stream->write(in.bytes(in.byte()));
      }
    });
    net.run_for(1s);
  }
  net.run_for(10s);
  return 0;
}
