// MessageId: what names a message, so that a copy of it is known when it comes again.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "stack/base/bytes.h"
#include "stack/base/hash.h"

namespace mesocosm {

// In GossipSub from ++ seqno, or a hash. 64 bytes, by value.
class MessageId {
 public:
  static constexpr std::size_t kMaxSize = 63;

  MessageId() = default;
  explicit MessageId(ByteView a, ByteView b = {}) {  // a ++ b, of at most kMaxSize bytes in all
    if (a.size() + b.size() > kMaxSize) return;
    if (!a.empty()) std::memcpy(bytes_.data(), a.data(), a.size());
    if (!b.empty()) std::memcpy(bytes_.data() + a.size(), b.data(), b.size());
    size_ = static_cast<std::uint8_t>(a.size() + b.size());
  }

  bool empty() const { return size_ == 0; }
  ByteView bytes() const { return {bytes_.data(), size_}; }
  // What traces call the message: hash64 of the id's bytes.
  std::uint64_t hash() const { return hash64(bytes()); }
  friend bool operator==(const MessageId& a, const MessageId& b) { return equal(a.bytes(), b.bytes()); }

 private:
  std::uint8_t size_ = 0;
  std::array<std::uint8_t, kMaxSize> bytes_;  // unspecified beyond size_
};
static_assert(sizeof(MessageId) == 64);

}  // namespace mesocosm
