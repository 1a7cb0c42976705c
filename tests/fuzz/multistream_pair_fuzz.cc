// A dialer and a listener with any lists of names and any cuts: they agree on the dialer's first common name,
// or fail together.
#include <algorithm>
#include <string>
#include <vector>

#include "stack/base/assert.h"
#include "stack/negotiate/multistream.h"
#include "tests/fuzz/fuzz_input.h"

using namespace mesocosm;

namespace {

constexpr std::string_view kNames[] = {"/a", "/b/1.0.0", "/c", "/a/long/name/that/goes/on/and/on/1.2.3",
                                       "ls", "na",       "/d", "/e"};

struct Names final : MultistreamChooser {
  std::uint8_t mask;
  explicit Names(std::uint8_t spoken) : mask(spoken) {}
  std::string_view choose(std::string_view offered) const override {
    for (std::size_t i = 0; i < 8; ++i) {
      if ((mask >> i & 1) != 0 && kNames[i] == offered) return kNames[i];
    }
    return {};
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzInput in(data, size);
  const Names names(in.byte() & 0xdf);  // nobody speaks "na"
  std::vector<std::string_view> offers;
  for (std::size_t i = 1 + in.below(20); i > 0; --i) {
    const std::string_view name = kNames[in.below(8)];
    if (name != "na") offers.push_back(name);
  }
  if (offers.empty()) return 0;
  const auto first =
      std::find_if(offers.begin(), offers.end(), [&](auto name) { return !names.choose(name).empty(); });
  MultistreamDialer dialer(offers);
  MultistreamListener listener;
  Bytes to_listener = dialer.start(), to_dialer;
  const auto append = [](Bytes& to, const Bytes& more) {
    const Bytes parts[] = {to, more};
    to = concat(parts);
  };
  while (!to_listener.empty() || !to_dialer.empty()) {
    if (listener.state() != MultistreamState::selected && !to_listener.empty()) {
      auto reply = listener.on_bytes(to_listener.take_front(1 + in.byte()), names);
      MC_ASSERT(reply);
      append(to_dialer, *reply);
    }
    if (!to_dialer.empty()) {
      auto reply = dialer.on_bytes(to_dialer.take_front(1 + in.byte()));
      if (!reply) {
        MC_ASSERT(reply.error().code == ErrorCode::negotiation_failed && first == offers.end());
        return 0;
      }
      append(to_listener, *reply);
    }
    if (dialer.state() == MultistreamState::selected) break;
  }
  MC_ASSERT(first != offers.end());
  MC_ASSERT(dialer.selected() == *first && listener.selected() == *first);
  MC_ASSERT(dialer.take_rest().empty() && listener.take_rest().empty());
  return 0;
}
