#include "time/timer_wheel.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <functional>
#include <map>
#include <tuple>
#include <vector>

#include "../effort.h"
#include "base/random.h"

namespace pollux {
namespace {

constexpr Instant kStart{12345678ns};
constexpr std::size_t kNoLimit = SIZE_MAX;

struct Owner {
  std::uint64_t before = 0;
  TimerNode timer;
};

struct Wheel {
  explicit Wheel(std::size_t owners) : all(owners), wheel{kStart, &all.front().timer, sizeof(Owner)} {}

  std::vector<std::uint32_t> fired_by(Instant now, std::size_t budget = kNoLimit) {
    std::vector<std::uint32_t> fired;
    EXPECT_LE(wheel.advance(now, budget, [&](std::uint32_t id) { fired.push_back(id); }), budget);
    return fired;
  }

  std::vector<Owner> all;
  TimerWheel wheel;
};

using Ids = std::vector<std::uint32_t>;

TEST(TimerWheel, ComesUpAtItsDeadlineAndNotBefore) {
  Wheel w{1};
  w.wheel.arm(0, kStart + 5ms);

  EXPECT_EQ(w.fired_by(kStart + 5ms - 1ns), Ids{});
  EXPECT_TRUE(w.wheel.armed(0));
  EXPECT_EQ(w.fired_by(kStart + 5ms), Ids{0});
  EXPECT_FALSE(w.wheel.armed(0));
  EXPECT_EQ(w.fired_by(kStart + 1h), Ids{});
}

TEST(TimerWheel, ADeadlineWithinATickIsRoundedUp) {
  Wheel w{1};
  w.wheel.arm(0, kStart + 5ms + 1ns);

  EXPECT_EQ(w.wheel.deadline(0), kStart + 6ms);
  EXPECT_EQ(w.fired_by(kStart + 6ms - 1ns), Ids{});
  EXPECT_EQ(w.fired_by(kStart + 6ms), Ids{0});
}

TEST(TimerWheel, APassedDeadlineComesUpAtTheNextAdvance) {
  Wheel w{3};
  w.fired_by(kStart + 10s);
  w.wheel.arm(0, kStart + 10s);
  w.wheel.arm(1, kStart + 9s);
  w.wheel.arm(2, kStart - 1s);

  EXPECT_EQ(w.wheel.next_due(), kStart + 10s);
  EXPECT_EQ(w.fired_by(kStart + 10s), (Ids{0, 1, 2}));
}

TEST(TimerWheel, ArmingAgainMovesIt) {
  Wheel w{1};
  w.wheel.arm(0, kStart + 5ms);
  w.wheel.arm(0, kStart + 70s);
  EXPECT_EQ(w.wheel.size(), 1u);
  EXPECT_EQ(w.fired_by(kStart + 69s), Ids{});
  w.wheel.arm(0, kStart + 69s + 2ms);
  EXPECT_EQ(w.fired_by(kStart + 69s + 2ms), Ids{0});
}

TEST(TimerWheel, DisarmedDoesNotComeUp) {
  Wheel w{5};
  for (std::uint32_t id = 0; id < 5; ++id) w.wheel.arm(id, kStart + 300ms);
  w.wheel.disarm(0);  // first, middle and last of its list
  w.wheel.disarm(2);
  w.wheel.disarm(4);
  w.wheel.disarm(4);  // no effect

  EXPECT_EQ(w.wheel.size(), 2u);
  EXPECT_EQ(w.fired_by(kStart + 1s), (Ids{1, 3}));
  EXPECT_EQ(w.wheel.size(), 0u);
}

TEST(TimerWheel, EqualDeadlinesComeUpInTheOrderTheyWereArmed) {
  Wheel w{4};
  const Instant deadline = kStart + 100s;
  w.wheel.arm(2, deadline);  // each from another level
  w.fired_by(kStart + 60s);
  w.wheel.arm(0, deadline);
  w.fired_by(deadline - 300ms);
  w.wheel.arm(3, deadline);
  w.fired_by(deadline - 10ms);
  w.wheel.arm(1, deadline);

  EXPECT_EQ(w.fired_by(deadline), (Ids{2, 0, 3, 1}));
}

TEST(TimerWheel, EachLevelBoundaryIsExact) {
  for (const std::int64_t edge : {0x100LL, 0x10000LL, 0x1000000LL, 0x80000000LL}) {
    for (const std::int64_t from : {0LL, 1LL, 0xffLL, 0xfffffeLL, 0xffffffffLL - 5}) {
      for (const std::int64_t off : {-1LL, 0LL, 1LL}) {
        if (edge + off > 0x80000000LL) continue;
        Wheel w{1};
        w.fired_by(kStart + from * 1ms);
        const Instant deadline = kStart + (from + edge + off) * 1ms;
        w.wheel.arm(0, deadline);
        EXPECT_EQ(w.wheel.deadline(0), deadline);
        EXPECT_EQ(w.fired_by(deadline - 1ns), Ids{}) << edge << ' ' << from << ' ' << off;
        EXPECT_EQ(w.fired_by(deadline), Ids{0}) << edge << ' ' << from << ' ' << off;
      }
    }
  }
}

TEST(TimerWheel, BeyondTheHorizonComesUpAtTheHorizon) {
  Wheel w{1};
  w.wheel.arm(0, kStart + 24h * 400);
  EXPECT_EQ(w.wheel.deadline(0), kStart + std::int64_t{TimerWheel::kHorizonTicks} * TimerWheel::kTick);
}

TEST(TimerWheel, CallbacksMayArmAndDisarmAnyone) {
  Wheel w{5};
  for (std::uint32_t id = 0; id < 4; ++id) w.wheel.arm(id, kStart + 10ms);
  Ids fired;
  const auto on_due = [&](std::uint32_t id) {
    fired.push_back(id);
    if (id == 0) {
      w.wheel.disarm(1);              // of the same tick
      w.wheel.arm(2, kStart + 20ms);  // moved on, still within this advance
      w.wheel.arm(0, kStart + 15ms);  // itself
      w.wheel.arm(4, kStart + 2s);
    }
  };
  EXPECT_EQ(w.wheel.advance(kStart + 15ms, kNoLimit, on_due), 3u);
  EXPECT_EQ(fired, (Ids{0, 3, 0}));  // 0 armed itself for a tick that had passed by then
  fired.clear();
  w.wheel.advance(kStart + 3s, kNoLimit, [&](std::uint32_t id) { fired.push_back(id); });
  EXPECT_EQ(fired, (Ids{0, 2, 4}));
}

TEST(TimerWheel, ATimerThatAlwaysArmsItselfForNowDoesNotHoldUpAdvance) {
  Wheel w{1};
  const Instant now = kStart + 10ms;
  w.wheel.arm(0, now);
  int calls = 0;
  const auto again = [&](std::uint32_t id) {
    ++calls;
    w.wheel.arm(id, now);
  };
  w.wheel.advance(now, kNoLimit, again);
  EXPECT_EQ(calls, 1);
  w.wheel.advance(now, kNoLimit, again);
  EXPECT_EQ(calls, 2);
}

TEST(TimerWheel, ABurstInOneTickIsSpreadByTheBudget) {
  constexpr std::uint32_t kBurst = 100'000;
  constexpr std::size_t kBudget = 256;
  Wheel w{kBurst};
  for (std::uint32_t id = 0; id < kBurst; ++id) w.wheel.arm(id, kStart + 2h);

  const Instant now = kStart + 2h + 50ms;
  std::uint32_t expected = 0;
  std::size_t calls = 0;
  while (w.wheel.size() > 0) {
    ASSERT_LE(w.wheel.next_due(), now);
    for (const std::uint32_t id : w.fired_by(now, kBudget)) ASSERT_EQ(id, expected++);
    ASSERT_LT(++calls, 3 * kBurst / kBudget);  // each call passes on or moves down as many as the budget says
  }
  EXPECT_EQ(expected, kBurst);
}

TEST(TimerWheel, EnteringACrowdedSlotIsSpreadByTheBudget) {
  constexpr std::uint32_t kCount = 1000;
  Wheel w{kCount};
  for (std::uint32_t id = 0; id < kCount; ++id) w.wheel.arm(id, kStart + 300ms);  // one slot of the second level

  const Instant now = kStart + 256ms;  // when time enters it; nothing is due yet
  int calls = 0;
  while (*w.wheel.next_due() <= now) {
    ASSERT_EQ(w.fired_by(now, 10), Ids{});
    ASSERT_LT(++calls, 200);
  }
  EXPECT_GE(calls, 100);
  EXPECT_EQ(w.wheel.next_due(), kStart + 300ms);
}

TEST(TimerWheel, NoBudgetNoTimer) {
  Wheel w{1};
  w.wheel.arm(0, kStart + 1ms);
  EXPECT_EQ(w.fired_by(kStart + 2ms, 0), Ids{});
  EXPECT_EQ(w.fired_by(kStart + 2ms, 1), Ids{0});
}

TEST(TimerWheel, AVirtualClockThatJumpsToNextDueMissesNothing) {
  Wheel w{64};
  std::map<Instant, int> deadlines;
  Random random{7};
  for (std::uint32_t id = 0; id < 64; ++id) {
    const Instant deadline = kStart + random.below(std::uint64_t{1} << (id / 2)) * 1ms;
    w.wheel.arm(id, deadline);
    ++deadlines[deadline];
  }
  int jumps = 0;
  while (const auto next = w.wheel.next_due()) {
    ASSERT_LE(*next, deadlines.begin()->first);
    const std::size_t count = w.fired_by(*next).size();
    if (count > 0) {
      ASSERT_EQ(deadlines.begin()->first, *next);
      ASSERT_EQ(static_cast<std::size_t>(deadlines.begin()->second), count);
      deadlines.erase(deadlines.begin());
    }
    ASSERT_LE(++jumps, 4 * 64);
  }
  EXPECT_TRUE(deadlines.empty());
}

// What a wheel should do, by a sorted map of ticks.
class Model {
 public:
  explicit Model(std::size_t owners) : keys_(owners, Key{kNever, 0}) {}

