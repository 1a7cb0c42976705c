// Numbers and texts in a letter between the processes of one World: the same program on both sides.
#pragma once

#include <cstring>
#include <string_view>
#include <type_traits>
#include <utility>

#include "sim/mpi/ranks.h"
#include "stack/base/assert.h"

namespace mesocosm {

class LetterWriter {
 public:
  template <class T>
  void put(const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    append(&value, sizeof value);
  }
  void put_text(std::string_view text) {
    put(text.size());
    append(text.data(), text.size());
  }
  std::size_t size() const { return letter_.size(); }
  Letter take() { return std::exchange(letter_, {}); }

 private:
  void append(const void* data, std::size_t size) {
    const auto* first = static_cast<const std::uint8_t*>(data);
    letter_.insert(letter_.end(), first, first + size);
  }
  Letter letter_;
};

// What it gives lives as long as the letter.
class LetterReader {
 public:
  explicit LetterReader(const Letter& letter) : at_(letter.data()), end_(at_ + letter.size()) {}
  bool empty() const { return at_ == end_; }
  template <class T>
  T get() {
    static_assert(std::is_trivially_copyable_v<T>);
    T value;
    std::memcpy(&value, skip(sizeof value), sizeof value);
    return value;
  }
  std::string_view text() {
    const auto size = get<std::size_t>();
    return {reinterpret_cast<const char*>(skip(size)), size};
  }

 private:
  const std::uint8_t* skip(std::size_t size) {
    MC_ASSERT(size <= static_cast<std::size_t>(end_ - at_));
    return std::exchange(at_, at_ + size);
  }
  const std::uint8_t* at_;
  const std::uint8_t* end_;
};

}  // namespace mesocosm
