// SlotIndex: finds the slot of a table by a 64-bit hash: open addressing in 8-byte cells, deterministic, empty until
// it is used.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace mesocosm {

class SlotIndex {
 public:
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};

  // The slot of this hash of which is(slot) holds, or kNone.
  template <class Is>
  std::uint32_t find(std::uint64_t hash, Is&& is) const {
    if (cells_.empty()) return kNone;
    const std::uint32_t tag = tag_of(hash);
    for (std::size_t i = home(tag); cells_[i].tag != 0; i = next(i)) {
      if (cells_[i].tag == tag && is(cells_[i].slot)) return cells_[i].slot;
    }
    return kNone;
  }

  void insert(std::uint64_t hash, std::uint32_t slot) {
    if ((count_ + 1) * 4 > cells_.size() * 3) grow();
    place({.tag = tag_of(hash), .slot = slot});
    ++count_;
  }

  // Without a tombstone: whatever would not be found over the gap moves into it. Requires that it is there.
  void erase(std::uint64_t hash, std::uint32_t slot) {
    std::size_t gap = home(tag_of(hash));
    while (cells_[gap].slot != slot || cells_[gap].tag == 0) gap = next(gap);
    const std::size_t mask = cells_.size() - 1;
    for (std::size_t i = next(gap); cells_[i].tag != 0; i = next(i)) {
      const std::size_t wanted = home(cells_[i].tag);
      if (((i - wanted) & mask) < ((i - gap) & mask)) continue;  // lies between the gap and its place: stays
      cells_[gap] = cells_[i];
      gap = i;
    }
    cells_[gap] = {};
    --count_;
  }

  std::size_t memory() const { return cells_.capacity() * sizeof(Cell); }

 private:
  struct Cell {
    std::uint32_t tag = 0;  // 0: empty; else the hash's upper half with the lowest bit set
    std::uint32_t slot = 0;
  };

  static std::uint32_t tag_of(std::uint64_t hash) { return static_cast<std::uint32_t>(hash >> 32) | 1; }
  std::size_t home(std::uint32_t tag) const { return (tag >> 1) & (cells_.size() - 1); }
  std::size_t next(std::size_t i) const { return (i + 1) & (cells_.size() - 1); }
  void place(Cell cell) {
    std::size_t i = home(cell.tag);
    while (cells_[i].tag != 0) i = next(i);
    cells_[i] = cell;
  }
  void grow() {
    std::vector<Cell> old(cells_.empty() ? 8 : cells_.size() * 2);
    old.swap(cells_);
    for (const Cell& cell : old) {
      if (cell.tag != 0) place(cell);
    }
  }

  std::vector<Cell> cells_;
  std::size_t count_ = 0;
};

}  // namespace mesocosm
