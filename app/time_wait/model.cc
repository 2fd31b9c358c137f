#include "time_wait/model.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "memory_figures.h"
#include "shard/time_wait_table.h"
#include "units.h"

namespace pollux::app {
namespace {

using nlohmann::ordered_json;

// After this long our timestamps have surely moved on; Linux waits as long (tcp_tw_reuse).
constexpr Duration kReuseAfter = 1s;
// objsize of tw_sock_TCP in /proc/slabinfo of Linux 6.18 on x86-64. `timewait compare` measures what comes on top.
constexpr double kKernelEntry = 256;

std::uint64_t rounded_up(double n) { return static_cast<std::uint64_t>(std::ceil(n - 1e-9)); }

std::string times(std::uint64_t n, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", with_commas(n), n == 1 ? one : many);
}

std::string rate_text(const std::optional<double>& rate) { return rate ? show_count(*rate) + "/s" : "any rate"; }

std::string exhausted_text(const std::optional<Duration>& after) {
  return after ? "after " + show_duration(*after) : "never";
}

std::string bytes_text(std::uint64_t entries, double each) { return show_bytes(static_cast<double>(entries) * each); }

}  // namespace

std::string_view name(TimeWaitMode mode) {
  switch (mode) {
    case TimeWaitMode::kPlain:
      return "plain";
    case TimeWaitMode::kTimestamps:
      return "timestamps";
    case TimeWaitMode::kAddresses:
      return "addresses";
    case TimeWaitMode::kServerCloses:
      return "server-closes";
    case TimeWaitMode::kMsl:
      return "msl";
    case TimeWaitMode::kRst:
      return "rst";
  }
  return {};
}

EntryBytes entry_bytes() {
  constexpr std::uint32_t kMany = 1'000'000;
  TimeWaitTable::Config table;
  table.capacity_v4 = kMany;
  EntryBytes bytes;
  bytes.pollux = TimeWaitTable{table}.bytes_per_entry_v4();
  const auto slab = slab_object_bytes("tw_sock_TCP");
  bytes.kernel_measured_here = slab.has_value();
  bytes.kernel = slab ? static_cast<double>(*slab) : kKernelEntry;
  return bytes;
}

Prediction predict(const Scenario& s) {
  Prediction p;
  p.tuples = s.tuples();
  switch (s.mode) {
    case TimeWaitMode::kPlain:
    case TimeWaitMode::kAddresses:
    case TimeWaitMode::kMsl:
      p.held = s.two_msl;
      break;
    case TimeWaitMode::kTimestamps:
      p.held = std::min<Duration>(s.two_msl, kReuseAfter);
      break;
    case TimeWaitMode::kServerCloses:
    case TimeWaitMode::kRst:
      break;
  }
  const auto tuples = static_cast<double>(p.tuples);
  p.sustained = s.rate;
  p.addresses_needed = 1;
  if (p.held) {
    p.sustainable = tuples / seconds(*p.held);
    p.sustained = std::min(s.rate, *p.sustainable);
    p.addresses_needed = std::max<std::uint64_t>(
        1, rounded_up(s.rate * seconds(*p.held) / static_cast<double>(s.ports * s.destinations)));
    if (s.rate > *p.sustainable) p.exhausted_after = Duration{std::llround(1e9 * tuples / s.rate)};
  }
  // A tuple stands in TIME-WAIT once at most, whoever holds it.
  if (s.mode != TimeWaitMode::kRst) p.entries = rounded_up(std::min(tuples, p.sustained * seconds(s.two_msl)));
  return p;
}

double completed_by(const Scenario& s, Duration at) {
  const Prediction p = predict(s);
  if (at <= Duration{0}) return 0;
  if (!p.exhausted_after) return s.rate * seconds(at);
  // All tuples are used up, and come again one holding time after they were taken.
  const auto tuples = static_cast<double>(p.tuples);
  return tuples * static_cast<double>(at / *p.held) + std::min(tuples, s.rate * seconds(at % *p.held));
}

double waiting_at(const Scenario& s, Duration at) {
  if (s.mode == TimeWaitMode::kRst) return 0;
  const double entered = completed_by(s, at) - completed_by(s, at - s.two_msl);
  return std::min(entered, static_cast<double>(s.tuples()));
}

Scenario in_mode(Scenario base, TimeWaitMode mode, const Alternatives& alternatives) {
  base.mode = mode;
  if (mode == TimeWaitMode::kAddresses) base.addresses = alternatives.more_addresses;
  if (mode == TimeWaitMode::kMsl) base.two_msl = alternatives.shorter;
  return base;
}

ordered_json to_json(const Scenario& s) {
  return {{"mode", name(s.mode)},           {"addresses", s.addresses},        {"ports", s.ports},
          {"destinations", s.destinations}, {"two_msl_ns", s.two_msl.count()}, {"rate", s.rate}};
}

ordered_json to_json(const Prediction& p) {
  return {{"tuples", p.tuples},
          {"tuple_held_ns", p.held ? ordered_json(p.held->count()) : ordered_json(nullptr)},
          {"sustainable_per_second", p.sustainable ? ordered_json(*p.sustainable) : ordered_json(nullptr)},
          {"exhausted_after_ns", p.exhausted_after ? ordered_json(p.exhausted_after->count()) : ordered_json(nullptr)},
          {"sustained_per_second", p.sustained},
          {"entries", p.entries},
          {"addresses_needed", p.addresses_needed}};
}

ordered_json model_json(const Scenario& base, const Alternatives& alternatives, const EntryBytes& bytes) {
  ordered_json modes = ordered_json::array();
  for (const TimeWaitMode mode : kTimeWaitModes) {
    const Scenario scenario = in_mode(base, mode, alternatives);
    const Prediction prediction = predict(scenario);
    const auto entries = static_cast<double>(prediction.entries);
    modes.push_back({{"scenario", to_json(scenario)},
                     {"prediction", to_json(prediction)},
                     {"memory", {{"linux_bytes", entries * bytes.kernel}, {"pollux_bytes", entries * bytes.pollux}}}});
  }
  return {{"schema", "pollux.timewait.model/1"},
          {"bytes_per_entry",
           {{"linux", bytes.kernel}, {"linux_measured_here", bytes.kernel_measured_here}, {"pollux", bytes.pollux}}},
          {"modes", std::move(modes)}};
}

std::string model_text(const Scenario& base, const Alternatives& alternatives, const EntryBytes& bytes) {
  const Prediction plain = predict(in_mode(base, TimeWaitMode::kPlain, alternatives));
  std::string text = fmt::format("{:<12}{} x {} x {}, 2MSL {}, {}/s asked for\n", "scenario",
                                 times(base.addresses, "address", "addresses"), times(base.ports, "port", "ports"),
                                 times(base.destinations, "destination", "destinations"), exact_duration(base.two_msl),
                                 show_count(base.rate));
  text += fmt::format("{:<12}{}; each is held for 2MSL by the side that closes first\n", "tuples",
                      with_commas(plain.tuples));
  text += fmt::format("{:<12}{} for ever; ports run out {}\n", "sustainable", rate_text(plain.sustainable),
                      plain.exhausted_after ? exhausted_text(plain.exhausted_after) : std::string{"never"});
  text +=
      fmt::format("{:<12}{} source addresses would sustain the rate\n", "needed", with_commas(plain.addresses_needed));
  text += fmt::format(
      "{:<12}Linux {:.0f} B for each in TIME-WAIT ({}), Pollux {:.1f} B\n", "memory", bytes.kernel,
      bytes.kernel_measured_here ? "tw_sock_TCP in this machine's /proc/slabinfo" : "tw_sock_TCP of Linux 6.18",
      bytes.pollux);
  text += fmt::format("\n{:<28}{:>12}{:>14}{:>12}{:>16}{:>12}{:>12}\n", "mode", "tuples", "sustainable", "sustained",
                      "ports run out", "Linux", "Pollux");
  for (const TimeWaitMode mode : kTimeWaitModes) {
    const Scenario scenario = in_mode(base, mode, alternatives);
    const Prediction p = predict(scenario);
    std::string what{name(mode)};
    if (mode == TimeWaitMode::kAddresses) what += fmt::format("={}", scenario.addresses);
    if (mode == TimeWaitMode::kMsl) what += fmt::format(" (2MSL {})", exact_duration(scenario.two_msl));
    text += fmt::format("{:<28}{:>12}{:>14}{:>12}{:>16}{:>12}{:>12}\n", what, show_count(static_cast<double>(p.tuples)),
                        rate_text(p.sustainable), show_count(p.sustained) + "/s", exhausted_text(p.exhausted_after),
                        bytes_text(p.entries, bytes.kernel), bytes_text(p.entries, bytes.pollux));
  }
  return text;
}

}  // namespace pollux::app
