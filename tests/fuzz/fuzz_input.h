// Takes numbers and slices off a fuzzer's input, for targets that run lists of operations.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "stack/base/bytes.h"

namespace mesocosm {

class FuzzInput {
 public:
  FuzzInput(const std::uint8_t* data, std::size_t size) : rest_(data, size) {}

  bool empty() const { return rest_.empty(); }
  std::uint8_t byte() {  // zero at the end
    if (rest_.empty()) return 0;
    const std::uint8_t value = rest_.front();
    rest_ = rest_.subspan(1);
    return value;
  }
  std::size_t below(std::size_t bound) { return byte() % bound; }
  // A size: mostly small, now and then large.
  std::size_t size() {
    const std::size_t value = byte();
    return value < 200 ? value : (value - 199) * 3001;
  }
  Bytes bytes(std::size_t most) {
    const Bytes taken = Bytes::copy(rest_.first(std::min(most, rest_.size())));
    rest_ = rest_.subspan(taken.size());
    return taken;
  }

 private:
  ByteView rest_;
};

}  // namespace mesocosm
