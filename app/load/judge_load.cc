#include "load/judge_load.h"

#include <fmt/format.h>

#include <algorithm>

#include "errors.h"
#include "judge.h"
#include "units.h"

namespace pollux::app {
namespace {

// Of a core's time, beyond which it is its own limit.
constexpr double kSaturated = 0.95;
// Of the schedule, beyond which what was measured is not what was asked for.
constexpr double kMostMissed = 0.01;
constexpr Duration kLate = 1ms;
constexpr Duration kTooLate = 10ms;
constexpr double kClockError = 1e-3;

// The busiest core of the clients: "core 1 was busy 99 % of the time".
struct Busiest {
  unsigned core = 0;
  double busy = 0;
  std::string text() const { return fmt::format("core {} was busy {:.0f} % of the time", core, 100 * busy); }
};
Busiest busiest(const LoadOutcome& o) {
  Busiest most;
  for (std::size_t i = 0; i < o.after.cores.size() && i < o.before.cores.size(); ++i) {
    if (o.after.cores[i].group != o.group) continue;
    const double busy = o.after.cores[i].loop.since(o.before.cores[i].loop).busy_fraction();
    if (busy >= most.busy) most = {o.after.cores[i].cpu, busy};
  }
  return most;
}

void judge_pace(Verdict& verdict, const LoadOutcome& o) {
  const LoadCounts& c = o.counts;
  const Busiest most = busiest(o);
  const bool saturated = most.busy > kSaturated;
  const std::string why = saturated
                              ? most.text() + ": ask for less, or give it more --cores"
                              : most.text() + " and yet too late: other programs ran on it, or it slept (--idle spin)";
  if (c.waits_for_port > 0) {
    verdict.degrade(
        fmt::format("connections waited for a local port: the rate is what ports in TIME-WAIT allow; {} of "
                    "the schedule had not begun at its end",
                    with_commas(c.missed)));
    return;  // and so they were late
  }
  const double planned = static_cast<double>(c.begun + c.missed);
  const Duration slip = o.latencies.slip.quantile(0.99);
  if (static_cast<double>(c.missed) > kMostMissed * planned) {
    verdict.invalidate(fmt::format("{} of {} connections that were due had not begun at the end; {}",
                                   with_commas(c.missed), with_commas(c.begun + c.missed), why));
  } else if (slip > kTooLate && slip > o.latencies.response.quantile(0.99) / 2) {
    verdict.invalidate(
        fmt::format("connections began late, 1 in 100 by {} and more, which is most of what was measured; {}",
                    show_duration(slip), why));
  } else if (slip > kLate) {
    verdict.degrade(fmt::format("connections began late, 1 in 100 by {} and more; {}", show_duration(slip), why));
  } else if (saturated) {
    verdict.degrade(why);
  }
}

void judge_accounts(Verdict& verdict, const LoadCounts& c) {
  const ServiceCounters& s = c.service;
  if (s.attempted != s.completed + s.failed() + c.open) {
    verdict.invalidate(fmt::format("{} connections were attempted, but {} completed, {} failed and {} are open",
                                   s.attempted, s.completed, s.failed(), c.open));
  }
  if (s.opened + s.never_opened + c.opening != s.attempted) {
    verdict.invalidate(fmt::format("{} connections were attempted, but {} opened, {} did not and {} are opening",
                                   s.attempted, s.opened, s.never_opened, c.opening));
  }
  if (s.completed == 0 && c.held == 0) {
    const auto worst = std::max_element(error_classes().begin(), error_classes().end(),
                                        [&](const auto& a, const auto& b) { return s.*a.count < s.*b.count; });
    verdict.invalidate(s.failed() == 0 ? std::string{"no connection was completed"}
                                       : fmt::format("no connection was completed; {} of {}: {}", worst->name,
                                                     with_commas(s.*worst->count), worst->meaning));
  }
}

}  // namespace

Verdict judge_load(const LoadOutcome& o, const Options& options) {
  Verdict verdict;
  for (const std::string& target : o.unanswered) verdict.invalidate(target);
  if (!o.unanswered.empty()) return verdict;  // and so nothing was measured
  judge_accounts(verdict, o.counts);
  const bool all_ended = o.counts.service.failed() == 0 && o.counts.open == o.counts.held;
  if (!o.server_group.empty() && all_ended) judge_bytes(verdict, o.end, o.group, o.server_group);
  judge_pace(verdict, o);
  const ServiceCounters& s = o.counts.service;
  if (s.port_exhausted > 0) {
    verdict.degrade(
        fmt::format("{} connections failed because no local port was free: the target was asked less than "
                    "the schedule says",
                    with_commas(s.port_exhausted)));
  }
  if (s.no_resources > 0) {
    verdict.degrade(fmt::format("{} connections failed because a table of ours was full (--max-connections {})",
                                with_commas(s.no_resources), options.shard.max_connections));
  }
  if (o.counts.held_lost > 0) {
    verdict.degrade(fmt::format("{} of {} held connections ended before their time", with_commas(o.counts.held_lost),
                                with_commas(options.load.connections)));
  }
  if (o.clock_error > kClockError) {
    verdict.degrade(fmt::format("our clock and the kernel's differ by {:.2f} %", 100 * o.clock_error));
  }
  if (!options.impaired()) judge_machinery(verdict, o.end);
  return verdict;
}

}  // namespace pollux::app
