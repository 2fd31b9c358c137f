// The tables of a shard, small and much larger than any cache.

#include <memory>
#include <optional>
#include <vector>

#include "base/memory.h"
#include "base/random.h"
#include "cycles.h"
#include "flows.h"
#include "shard/ephemeral_ports.h"
#include "shard/flow_table.h"
#include "shard/time_wait_table.h"

namespace pollux::bench {
namespace {

constexpr std::int64_t kThousand = 1000;
constexpr std::int64_t kMillion = 1'000'000;
constexpr HashKey kKey{3, 5};
constexpr std::size_t kProbes = 1024;
constexpr std::size_t kBurst = 32;
constexpr int kBatches = 200;

// --- Flow table ---

// A flow table full of flows, and their keys a cache line each, as TCBs have them.
class Flows {
 public:
  explicit Flows(std::uint32_t count) : table{count, kKey}, lines_{std::size_t{count} * sizeof(Line)} {
    for (std::uint32_t i = 0; i < count; ++i) {
      line(i).key = flow(i);
      if (!table.insert(table.hash(line(i).key), i)) throw std::bad_alloc{};
    }
  }

  const FlowKey& key(std::uint32_t index) const { return line(index).key; }
  void prefetch(std::uint32_t index) const { __builtin_prefetch(&line(index)); }

  // Filling takes a while: the last one made is kept for the next benchmark of that size.
  static const Flows& with(std::uint32_t count) {
    static std::unique_ptr<Flows> made;
    if (!made || made->table.size() != count) {
      made.reset();
      made = std::make_unique<Flows>(count);
    }
    return *made;
  }

  FlowTable table;

 private:
  struct alignas(64) Line {
    FlowKey key;
  };
  Line& line(std::uint32_t i) const { return reinterpret_cast<Line*>(lines_.data())[i]; }
  Memory lines_;
};

// Hash and look-up of kProbes random flows, in the table or not; one by one, or in bursts of 32 whose
// cache misses overlap.
void flow_table(benchmark::State& state) {
  const bool hit = state.range(0) != 0;
  const bool in_bursts = state.range(1) != 0;
  const auto count = static_cast<std::uint32_t>(state.range(2));
  const Flows& flows = Flows::with(count);
  Random random{7};
  std::vector<FlowKey> probes(kProbes);
  std::uint64_t found = 0;
  Batches batches{state};
  for (auto _ : state) {
    for (FlowKey& probe : probes) probe = flow(random.below(count) + (hit ? 0 : count));
    const auto find = [&](const FlowKey& probe, std::uint64_t hash) {
      const std::uint32_t index = flows.table.find(hash, [&](std::uint32_t i) { return flows.key(i) == probe; });
      found += index != FlowTable::kNone ? 1 : 0;
    };
    batches.time(kProbes, [&] {
      if (!in_bursts) {
        for (const FlowKey& probe : probes) find(probe, flows.table.hash(probe));
        return;
      }
      std::uint64_t hashes[kBurst];
      for (std::size_t first = 0; first < kProbes; first += kBurst) {
        for (std::size_t i = 0; i < kBurst; ++i) {
          hashes[i] = flows.table.hash(probes[first + i]);
          flows.table.prefetch(hashes[i]);
        }
        for (std::size_t i = 0; i < kBurst; ++i) {
          if (const std::uint32_t c = flows.table.candidate(hashes[i]); c != FlowTable::kNone) flows.prefetch(c);
        }
        for (std::size_t i = 0; i < kBurst; ++i) find(probes[first + i], hashes[i]);
      }
    });
  }
  if (found != (hit ? static_cast<std::uint64_t>(state.iterations()) * kProbes : 0))
    state.SkipWithError("wrong answers");
}
BENCHMARK(flow_table)
    ->ArgNames({"hit", "burst", "flows"})
    ->ArgsProduct({{1, 0}, {1, 0}, {kThousand, 64 * kThousand, kMillion, 10 * kMillion}})
    ->Iterations(kBatches);

// --- TIME-WAIT ---

// As many records as were asked for, which end kPerMs at a time, a millisecond apart.
class TimeWait {
 public:
  static constexpr std::uint32_t kPerMs = 500;

  explicit TimeWait(std::uint32_t count) : table{config(count)} {
    for (std::uint32_t ms = 0; ms < count / kPerMs; ++ms) enter();
  }

