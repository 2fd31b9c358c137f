#include "time_wait/result_parts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <string>
#include <utility>

#include "time/instant.h"
#include "time_wait/churn_result.h"
#include "units.h"

namespace pollux::app {
namespace {

using Json = nlohmann::ordered_json;
using Points = std::vector<std::pair<double, double>>;

const Axis kTime{"time", Unit::kSeconds};
const Axis kOccupancy{"in TIME-WAIT", Unit::kCount};

double number(const Json& json, const char* key) { return json.at(key).get<double>(); }
std::string text(const Json& json, const char* key) { return json.at(key).get<std::string>(); }

Points points(const Json& rows, const char* x, const char* y, double x_unit = 1) {
  Points all;
  for (const Json& row : rows) all.emplace_back(number(row, x) / x_unit, number(row, y));
  return all;
}

// ---- churn and compare: several runs ----

// A colour for each run, and the model's line dashed in the same one.
void add_with_model(Chart& chart, const Json& run, unsigned colour, const char* measured, const char* modelled) {
  chart.lines.push_back({text(run, "who"), points(run.at("series"), "t_ns", measured, 1e9), colour, false});
  chart.lines.push_back({text(run, "who") + ", model", points(run.at("series"), "t_ns", modelled, 1e9), colour, true});
}

// The mean rate of all seconds that had about so many in TIME-WAIT.
Points rate_by_occupancy(const Json& run) {
  constexpr double kSteps = 25;
  const double step = std::max(1.0, number(run, "time_wait_peak") / kSteps);
  struct Sum {
    double rate = 0;
    double occupancy = 0;
    double seconds = 0;
  };
  std::map<double, Sum> by_step;
  for (const Json& second : run.at("series")) {
    const double occupancy = number(second, "time_wait");
    Sum& sum = by_step[std::floor(occupancy / step)];
    sum.rate += number(second, "connections_per_second");
    sum.occupancy += occupancy;
    sum.seconds += 1;
  }
  Points all;
  for (const auto& [at, sum] : by_step) all.emplace_back(sum.occupancy / sum.seconds, sum.rate / sum.seconds);
  return all;
}

std::vector<Chart> run_charts(const Json& runs) {
  Chart rate{"Connection rate",
             "Connections completed in each second; dashed: the model",
             kTime,
             {"", Unit::kPerSecond},
             {},
             {}};
  Chart occupancy{
      "In TIME-WAIT", "Connections that wait for 2MSL; dashed: the model", kTime, {"", Unit::kCount}, {}, {}};
  Chart against{"Rate against occupancy",
                "Mean rate of the seconds in which so many were in TIME-WAIT",
                kOccupancy,
                {"", Unit::kPerSecond},
                {},
                {}};
  Chart memory{"Memory against occupancy",
               "What TIME-WAIT takes: entries times bytes of each",
               kOccupancy,
               {"", Unit::kBytes},
               {},
               {}};
  unsigned colour = 0;
  for (const Json& run : runs) {
    add_with_model(rate, run, colour, "connections_per_second", "model_connections_per_second");
    add_with_model(occupancy, run, colour, "time_wait", "model_time_wait");
    against.lines.push_back({text(run, "who"), rate_by_occupancy(run), colour, false});
    Points taken = points(run.at("series"), "time_wait", "time_wait");
    std::sort(taken.begin(), taken.end());
    for (auto& [entries, bytes] : taken) bytes *= number(run, "bytes_per_entry");
    memory.lines.push_back({text(run, "who"), std::move(taken), colour, false});
    ++colour;
  }
  return {std::move(rate), std::move(occupancy), std::move(against), std::move(memory)};
}

Table run_table(const Json& runs) {
  Table table{"Measured and modelled",
              {"", "sustained", "model", "off", "ports run out", "model", "off", "TIME-WAIT", "memory", "CPU"},
              {}};
  for (const Json& run : runs) {
    const Json& model = run.at("model");
    const Json& off = run.at("off_model");
    table.rows.push_back(
        {text(run, "who"), shown_rate(run.at("sustained_per_second")), shown_rate(model.at("sustained_per_second")),
         shown_share(off.at("sustained")), shown_instant(run.at("exhausted_after_ns")),
         shown_instant(model.at("exhausted_after_ns")), shown_share(off.at("exhausted_after")),
         with_commas(run.at("time_wait_peak").get<std::uint64_t>()), show_bytes(number(run, "time_wait_bytes")),
         fmt::format("{:.1f} s", number(run, "cpu_seconds"))});
  }
  return table;
}

Table refusal_table(const Json& runs) {
  Table table{"Refused connections", {"", "cause", "count", "the first was told"}, {}};
  for (const Json& run : runs) {
    for (const auto& [cause, count] : run.at("refusals").items()) {
      table.rows.push_back(
          {text(run, "who"), cause, with_commas(count.get<std::uint64_t>()), text(run, "first_failure")});
    }
  }
  return table;
}

void add_runs(TimeWaitParts& parts, const Json& runs) {
  parts.of_several_runs = true;
  for (const Json& run : runs) {
    const Json& first = run.at("exhausted_after_ns");
    const Json& rate = run.at("sustained_per_second");
    parts.tiles.push_back({text(run, "who"), rate.is_null() ? "too short to say" : shown_rate(rate),
                           first.is_null() ? "ports never ran out" : "ports ran out after " + shown_instant(first)});
  }
  auto charts = run_charts(runs);
  std::move(charts.begin(), charts.end(), std::back_inserter(parts.charts));
  parts.tables.push_back(run_table(runs));
  parts.tables.push_back(refusal_table(runs));
}

// Beside the lines of single runs: all of the kernel's slabs together, which hold more than the sockets.
void add_kernel_memory(TimeWaitParts& parts, const Json& memory) {
  Chart chart{"Memory of the Linux kernel",
              "All of its slabs grew by so much while so many entered TIME-WAIT",
              kOccupancy,
              {"", Unit::kBytes},
              {},
              {}};
  Points grown;
  Points sockets;
  for (const Json& then : memory.at("series")) {
    grown.emplace_back(number(then, "in_time_wait"), number(then, "slab_growth_bytes"));
    sockets.emplace_back(number(then, "in_time_wait"), number(then, "in_time_wait") * number(memory, "tw_sock_bytes"));
  }
  std::sort(grown.begin(), grown.end());
  std::sort(sockets.begin(), sockets.end());
  chart.lines.push_back({"all slabs, measured", std::move(grown), 0, false});
  chart.lines.push_back({"TIME-WAIT sockets alone", std::move(sockets), 1, false});
  parts.charts.push_back(std::move(chart));
}

// ---- fill ----

Chart cost_chart(const Json& costs) {
  struct Cost {
    const char* key;
    const char* label;
  };
  constexpr Cost kCosts[] = {{"find_hit_ns", "look up, there"},   {"find_miss_ns", "look up, not there"},
                             {"open_ns", "SYN to open"},          {"reuse_ns", "SYN that takes over"},
                             {"enter_ns", "last FIN, record in"}, {"fin_again_ns", "FIN again"}};
  Chart chart{
      "Cost", "Time of its core for each operation, in bursts of 32", {"", Unit::kCount}, {"", Unit::kNanoseconds}, {},
      {}};
  for (const Cost& cost : kCosts) chart.categories.emplace_back(cost.label);
  unsigned colour = 0;
  for (const auto& [level, label] : {std::pair{"at_10k", "at ten thousand"}, std::pair{"at_all", "at all"}}) {
    Line line{label, {}, colour++, false};
    for (const Cost& cost : kCosts)
      line.points.emplace_back(static_cast<double>(line.points.size()), number(costs.at(level), cost.key));
    chart.lines.push_back(std::move(line));
  }
  return chart;
}

void add_fill(TimeWaitParts& parts, const Json& fill) {
  const Json& expiry = fill.at("expiry");
  const auto duration = [&](const char* key) {
    return show_duration(Duration{static_cast<Duration::rep>(number(expiry, key))});
  };
  parts.tiles = {{"In TIME-WAIT", show_count(number(fill, "entries")), "through handshakes and closes"},
                 {"Table", fmt::format("{:.1f} B", number(fill, "table_bytes_per_entry")), "for each"},
                 {"Longest turn", duration("longest_turn_cpu_ns"),
                  fmt::format("of its core's time while {} ended", show_count(number(expiry, "together")))},
                 {"Expiry", fmt::format("{:.0f} ns", number(expiry, "ns_each")), "for each"}};
  const Axis level{"in TIME-WAIT", Unit::kCount, true};
  Chart against{
      "Rate against occupancy", "Connections/s while so many were in TIME-WAIT", level, {"", Unit::kPerSecond}, {}, {}};
  against.lines.push_back({"each moment", points(fill.at("series"), "time_wait", "connections_per_second"), 1, false});
  against.lines.push_back({"median", points(fill.at("rates"), "entries", "connections_per_second"), 0, false});
  Chart memory{"Memory against occupancy",
               "What the process has in memory more than when it began: all is taken at start",
               kOccupancy,
               {"", Unit::kBytes},
               {},
               {}};
  memory.lines.push_back({"resident", points(fill.at("series"), "time_wait", "resident_bytes"), 0, false});
  Chart occupancy{"In TIME-WAIT", "While the table fills", kTime, {"", Unit::kCount}, {}, {}};
  occupancy.lines.push_back({"entries", points(fill.at("series"), "t_ns", "time_wait", 1e9), 0, false});
  parts.charts = {std::move(against), std::move(memory), std::move(occupancy), cost_chart(fill.at("costs"))};
  Table aims{"Aims", {"", "value", "limit", ""}, {}};
  for (const Json& aim : fill.at("aims"))
    aims.rows.push_back({text(aim, "what"), fmt::format("{:.3g}", number(aim, "value")),
                         fmt::format("{:.3g}", number(aim, "limit")), aim.at("met").get<bool>() ? "met" : "NOT MET"});
  parts.tables.push_back(std::move(aims));
}

}  // namespace

bool has_time_wait_sections(const Json& result) {
  return result.contains("fill") || result.contains("churn") || result.contains("compare");
}

TimeWaitParts time_wait_parts(const Json& result) {
  TimeWaitParts parts;
  if (result.contains("fill")) add_fill(parts, result.at("fill"));
  if (result.contains("churn")) add_runs(parts, result.at("churn"));
  if (result.contains("compare")) add_runs(parts, result.at("compare"));
  if (result.contains("kernel_memory")) add_kernel_memory(parts, result.at("kernel_memory"));
  return parts;
}

}  // namespace pollux::app
