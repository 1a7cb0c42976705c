// A pool of objects that are made once and used again: no allocation per use once warm.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

namespace mesocosm::hosts {

// T is default-constructible and has a public `T* next`, which the pool uses while the object is idle.
// Objects keep what they hold when they are given back: the user clears them.
template <class T, std::size_t kSlab = 64>
class Pool {
 public:
  T* take() {
    if (idle_ == nullptr) grow();
    T* const object = idle_;
    idle_ = object->next;
    object->next = nullptr;
    ++in_use_;
    return object;
  }
  void give(T* object) {
    object->next = idle_;
    idle_ = object;
    --in_use_;
  }
  std::size_t in_use() const { return in_use_; }

 private:
  void grow() {
    slabs_.push_back(std::make_unique<T[]>(kSlab));
    for (std::size_t i = kSlab; i-- > 0;) {
      slabs_.back()[i].next = idle_;
      idle_ = &slabs_.back()[i];
    }
  }

  std::vector<std::unique_ptr<T[]>> slabs_;
  T* idle_ = nullptr;
  std::size_t in_use_ = 0;
};

}  // namespace mesocosm::hosts