  // One millisecond's worth.
  void enter() {
    now += 1ms;
    for (std::uint32_t i = 0; i < kPerMs; ++i) {
      TimeWaitEntry entry;
      entry.key = flow(next++);
      table.enter(entry, now, [](const TimeWaitEntry&) {});
    }
  }
  std::size_t expire() {
    return table.expire(now + 1ms, 2 * kPerMs, [](const TimeWaitEntry&) {});
  }

  static TimeWait& with(std::uint32_t count) {
    static std::unique_ptr<TimeWait> made;
    if (!made || made->table.size() != count) {
      made.reset();
      made = std::make_unique<TimeWait>(count);
    }
    return *made;
  }

  static TimeWaitTable::Config config(std::uint32_t count) {
    TimeWaitTable::Config config;
    config.capacity_v4 = count;
    config.two_msl = std::chrono::milliseconds{count / kPerMs};
    config.hash_key = kKey;
    return config;
  }

  TimeWaitTable table;
  Instant now{};
  std::uint64_t next = 0;
};

void time_wait_find(benchmark::State& state) {
  const bool hit = state.range(0) != 0;
  const auto count = static_cast<std::uint32_t>(state.range(1));
  const TimeWait& t = TimeWait::with(count);
  Random random{7};
  std::vector<FlowKey> probes(kProbes);
  std::uint64_t found = 0;
  Batches batches{state};
  for (auto _ : state) {
    for (FlowKey& probe : probes) probe = flow(hit ? t.next - 1 - random.below(count) : t.next + random.below(count));
    batches.time(kProbes, [&] {
      for (const FlowKey& probe : probes) found += t.table.find(probe) ? 1 : 0;
    });
  }
  if (found != (hit ? static_cast<std::uint64_t>(state.iterations()) * kProbes : 0))
    state.SkipWithError("wrong answers");
}
BENCHMARK(time_wait_find)
    ->ArgNames({"hit", "records"})
    ->ArgsProduct({{1, 0}, {10 * kThousand, kMillion, 10 * kMillion}})
    ->Iterations(kBatches);

// The table is full all the time: kPerMs end, as many begin.
template <bool kEnter>
void time_wait_turn_over(benchmark::State& state) {
  TimeWait& t = TimeWait::with(static_cast<std::uint32_t>(state.range(0)));
  Batches batches{state};
  for (auto _ : state) {
    const std::uint64_t start = cycles();
    const std::size_t expired = t.expire();
    const std::uint64_t between = cycles();
    t.enter();
    const std::uint64_t end = cycles();
    if (expired != TimeWait::kPerMs) state.SkipWithError("not as many ended as begin");
    batches.add(kEnter ? end - between : between - start, TimeWait::kPerMs);
  }
}
BENCHMARK(time_wait_turn_over<false>)
    ->Name("time_wait_expire")
    ->ArgName("records")
    ->Args({10 * kThousand})
    ->Args({kMillion})
    ->Args({10 * kMillion})
    ->Iterations(kBatches);
BENCHMARK(time_wait_turn_over<true>)
    ->Name("time_wait_enter")
    ->ArgName("records")
    ->Args({10 * kThousand})
    ->Args({kMillion})
    ->Args({10 * kMillion})
    ->Iterations(kBatches);

// --- Ephemeral ports ---

// Taking a port and giving it back, where all others are free, or all but a few taken.
void port_take_release(benchmark::State& state) {
  EphemeralPorts::Config config;
  EphemeralPorts ports{config};
  const Destination to{IpAddress::v4(kFirstClient), kServerAddress, kServerPort};
  const auto mine = [](std::uint16_t) { return true; };
  Random random{7};
  const auto range = static_cast<std::uint32_t>(config.last - config.first + 1);
  const std::uint32_t others = state.range(0) != 0 ? range - 64 : 0;
  for (std::uint32_t i = 0; i < others; ++i) static_cast<void>(ports.take(to, random(), mine));
  std::vector<std::uint16_t> taken;
  taken.reserve(32);
  Batches batches{state};
  for (auto _ : state) {
    batches.time(32, [&] {
      for (int i = 0; i < 32; ++i) taken.push_back(ports.take(to, random(), mine).value_or(0));
      for (const std::uint16_t port : taken) ports.release(to, port);
    });
    taken.clear();
  }
}
BENCHMARK(port_take_release)->ArgName("almost_full")->Arg(0)->Arg(1)->Iterations(kBatches);

}  // namespace
}  // namespace pollux::bench
