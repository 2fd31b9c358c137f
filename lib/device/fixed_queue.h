#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "base/assert.h"

namespace pollux {

// First in, first out, with room for `capacity` and no allocation after construction.
template <class T>
class FixedQueue {
 public:
  explicit FixedQueue(std::size_t capacity) : slots_(capacity) {}

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  std::size_t room() const { return slots_.size() - size_; }

  void push(T value) {
    CHECK(room() != 0);
    slots_[wrap(first_ + size_)] = std::move(value);
    ++size_;
  }
  const T& front() const {
    CHECK(size_ != 0);
    return slots_[first_];
  }
  T pop() {
    CHECK(size_ != 0);
    T value = std::move(slots_[first_]);
    first_ = wrap(first_ + 1);
    --size_;
    return value;
  }

 private:
  std::size_t wrap(std::size_t i) const { return i < slots_.size() ? i : i - slots_.size(); }

  std::vector<T> slots_;
  std::size_t first_ = 0;
  std::size_t size_ = 0;
};

}  // namespace pollux
