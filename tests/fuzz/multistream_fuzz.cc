// Both sides of multistream fed with any bytes: however they are cut, the outcome is the same.
#include <string>

#include "stack/base/assert.h"
#include "stack/negotiate/multistream.h"
#include "tests/fuzz/fuzz_input.h"

using namespace mesocosm;

namespace {

struct Names final : MultistreamChooser {
  std::string_view choose(std::string_view offered) const override { return offered == "/a" ? "/a" : ""; }
  std::vector<std::string_view> list() const override { return {"/a", "/b"}; }
};

struct Outcome {
  std::string sent, rest;
  ErrorCode error = ErrorCode::none;
  MultistreamState state = MultistreamState::awaiting_header;
  bool operator==(const Outcome&) const = default;
};

template <class Core, class Feed>
Outcome run(Core core, Bytes input, std::size_t chop, Feed feed) {
  Outcome outcome;
  while (!input.empty() && core.state() != MultistreamState::selected) {
    auto reply = feed(core, input.take_front(chop));
    if (!reply) {
      outcome.error = reply.error().code;
      break;
    }
    outcome.sent += reply->text();
  }
  outcome.state = core.state();
  if (outcome.state == MultistreamState::selected) {
    outcome.rest = core.take_rest().text();
    outcome.rest += input.text();
  }
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzInput in(data, size);
  const std::size_t chop = 1 + in.byte();
  const Bytes input = in.bytes(SIZE_MAX);
  const Names names;
  const auto listen = [&](MultistreamListener& core, Bytes b) { return core.on_bytes(std::move(b), names); };
  const auto dial = [](MultistreamDialer& core, Bytes b) { return core.on_bytes(std::move(b)); };
  const Outcome whole = run(MultistreamListener(), input, SIZE_MAX, listen);
  const Outcome cut = run(MultistreamListener(), input, chop, listen);
  MC_ASSERT(cut.error == whole.error && cut.state == whole.state && cut.rest == whole.rest);
  MC_ASSERT(whole.error != ErrorCode::none ||
            cut.sent == whole.sent);  // an error swallows the slice's answers
  const std::string_view offers[] = {"/x", "/a"};
  const Outcome dialed = run(MultistreamDialer(offers), input, SIZE_MAX, dial);
  MC_ASSERT(run(MultistreamDialer(offers), input, chop, dial).error == dialed.error);
  return 0;
}
