#include "stack/base/bytes.h"

#include <algorithm>
#include <new>

namespace mesocosm {

bool equal(ByteView a, ByteView b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

Bytes Bytes::allocate(std::size_t size) {
  Bytes bytes;
  if (size == 0) return bytes;
  void* memory = ::operator new(sizeof(Buffer) + size);
  bytes.owner_ = new (memory) Buffer{1, static_cast<std::uint32_t>(std::min<std::size_t>(size, UINT32_MAX))};
  bytes.data_ = static_cast<std::uint8_t*>(memory) + sizeof(Buffer);
  bytes.size_ = size;
  return bytes;
}

void Bytes::destroy(Buffer* buffer) noexcept { ::operator delete(buffer); }

Bytes Bytes::copy(ByteView view) {
  return build(view.size(), [&](MutableByteView out) {
    if (!out.empty()) std::memcpy(out.data(), view.data(), view.size());
  });
}

Bytes Bytes::slice(std::size_t offset, std::size_t length) const {
  Bytes part(*this);
  offset = std::min(offset, size_);
  part.data_ += offset;
  part.size_ = std::min(length, size_ - offset);
  return part;
}

Bytes Bytes::take_front(std::size_t length) {
  Bytes front = slice(0, length);
  data_ += front.size_;
  size_ -= front.size_;
  return front;
}

Bytes Bytes::compact() const {
  constexpr std::size_t kAcceptableWaste = 512;
  return owner_ != nullptr && owner_->size > size_ + kAcceptableWaste ? copy(view()) : *this;
}

Bytes concat(std::span<const Bytes> parts) {
  if (parts.size() == 1) return parts.front();
  std::size_t total = 0;
  for (const Bytes& part : parts) total += part.size();
  return Bytes::build(total, [&](MutableByteView out) {
    std::size_t at = 0;
    for (const Bytes& part : parts) {
      if (!part.empty()) std::memcpy(out.data() + at, part.data(), part.size());
      at += part.size();
    }
  });
}

std::string to_hex(ByteView bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (std::uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

}  // namespace mesocosm
