// Length-prefixed framing: the first half of the input says how to cut, the second half is the stream.
// However it is cut, the messages and the error are those of the uncut stream.
#include <vector>

#include "stack/base/assert.h"
#include "stack/wire/framing.h"

using namespace mesocosm;

namespace {

constexpr std::size_t kLimit = 20000;

struct Outcome {
  std::vector<Bytes> messages;
  ErrorCode error = ErrorCode::none;
  bool idle = true;
  bool operator==(const Outcome&) const = default;
};

Outcome read(const Bytes& stream, ByteView cuts) {
  Outcome outcome;
  LengthPrefixReader reader(kLimit);
  Bytes rest = stream;
  for (std::size_t i = 0; !rest.empty(); ++i) {
    const std::size_t chunk = i < cuts.size() ? std::size_t{cuts[i]} * cuts[i] / 16 : rest.size();
    Bytes input = rest.take_front(chunk);
    while (true) {
      auto message = reader.next(input);
      if (!message) {
        outcome.error = message.error().code;
        return outcome;
      }
      if (!*message) break;
      MC_ASSERT((*message)->size() <= kLimit);
      outcome.messages.push_back(std::move(**message));
    }
    MC_ASSERT(input.empty());
  }
  outcome.idle = reader.idle();
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView all(data, size);
  const Bytes stream = Bytes::copy(all.subspan(size / 2));
  MC_ASSERT(read(stream, all.first(size / 2)) == read(stream, {}));
  return 0;
}
