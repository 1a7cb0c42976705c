// ByteWriter: builds Bytes whose size is not known beforehand, and hands its buffer over without a copy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "stack/base/bytes.h"

namespace mesocosm {

// 24 bytes; allocates nothing until something is written. A caller who knows the size reserves it and gets
// exactly one allocation of exactly that size.
class ByteWriter {
 public:
  ByteWriter() = default;
  explicit ByteWriter(std::size_t capacity) { reserve(capacity); }
  ByteWriter(ByteWriter&& other) noexcept { swap(other); }
  ByteWriter& operator=(ByteWriter&& other) noexcept {
    swap(other);
    return *this;
  }
  ~ByteWriter() { clear(); }

  void put(std::uint8_t byte) { *grow(1).data() = byte; }
  void put(ByteView bytes) {
    if (!bytes.empty()) std::memcpy(grow(bytes.size()).data(), bytes.data(), bytes.size());
  }
  void put(std::string_view text) { put(as_bytes(text)); }
  void put_u16_be(std::uint16_t value) { put_be(value, 2); }
  void put_u32_be(std::uint32_t value) { put_be(value, 4); }
  void put_u64_be(std::uint64_t value) { put_be(value, 8); }

  // Appends `length` bytes with unspecified contents for the caller to write; valid until the next append.
  MutableByteView grow(std::size_t length) {
    if (length > capacity_ - size_) enlarge(length);
    size_ += length;
    return {data() + (size_ - length), length};
  }
  // Makes room for `length` bytes in the middle: what was at `offset` and after it moves up.
  MutableByteView insert(std::size_t offset, std::size_t length);
  // Makes the buffer hold `capacity` bytes in total without another allocation.
  void reserve(std::size_t capacity);
  // Drops everything after the first `size` bytes.
  void truncate(std::size_t size) { size_ = size < size_ ? size : size_; }
  // Gives everything back.
  void clear() noexcept;

  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }
  std::size_t capacity() const { return capacity_; }
  ByteView view() const { return {data(), size_}; }
  MutableByteView mutable_view() { return {data(), size_}; }

  // What was written, leaving the writer empty. Copied only if the buffer is much too large for it.
  Bytes take();

 private:
  std::uint8_t* data() const {
    return buffer_ == nullptr ? nullptr : reinterpret_cast<std::uint8_t*>(buffer_) + sizeof(Bytes::Buffer);
  }
  void put_be(std::uint64_t value, std::size_t width) {
    MutableByteView out = grow(width);
    for (std::size_t i = 0; i < width; ++i)
      out[i] = static_cast<std::uint8_t>(value >> (8 * (width - 1 - i)));
  }
  void enlarge(std::size_t length);
  void swap(ByteWriter& other) noexcept {
    std::swap(buffer_, other.buffer_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
  }

  Bytes::Buffer* buffer_ = nullptr;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace mesocosm
