// Identify's reader: any bytes, cut anywhere, give an error or a message within its bounds, and the same
// however they were cut.
#include <cstdlib>

#include "stack/base/assert.h"
#include "stack/protocols/identify/identify_core.h"

using namespace mesocosm;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::size_t step = std::size_t{data[0]} + 1;
  const Bytes all = Bytes::copy({data + 1, size - 1});
  IdentifyReader whole, cut;
  const bool taken = whole.on_bytes(all).has_value();
  bool taken_cut = true;
  for (std::size_t at = 0; at < all.size() && taken_cut; at += step) {
    taken_cut = cut.on_bytes(all.slice(at, step)).has_value();
  }
  MC_ASSERT(taken == taken_cut);
  if (!taken) return 0;
  const auto message = whole.finish(), same = cut.finish();
  MC_ASSERT(message.has_value() == same.has_value());
  if (!message) return 0;
  MC_ASSERT(message->listen_addresses == same->listen_addresses && message->protocols == same->protocols &&
            message->signed_record == same->signed_record && message->public_key == same->public_key);
  static_cast<void>(judge_identify(*message, PeerId::from_public_key(message->public_key)));

  // What we would say is what is read.
  const IdentifyTemplate mine(*message);
  IdentifyReader reader;
  for (const Bytes& part : mine.frames(message->observed_address)) {
    if (!reader.on_bytes(part)) return 0;  // unknown or repeated fields made room for what now is too much
  }
  const auto again = reader.finish();
  MC_ASSERT(again && again->protocols == message->protocols &&
            again->observed_address == message->observed_address);
  return 0;
}
