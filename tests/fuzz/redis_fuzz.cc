// Redis's replies: any bytes, cut anywhere, give an error or replies, and the same however they were cut.
#include "stack/base/assert.h"
#include "tests/interop/transport/resp.h"

using namespace mesocosm;
using namespace mesocosm::interop;

namespace {

struct Outcome {
  std::vector<std::string> texts;
  bool failed = false;
};

Outcome read(ByteView bytes, std::size_t step) {
  RedisReader reader;
  Outcome outcome;
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    reader.on_bytes(bytes.subspan(at, std::min(step, bytes.size() - at)));
    auto reply = reader.next();
    for (; reply && *reply; reply = reader.next()) {
      MC_ASSERT((*reply)->text.size() <= RedisReader::kMaxText);
      MC_ASSERT((*reply)->items.size() <= RedisReader::kMaxItems);
      outcome.texts.push_back((*reply)->text);
    }
    if (!reply) {
      outcome.failed = true;
      break;
    }
  }
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const ByteView bytes(data + 1, size - 1);
  const Outcome whole = read(bytes, bytes.size() + 1), cut = read(bytes, std::size_t{data[0]} + 1);
  MC_ASSERT(whole.failed == cut.failed && whole.texts == cut.texts);
  return 0;
}
