// WebSocket frames of either role, cut anywhere: the same payload, end and fault however they are cut.
#include <string>

#include "stack/base/assert.h"
#include "stack/websocket/frames.h"
#include "tests/fuzz/fuzz_input.h"

using namespace mesocosm;

namespace {

struct Outcome {
  std::string payload;
  bool closed = false;
  WebSocketCode code{};
  ErrorCode fault{};

  bool operator==(const Outcome&) const = default;
};

Outcome read_all(WebSocketRole role, Bytes rest, std::size_t piece, std::size_t max) {
  WebSocketReader reader(role);
  Outcome outcome;
  while (!rest.empty()) {
    Bytes input = rest.take_front(piece);
    do {
      const Bytes payload = reader.read(input, max);
      MC_ASSERT(payload.size() <= max);
      outcome.payload += payload.text();
      if (reader.ping_came()) MC_ASSERT(reader.take_ping().size() <= kWebSocketMaxControl);
    } while (!input.empty());
  }
  outcome.closed = reader.closed();
  outcome.code = reader.close_code();
  outcome.fault = reader.fault().code;
  MC_ASSERT(!outcome.closed || outcome.fault == ErrorCode::none);
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzInput in(data, size);
  const auto role = in.below(2) == 0 ? WebSocketRole::client : WebSocketRole::server;
  const std::size_t piece = 1 + in.byte();
  const std::size_t max = 1 + in.byte();
  const Bytes all = in.bytes(SIZE_MAX);
  const Outcome whole = read_all(role, all, SIZE_MAX, SIZE_MAX);
  MC_ASSERT(read_all(role, all, piece, max) == whole);
  MC_ASSERT(whole.payload.size() <= all.size());
  return 0;
}
