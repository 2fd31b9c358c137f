#include "tcp/deadlines.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>
#include <vector>

namespace pollux::tcp {
namespace {

constexpr Instant kStart{1000s};
// Milliseconds wrap here: 49 days, 17 hours, 2 minutes and 47.296 seconds.
constexpr Instant kWrap{std::chrono::milliseconds{std::int64_t{1} << 32}};

constexpr Timer kAll[] = {Timer::kRetransmission, Timer::kPersist,    Timer::kDelayedAck, Timer::kKeepAlive,
                          Timer::kTimeWait,       Timer::kReordering, Timer::kLossProbe,  Timer::kPacing};
static_assert(std::size(kAll) == kTimerCount);

TEST(Deadlines, NothingIsArmedAtFirst) {
  const Deadlines deadlines;
  EXPECT_TRUE(deadlines.none());
  EXPECT_EQ(deadlines.next(kStart), std::nullopt);
  for (const Timer timer : kAll) {
    EXPECT_FALSE(deadlines.armed(timer));
    EXPECT_FALSE(deadlines.due(timer, kStart));
  }
}

TEST(Deadlines, IsDueAtItsMillisecondAndNeverEarly) {
  for (const Timer timer : kAll) {
    Deadlines deadlines;
    deadlines.set(timer, kStart + 200ms);
    EXPECT_TRUE(deadlines.armed(timer));
    EXPECT_FALSE(deadlines.due(timer, kStart));
    EXPECT_FALSE(deadlines.due(timer, kStart + 200ms - 1ns));
    EXPECT_TRUE(deadlines.due(timer, kStart + 200ms));
    EXPECT_TRUE(deadlines.due(timer, kStart + 24h));
    EXPECT_EQ(deadlines.when(timer, kStart), kStart + 200ms);
    EXPECT_EQ(deadlines.next(kStart), kStart + 200ms);
  }
}

TEST(Deadlines, FractionsOfAMillisecondAreRoundedUp) {
  Deadlines deadlines;
  deadlines.set(Timer::kDelayedAck, kStart + 1ns);
  EXPECT_FALSE(deadlines.due(Timer::kDelayedAck, kStart + 1ns));
  EXPECT_FALSE(deadlines.due(Timer::kDelayedAck, kStart + 999'999ns));
  EXPECT_TRUE(deadlines.due(Timer::kDelayedAck, kStart + 1ms));
  EXPECT_EQ(deadlines.next(kStart + 1ns), kStart + 1ms);
}

TEST(Deadlines, NextIsTheSoonestAndIsThenDue) {
  Deadlines deadlines;
  deadlines.set(Timer::kRetransmission, kStart + 300ms);
  deadlines.set(Timer::kDelayedAck, kStart + 40ms);
  deadlines.set(Timer::kKeepAlive, kStart + 2h);
  EXPECT_EQ(deadlines.next(kStart), kStart + 40ms);
  EXPECT_TRUE(deadlines.due(Timer::kDelayedAck, *deadlines.next(kStart)));
  deadlines.clear(Timer::kDelayedAck);
  EXPECT_EQ(deadlines.next(kStart), kStart + 300ms);
  deadlines.clear(Timer::kRetransmission);
  EXPECT_EQ(deadlines.next(kStart), kStart + 2h);
  deadlines.clear_all();
  EXPECT_TRUE(deadlines.none());
}

TEST(Deadlines, OneThatHasPassedComesFirst) {
  Deadlines deadlines;
  deadlines.set(Timer::kRetransmission, kStart);
  deadlines.set(Timer::kDelayedAck, kStart + 1h);
  EXPECT_EQ(deadlines.next(kStart + 10s), kStart);
}

TEST(Deadlines, SettingAgainMovesIt) {
  Deadlines deadlines;
  deadlines.set(Timer::kRetransmission, kStart + 1s);
  deadlines.set(Timer::kRetransmission, kStart + 3s);
  EXPECT_FALSE(deadlines.due(Timer::kRetransmission, kStart + 2s));
  EXPECT_EQ(deadlines.next(kStart), kStart + 3s);
}

TEST(Deadlines, TimersOfOnePlaceReplaceEachOther) {
  Deadlines deadlines;
  deadlines.set(Timer::kRetransmission, kStart + 1s);
  deadlines.set(Timer::kPersist, kStart + 5s);
  EXPECT_FALSE(deadlines.armed(Timer::kRetransmission));
  EXPECT_EQ(deadlines.next(kStart), kStart + 5s);
  deadlines.clear(Timer::kRetransmission);
  EXPECT_TRUE(deadlines.armed(Timer::kPersist)) << "clearing the one that does not run leaves the other";

  deadlines.set(Timer::kKeepAlive, kStart + 2h);
  deadlines.set(Timer::kTimeWait, kStart + 60s);
  EXPECT_FALSE(deadlines.armed(Timer::kKeepAlive));
  EXPECT_TRUE(deadlines.armed(Timer::kPersist));
}

TEST(Deadlines, OfThoseOfLossRecoveryOneRuns) {  // RFC 8985, 8
  constexpr Timer kTimers[] = {Timer::kRetransmission, Timer::kLossProbe, Timer::kReordering, Timer::kPersist};
  for (const Timer first : kTimers) {
    for (const Timer second : kTimers) {
      if (first == second) continue;
      Deadlines deadlines;
      deadlines.set(first, kStart + 1s);
      deadlines.set(second, kStart + 5s);
      EXPECT_FALSE(deadlines.armed(first));
      EXPECT_TRUE(deadlines.armed(second));
      EXPECT_EQ(deadlines.next(kStart), kStart + 5s);
    }
  }
}

TEST(Deadlines, WrapOfMillisecondsGoesUnnoticed) {
  for (const Duration before : {Duration{1ms}, Duration{1ns}, Duration{59s}, Duration{1h}}) {
    const Instant now = kWrap - before;
    Deadlines deadlines;
    deadlines.set(Timer::kTimeWait, now + 60s);
    deadlines.set(Timer::kDelayedAck, now - 2s);
    EXPECT_FALSE(deadlines.due(Timer::kTimeWait, now));
    EXPECT_TRUE(deadlines.due(Timer::kDelayedAck, now));
    EXPECT_LE(*deadlines.next(now), now);
    deadlines.clear(Timer::kDelayedAck);
    EXPECT_FALSE(deadlines.due(Timer::kTimeWait, now + 60s - 1ms));
    EXPECT_TRUE(deadlines.due(Timer::kTimeWait, now + 60s + 1ms));
    EXPECT_GE(*deadlines.next(now), now + 60s);
    EXPECT_LT(*deadlines.next(now), now + 60s + 1ms);
  }
}

TEST(Millis, TellsInstantsApartFor24Days) {
  for (const Instant now : {kStart, kWrap - 5min, kWrap, kWrap + 5min, kWrap + 24h * 49}) {
    for (const Duration ahead : {Duration{0}, Duration{1ms}, Duration{60s}, Duration{24h * 24}}) {
      EXPECT_EQ(Millis::at(now + ahead).instant(now), now + ahead);
      EXPECT_EQ(Millis::at(now).instant(now + ahead), now);
      EXPECT_EQ(Millis::at(now + ahead).since(Millis::at(now)), ahead / 1ms);
    }
  }
}

// Against whole instants in a map, on both sides of the wrap.
RC_GTEST_PROP(Deadlines, AgreeWithAMapOfInstants, ()) {
  Instant now = kWrap - std::chrono::milliseconds{*rc::gen::inRange(0, 20'000)};
  Deadlines deadlines;
  std::map<Timer, Instant> model;
  const auto share = [](Timer a, Timer b) {
    const auto place = [](Timer t) {
      if (t == Timer::kDelayedAck) return 1;
      if (t == Timer::kPacing) return 3;
      return t == Timer::kKeepAlive || t == Timer::kTimeWait ? 2 : 0;
    };
    return place(a) == place(b);
  };
  const int steps = *rc::gen::inRange(1, 60);
  for (int step = 0; step < steps; ++step) {
    const Timer timer = kAll[*rc::gen::inRange<std::size_t>(0, kTimerCount)];
    const Duration span = std::chrono::microseconds{*rc::gen::inRange<std::int64_t>(0, 5'000'000)};
    switch (*rc::gen::inRange(0, 5)) {
      case 0:
      case 1:
        deadlines.set(timer, now + span);
        std::erase_if(model, [&](const auto& other) { return share(other.first, timer); });
        // The first whole millisecond not before it.
        model[timer] = Instant{std::chrono::ceil<std::chrono::milliseconds>((now + span).time_since_epoch())};
        break;
      case 2:
        deadlines.clear(timer);
        model.erase(timer);
        break;
      case 3:
        deadlines.clear_place(timer);
        std::erase_if(model, [&](const auto& other) { return share(other.first, timer); });
        break;
      default:
        now += span;
    }
    std::optional<Instant> soonest;
    for (const auto& [t, when] : model) soonest = std::min(soonest.value_or(when), when);
    RC_ASSERT(deadlines.next(now) == soonest);
    RC_ASSERT(deadlines.none() == model.empty());
    for (const Timer t : kAll) {
      RC_ASSERT(deadlines.armed(t) == model.contains(t));
      RC_ASSERT(deadlines.place_is_free(t) ==
                std::none_of(model.begin(), model.end(), [&](const auto& other) { return share(other.first, t); }));
      RC_ASSERT(deadlines.due(t, now) == (model.contains(t) && model[t] <= now));
    }
  }
}

}  // namespace
}  // namespace pollux::tcp
