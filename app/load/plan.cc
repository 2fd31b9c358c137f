#include "load/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "load/set_up.h"
#include "load/tuples.h"
#include "shard/connection_bytes.h"
#include "shard/ephemeral_ports.h"
#include "shard/time_wait_table.h"
#include "units.h"

namespace pollux::app {
namespace {

// What the tables of a core take, said by tables that nobody touches, so that they cost nothing.
std::uint64_t table_bytes(const ShardConfig& shard) {
  TimeWaitTable::Config time_wait;
  time_wait.capacity_v4 = shard.max_time_wait_v4;
  time_wait.capacity_v6 = shard.max_time_wait_v6;
  EphemeralPorts::Config ports;
  ports.first = shard.first_port;
  ports.last = shard.last_port;
  ports.max_destinations = shard.max_destinations;
  const double connections = bytes_per_idle_connection(shard.max_connections) * shard.max_connections;
  return static_cast<std::uint64_t>(connections) + TimeWaitTable{time_wait}.bytes() + EphemeralPorts{ports}.bytes();
}

std::uint64_t ports_of(const Options& o) { return std::uint64_t{o.shard.last_port} - o.shard.first_port + 1; }

// When so many tuples are taken, of which each is free again `hold` after it was; with a rate that may change.
std::optional<Duration> exhaustion(const Schedule& schedule, double tuples, Duration hold) {
  constexpr int kSteps = 10'000;
  const Duration step = std::max<Duration>(schedule.length() / kSteps, 1us);
  for (Duration at = step; at <= schedule.length(); at += step) {
    const double taken = schedule.expected(at) - (at > hold ? schedule.expected(at - hold) : 0);
    if (taken > tuples) return at;
  }
  return std::nullopt;
}

void plan_tuples(Plan& plan, const Options& o) {
  const Duration hold = 2 * o.shard.tcp.msl;
  const auto tuples = static_cast<double>(plan.tuples);
  const double held = o.load.connections;
  if (held + o.load.closed > tuples) {
    plan.shortages.push_back(fmt::format("{} connections at a time need as many tuples; there are {}: {}",
                                         with_commas(o.load.connections + o.load.closed), with_commas(plan.tuples),
                                         source_hint(o, held + o.load.closed)));
  }
  // Who closes first holds the tuple.
  if (o.load.close != Closer::kClient) return;
  plan.sustained = std::max(tuples - held, 0.0) / std::max(seconds(hold), 1e-9);
  if (o.load.closed > 0) return;
  const Schedule schedule = schedule_of(o);
  for (int i = 0; i <= 100; ++i) {
    const Duration at = schedule.length() * i / 100;
    plan.tuples_needed =
        std::max(plan.tuples_needed, schedule.expected(at) - schedule.expected(std::max(at - hold, Duration{0})));
  }
  plan.tuples_needed += held;
  plan.exhausted_after = exhaustion(schedule, tuples - held, hold);
  if (plan.exhausted_after) {
    plan.shortages.push_back(
        fmt::format("tuples run out after {}: {}, or --close server, or --set tcp.time_wait={}, or --on-exhaust reuse",
                    show_duration(*plan.exhausted_after), source_hint(o, plan.tuples_needed),
                    exact_duration(std::max<Duration>(
                        Duration{static_cast<Duration::rep>(1e9 * std::floor(tuples / plan.rate))}, 1s))));
  }
  const double entries = std::min(plan.tuples_needed - held, tuples);
  if (entries > static_cast<double>(plan.time_wait_limit)) {
    plan.shortages.push_back(fmt::format(
        "TIME-WAIT will want {} places and has {}, then the oldest leaves early: --set tcp.max_time_wait={}",
        show_count(entries), with_commas(plan.time_wait_limit),
        static_cast<std::uint64_t>(entries) / o.stack_cores() + 1));
  }
}

}  // namespace

Plan plan_of(const Options& o) {
  Plan plan;
  plan.length = *o.duration;
  const Tuples pairs{o.load.targets, source_addresses(o)};
  plan.tuples = pairs.pairs() * ports_of(o);
  plan.time_wait_limit = std::uint64_t{o.shard.max_time_wait_v4} * o.stack_cores();
  if (o.load.closed == 0) {
    const Schedule schedule = schedule_of(o);
    plan.connections = schedule.expected(schedule.length());
    for (int i = 0; i < 100; ++i) plan.rate = std::max(plan.rate, schedule.rate(schedule.length() * i / 100));
    // SYN, ACK with the request, FIN or its ACK; and each further request and its answer.
    plan.packets_per_second = plan.rate * (3 + (o.load.requests - 1.0));
  }
  plan_tuples(plan, o);
  plan.memory = table_bytes(o.shard) * o.stack_cores();
  return plan;
}

std::string to_text(const Plan& plan, const Options& o) {
  std::string text;
  if (o.load.closed > 0) {
    text += fmt::format(
        "plan        closed loop, {} clients for {}: latency is from when a client was ready; it hides stalls\n",
        with_commas(o.load.closed), show_duration(plan.length));
  } else {
    text += fmt::format("plan        open loop, {} connections in {}, {}/s at most; about {} packets/s each way\n",
                        with_commas(static_cast<std::uint64_t>(plan.connections)), show_duration(plan.length),
                        show_count(plan.rate), show_count(plan.packets_per_second));
  }
  text += fmt::format("            tuples {}", with_commas(plan.tuples));
  if (o.load.close == Closer::kClient) {
    text += fmt::format("; TIME-WAIT is ours for {}: {}/s for ever", exact_duration(2 * o.shard.tcp.msl),
                        show_count(plan.sustained));
    if (plan.tuples_needed > 0) text += fmt::format(", {} needed", show_count(plan.tuples_needed));
  } else {
    text += o.load.close == Closer::kServer ? "; TIME-WAIT is the server's" : "; no TIME-WAIT, as we reset";
  }
  text += fmt::format("\n            memory of our tables {} when full, without packets\n",
                      show_bytes(static_cast<double>(plan.memory)));
  for (const std::string& shortage : plan.shortages) text += fmt::format("          ! {}\n", shortage);
  return text;
}

std::string to_text(const PacketMemory& memory, dpdk::HugePages wanted) {
  constexpr std::size_t kPageMb = 2;
  const bool enough = memory.free_huge_mb >= memory.huge_mb;
  std::string text = "            memory for packets ";
  if (wanted == dpdk::HugePages::kOff) return text + fmt::format("{} MB, without huge pages\n", memory.plain_mb);
  if (enough)
    return text + fmt::format("{} MB in huge pages, of which {} MB are free\n", memory.huge_mb, memory.free_huge_mb);
  const std::string lack = fmt::format("huge pages, of which {} MB are free: sysctl vm.nr_hugepages={}",
                                       memory.free_huge_mb, (memory.huge_mb + kPageMb - 1) / kPageMb);
  if (wanted == dpdk::HugePages::kRequire) return text + fmt::format("! {} MB in {}\n", memory.huge_mb, lack);
  return text + fmt::format("{} MB in ordinary pages; {} MB would do in {}\n", memory.plain_mb, memory.huge_mb, lack);
}

}  // namespace pollux::app
