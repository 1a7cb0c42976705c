// SliceQueue: a first-in-first-out of slices in 16 bytes, for streams that are idle most of the time.
#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>

#include "stack/base/bytes.h"

namespace mesocosm {

// A circular list: `last_` knows the first. Empty slices are not kept.
class SliceQueue {
 public:
  SliceQueue() = default;
  SliceQueue(const SliceQueue&) = delete;
  SliceQueue& operator=(const SliceQueue&) = delete;
  ~SliceQueue() { clear(); }

  bool empty() const { return last_ == nullptr; }
  std::size_t bytes() const { return bytes_; }

  void push(Bytes slice) {
    if (slice.empty()) return;
    bytes_ += slice.size();
    last_ = insert(std::move(slice));
  }
  void push_front(Bytes slice) {
    if (slice.empty()) return;
    bytes_ += slice.size();
    Node* node = insert(std::move(slice));
    if (last_ == nullptr) last_ = node;
  }
  // As push(), but joins small slices that nobody takes away, so that a sender of tiny pieces cannot make us
  // keep much more memory than it sends.
  void push_compact(Bytes slice) {
    if (last_ != nullptr && slice.size() <= kSmall && last_->slice.size() + slice.size() <= kJoined) {
      bytes_ += slice.size();
      const Bytes parts[] = {std::move(last_->slice), std::move(slice)};
      last_->slice = concat(parts);
    } else {
      push(std::move(slice));
    }
  }
  // The first slice, at most `max` bytes of it.
  Bytes pop(std::size_t max) {
    if (last_ == nullptr || max == 0) return {};
    Node* first = last_->next;
    if (first->slice.size() > max) {
      bytes_ -= max;
      return first->slice.take_front(max);
    }
    bytes_ -= first->slice.size();
    Bytes slice = std::move(first->slice);
    remove_first();
    return slice;
  }
  // Moves out.size() bytes, which must be there, to `out`.
  void copy_out(MutableByteView out) {
    std::size_t at = 0;
    while (at < out.size()) {
      Node* first = last_->next;
      const std::size_t n = std::min(first->slice.size(), out.size() - at);
      std::memcpy(out.data() + at, first->slice.data(), n);
      at += n;
      if (n == first->slice.size()) {
        remove_first();
      } else {
        first->slice.take_front(n);
      }
    }
    bytes_ -= out.size();
  }
  void clear() {
    while (last_ != nullptr) remove_first();
    bytes_ = 0;
  }

 private:
  static constexpr std::size_t kSmall = 1024;
  static constexpr std::size_t kJoined = 4096;

  struct Node {
    Bytes slice;
    Node* next;
  };

  Node* insert(Bytes slice) {  // between the last and the first
    Node* node = new Node{std::move(slice), nullptr};
    if (last_ == nullptr) {
      node->next = node;
    } else {
      node->next = last_->next;
      last_->next = node;
    }
    return node;
  }
  void remove_first() {
    Node* first = last_->next;
    if (first == last_) {
      last_ = nullptr;
    } else {
      last_->next = first->next;
    }
    delete first;
  }

  Node* last_ = nullptr;
  std::size_t bytes_ = 0;
};

static_assert(sizeof(SliceQueue) == 16);

}  // namespace mesocosm
