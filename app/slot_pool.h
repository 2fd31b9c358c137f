#pragma once

#include <cstdint>
#include <type_traits>

#include "base/assert.h"
#include "base/memory.h"

namespace pollux::app {

// What an application keeps for each of its connections: places named by small
// numbers from 1 on (0: none), for Conn::user(). All memory is taken at start; the
// place freed last is given out first. Unlike a Slab's, places may be looked at
// whether they are in use or not, so that one can go round them for time-outs.
template <class T>
class SlotPool {
  static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);

 public:
  explicit SlotPool(std::uint32_t capacity)
      : memory_{(std::size_t{capacity} + 1) * sizeof(Place)}, capacity_{capacity} {}

  // A place with T{} in it, or 0.
  std::uint32_t take() {
    std::uint32_t slot = free_;
    if (slot != 0) {
      free_ = place(slot).next;
    } else if (used_ < capacity_) {
      slot = ++used_;
    } else {
      return 0;
    }
    ++size_;
    place(slot) = Place{T{}, kInUse};
    return slot;
  }
  void give_back(std::uint32_t slot) {
    ASSERT(in_use(slot));
    place(slot).next = free_;
    free_ = slot;
    --size_;
  }

  T& operator[](std::uint32_t slot) {
    ASSERT(in_use(slot));
    return place(slot).value;
  }
  bool in_use(std::uint32_t slot) const { return slot != 0 && slot <= used_ && place(slot).next == kInUse; }
  // No place beyond it was ever given out.
  std::uint32_t last() const { return used_; }
  std::uint32_t size() const { return size_; }

 private:
  static constexpr std::uint32_t kInUse = 0xffffffff;
  struct Place {
    T value;
    std::uint32_t next;  // free place, 0 at the end; or kInUse
  };
  Place& place(std::uint32_t slot) const { return reinterpret_cast<Place*>(memory_.data())[slot]; }

  Memory memory_;
  std::uint32_t capacity_;
  std::uint32_t used_ = 0;
  std::uint32_t size_ = 0;
  std::uint32_t free_ = 0;
};

}  // namespace pollux::app
