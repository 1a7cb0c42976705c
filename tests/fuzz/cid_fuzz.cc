// CIDs and multibase: what is accepted encodes to what decodes to it.
#include "stack/base/assert.h"
#include "stack/wire/cid.h"
#include "stack/wire/multibase.h"

using namespace mesocosm;

namespace {

void check(const Cid& cid) {
  const Result<Cid> from_binary = Cid::decode(cid.encode());
  MC_ASSERT(from_binary && *from_binary == cid);
  const Result<Cid> from_text = Cid::parse(cid.to_string());
  MC_ASSERT(from_text && *from_text == cid);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes(data, size);
  if (const auto cid = Cid::decode(bytes)) {
    MC_ASSERT(equal(cid->encode(), bytes));
    check(*cid);
  }
  if (const auto cid = Cid::parse(as_text(bytes))) check(*cid);
  if (const auto decoded = decode_multibase(as_text(bytes))) {
    const std::string text = encode_multibase(static_cast<Base>(data[0] | 0x20), *decoded);
    const Result<Bytes> again = decode_multibase(text);
    MC_ASSERT(again && *again == *decoded && text.size() == size);
  }
  return 0;
}
