#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/assert.h"
#include "time/instant.h"

namespace pollux {

// What a wheel knows of one timer; a member of the timer's owner. The wheel
// writes it, nobody else. An owner must not die armed.
struct TimerNode {
  static constexpr std::uint32_t kUnarmed = 0xffffffff;

  // Neighbours in its list; at the ends of the list, the list itself.
  std::uint32_t next = kUnarmed;
  std::uint32_t prev = kUnarmed;
  std::uint32_t deadline_tick = 0;
};
static_assert(sizeof(TimerNode) == 12);

// A hierarchical timer wheel: four levels of 256 slots, one tick to a slot on the
// lowest level, 256 times as much on each level above. One per kind of owner and
// shard, used by one core, never locked.
//
//   arm, disarm   constant time, no allocation: the node is part of its owner
//   advance       in proportion to the timers due; empty time is skipped by bitmaps
//
// A node stands on the lowest level where its deadline and the present tick share
// a slot of the level above. So a slot above the lowest is emptied downwards when
// time enters it, and timers of one tick come up in the order they were armed.
//
// Timers are named by their owner's index; the wheel does not know what they are
// for. It hands back the index, the owner decides what is due and when to come again.
class TimerWheel {
 public:
  static constexpr Duration kTick = 1ms;
  // Deadlines farther away than this, 49 days less some hours, come up early, at the horizon.
  static constexpr std::uint32_t kHorizonTicks = 0xfe000000;

  // The node of owner `id` is at `first_node` + `id` * `stride`; ids below 2^31.
  TimerWheel(Instant start, void* first_node, std::size_t stride);
  TimerWheel(const TimerWheel&) = delete;
  TimerWheel& operator=(const TimerWheel&) = delete;

  // Arms for the first tick not before `deadline`; moves it if armed. A deadline
  // that has passed comes up at the next advance.
  void arm(std::uint32_t id, Instant deadline);

  // No effect on a timer that is not armed.
  void disarm(std::uint32_t id) {
    if (!armed(id)) return;
    unlink(id);
    --size_;
  }

  bool armed(std::uint32_t id) const { return node(id).prev != TimerNode::kUnarmed; }

  // The tick that an armed timer comes up at: its deadline, rounded up.
  Instant deadline(std::uint32_t id) const {
    ASSERT(armed(id));
    return start_ + ticks_from_start(node(id).deadline_tick) * kTick;
  }

  // Disarms each timer due by `now` and passes its id to `on_due`, which may arm
  // and disarm any. Stops after `budget` of them, or after moving as many down
  // from an upper level; the next call goes on from there, and next_due() then
  // says that something is due. Returns how many were passed on.
  template <class OnDue>
  std::size_t advance(Instant now, std::size_t budget, OnDue&& on_due) {
    const std::int64_t limit = ticks_passed(now);
    std::size_t passed = 0;
    std::size_t moves = budget;
    take_overdue();
    do {
      while (!empty(kFiring)) {
        if (passed == budget) return passed;
        const std::uint32_t id = lists_[kFiring].head;
        disarm(id);
        ++passed;
        on_due(id);
      }
    } while (step(limit, moves));
    return passed;
  }

  // When advance should be called next: never later than the first deadline, and
  // exact within the lowest level's 256 ticks. Nothing armed: nullopt.
  std::optional<Instant> next_due() const;

  // How many are armed.
  std::uint32_t size() const { return size_; }

 private:
  static constexpr std::uint32_t kLevels = 4;
  static constexpr std::uint32_t kSlots = 256;
  // Lists beside the slots of the wheel.
  static constexpr std::uint32_t kFiring = kLevels * kSlots;  // due, passed on first to last
  static constexpr std::uint32_t kOverdue = kFiring + 1;      // armed too late; for the next advance
  static constexpr std::uint32_t kDescending = kFiring + 2;   // from a slot that time has entered, to be moved down
  static constexpr std::uint32_t kLists = kFiring + 3;
  static constexpr std::uint32_t kEnd = std::uint32_t{1} << 31;  // in a link: this is the end of the list that follows

  struct List {
    std::uint32_t head = TimerNode::kUnarmed;
    std::uint32_t tail = TimerNode::kUnarmed;
  };

  // The next slot with something in it, and the tick when time enters it.
  struct Event {
    std::int64_t tick;
    std::uint32_t list;
  };

  TimerNode& node(std::uint32_t id) const {
    return *reinterpret_cast<TimerNode*>(first_node_ + std::size_t{id} * stride_);
  }
  bool empty(std::uint32_t list) const { return lists_[list].head == TimerNode::kUnarmed; }

  std::int64_t ticks_passed(Instant now) const;      // rounded down
  std::int64_t ticks_until(Instant deadline) const;  // rounded up
  std::int64_t ticks_from_start(std::uint32_t tick) const;

  void append(std::uint32_t list, std::uint32_t id);
  void unlink(std::uint32_t id);
  void splice(std::uint32_t from, std::uint32_t onto);
  void set_occupied(std::uint32_t list, bool occupied);
  void take_overdue() {
    if (!empty(kOverdue)) splice(kOverdue, kFiring);
  }

  // Puts a node into the slot of its deadline, which comes after tick_.
  void place(std::uint32_t id);
  // Goes on to the next tick, `limit` at most, at which something is due. False: there is none, or no more moves.
  bool step(std::int64_t limit, std::size_t& moves);
  bool descend(std::size_t& moves);
  std::optional<std::uint32_t> first_occupied(std::uint32_t level, std::uint32_t from) const;
  std::optional<Event> next_event() const;

  Instant start_;
  std::byte* first_node_;
  std::size_t stride_;
  std::int64_t tick_ = 0;  // all that was due by then has been moved to kFiring, unless kDescending is not empty
  std::uint32_t size_ = 0;
  std::array<std::array<std::uint64_t, kSlots / 64>, kLevels> occupied_{};
  std::array<List, kLists> lists_{};
};

}  // namespace pollux