  void arm(std::uint32_t id, std::int64_t tick) {
    disarm(id);
    const Key key{tick <= reached_ ? kAtOnce : tick, ++armed_};
    order_.emplace(key, id);
    keys_[id] = key;
  }
  void disarm(std::uint32_t id) {
    if (keys_[id].first != kNever) order_.erase(keys_[id]);
    keys_[id].first = kNever;
  }
  bool armed(std::uint32_t id) const { return keys_[id].first != kNever; }
  std::size_t size() const { return order_.size(); }
  std::optional<std::int64_t> first() const {
    if (order_.empty()) return std::nullopt;
    return std::max(order_.begin()->first.first, reached_);
  }

  // Late ones first; those that arm themselves too late meanwhile wait for the next call.
  void advance(std::int64_t limit, const std::function<void(std::uint32_t)>& on_due) {
    const std::uint64_t before = armed_;
    for (;;) {
      const auto next = std::find_if(order_.begin(), order_.end(), [&](const auto& entry) {
        return entry.first.first != kAtOnce || entry.first.second <= before;
      });
      if (next == order_.end() || next->first.first > limit) break;
      const std::uint32_t id = next->second;
      reached_ = std::max(reached_, next->first.first);
      disarm(id);
      on_due(id);
    }
    reached_ = std::max(reached_, limit);
  }

