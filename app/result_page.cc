#include "result_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "hdr_encoding.h"
#include "result_text.h"
#include "time/instant.h"
#include "time_wait/result_parts.h"
#include "units.h"

namespace pollux::app {
namespace {

using Json = nlohmann::ordered_json;
using Results = std::span<const ResultFile>;

constexpr double kNothing = std::numeric_limits<double>::quiet_NaN();
const Axis kTime{"time", Unit::kSeconds};

// Files in different folders may have one name.
std::vector<std::string> labels(Results results) {
  std::vector<std::string> names;
  for (const ResultFile& result : results) names.push_back(result.label());
  const std::set<std::string> different(names.begin(), names.end());
  if (different.size() == names.size()) return names;
  for (std::size_t i = 0; i < names.size(); ++i) names[i] = results[i].path;
  return names;
}

// As the charts have it: "24.1 µs".
std::string shown(const Json& duration) {
  std::string text = show_duration(Duration{duration.get<Duration::rep>()});
  const std::size_t unit = text.find_first_not_of("0123456789.");
  if (text[unit] == 'u') text.replace(unit, 1, "µ");
  return text.insert(unit, " ");
}
std::string commas(const Json& count) { return with_commas(count.get<std::uint64_t>()); }
// "connections_per_second": "connections per second".
std::string words(std::string text) {
  std::replace(text.begin(), text.end(), '_', ' ');
  return text;
}

// One figure of a second against time. A second in which nothing happened has no latency.
std::vector<std::pair<double, double>> points_of(const Json& series, const std::string& key, bool zero_is_nothing) {
  std::vector<std::pair<double, double>> points;
  for (const Json& second : series) {
    const Json value = second.value(key, Json{});  // results of earlier versions have fewer
    const double y = value.is_number() ? value.get<double>() : kNothing;
    points.emplace_back(second.at("t_ns").get<double>() / 1e9, zero_is_nothing && y == 0 ? kNothing : y);
  }
  return points;
}

struct SeriesLine {
  const char* key;
  const char* label;
};

// Lines over time. Of one result each has its colour; of several each result has, and the second line is dashed.
class OverTime {
 public:
  explicit OverTime(Results results) : results_{results}, labels_{labels(results)} {}

  Chart chart(std::string title, std::string note, Axis y, std::span<const SeriesLine> lines) const {
    Chart chart{std::move(title), std::move(note), kTime, std::move(y), {}, {}};
    const bool several = results_.size() > 1;
    for (std::size_t r = 0; r < results_.size(); ++r) {
      for (std::size_t i = 0; i < lines.size(); ++i) {
        Line line;
        line.label =
            several ? labels_[r] + (lines.size() > 1 ? fmt::format(" {}", lines[i].label) : "") : lines[i].label;
        line.colour = static_cast<unsigned>(several ? r : i);
        line.dashed = several && i > 0;
        line.points = points_of(results_[r].json.at("series"), lines[i].key, chart.y.unit == Unit::kNanoseconds);
        chart.lines.push_back(std::move(line));
      }
    }
    return chart;
  }

