// The timer wheel, from a thousand timers armed to a million.

#include <vector>

#include "base/random.h"
#include "cycles.h"
#include "time/timer_wheel.h"

namespace pollux::bench {
namespace {

constexpr std::size_t kOperations = 512;
constexpr int kBatches = 200;
constexpr Duration kSpan = 10s;  // deadlines are spread over it

// Timers in lines of their own, as TCBs have them; `armed` are, and kOperations more are not.
class Timers {
 public:
  explicit Timers(std::uint32_t armed)
      : count{armed}, nodes(armed + kOperations), wheel{now, nodes.data(), sizeof(Line)} {
    for (std::uint32_t id = 0; id < armed; ++id) wheel.arm(id, some_deadline());
  }

  Instant some_deadline() { return now + Duration{static_cast<std::int64_t>(random.below(kSpan.count()))}; }

  struct alignas(64) Line {
    TimerNode node;
  };
  Instant now{};
  std::uint32_t count;
  Random random{11};
  std::vector<Line> nodes;
  TimerWheel wheel;
};

void timer_arm(benchmark::State& state) {
  Timers t{static_cast<std::uint32_t>(state.range(0))};
  std::vector<Instant> deadlines(kOperations);
  Batches batches{state};
  for (auto _ : state) {
    for (Instant& d : deadlines) d = t.some_deadline();
    batches.time(kOperations, [&] {
      for (std::uint32_t i = 0; i < kOperations; ++i) t.wheel.arm(t.count + i, deadlines[i]);
    });
    for (std::uint32_t i = 0; i < kOperations; ++i) t.wheel.disarm(t.count + i);
  }
}

// Random ones, so that the nodes and their neighbours are not in the cache when there are many.
void timer_rearm(benchmark::State& state) {
  Timers t{static_cast<std::uint32_t>(state.range(0))};
  std::vector<std::uint32_t> ids(kOperations);
  std::vector<Instant> deadlines(kOperations);
  Batches batches{state};
  for (auto _ : state) {
    for (std::uint32_t& id : ids) id = static_cast<std::uint32_t>(t.random.below(t.count));
    for (Instant& d : deadlines) d = t.some_deadline();
    batches.time(kOperations, [&] {
      for (std::size_t i = 0; i < kOperations; ++i) t.wheel.arm(ids[i], deadlines[i]);
    });
  }
}

// Per timer that came up; each is armed again after the time is taken.
void timer_advance(benchmark::State& state) {
  Timers t{static_cast<std::uint32_t>(state.range(0))};
  const Duration step = kSpan / t.count * static_cast<int>(kOperations);
  std::vector<std::uint32_t> due;
  due.reserve(t.count);
  Batches batches{state};
  for (auto _ : state) {
    t.now += step;
    const std::uint64_t start = cycles();
    t.wheel.advance(t.now, t.count, [&](std::uint32_t id) { due.push_back(id); });
    const std::uint64_t spent = cycles() - start;
    if (!due.empty()) batches.add(spent, due.size());
    for (const std::uint32_t id : due) t.wheel.arm(id, t.some_deadline());
    due.clear();
  }
}

// A turn in which nothing is due.
void timer_advance_idle(benchmark::State& state) {
  Timers t{static_cast<std::uint32_t>(state.range(0))};
  t.now += 2ms;
  t.wheel.advance(t.now, t.count, [](std::uint32_t) {});
  Batches batches{state};
  for (auto _ : state) {
    batches.time(kOperations, [&] {
      for (std::size_t i = 0; i < kOperations; ++i) t.wheel.advance(t.now, 256, [](std::uint32_t) {});
    });
  }
}

void sizes(benchmark::internal::Benchmark* b) { b->ArgName("armed")->RangeMultiplier(10)->Range(1000, 1'000'000); }
BENCHMARK(timer_arm)->Apply(sizes)->Iterations(kBatches);
BENCHMARK(timer_rearm)->Apply(sizes)->Iterations(kBatches);
BENCHMARK(timer_advance)->Apply(sizes)->Iterations(kBatches);
BENCHMARK(timer_advance_idle)->ArgName("armed")->Arg(1'000'000)->Iterations(kBatches);

}  // namespace
}  // namespace pollux::bench