 private:
  using Key = std::pair<std::int64_t, std::uint64_t>;
  static constexpr std::int64_t kAtOnce = -1;
  static constexpr std::int64_t kNever = -2;

  std::map<Key, std::uint32_t> order_;
  std::vector<Key> keys_;
  std::int64_t reached_ = 0;
  std::uint64_t armed_ = 0;
};

struct Operation {
  std::uint32_t kind;   // below 16
  std::uint32_t owner;  // below kOwners
  std::uint64_t delta;  // ticks
};
constexpr std::uint32_t kOwners = 50;

Instant at(std::int64_t tick) { return kStart + tick * TimerWheel::kTick; }

// A wheel and its model, driven alike.
class Pair {
 public:
  void run(const Operation& o) {
    if (o.kind < 8) {
      arm(o.owner, static_cast<std::int64_t>(o.delta) - (o.kind == 0 ? 100 : 0));
    } else if (o.kind < 10) {
      w_.wheel.disarm(o.owner);
      model_.disarm(o.owner);
    } else {
      advance(static_cast<std::int64_t>(o.delta) / (o.kind < 14 ? 1000 : 1));
    }
  }

  // Empty when both agree.
  std::string difference() const {
    if (fired_ != model_fired_) return "fired differently";
    if (w_.wheel.size() != model_.size()) return "size";
    for (std::uint32_t id = 0; id < kOwners; ++id) {
      if (w_.wheel.armed(id) != model_.armed(id)) return "armed";
    }
    const auto next = w_.wheel.next_due();
    if (next.has_value() != model_.first().has_value()) return "next_due";
    if (next && *next > at(*model_.first())) return "next_due too late";
    return "";
  }
  std::size_t fired() const { return fired_count_; }

 private:
  void arm(std::uint32_t id, std::int64_t delta) {
    const std::int64_t tick = now_ + delta;
    w_.wheel.arm(id, at(tick) - 500us);
    model_.arm(id, tick);
  }

  void advance(std::int64_t delta) {
    now_ += delta;
    fired_.clear();
    model_fired_.clear();
    w_.wheel.advance(at(now_) + 999us, kNoLimit, [&](std::uint32_t id) {
      fired_.push_back(id);
      react(
          id, fired_.size(), [&](std::uint32_t who) { w_.wheel.disarm(who); },
          [&](std::uint32_t who, std::int64_t tick) { w_.wheel.arm(who, at(tick)); });
    });
    model_.advance(now_, [&](std::uint32_t id) {
      model_fired_.push_back(id);
      react(
          id, model_fired_.size(), [&](std::uint32_t who) { model_.disarm(who); },
          [&](std::uint32_t who, std::int64_t tick) { model_.arm(who, tick); });
    });
    fired_count_ += fired_.size();
  }

