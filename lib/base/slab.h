#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <utility>

#include "base/assert.h"
#include "base/memory.h"

#ifdef POLLUX_ASSERTIONS
#include <vector>
#endif

namespace pollux {

// A fixed number of places for objects of one type, named by 32-bit indices.
// alloc and free take constant time; the place freed last, which is the warmest,
// is given out first. Nothing is allocated after construction, and no place
// costs more than its object: the list of free places runs through the places.
//
// Builds with assertions fill freed places with kPoison and catch a double free.
template <class T>
class Slab {
 public:
  static constexpr std::uint32_t kNone = 0xffffffff;
  static constexpr unsigned char kPoison = 0xdd;

  // Throws std::bad_alloc.
  explicit Slab(std::uint32_t capacity, Pages pages = Pages::kTransparent)
      : memory_{std::max<std::size_t>(capacity, 1) * sizeof(Place), pages}, capacity_{capacity} {
    CHECK(capacity < kNone);
#ifdef POLLUX_ASSERTIONS
    live_.resize(capacity);
#endif
  }
  Slab(const Slab&) = delete;
  Slab& operator=(const Slab&) = delete;
  // Objects still alive are not destroyed: their owner frees them first.
  ~Slab() = default;

  // Constructs an object from `arguments`; its index, or kNone when all places are taken.
  template <class... Arguments>
  std::uint32_t alloc(Arguments&&... arguments) {
    const std::uint32_t index = take_place();
    if (index == kNone) return kNone;
    ::new (static_cast<void*>(places()[index].bytes)) T(std::forward<Arguments>(arguments)...);
    return index;
  }

  // Destroys the object.
  void free(std::uint32_t index) {
    ASSERT(is_live(index));
    (*this)[index].~T();
#ifdef POLLUX_ASSERTIONS
    live_[index] = false;
    std::memset(places()[index].bytes, kPoison, sizeof(Place));
#endif
    std::memcpy(places()[index].bytes, &free_, sizeof free_);
    free_ = index;
    --size_;
  }

  T& operator[](std::uint32_t index) {
    ASSERT(is_live(index));
    return *std::launder(reinterpret_cast<T*>(places()[index].bytes));
  }
  const T& operator[](std::uint32_t index) const {
    ASSERT(is_live(index));
    return *std::launder(reinterpret_cast<const T*>(places()[index].bytes));
  }

  std::uint32_t index_of(const T& object) const {
    const auto index = reinterpret_cast<const Place*>(&object) - places();
    ASSERT(index >= 0 && static_cast<std::size_t>(index) < capacity_);
    return static_cast<std::uint32_t>(index);
  }

  // Brings the first line of a place near; any index that was ever given out.
  void prefetch(std::uint32_t index) const { __builtin_prefetch(places()[index].bytes); }

  // Where place 0 is, and how far apart places stand: for a TimerWheel, whose nodes are members of T.
  std::byte* first() const { return memory_.data(); }
  static constexpr std::size_t stride() { return sizeof(Place); }

  std::uint32_t size() const { return size_; }
  std::uint32_t capacity() const { return capacity_; }
  bool full() const { return size_ == capacity_; }
  // Only the last eighth is free, which owners of many leave to those that have none yet, so that
  // one cannot stop all the others.
  bool crowded() const { return size_ >= capacity_ - capacity_ / 8; }
  // Only the last quarter is free: owners are not to ask for more than they need.
  bool under_pressure() const { return size_ >= capacity_ - capacity_ / 4; }
  // What was taken from the system.
  std::size_t bytes() const { return memory_.size(); }

 private:
  // An object, or while free the index of the next free place.
  struct Place {
    alignas(std::max(alignof(T), alignof(std::uint32_t))) std::byte bytes[std::max(sizeof(T), sizeof(std::uint32_t))];
  };

  Place* places() const { return reinterpret_cast<Place*>(memory_.data()); }

  std::uint32_t take_place() {
    std::uint32_t index = free_;
    if (index != kNone) {
      std::memcpy(&free_, places()[index].bytes, sizeof free_);
    } else if (untouched_ < capacity_) {
      index = untouched_++;
    } else {
      return kNone;
    }
#ifdef POLLUX_ASSERTIONS
    live_[index] = true;
#endif
    ++size_;
    return index;
  }

#ifdef POLLUX_ASSERTIONS
  bool is_live(std::uint32_t index) const { return index < capacity_ && live_[index]; }
  std::vector<bool> live_;
#else
  static constexpr bool is_live(std::uint32_t) { return true; }
#endif

  Memory memory_;
  std::uint32_t capacity_;
  std::uint32_t size_ = 0;
  std::uint32_t free_ = kNone;   // the place freed last
  std::uint32_t untouched_ = 0;  // places from here on were never given out
};

}  // namespace pollux
