#include "stack/crypto/sha1.h"

#include <openssl/sha.h>

namespace mesocosm {

Sha1Digest sha1(ByteView bytes) {
  Sha1Digest digest;
  SHA1(bytes.data(), bytes.size(), digest.data());
  return digest;
}

}  // namespace mesocosm
