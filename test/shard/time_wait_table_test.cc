#include "shard/time_wait_table.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <deque>
#include <map>
#include <tuple>
#include <vector>

#include "base/random.h"

namespace pollux {
namespace {

constexpr Instant kStart{1'000'000'000'500'000ns};
constexpr Duration kTwoMsl = 60s;
constexpr std::size_t kNoLimit = SIZE_MAX;

IpAddress v6(std::uint32_t last) {
  std::byte bytes[16]{std::byte{0x20}, std::byte{0x01}, std::byte{0}, std::byte{2}};
  store_be(bytes + 12, last);
  return IpAddress::v6(bytes);
}

FlowKey flow(bool v4, std::uint32_t n) {
  const auto port = static_cast<std::uint16_t>(40000 + n % 20000);
  if (v4) return {IpAddress::v4(0xc6120002), IpAddress::v4(0xc6130000 + n), 80, port};
  return {v6(2), v6(n), 80, port};
}

TimeWaitEntry entry(const FlowKey& key) {
  return {.key = key,
          .snd_nxt = SeqNum{0xfffffffe},
          .rcv_nxt = SeqNum{0xfffffffd},
          .ts_recent = 0xdeadbeef,
          .rcv_wnd_field = 0xfedc,
          .listener = 200,
          .timestamps = true,
          .active_open = true};
}

TimeWaitTable::Config config(std::uint32_t capacity,
                             TimeWaitTable::FullPolicy policy = TimeWaitTable::FullPolicy::kRefuse) {
  return {
      .capacity_v4 = capacity, .capacity_v6 = capacity, .two_msl = kTwoMsl, .full_policy = policy, .hash_key = {1, 2}};
}

void nobody(const TimeWaitEntry&) { ADD_FAILURE() << "nobody was to be evicted"; }

std::vector<FlowKey> expired(TimeWaitTable& table, Instant now, std::size_t budget = kNoLimit) {
  std::vector<FlowKey> keys;
  EXPECT_LE(table.expire(now, budget, [&](const TimeWaitEntry& e) { keys.push_back(e.key); }), budget);
  return keys;
}

using Keys = std::vector<FlowKey>;

class TimeWaitOf : public testing::TestWithParam<bool> {
 protected:
  static FlowKey flow(std::uint32_t n) { return pollux::flow(GetParam(), n); }
};
INSTANTIATE_TEST_SUITE_P(V4, TimeWaitOf, testing::Values(true));
INSTANTIATE_TEST_SUITE_P(V6, TimeWaitOf, testing::Values(false));

TEST_P(TimeWaitOf, KeepsAllThatIsKnownOfTheConnection) {
  TimeWaitTable table{config(10)};
  TimeWaitEntry in = entry(flow(1));
  ASSERT_EQ(table.enter(in, kStart, nobody), Entered::kEntered);

  const auto out = table.find(flow(1));
  ASSERT_TRUE(out);
  EXPECT_EQ(out->key, in.key);
  EXPECT_EQ(out->snd_nxt, in.snd_nxt);
  EXPECT_EQ(out->rcv_nxt, in.rcv_nxt);
  EXPECT_EQ(out->ts_recent, in.ts_recent);
  EXPECT_EQ(out->entered_ms, static_cast<std::uint32_t>(1'000'000'001));  // rounded up
  EXPECT_EQ(out->rcv_wnd_field, in.rcv_wnd_field);
  EXPECT_EQ(out->listener, in.listener);
  EXPECT_TRUE(out->timestamps);
  EXPECT_TRUE(out->active_open);

  in = entry(flow(2));
  in.timestamps = in.active_open = false;
  table.enter(in, kStart, nobody);
  EXPECT_FALSE(table.find(flow(2))->timestamps);
  EXPECT_FALSE(table.find(flow(2))->active_open);
}

TEST_P(TimeWaitOf, FindsNoOther) {
  TimeWaitTable table{config(10)};
  table.enter(entry(flow(1)), kStart, nobody);
  EXPECT_FALSE(table.find(flow(2)));
  FlowKey other = flow(1);
  other.local_port = 81;
  EXPECT_FALSE(table.find(other));
  other = flow(1);
  ++other.remote_port;
  EXPECT_FALSE(table.find(other));
  other = flow(1);
  other.local = other.remote;
  EXPECT_FALSE(table.find(other));
}

TEST_P(TimeWaitOf, LastsTwoMslAndAtMostATickMore) {
  TimeWaitTable table{config(10)};
  table.enter(entry(flow(1)), kStart, nobody);

  EXPECT_EQ(expired(table, kStart + kTwoMsl - 1ns), Keys{});
  ASSERT_TRUE(table.next_due());
  EXPECT_GE(*table.next_due(), kStart + kTwoMsl);
  EXPECT_LE(*table.next_due(), kStart + kTwoMsl + 1ms);
  EXPECT_EQ(expired(table, kStart + kTwoMsl + 1ms), Keys{flow(1)});
  EXPECT_FALSE(table.find(flow(1)));
  EXPECT_EQ(table.next_due(), std::nullopt);
  EXPECT_EQ(table.counters().expired, 1u);
}

TEST_P(TimeWaitOf, TimeMayWrap) {
  const Instant just_before{((std::int64_t{1} << 32) - 1) * Duration{1ms}};  // 49 days of milliseconds
  TimeWaitTable table{config(10)};
  table.enter(entry(flow(1)), just_before, nobody);
  table.enter(entry(flow(2)), just_before + 1ms, nobody);

  EXPECT_EQ(table.next_due(), just_before + kTwoMsl);
  EXPECT_EQ(expired(table, just_before + kTwoMsl - 1ms), Keys{});
  EXPECT_EQ(expired(table, just_before + kTwoMsl), Keys{flow(1)});
  EXPECT_EQ(table.next_due(), just_before + kTwoMsl + 1ms);
  EXPECT_EQ(expired(table, just_before + kTwoMsl + 1ms), Keys{flow(2)});
}

TEST_P(TimeWaitOf, ExpiresTheOldestFirstWithinTheBudget) {
  TimeWaitTable table{config(100)};
  for (std::uint32_t n = 0; n < 100; ++n) table.enter(entry(flow(n)), kStart + n * 1ms, nobody);

  const Instant late = kStart + kTwoMsl + 1s;
  std::uint32_t next = 0;
  for (const std::size_t budget : {0u, 1u, 16u, 17u, 40u, 100u}) {
    const Keys keys = expired(table, late, budget);
    EXPECT_EQ(keys.size(), std::min<std::size_t>(budget, 100 - next));
    for (const FlowKey& key : keys) EXPECT_EQ(key, flow(next++));
  }
  EXPECT_EQ(next, 100u);
  EXPECT_EQ(table.size(), 0u);
}

TEST_P(TimeWaitOf, RestartBeginsTwoMslAgain) {  // RFC 9293, 3.10.7.4, eighth, TIME-WAIT
  TimeWaitTable table{config(10)};
  for (std::uint32_t n = 0; n < 3; ++n) table.enter(entry(flow(n)), kStart, nobody);
  const Instant fin_again = kStart + 30s;
  EXPECT_TRUE(table.restart(flow(1), fin_again));
  EXPECT_FALSE(table.restart(flow(7), fin_again));

  EXPECT_EQ(table.size(), 3u);
  EXPECT_EQ(table.find(flow(1))->ts_recent, 0xdeadbeefu);
  EXPECT_EQ(expired(table, kStart + kTwoMsl + 1ms), (Keys{flow(0), flow(2)}));
  EXPECT_EQ(expired(table, fin_again + kTwoMsl - 1ns), Keys{});
  EXPECT_EQ(expired(table, fin_again + kTwoMsl + 1ms), Keys{flow(1)});
  EXPECT_EQ(table.counters().restarted, 1u);
}

TEST_P(TimeWaitOf, AFloodOfFinsForOneConnectionTakesNoRoom) {
  TimeWaitTable table{config(10)};
  for (std::uint32_t n = 0; n < 2; ++n) table.enter(entry(flow(n)), kStart, nobody);
  Instant now = kStart;
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(table.restart(flow(1), now += 10ms));
  for (std::uint32_t n = 2; n < 10; ++n) EXPECT_EQ(table.enter(entry(flow(n)), now, nobody), Entered::kEntered);
  EXPECT_EQ(table.counters().restart_refused, 0u);
}

TEST_P(TimeWaitOf, ARestartWithoutRoomKeepsTheTimeThatRuns) {
  TimeWaitTable table{config(4)};  // and one slot for restarts
  for (std::uint32_t n = 0; n < 4; ++n) table.enter(entry(flow(n)), kStart, nobody);
  table.restart(flow(1), kStart + 1s);
  EXPECT_EQ(table.counters().restart_refused, 0u);
  EXPECT_TRUE(table.restart(flow(2), kStart + 2s));
  EXPECT_EQ(table.counters().restart_refused, 1u);
  EXPECT_TRUE(table.restart(flow(0), kStart + 3s));  // its own slot, at the head, is free at once
  EXPECT_EQ(table.counters().restart_refused, 1u);

  EXPECT_EQ(expired(table, kStart + kTwoMsl + 1ms), (Keys{flow(2), flow(3)}));
  EXPECT_EQ(expired(table, kStart + 1s + kTwoMsl + 1ms), Keys{flow(1)});
  EXPECT_EQ(expired(table, kStart + 3s + kTwoMsl + 1ms), Keys{flow(0)});
}

TEST_P(TimeWaitOf, RemovedIsGoneAtOnceAndMayEnterAgain) {  // RFC 6191
  TimeWaitTable table{config(3)};
  for (std::uint32_t n = 0; n < 3; ++n) table.enter(entry(flow(n)), kStart, nobody);
  EXPECT_TRUE(table.remove(flow(0)));
  EXPECT_FALSE(table.remove(flow(0)));
  EXPECT_FALSE(table.find(flow(0)));
  EXPECT_EQ(table.size(), 2u);
  EXPECT_EQ(table.counters().reused, 1u);

  EXPECT_EQ(table.enter(entry(flow(0)), kStart + 1s, nobody), Entered::kEntered);
  EXPECT_EQ(expired(table, kStart + kTwoMsl + 1ms), (Keys{flow(1), flow(2)}));
  EXPECT_EQ(expired(table, kStart + 1s + kTwoMsl + 1ms), Keys{flow(0)});
}

TEST_P(TimeWaitOf, DeadRecordsAtTheHeadHoldNobodyUp) {
  TimeWaitTable table{config(100)};
  for (std::uint32_t n = 0; n < 100; ++n) table.enter(entry(flow(n)), kStart + n * 10ms, nobody);
  for (std::uint32_t n = 1; n < 90; ++n) table.remove(flow(n));
  table.remove(flow(0));

  EXPECT_EQ(table.size(), 10u);
  EXPECT_LE(*table.next_due(), kStart + 900ms + kTwoMsl + 1ms);
  EXPECT_EQ(expired(table, kStart + 1s), Keys{});  // they need not wait for their time
  EXPECT_EQ(*table.next_due(), kStart + 900ms + kTwoMsl + 500us);
  EXPECT_EQ(expired(table, kStart + 900ms + kTwoMsl + 1ms), Keys{flow(90)});
  for (std::uint32_t n = 0; n < 89; ++n)
    EXPECT_EQ(table.enter(entry(flow(n)), kStart + 61s, nobody), Entered::kEntered);
}

TEST_P(TimeWaitOf, DeadRecordsCountAgainstTheBudget) {
  TimeWaitTable table{config(100)};
  for (std::uint32_t n = 0; n < 100; ++n) table.enter(entry(flow(n)), kStart, nobody);
  for (std::uint32_t n = 1; n < 99; ++n) table.remove(flow(n));

  int calls = 0;
  while (table.size() > 0 && calls < 100) {
    expired(table, kStart + kTwoMsl + 1ms, 10);
    ++calls;
  }
  EXPECT_EQ(calls, 10);
}

TEST_P(TimeWaitOf, UpdateChangesWhatTheNextAnswerSays) {
  TimeWaitTable table{config(3)};
  table.enter(entry(flow(1)), kStart, nobody);
  EXPECT_TRUE(table.update(flow(1), SeqNum{5}, 77));
  EXPECT_FALSE(table.update(flow(2), SeqNum{5}, 77));
  EXPECT_EQ(table.find(flow(1))->rcv_nxt, SeqNum{5});
  EXPECT_EQ(table.find(flow(1))->ts_recent, 77u);
}

TEST_P(TimeWaitOf, FullAndSetToRefuseRefuses) {
  TimeWaitTable table{config(3)};
  for (std::uint32_t n = 0; n < 3; ++n) EXPECT_EQ(table.enter(entry(flow(n)), kStart, nobody), Entered::kEntered);
  EXPECT_EQ(table.enter(entry(flow(3)), kStart, nobody), Entered::kRefused);
  EXPECT_FALSE(table.find(flow(3)));
  EXPECT_EQ(table.counters().refused, 1u);
  EXPECT_EQ(table.counters().peak, 3u);

  expired(table, kStart + kTwoMsl + 1ms);
  EXPECT_EQ(table.enter(entry(flow(3)), kStart + kTwoMsl + 1ms, nobody), Entered::kEntered);
}

TEST_P(TimeWaitOf, FullAndSetToEvictGivesUpTheOldestAndSaysWhich) {
  TimeWaitTable table{config(3, TimeWaitTable::FullPolicy::kEvictOldest)};
  for (std::uint32_t n = 0; n < 3; ++n) EXPECT_EQ(table.enter(entry(flow(n)), kStart, nobody), Entered::kEntered);
  Keys evicted;
  for (std::uint32_t n = 3; n < 9; ++n) {
    EXPECT_EQ(table.enter(entry(flow(n)), kStart, [&](const TimeWaitEntry& e) { evicted.push_back(e.key); }),
              Entered::kEvictedOldest);
  }
  EXPECT_EQ(evicted, (Keys{flow(0), flow(1), flow(2), flow(3), flow(4), flow(5)}));
  EXPECT_EQ(table.counters().evicted, 6u);
  EXPECT_EQ(table.size(), 3u);
  EXPECT_EQ(expired(table, kStart + kTwoMsl + 1ms), (Keys{flow(6), flow(7), flow(8)}));
}

TEST_P(TimeWaitOf, WithoutCapacityEverythingIsRefused) {
  for (const auto policy : {TimeWaitTable::FullPolicy::kRefuse, TimeWaitTable::FullPolicy::kEvictOldest}) {
    TimeWaitTable table{config(0, policy)};
    EXPECT_EQ(table.enter(entry(flow(1)), kStart, nobody), Entered::kRefused);
    EXPECT_FALSE(table.find(flow(1)));
    EXPECT_FALSE(table.restart(flow(1), kStart));
    EXPECT_EQ(expired(table, kStart + 24h), Keys{});
  }
}

TEST_P(TimeWaitOf, ExpiryMayBringNewOnesIn) {
  TimeWaitTable table{config(40, TimeWaitTable::FullPolicy::kEvictOldest)};
  for (std::uint32_t n = 0; n < 40; ++n) table.enter(entry(flow(n)), kStart, nobody);
  const Instant now = kStart + kTwoMsl + 1ms;
  Keys gone;
  const auto note = [&](const TimeWaitEntry& e) { gone.push_back(e.key); };
  table.expire(now, kNoLimit, [&](const TimeWaitEntry& e) {
    note(e);
    if (gone.size() == 3) table.remove(flow(4));
    if (gone.size() == 5) table.restart(flow(6), now);
    const auto n = static_cast<std::uint32_t>(100 + 2 * gone.size());
    table.enter(entry(flow(n)), now, note);
    table.enter(entry(flow(n + 1)), now, note);
  });
  // All that was there is gone once, and what came in stays for its time.
  std::map<std::uint32_t, int> times;
  for (const FlowKey& key : gone) {
    for (std::uint32_t n = 0; n < 40; ++n) times[n] += key == flow(n) ? 1 : 0;
  }
  for (std::uint32_t n = 0; n < 40; ++n) EXPECT_EQ(times[n], n == 4 ? 0 : n == 6 ? times[n] : 1) << n;
  EXPECT_EQ(table.size(), 40u);
  expired(table, now + kTwoMsl + 1ms);
  EXPECT_EQ(table.size(), 0u);
}

TEST(TimeWaitTable, BothFamiliesShareNothingButTheCounters) {
  TimeWaitTable table{config(2)};
  for (const bool v4 : {true, false}) {
    for (std::uint32_t n = 0; n < 2; ++n) EXPECT_EQ(table.enter(entry(flow(v4, n)), kStart, nobody), Entered::kEntered);
  }
  EXPECT_EQ(table.size_v4(), 2u);
  EXPECT_EQ(table.size_v6(), 2u);
  EXPECT_EQ(table.enter(entry(flow(true, 3)), kStart, nobody), Entered::kRefused);
  EXPECT_EQ(expired(table, kStart + kTwoMsl + 1ms, 3).size(), 3u);
  EXPECT_EQ(expired(table, kStart + kTwoMsl + 1ms, 3).size(), 1u);
  EXPECT_EQ(table.counters().peak, 4u);
}

TEST(TimeWaitTable, TheFirstOfBothFamiliesIsDueFirst) {
  for (const bool first : {true, false}) {
    TimeWaitTable table{config(2)};
    table.enter(entry(flow(first, 1)), kStart, nobody);
    table.enter(entry(flow(!first, 1)), kStart + 5s, nobody);
    EXPECT_EQ(table.next_due(), kStart + kTwoMsl + 500us);
  }
}

TEST(TimeWaitTable, CostsAtMostFortyBytesForEachAllIn) {
  for (const std::uint32_t capacity : {50'000u, 1'000'000u, 100'000'000u, 134'000'000u}) {
    TimeWaitTable::Config c = config(capacity);
    c.capacity_v6 = 0;
    const TimeWaitTable table{c};
    EXPECT_LE(table.bytes_per_entry_v4(), 40.0) << capacity;
    EXPECT_LE(static_cast<double>(table.bytes()), 40.0 * capacity + 8192) << capacity;
    if (capacity == 100'000'000) {
      EXPECT_LE(table.bytes(), std::size_t{4} << 30);
    }
  }
}

TEST(TimeWaitTable, HoldsItsCapacityOfRandomFlows) {
  constexpr std::uint32_t kCapacity = 200'000;
  TimeWaitTable table{config(kCapacity)};
  Random random{11};
  for (std::uint32_t n = 0; n < kCapacity; ++n) {
    FlowKey key = flow(true, static_cast<std::uint32_t>(random()));
    key.local_port = static_cast<std::uint16_t>(n);
    ASSERT_EQ(table.enter(entry(key), kStart, nobody), Entered::kEntered);
  }
  EXPECT_EQ(expired(table, kStart + kTwoMsl + 1ms).size(), kCapacity);
}

// What a table should do, in the plainest terms: who is in it and since when.
class Model {
 public:
  struct Known {
    std::int64_t since_ms;
    std::uint64_t order;  // of entering and restarting
    std::uint32_t ts_recent;
  };

  static std::int64_t up(Instant t) { return (t.time_since_epoch() + 1ms - 1ns) / 1ms; }

  void put(std::uint32_t n, Instant now) { known[n] = {up(now), ++written, 0xdeadbeef}; }
  std::optional<std::uint32_t> oldest() const {
    std::optional<std::uint32_t> found;
    for (const auto& [n, k] : known) {
      if (!found || k.order < known.at(*found).order) found = n;
    }
    return found;
  }
  // How many were written since the oldest that still lives: they take a slot each, live or dead.
  std::uint64_t span() const { return known.empty() ? 0 : written - known.at(*oldest()).order + 1; }

  std::map<std::uint32_t, Known> known;
  std::uint64_t written = 0;
};

void behaves_as_the_model(bool v4, TimeWaitTable::FullPolicy policy,
                          const std::vector<std::tuple<std::uint8_t, std::uint8_t, std::uint16_t>>& operations) {
  constexpr std::uint32_t kCapacity = 12;
  TimeWaitTable table{config(kCapacity, policy)};
  Model model;
  Instant now = kStart;
  for (const auto& [kind, name, number] : operations) {
    const std::uint32_t n = name % 24;
    const FlowKey key = flow(v4, n);
    const bool present = model.known.contains(n);
    switch (kind % 10) {
      case 0:
      case 1:
      case 2:
      case 3: {
        if (present) break;
        std::optional<FlowKey> evicted;
        const Entered result = table.enter(entry(key), now, [&](const TimeWaitEntry& e) { evicted = e.key; });
        const bool room = model.known.size() < kCapacity && model.span() < kCapacity;
        if (room) RC_ASSERT(result == Entered::kEntered);
        RC_ASSERT(evicted.has_value() == (result == Entered::kEvictedOldest));
        if (evicted) {
          RC_ASSERT(policy == TimeWaitTable::FullPolicy::kEvictOldest);
          RC_ASSERT(*evicted == flow(v4, *model.oldest()));
          model.known.erase(*model.oldest());
        }
        if (result == Entered::kRefused) {
          RC_ASSERT(policy == TimeWaitTable::FullPolicy::kRefuse);
        } else {
          model.put(n, now);
        }
        break;
      }
      case 4: {
        const std::uint64_t refused = table.counters().restart_refused;
        const bool room = model.span() < kCapacity;
        const bool youngest = present && model.known[n].order == model.written;
        RC_ASSERT(table.restart(key, now) == present);
        const bool done = refused == table.counters().restart_refused;
        if (room) RC_ASSERT(done);
        if (!present || !done) break;
        if (youngest) {
          model.known[n].since_ms = Model::up(now);
        } else if (model.known[n].since_ms != Model::up(now)) {
          const std::uint32_t ts = model.known[n].ts_recent;
          model.put(n, now);
          model.known[n].ts_recent = ts;
        }
        break;
      }
      case 5:
        RC_ASSERT(table.remove(key) == present);
        model.known.erase(n);
        break;
      case 6:
        RC_ASSERT(table.update(key, SeqNum{number}, number) == present);
        if (present) model.known[n].ts_recent = number;
        break;
      default: {
        now += number * 300us;
        const std::size_t budget = kind < 128 ? kNoLimit : number % 5;
        const std::int64_t now_ms = now.time_since_epoch() / 1ms;
        for (const FlowKey& gone : expired(table, now, budget)) {
          const std::optional<std::uint32_t> oldest = model.oldest();
          RC_ASSERT(oldest.has_value());
          RC_ASSERT(gone == flow(v4, *oldest));
          RC_ASSERT(model.known[*oldest].since_ms + kTwoMsl / 1ms <= now_ms);
          model.known.erase(*oldest);
        }
        if (budget == kNoLimit && !model.known.empty()) {
          RC_ASSERT(model.known[*model.oldest()].since_ms + kTwoMsl / 1ms > now_ms);
        }
      }
    }
    RC_ASSERT(table.size() == model.known.size());
    for (std::uint32_t i = 0; i < 24; ++i) {
      const auto found = table.find(flow(v4, i));
      RC_ASSERT(found.has_value() == model.known.contains(i));
      if (!found) continue;
      RC_ASSERT(found->entered_ms == static_cast<std::uint32_t>(model.known[i].since_ms));
      RC_ASSERT(found->ts_recent == model.known[i].ts_recent);
    }
    if (!model.known.empty()) {
      const Instant due{(model.known[*model.oldest()].since_ms + kTwoMsl / 1ms) * Duration{1ms}};
      RC_ASSERT(table.next_due().has_value());
      RC_ASSERT(*table.next_due() <= due);
    }
    const auto& c = table.counters();
    RC_ASSERT(c.entered == table.size() + c.expired + c.reused + c.evicted);
  }
}

TEST_P(TimeWaitOf, BehavesAsItsModel) {
  for (const auto policy : {TimeWaitTable::FullPolicy::kRefuse, TimeWaitTable::FullPolicy::kEvictOldest}) {
    EXPECT_TRUE(
        rc::check([policy](const std::vector<std::tuple<std::uint8_t, std::uint8_t, std::uint16_t>>& operations) {
          behaves_as_the_model(GetParam(), policy, operations);
        }));
    Random random{12};
    std::vector<std::tuple<std::uint8_t, std::uint8_t, std::uint16_t>> many(15'000);
    for (auto& [kind, name, number] : many) {
      kind = static_cast<std::uint8_t>(random());
      name = static_cast<std::uint8_t>(random());
      number = static_cast<std::uint16_t>(random.below(std::uint64_t{1} << random.below(17)));
    }
    EXPECT_NO_THROW(behaves_as_the_model(GetParam(), policy, many));
  }
}

}  // namespace
}  // namespace pollux
