// Bytes per connection: as the tables are laid out, and as the process grows when the connections are there. Exits with
// 1 when a budget is exceeded.

#include <benchmark/benchmark.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "shard/connection_bytes.h"
#include "syns.h"
#include "two_shards.h"
#include "wire/build.h"

namespace pollux::bench {
namespace {

constexpr double kEstablishedBudget = 256;
constexpr double kTimeWaitBudget = 40;  // IPv4
constexpr double kHalfOpenBudget = 64;  // IPv4
constexpr std::uint32_t kEstablished = 200'000;
constexpr std::uint32_t kHalfOpen = 200'000;
constexpr std::uint32_t kTimeWait = 1'000'000;

bool over_budget = false;

// Pages of 4 KiB, so that what is resident is what was touched.
constexpr Pages kPages = Pages::kOrdinary;

double resident_bytes() {
  std::ifstream statm{"/proc/self/statm"};
  double total = 0;
  double resident = 0;
  statm >> total >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE));
}

void judge(benchmark::State& state, const char* name, double bytes, double budget) {
  state.counters[name] = bytes;
  if (budget == 0 || bytes <= budget) return;
  over_budget = true;
  std::fprintf(stderr, "%s: %.1f bytes, of %.0f allowed\n", name, bytes, budget);
}

double slot_bytes(std::uint32_t connections) {
  return static_cast<double>(FlowTable{connections, HashKey{}}.bytes()) / connections;
}

// Idle ones, each of which has carried a request and a response. `layout`: TCB, timer in it, flow table slot,
// generation. `resident`: growth of the process while they were opened, whatever it was that was touched; but without
// the port pools of the client, which are for a destination and not for a connection: `ports` is their share of each of
// its connections.
void established(benchmark::State& state) {
  const bool v6 = state.range(0) != 0;
  TwoShards::Sizes sizes;
  sizes.connections = kEstablished;
  sizes.server_ports = 8;
  sizes.v6 = v6;
  sizes.pages = kPages;
  double grown = 0;
  double ports = 0;
  for (auto _ : state) {
    TwoShards t{sizes, Closes::kNobody};
    const double before = resident_bytes();
    while (t.client_app.answers < kEstablished) {
      // Slow enough for delayed ACKs, without which the response stays in a side block, and for few to have one at a
      // time.
      t.turn(1ms, [&] {
        for (int i = 0; i < 8 && t.client.core().connections() < kEstablished; ++i) t.connect();
      });
    }
    t.now += 1s;
    t.settle();  // delayed ACKs are sent, side blocks given back
    ports = static_cast<double>(t.client.core().memory().ports);
    grown = resident_bytes() - before - ports;
    const auto established = static_cast<std::size_t>(tcp::State::kEstablished);
    for (const ShardCore* core : {&t.client.core(), &t.server.core()}) {
      if (core->gauges().states[established] != kEstablished) state.SkipWithError("not all were established");
    }
    if (t.client.core().stores().transmissions.size() != 0 || t.server.core().stores().queues.size() != 0)
      state.SkipWithError("idle connections hold side blocks");
  }
  judge(state, "layout", bytes_per_idle_connection(kEstablished), kEstablishedBudget);
  judge(state, "resident", grown / (2 * kEstablished), kEstablishedBudget);
  judge(state, "ports", ports / kEstablished, 0);
}

void time_wait(benchmark::State& state) {
  const bool v6 = state.range(0) != 0;
  TimeWaitTable::Config config;
  (v6 ? config.capacity_v6 : config.capacity_v4) = kTimeWait;
  config.pages = kPages;
  double layout = 0;
  double grown = 0;
  for (auto _ : state) {
    TimeWaitTable table{config};
    const double before = resident_bytes();
    for (std::uint32_t i = 0; i < kTimeWait; ++i) {
      TimeWaitEntry entry;
      entry.key = flow(i);
      if (v6) entry.key.local = entry.key.remote = TwoShards::address(true, 1);
      if (v6) entry.key.remote = entry.key.local.plus(1 + i);
      table.enter(entry, Instant{1s}, [](const TimeWaitEntry&) {});
    }
    grown = resident_bytes() - before;
    layout = static_cast<double>(table.bytes()) / kTimeWait;
    if (table.size() != kTimeWait) state.SkipWithError("not all were entered");
  }
  judge(state, "layout", layout, v6 ? 0 : kTimeWaitBudget);
  judge(state, "resident", grown / kTimeWait, v6 ? 0 : kTimeWaitBudget);
}

// SYNs that nobody follows up on.
void half_open(benchmark::State& state) {
  const bool v6 = state.range(0) != 0;
  TwoShards::Sizes sizes;
  sizes.connections = 16;
  sizes.v6 = v6;
  sizes.pages = kPages;
  ShardConfig config = TwoShards::config(sizes, 1);
  config.max_half_open = kHalfOpen;
  config.tcp.syn_cookies = false;  // a record for each of them
  double layout = 0;
  double grown = 0;
  for (auto _ : state) {
    Server app;
    const Instant now{1s};
    Shard<Server> server{config, app, now};
    ListenSpec listen;
    listen.port = kServerPort;
    listen.backlog = kHalfOpen;
    static_cast<void>(server.listen(listen));
    Syns syns{v6};
    syns.send(server, kHalfOpen, now);
    const double before = resident_bytes();
    for (std::uint32_t i = 0; i + 1 < kHalfOpen; ++i) syns.send(server, i, now);
    grown = resident_bytes() - before;
    layout = static_cast<double>(server.core().half_open().bytes()) / (2.0 * kHalfOpen);
    if (server.core().half_open().size() != kHalfOpen) state.SkipWithError("not all are half open");
  }
  // half_open().bytes() is of both families.
  const double record_v4 = HalfOpenTable::bytes_per_entry_v4();
  layout = (v6 ? 2 * layout - record_v4 : record_v4) + slot_bytes(kHalfOpen);
  judge(state, "layout", layout, v6 ? 0 : kHalfOpenBudget);
  judge(state, "resident", grown / kHalfOpen, v6 ? 0 : kHalfOpenBudget);
}

BENCHMARK(established)->ArgName("v6")->Arg(0)->Arg(1)->Iterations(1);
BENCHMARK(time_wait)->ArgName("v6")->Arg(0)->Arg(1)->Iterations(1);
BENCHMARK(half_open)->ArgName("v6")->Arg(0)->Arg(1)->Iterations(1);

}  // namespace
}  // namespace pollux::bench

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return pollux::bench::over_budget ? 1 : 0;
}
