// Public and private keys: what is accepted has one canonical form.
#include "stack/base/assert.h"
#include "stack/crypto/keys.h"

using namespace mesocosm;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes bytes = Bytes::copy(ByteView(data, size));
  if (const auto key = PublicKey::decode(bytes)) {
    const Result<PublicKey> again = PublicKey::decode(key->serialized());
    MC_ASSERT(again && *again == *key && again->type() == key->type() && equal(again->raw(), key->raw()));
    const Result<PublicKey> carried = PublicKey::from_peer_id(key->peer_id());
    MC_ASSERT(!carried || *carried == *key);
    MC_ASSERT(!key->verify(bytes, bytes));
  }
  if (const auto pair = KeyPair::decode(bytes)) {
    const Result<KeyPair> again = KeyPair::decode(pair->serialized());
    MC_ASSERT(again && again->public_key() == pair->public_key());
    MC_ASSERT(pair->public_key().verify(bytes, pair->sign(bytes)));
  }
  return 0;
}