  // What a callback does: the same for both, from what has happened so far.
  template <class Disarm, class Arm>
  void react(std::uint32_t id, std::size_t count, Disarm&& disarm, Arm&& arm) const {
    if (count > 200) return;
    std::uint64_t seed = static_cast<std::uint64_t>(now_) * 1000 + count;
    const std::uint64_t r = splitmix64(seed);
    const auto other = static_cast<std::uint32_t>(r >> 8) % kOwners;
    const auto delta = static_cast<std::int64_t>((r >> 16) & 0xfff);
    switch (r % 6) {
      case 0:
        return disarm(other);
      case 1:
        return arm(id, now_ + delta);
      case 2:
        return arm(other, now_ + delta);
      case 3:
        return arm(id, now_ - delta);  // passed, or within this advance
      case 4:
        return arm(other, now_ - delta / 256);
      default:
        return;
    }
  }

  Wheel w_{kOwners};
  Model model_{kOwners};
  std::int64_t now_ = 0;
  Ids fired_;
  Ids model_fired_;
  std::size_t fired_count_ = 0;
};

// Deltas of every size, 2^31 included.
std::uint64_t any_delta(std::uint32_t bits, std::uint32_t random) {
  const std::uint32_t width = bits % 33;
  return width == 32 ? std::uint64_t{1} << 31 : random & ((std::uint64_t{1} << width) - 1);
}

TEST(TimerWheel, BehavesAsASortedMap) {
  EXPECT_TRUE(rc::check(
      [](const std::vector<std::tuple<std::uint8_t, std::uint8_t, std::uint8_t>>& operations, std::uint64_t seed) {
        Pair pair;
        Random random{seed};
        for (const auto& [kind, owner, bits] : operations) {
          pair.run({kind % 16u, owner % kOwners, any_delta(bits, static_cast<std::uint32_t>(random()))});
          RC_ASSERT(pair.difference() == "");
        }
      }));
}

TEST(TimerWheel, BehavesAsASortedMapForAMillionOperations) {
  std::size_t fired = 0;
  for (std::uint64_t seed = 0; seed < test::effort(20); ++seed) {
    SCOPED_TRACE(seed);
    Pair pair;
    Random random{seed};
    for (int i = 0; i < 50'000; ++i) {
      const auto bits = static_cast<std::uint32_t>(random.below(seed % 2 == 0 ? 33 : 14));
      const Operation operation{static_cast<std::uint32_t>(random.below(16)),
                                static_cast<std::uint32_t>(random.below(kOwners)),
                                any_delta(bits, static_cast<std::uint32_t>(random()))};
      pair.run(operation);
      ASSERT_EQ(pair.difference(), "") << i;
    }
    fired += pair.fired();
  }
  EXPECT_GT(fired, test::effort(100'000));
}

TEST(TimerWheel, WithAnyBudgetEachComesUpOnceNeverEarlyAndAllInTheEnd) {
  EXPECT_TRUE(rc::check([](std::uint64_t seed) {
    constexpr std::uint32_t kCount = 300;
    Random random{seed};
    Wheel w{kCount};
    std::vector<std::int64_t> due(kCount, -1);
    std::int64_t now = 0;
    for (int turn = 0; turn < 200; ++turn) {
      for (int i = 0; i < 20; ++i) {
        const auto id = static_cast<std::uint32_t>(random.below(kCount));
        due[id] = now + static_cast<std::int64_t>(random.below(std::uint64_t{1} << random.below(18)));
        w.wheel.arm(id, at(due[id]));
      }
      now += static_cast<std::int64_t>(random.below(std::uint64_t{1} << random.below(14)));
      for (const std::uint32_t id : w.fired_by(at(now), random.below(10))) {
        RC_ASSERT(due[id] >= 0);
        RC_ASSERT(due[id] <= now);
        due[id] = -1;
      }
    }
    for (std::size_t calls = 0; w.wheel.next_due() && *w.wheel.next_due() <= at(now); ++calls) {
      RC_ASSERT(calls < 2 * kCount);
      for (const std::uint32_t id : w.fired_by(at(now), 5)) {
        RC_ASSERT(due[id] >= 0);
        RC_ASSERT(due[id] <= now);
        due[id] = -1;
      }
    }
    for (const std::int64_t tick : due) RC_ASSERT(tick == -1 || tick > now);
  }));
}

}  // namespace
}  // namespace pollux
