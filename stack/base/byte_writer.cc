#include "stack/base/byte_writer.h"

#include <algorithm>
#include <new>

#include "stack/base/assert.h"

namespace mesocosm {

static_assert(sizeof(ByteWriter) == 24);

MutableByteView ByteWriter::insert(std::size_t offset, std::size_t length) {
  MC_ASSERT(offset <= size_);
  const std::size_t moved = size_ - offset;
  grow(length);
  std::uint8_t* const at = data() + offset;
  if (moved > 0) std::memmove(at + length, at, moved);
  return {at, length};
}

void ByteWriter::reserve(std::size_t capacity) {
  if (capacity <= capacity_) return;
  Bytes fresh = Bytes::allocate(capacity);
  Bytes::Buffer* const larger = std::exchange(fresh.owner_, nullptr);
  const std::size_t size = size_;
  if (size > 0) std::memcpy(const_cast<std::uint8_t*>(fresh.data_), data(), size);
  clear();
  buffer_ = larger;
  size_ = size;
  capacity_ = capacity;
}

void ByteWriter::clear() noexcept {
  if (buffer_ != nullptr) Bytes::destroy(buffer_);
  buffer_ = nullptr;
  size_ = capacity_ = 0;
}

Bytes ByteWriter::take() {
  constexpr std::size_t kSlack = 64;
  if (capacity_ - size_ > kSlack + size_ / 4) {
    Bytes exact = Bytes::copy(view());
    clear();
    return exact;
  }
  Bytes bytes;
  bytes.data_ = data();
  bytes.size_ = std::exchange(size_, 0);
  bytes.owner_ = std::exchange(buffer_, nullptr);
  capacity_ = 0;
  return bytes;
}

void ByteWriter::enlarge(std::size_t length) {
  constexpr std::size_t kFirst = 64;
  reserve(std::max({size_ + length, capacity_ * 2, kFirst}));
}

}  // namespace mesocosm
