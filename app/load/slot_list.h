#pragma once

#include <cstdint>

#include "slot_pool.h"

namespace pollux::app {

// A place in a SlotList; 0: not in it, or at its end.
struct SlotLinks {
  std::uint32_t before = 0;
  std::uint32_t after = 0;
};

// Places of a SlotPool in the order in which they were put in, linked through a member of theirs: those that all wait
// equally long, so that the first is the next to be due. Every call takes constant time.
template <class T, SlotLinks T::*kLinks>
class SlotList {
 public:
  explicit SlotList(SlotPool<T>& slots) : slots_{slots} {}

  std::uint32_t front() const { return first_; }
  bool holds(std::uint32_t slot) { return first_ == slot || (slots_[slot].*kLinks).before != 0; }

  // Not one that is in it.
  void push_back(std::uint32_t slot) {
    slots_[slot].*kLinks = {last_, 0};
    (last_ == 0 ? first_ : (slots_[last_].*kLinks).after) = slot;
    last_ = slot;
  }
  // No effect on one that is not in it.
  void remove(std::uint32_t slot) {
    if (!holds(slot)) return;
    const SlotLinks links = slots_[slot].*kLinks;
    (links.before == 0 ? first_ : (slots_[links.before].*kLinks).after) = links.after;
    (links.after == 0 ? last_ : (slots_[links.after].*kLinks).before) = links.before;
    slots_[slot].*kLinks = {};
  }

 private:
  SlotPool<T>& slots_;
  std::uint32_t first_ = 0;
  std::uint32_t last_ = 0;
};

}  // namespace pollux::app
