#include "stack/secure/security.h"

#include <algorithm>
#include <cstring>

namespace mesocosm {

Bytes SecureChannel::seal(std::span<const Bytes> plaintext) {
  const FrameShape frame_shape = shape();
  std::size_t left = 0;
  for (const Bytes& slice : plaintext) left += slice.size();
  return Bytes::build(frame_shape.sealed_size(left), [&](MutableByteView out) {
    std::size_t at = 0, which = 0, offset = 0;
    while (left > 0) {
      const std::size_t size = std::min(left, frame_shape.max_plaintext);
      const MutableByteView frame = out.subspan(at, size + frame_shape.overhead());
      for (std::size_t filled = 0; filled < size;) {
        const Bytes& slice = plaintext[which];
        const std::size_t n = std::min(size - filled, slice.size() - offset);
        if (n > 0) std::memcpy(frame.data() + frame_shape.head + filled, slice.data() + offset, n);
        filled += n;
        offset += n;
        if (offset == slice.size()) {
          ++which;
          offset = 0;
        }
      }
      seal_frame(frame);
      at += frame.size();
      left -= size;
    }
  });
}

Result<void> check_expected(const PeerId& peer, const PeerId& expected) {
  if (expected.empty() || peer == expected) return {};
  return fail(ErrorCode::peer_mismatch, "the peer is " + peer.to_string());
}

}  // namespace mesocosm
