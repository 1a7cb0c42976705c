// HTTP requests and responses from bytes cut anywhere: bounded, the same however they are cut, and what was
// parsed can be written again if it is well-formed.
#include <string>

#include "stack/base/assert.h"
#include "stack/http/http.h"
#include "tests/fuzz/fuzz_input.h"

using namespace mesocosm;

namespace {

constexpr HttpLimits kLimits{512, 256};

bool same(const HttpMessage& a, const HttpMessage& b) {
  if (a.fields.size() != b.fields.size() || a.body != b.body || a.version != b.version) return false;
  for (std::size_t i = 0; i < a.fields.size(); ++i) {
    if (a.fields[i].name != b.fields[i].name || a.fields[i].value != b.fields[i].value) return false;
  }
  return true;
}

template <class Message>
void run(FuzzInput in, HttpExtent extent) {
  HttpParser<Message> pieces(kLimits, extent);
  HttpParser<Message> whole(kLimits, extent);
  const std::size_t step = 1 + in.byte();
  Bytes rest = in.bytes(SIZE_MAX);
  Bytes all = rest;
  while (true) {
    Result<std::optional<Message>> one = std::optional<Message>();
    while (!rest.empty() && one && !*one) {
      Bytes piece = rest.slice(0, step);
      const std::size_t given = piece.size();
      one = pieces.on_bytes(piece);
      rest = rest.slice(given - piece.size());
    }
    const auto other = whole.on_bytes(all);
    if (!one || !other) {
      MC_ASSERT(!one && !other && one.error().code == other.error().code);
      return;
    }
    MC_ASSERT(one->has_value() == other->has_value());
    if (!*one) break;
    MC_ASSERT(equal(rest, all));
    MC_ASSERT(same(**one, **other) && (*one)->body.size() <= kLimits.body);
    static_cast<void>(encode(**one));
    static_cast<void>((*one)->lists("connection", "upgrade"));
  }
  MC_ASSERT(pieces.on_end().has_value() == whole.on_end().has_value());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzInput in(data, size);
  const std::size_t how = in.below(4);
  const auto extent = how % 2 == 0 ? HttpExtent::whole : HttpExtent::head_only;
  if (how < 2) {
    run<HttpRequest>(in, extent);
  } else {
    run<HttpResponse>(in, extent);
  }
  return 0;
}
