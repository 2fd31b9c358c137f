#include "time/timer_wheel.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace pollux {
namespace {

constexpr std::uint32_t kBitsPerLevel = 8;

// How far a deadline may lie behind the present. With this and the horizon, 32
// bits name a tick, and a slot of the highest level holds one round's alone.
constexpr std::int64_t kPast = std::int64_t{1} << 24;
static_assert(kPast + TimerWheel::kHorizonTicks < (std::int64_t{1} << 32));

constexpr std::uint32_t slot_of(std::uint32_t tick, std::uint32_t level) {
  return (tick >> (kBitsPerLevel * level)) & 0xff;
}

}  // namespace

TimerWheel::TimerWheel(Instant start, void* first_node, std::size_t stride)
    : start_{start}, first_node_{static_cast<std::byte*>(first_node)}, stride_{stride} {}

std::int64_t TimerWheel::ticks_passed(Instant now) const { return std::max<std::int64_t>((now - start_) / kTick, 0); }

std::int64_t TimerWheel::ticks_until(Instant deadline) const {
  const Duration after = deadline - start_;
  return after <= Duration::zero() ? 0 : (after - Duration{1}) / kTick + 1;
}

// The 64-bit count of a node's 32 bits, which lies between kPast before tick_ and
// kHorizonTicks after it. This is where the wrap after 49 days is dealt with.
std::int64_t TimerWheel::ticks_from_start(std::uint32_t tick) const {
  const std::int64_t earliest = tick_ - kPast;
  return earliest + static_cast<std::uint32_t>(tick - static_cast<std::uint32_t>(earliest));
}

void TimerWheel::set_occupied(std::uint32_t list, bool occupied) {
  if (list >= kFiring) return;
  std::uint64_t& word = occupied_[list / kSlots][list % kSlots / 64];
  const std::uint64_t bit = std::uint64_t{1} << (list % 64);
  word = occupied ? word | bit : word & ~bit;
}

void TimerWheel::append(std::uint32_t list, std::uint32_t id) {
  List& l = lists_[list];
  TimerNode& added = node(id);
  added.next = kEnd | list;
  if (empty(list)) {
    added.prev = kEnd | list;
    l.head = id;
    set_occupied(list, true);
  } else {
    added.prev = l.tail;
    node(l.tail).next = id;
  }
  l.tail = id;
}

void TimerWheel::unlink(std::uint32_t id) {
  TimerNode& gone = node(id);
  const bool first = (gone.prev & kEnd) != 0;
  const bool last = (gone.next & kEnd) != 0;
  if (first && last) {
    const std::uint32_t list = gone.prev ^ kEnd;
    lists_[list] = {};
    set_occupied(list, false);
  } else if (first) {
    lists_[gone.prev ^ kEnd].head = gone.next;
    node(gone.next).prev = gone.prev;
  } else if (last) {
    lists_[gone.next ^ kEnd].tail = gone.prev;
    node(gone.prev).next = gone.next;
  } else {
    node(gone.prev).next = gone.next;
    node(gone.next).prev = gone.prev;
  }
  gone.next = gone.prev = TimerNode::kUnarmed;
}

void TimerWheel::splice(std::uint32_t from, std::uint32_t onto) {
  const List moved = std::exchange(lists_[from], {});
  set_occupied(from, false);
  node(moved.tail).next = kEnd | onto;
  if (empty(onto)) {
    node(moved.head).prev = kEnd | onto;
    lists_[onto].head = moved.head;
  } else {
    node(moved.head).prev = lists_[onto].tail;
    node(lists_[onto].tail).next = moved.head;
  }
  lists_[onto].tail = moved.tail;
}

void TimerWheel::arm(std::uint32_t id, Instant deadline) {
  ASSERT(id < kEnd);
  disarm(id);
  const std::int64_t tick = std::clamp(ticks_until(deadline), tick_ - kPast, tick_ + kHorizonTicks);
  node(id).deadline_tick = static_cast<std::uint32_t>(tick);
  if (tick <= tick_) {
    append(kOverdue, id);
  } else {
    place(id);
  }
  ++size_;
}

// The level follows from the highest of the four bytes in which the deadline and
// the present differ. That stays so until time enters the slot, for until then
// this byte of the present does not reach that of the deadline.
void TimerWheel::place(std::uint32_t id) {
  const std::uint32_t tick = node(id).deadline_tick;
  const std::uint32_t different = tick ^ static_cast<std::uint32_t>(tick_);
  ASSERT(different != 0);
  const auto level = static_cast<std::uint32_t>(std::bit_width(different) - 1) / kBitsPerLevel;
  append(level * kSlots + slot_of(tick, level), id);
}

bool TimerWheel::step(std::int64_t limit, std::size_t& moves) {
  for (;;) {
    const bool all_down = descend(moves);
    if (!empty(kFiring)) return true;
    if (!all_down || tick_ >= limit) return false;
    const std::optional<Event> next = next_event();
    if (!next || next->tick > limit) {
      tick_ = limit;
      return false;
    }
    tick_ = next->tick;
    splice(next->list, next->list < kSlots ? kFiring : kDescending);
  }
}

// False: there was no budget for all.
bool TimerWheel::descend(std::size_t& moves) {
  while (!empty(kDescending)) {
    if (moves == 0) return false;
    --moves;
    const std::uint32_t id = lists_[kDescending].head;
    unlink(id);
    if (node(id).deadline_tick == static_cast<std::uint32_t>(tick_)) {
      append(kFiring, id);
    } else {
      place(id);
    }
  }
  return true;
}

std::optional<std::uint32_t> TimerWheel::first_occupied(std::uint32_t level, std::uint32_t from) const {
  const auto& words = occupied_[level];
  for (std::uint32_t w = from / 64; w < words.size(); ++w) {
    const std::uint64_t wanted = w == from / 64 ? ~std::uint64_t{0} << (from % 64) : ~std::uint64_t{0};
    if ((words[w] & wanted) != 0) return w * 64 + static_cast<std::uint32_t>(std::countr_zero(words[w] & wanted));
  }
  return std::nullopt;
}

// Whatever stands on a level shares the slot of the level above with the present,
// so it comes before all that stands on the levels above. On the highest level
// alone slots go round.
std::optional<TimerWheel::Event> TimerWheel::next_event() const {
  for (std::uint32_t level = 0; level < kLevels; ++level) {
    const std::uint32_t bits = kBitsPerLevel * level;
    const std::uint32_t present = slot_of(static_cast<std::uint32_t>(tick_), level);
    std::int64_t round = tick_ >> (bits + kBitsPerLevel);
    std::optional<std::uint32_t> slot = first_occupied(level, present);
    if (!slot && level == kLevels - 1) {
      slot = first_occupied(level, 0);
      ++round;
    }
    if (slot) return Event{((round << kBitsPerLevel) | *slot) << bits, level * kSlots + *slot};
  }
  return std::nullopt;
}

std::optional<Instant> TimerWheel::next_due() const {
  if (!empty(kFiring) || !empty(kOverdue) || !empty(kDescending)) return start_ + tick_ * kTick;
  const std::optional<Event> next = next_event();
  if (!next) return std::nullopt;
  return start_ + next->tick * kTick;
}

}  // namespace pollux
