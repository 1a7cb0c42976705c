// Bytes: an immutable slice of a shared buffer. Copying and slicing share; nothing is ever changed in place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace mesocosm {

using ByteView = std::span<const std::uint8_t>;
using MutableByteView = std::span<std::uint8_t>;

inline ByteView as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view as_text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

bool equal(ByteView a, ByteView b);

// 24 bytes. The reference count is not atomic: a buffer stays within its World's thread.
class Bytes {
 public:
  Bytes() = default;
  Bytes(const Bytes& other) noexcept : owner_(other.owner_), data_(other.data_), size_(other.size_) {
    if (owner_ != nullptr) ++owner_->references;
  }
  Bytes(Bytes&& other) noexcept
      : owner_(std::exchange(other.owner_, nullptr)),
        data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)) {}
  Bytes& operator=(Bytes other) noexcept {
    swap(other);
    return *this;
  }
  ~Bytes() { release(); }

  // A new buffer with a copy of `view`.
  static Bytes copy(ByteView view);
  static Bytes copy(std::string_view text) { return copy(as_bytes(text)); }
  // A slice of storage that outlives every use, such as a literal. Allocates nothing.
  static Bytes unowned(ByteView view) {
    Bytes bytes;
    bytes.data_ = view.data();
    bytes.size_ = view.size();
    return bytes;
  }
  // A new buffer of `size` bytes that `fill(MutableByteView)` writes, with one allocation.
  template <class Fill>
  static Bytes build(std::size_t size, Fill&& fill) {
    Bytes bytes = allocate(size);
    fill(MutableByteView(const_cast<std::uint8_t*>(bytes.data_), size));
    return bytes;
  }

  const std::uint8_t* data() const { return data_; }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  const std::uint8_t* begin() const { return data_; }
  const std::uint8_t* end() const { return data_ + size_; }
  std::uint8_t operator[](std::size_t i) const { return data_[i]; }
  ByteView view() const { return {data_, size_}; }
  operator ByteView() const { return view(); }
  std::string_view text() const { return as_text(view()); }

  // Shares the buffer. Offsets past the end give an empty slice, lengths past the end are cut.
  Bytes slice(std::size_t offset, std::size_t length = SIZE_MAX) const;
  // Takes the first `length` bytes off the front and returns them.
  Bytes take_front(std::size_t length);

  // The same bytes for keeping long: itself, or a copy if it is a small part of a large buffer.
  Bytes compact() const;
  // Grows this slice by `next` if that follows it directly in the same buffer; else false, and nothing
  // changes.
  bool join(const Bytes& next) noexcept {
    if (owner_ == nullptr || owner_ != next.owner_ || data_ + size_ != next.data_) return false;
    size_ += next.size_;
    return true;
  }

  void swap(Bytes& other) noexcept {
    std::swap(owner_, other.owner_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
  }

  friend bool operator==(const Bytes& a, const Bytes& b) { return equal(a, b); }

 private:
  friend class ByteWriter;
  struct Buffer {
    std::uint32_t references;
    std::uint32_t size;  // bytes that follow; UINT32_MAX for that many or more
  };
  static Bytes allocate(std::size_t size);
  static void destroy(Buffer* buffer) noexcept;
  void release() noexcept {
    if (owner_ != nullptr && --owner_->references == 0) destroy(owner_);
  }

  Buffer* owner_ = nullptr;  // null: unowned
  const std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
};

// Joins slices into one new buffer (or returns the only one unchanged).
Bytes concat(std::span<const Bytes> parts);

std::string to_hex(ByteView bytes);

}  // namespace mesocosm
