// Unsigned varints: what decodes is minimal, so it encodes to the same bytes.
#include "stack/base/assert.h"
#include "stack/wire/varint.h"

using namespace mesocosm;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes(data, size);
  const Varint varint = decode_varint(bytes);
  MC_ASSERT(varint.length <= size && varint.length <= kMaxVarintSize);
  if (varint.ok()) {
    ByteWriter out;
    append_varint(out, varint.value);
    MC_ASSERT(equal(out.view(), bytes.first(varint.length)));
  }
  if (varint.status == VarintStatus::incomplete) MC_ASSERT(varint.length == size);
  return 0;
}
