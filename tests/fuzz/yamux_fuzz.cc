// One Yamux fed with any bytes, while its user reads, answers and resets: nothing breaks, and no more streams
// are open than the limit.
#include <vector>

#include "stack/base/assert.h"
#include "stack/mux/yamux.h"
#include "tests/fuzz/fuzz_input.h"

using namespace mesocosm;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzInput in(data, size);
  YamuxConfig config;
  config.max_streams = 8;
  const std::uint8_t manner = in.byte();
  Yamux mux((manner & 1) != 0, config, (manner & 2) != 0 ? Duration(1ms) : Duration::zero());
  const std::size_t chop = 1 + in.byte();
  Bytes input = in.bytes(SIZE_MAX);
  std::vector<YamuxStream*> streams;
  if ((manner & 4) != 0) {
    streams.push_back(&mux.open({}));
    mux.write(*streams.back(), Bytes::copy("something"));
  }
  Time now{};
  while (!input.empty()) {
    now += 100us;
    const bool fine = mux.on_bytes(input.take_front(chop), now).has_value();
    while (const auto event = mux.poll()) {
      YamuxStream& stream = *event->stream;
      if (event->opened) streams.push_back(&stream);
      if (event->readable && (manner & 8) != 0) mux.write(stream, mux.read(stream, SIZE_MAX, now));
      if (event->closed && (manner & 16) != 0) {
        std::erase(streams, &stream);
        mux.release(stream);
      }
    }
    MC_ASSERT(mux.stream_count() <= 9);
    if ((manner & 32) != 0 && !streams.empty()) {
      mux.release(*streams.back());
      streams.pop_back();
    }
    while ((manner & 64) != 0 && mux.has_output()) {
      std::vector<std::uint8_t> out(mux.output_bound() + kYamuxMinFill);
      if (mux.fill(out) == 0) break;
    }
    if (!fine) {
      mux.abort();
      break;
    }
  }
  for (YamuxStream* stream : streams) mux.release(*stream);
  return 0;
}