 private:
  Results results_;
  std::vector<std::string> labels_;
};

std::vector<Chart> series_charts(Results results) {
  const OverTime over_time{results};
  constexpr SeriesLine kRate[] = {{"connections_per_second", "connections"}};
  constexpr SeriesLine kLatency[] = {{"p50", "p50"}, {"p99", "p99"}};
  constexpr SeriesLine kOpen[] = {{"active", "open"}, {"time_wait", "TIME-WAIT"}};
  constexpr SeriesLine kTrouble[] = {
      {"errors", "failed connections"}, {"retransmits", "retransmitted segments"}, {"drops", "drops"}};
  return {
      over_time.chart("Rate", "Connections completed in each second", {"", Unit::kPerSecond}, kRate),
      over_time.chart("Latency", "Service time within each second, logarithmic", {"", Unit::kNanoseconds, true},
                      kLatency),
      over_time.chart("Connections", "Open, and waiting in TIME-WAIT", {"", Unit::kCount}, kOpen),
      over_time.chart("Trouble", "Failed connections, retransmitted segments, and what was dropped, within each second",
                      {"", Unit::kCount}, kTrouble)};
}

Expected<Line, std::string> distribution_line(const ResultFile& result, const std::string& phase, std::string label) {
  Line line;
  line.label = std::move(label);
  const Json& latency = result.json.at("latency");
  if (!latency.contains(phase)) return line;
  const auto histogram = decode_hdr(latency[phase].at("hdr_v2_base64").get_ref<const std::string&>());
  if (!histogram) {
    return unexpected(
        fmt::format("`{}`: latency.{}.hdr_v2_base64: {}", result.path, printable(phase), histogram.error()));
  }
  line.points = percentile_points(*histogram);
  return line;
}

// The names of phases that took time in some result, in the order of the first that has them.
std::vector<std::string> phases_of(Results results) {
  std::vector<std::string> phases;
  for (const ResultFile& result : results) {
    for (const auto& [phase, latency] : result.json.at("latency").items()) {
      if (latency.at("max") == 0 || std::find(phases.begin(), phases.end(), phase) != phases.end()) continue;
      phases.push_back(phase);
    }
  }
  return phases;
}

// Of one result all phases in one chart; of several a chart for each phase.
Expected<std::vector<Chart>, std::string> distribution_charts(Results results) {
  const Chart empty{"Latency distribution",
                    "So many of all took no longer; both axes logarithmic",
                    {"percentile", Unit::kPercentile, true},
                    {"", Unit::kNanoseconds, true},
                    {},
                    {}};
  const auto names = labels(results);
  const bool several = results.size() > 1;
  std::vector<Chart> charts;
  if (!several) charts.push_back(empty);
  for (const std::string& phase : phases_of(results)) {
    if (several) {
      charts.push_back(empty);
      charts.back().title = fmt::format("Latency distribution: {}", words(phase));
    }
    Chart& chart = charts.back();
    for (std::size_t r = 0; r < results.size(); ++r) {
      auto line = distribution_line(results[r], phase, several ? names[r] : words(phase));
      if (!line) return unexpected(line.error());
      line->colour = static_cast<unsigned>(several ? r : chart.lines.size());
      chart.lines.push_back(std::move(*line));
    }
  }
  return charts;
}

Chart cores_chart(Results results) {
  Chart chart{"Cores", "Share of the time in which each was busy", {"", Unit::kCount}, {"", Unit::kFraction}, {}, {}};
  const auto names = labels(results);
  for (std::size_t r = 0; r < results.size(); ++r) {
    Line line{results.size() > 1 ? names[r] : "busy", {}, static_cast<unsigned>(r), false};
    for (const Json& core : results[r].json.at("cores")) {
      const std::string category = fmt::format("core {} {} {}", core.at("core").get<std::uint64_t>(),
                                               core.at("role").get<std::string>(), core.at("group").get<std::string>());
      const auto found = std::find(chart.categories.begin(), chart.categories.end(), category);
      line.points.emplace_back(found - chart.categories.begin(), core.at("busy_fraction").get<double>());
      if (found == chart.categories.end()) chart.categories.push_back(category);
    }
    chart.lines.push_back(std::move(line));
  }
  return chart;
}

// ---- tables: a column for each result ----

using Show = std::string (*)(const Json&);

std::vector<std::string> header(Results results, std::string first) {
  std::vector<std::string> cells{std::move(first)};
  if (results.size() < 2) return results.size() == 1 ? std::vector<std::string>{} : cells;
  for (std::string& name : labels(results)) cells.push_back(std::move(name));
  return cells;
}

// The members of a section that some result has, those that are 0 everywhere only if asked for.
Table section_table(Results results, std::string title, const char* section, bool with_zeros, Show show) {
  Table table{std::move(title), header(results, ""), {}};
  std::vector<std::string> keys;
  for (const ResultFile& result : results) {
    for (const auto& [key, value] : result.json.at(section).items()) {
      if (value.is_structured() || (!with_zeros && value == 0)) continue;
      if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(key);
    }
  }
  for (const std::string& key : keys) {
    std::vector<std::string> row{words(key)};
    for (const ResultFile& result : results) {
      const Json& values = result.json.at(section);
      row.push_back(values.contains(key) ? show(values[key]) : with_zeros ? "" : "0");
    }
    table.rows.push_back(std::move(row));
  }
  return table;
}

std::string number(const Json& value) {
  return value.is_number_integer() ? commas(value) : show_count(value.get<double>());
}

Table latency_table(const ResultFile& result, std::string title) {
  Table table{std::move(title), {"", "count", "p50", "p90", "p99", "p99.9", "p99.99", "max"}, {}};
  for (const auto& [phase, l] : result.json.at("latency").items()) {
    if (l.at("count") == 0) continue;
    table.rows.push_back({words(phase), commas(l.at("count")), shown(l.at("p50")), shown(l.at("p90")),
                          shown(l.at("p99")), shown(l.at("p999")), shown(l.at("p9999")), shown(l.at("max"))});
  }
  return table;
}

Table thresholds_table(const ResultFile& result, std::string title) {
  Table table{std::move(title), {"fails if", "value", ""}, {}};
  for (const Json& threshold : result.json.at("thresholds")) {
    const Json& value = threshold.at("value");
    table.rows.push_back({threshold.at("expression").get<std::string>(), value.is_null() ? "none" : number(value),
                          threshold.at("pass").get<bool>() ? "held" : "FAILED"});
  }
  return table;
}

Table machine_table(Results results) {
  Table table{"Run", header(results, ""), {}};
  for (const char* key : {"command", "started", "seed", "version", "git", "cpu", "kernel", "dpdk"}) {
    std::vector<std::string> row{key};
    for (const ResultFile& result : results) {
      const Json& value = result.json.at("meta").at(key);
      row.push_back(value.is_string() ? value.get<std::string>() : value.is_null() ? "none" : value.dump());
    }
    table.rows.push_back(std::move(row));
  }
  return table;
}

std::vector<Table> tables_of(Results results) {
  const auto names = labels(results);
  std::vector<Table> tables;
  for (std::size_t r = 0; r < results.size(); ++r) {
    const std::string of = results.size() > 1 ? ": " + names[r] : "";
    tables.push_back(latency_table(results[r], "Latency" + of));
    tables.push_back(thresholds_table(results[r], "Thresholds" + of));
  }
  tables.push_back(section_table(results, "Totals", "totals", true, commas));
  tables.push_back(section_table(results, "Rates", "rates", true, number));
  tables.push_back(section_table(results, "Failed connections, by cause", "errors", false, commas));
  tables.push_back(section_table(results, "Dropped, by reason", "drops", false, commas));
  tables.push_back(section_table(results, "TCP", "tcp", false, commas));
  tables.push_back(section_table(results, "TIME-WAIT", "time_wait", true, number));
  tables.push_back(section_table(results, "Memory, bytes", "memory", true, number));
  tables.push_back(machine_table(results));
  return tables;
}

std::vector<Tile> tiles_of(const Json& json) {
  const Json& totals = json.at("totals");
  const auto rate = [&](const char* key) { return show_count(json.at("rates").at(key).get<double>()) + "/s"; };
  std::vector<Tile> tiles{
      {"Connections", rate("connections_per_second"), commas(totals.at("connections_completed")) + " completed"}};
  if (totals.at("responses") != 0)
    tiles.push_back({"Responses", rate("requests_per_second"), commas(totals.at("responses")) + " in all"});
  const Json& latency = json.at("latency");
  for (const char* phase : {"response", "service", "connect"}) {
    if (!latency.contains(phase) || latency[phase].at("p99") == 0) continue;
    const Json& l = latency[phase];
    tiles.push_back({fmt::format("p99 of {}", words(phase)), shown(l.at("p99")), "median " + shown(l.at("p50"))});
  }
  tiles.push_back({"Failed", commas(totals.at("connections_failed")),
                   fmt::format("of {} attempted", show_count(totals.at("connections_attempted").get<double>()))});
  const Json& time_wait = json.at("time_wait");
  tiles.push_back({"TIME-WAIT", show_count(time_wait.at("peak").get<double>()),
                   fmt::format("at most; {} reused", show_count(time_wait.at("reused").get<double>()))});
  return tiles;
}

std::string subtitle_of(const Json& json) {
  const Json& meta = json.at("meta");
  return fmt::format("{} · {} · {}", meta.at("started").get<std::string>(), shown(meta.at("duration_ns")),
                     meta.at("cpu").get<std::string>());
}

}  // namespace

std::vector<std::pair<double, double>> percentile_points(const HdrHistogram& histogram) {
  constexpr double kPerHalving = 5;
  std::vector<std::pair<double, double>> points;
  const auto all = static_cast<double>(histogram.count());
  // 1 / (1 - p) from 1 to the number of values: beyond it there is nothing left to tell.
  for (double i = 0; histogram.count() > 0; ++i) {
    const double x = std::min(std::exp2(i / kPerHalving), all);
    const double share = x < all ? std::max(1 - 1 / x, 1 / all) : 1;
    points.emplace_back(x, static_cast<double>(histogram.quantile(share).count()));
    if (x >= all) break;
  }
  return points;
}

Expected<Page, std::string> page_of(Results results) {
  const auto names = labels(results);
  const bool several = results.size() > 1;
  Page page;
  page.title = title(results.front().json);
  page.subtitle = subtitle_of(results.front().json);
  if (several) {
    page.title.clear();
    for (const std::string& name : names) page.title += fmt::format("{}{}", page.title.empty() ? "" : ", ", name);
    page.subtitle = "results of Pollux side by side";
  }
  for (std::size_t r = 0; r < results.size(); ++r) {
    const Json& verdict = results[r].json.at("verdict");
    PageVerdict shown_verdict{several ? names[r] : "", verdict.at("state").get<std::string>(), {}};
    for (const Json& reason : verdict.at("reasons")) shown_verdict.reasons.push_back(reason.get<std::string>());
    page.verdicts.push_back(std::move(shown_verdict));
  }
  TimeWaitParts own;
  if (!several && has_time_wait_sections(results.front().json)) own = time_wait_parts(results.front().json);
  if (!several) page.tiles = own.tiles.empty() ? tiles_of(results.front().json) : std::move(own.tiles);
  auto distribution = distribution_charts(results);
  if (!distribution) return unexpected(distribution.error());
  page.charts = series_charts(results);
  page.charts.insert(page.charts.begin() + 2, distribution->begin(), distribution->end());
  page.charts.push_back(cores_chart(results));
  page.charts.insert(page.charts.begin(), own.charts.begin(), own.charts.end());
  page.tables = own.of_several_runs ? std::vector{machine_table(results)} : tables_of(results);
  page.tables.insert(page.tables.begin(), own.tables.begin(), own.tables.end());
  page.footer = "Made by pollux report from the result file, which has every figure in full.";
  return page;
}

}  // namespace pollux::app
