#include "compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <set>

#include "result_text.h"
#include "time/instant.h"
#include "units.h"

namespace pollux::app {
namespace {

using Json = nlohmann::ordered_json;

struct Quantile {
  const char* key;
  double beyond;  // the share of all values that lie beyond it; 0: a single value
};
constexpr std::array<Quantile, 8> kQuantiles{{{"min", 0},
                                              {"mean", 0.5},
                                              {"p50", 0.5},
                                              {"p90", 0.1},
                                              {"p99", 0.01},
                                              {"p999", 0.001},
                                              {"p9999", 0.0001},
                                              {"max", 0}}};
constexpr double kEnoughBeyond = 10;
// What is told of the machine, and what says nothing about the run: where its words went.
constexpr std::array<const char*, 4> kMachine{"cpu", "kernel", "dpdk", "cores"};
const std::set<std::string, std::less<>> kNotTheRun{"json", "html", "config", "quiet", "verbose", "capture"};

std::string shown(const Difference& d, double value) {
  return d.kind == Difference::Kind::kLatency ? show_duration(Duration{std::llround(value)}) : show_count(value);
}

// With its sign, also of 0.
std::string shown_change(const Difference& d) {
  const double change = d.after - d.before;
  return (change < 0 ? "-" : "+") + shown(d, std::abs(change));
}

std::string shown_share(const Difference& d) {
  if (d.after == d.before) return "+0.0 %";
  if (d.before == 0) return "from 0";
  return fmt::format("{:+.1f} %", 100 * (d.after - d.before) / d.before);
}

std::string_view judgement(const Difference& d, std::optional<double> max_regress) {
  if (d.after == d.before) return "same";
  if (d.regress() < 0) return "better";
  if (!max_regress) return "worse";
  if (!d.judged) return "worse, not judged";
  return d.regress() > *max_regress ? "WORSE THAN ALLOWED" : "worse, allowed";
}

std::string line(const Difference& d, std::optional<double> max_regress) {
  return fmt::format("  {:<34}{:>11}{:>11}{:>11}{:>11}  {}\n", printable(d.name), shown(d, d.before), shown(d, d.after),
                     shown_change(d), shown_share(d), judgement(d, max_regress));
}

void add_rates(const Json& before, const Json& after, std::vector<Difference>& all) {
  for (const auto& [key, value] : before.items()) {
    // Beside rates there may be shares, of which more is not better.
    if (!after.contains(key) || !key.ends_with("_per_second")) continue;
    all.push_back({"rates." + key, Difference::Kind::kRate, value.get<double>(), after[key].get<double>(), true});
  }
}

void add_latencies(const Json& before, const Json& after, std::vector<Difference>& all) {
  for (const auto& [phase, a] : before.items()) {
    if (!after.contains(phase)) continue;
    const Json& b = after[phase];
    const double count = std::min(a.at("count").get<double>(), b.at("count").get<double>());
    if (count == 0) continue;
    for (const Quantile& q : kQuantiles) {
      all.push_back({fmt::format("latency.{}.{}", phase, q.key), Difference::Kind::kLatency, a.at(q.key).get<double>(),
                     b.at(q.key).get<double>(), count * q.beyond >= kEnoughBeyond});
    }
  }
}

// Of tables the members that differ.
void add_unlike(std::vector<std::string>& lines, const std::string& name, const Json& a, const Json& b) {
  if (a == b) return;
  if (!a.is_object() || !b.is_object()) {
    lines.push_back(fmt::format("{}: {} before, {} after", printable(name), printable(a.dump()), printable(b.dump())));
    return;
  }
  std::set<std::string> keys;
  for (const Json* table : {&a, &b}) {
    for (const auto& item : table->items()) keys.insert(item.key());
  }
  for (const std::string& key : keys) {
    if (!name.empty() || !kNotTheRun.contains(key)) {
      add_unlike(lines, name.empty() ? key : fmt::format("{}.{}", name, key), a.value(key, Json{}),
                 b.value(key, Json{}));
    }
  }
}

}  // namespace

double Difference::regress() const {
  if (after == before) return 0;
  const double worse = kind == Kind::kLatency ? after - before : before - after;
  return before == 0 ? std::copysign(std::numeric_limits<double>::infinity(), worse) : worse / before;
}

std::optional<Refusal> refusal(const ResultFile& before, const ResultFile& after) {
  for (const ResultFile* result : {&before, &after}) {
    const Json& verdict = result->json.at("verdict");
    if (verdict.at("state") != "INVALID") continue;
    const Json& reasons = verdict.at("reasons");
    return Refusal{true, fmt::format("`{}` is INVALID, and its figures say nothing{}", result->path,
                                     reasons.empty() ? "" : ": " + printable(reasons.front().get<std::string>()))};
  }
  const auto command = [](const ResultFile& r) { return r.json.at("meta").at("command").get<std::string>(); };
  if (command(before) == command(after)) return std::nullopt;
  return Refusal{false,
                 fmt::format("`{}` is of `pollux {}` and `{}` of `pollux {}`: what they measured is not the same",
                             before.path, printable(command(before)), after.path, printable(command(after)))};
}

std::vector<std::string> different_settings(const ResultFile& before, const ResultFile& after) {
  std::vector<std::string> lines;
  for (const char* key : kMachine)
    add_unlike(lines, key, before.json.at("meta").at(key), after.json.at("meta").at(key));
  add_unlike(lines, "", before.json.at("config"), after.json.at("config"));
  return lines;
}

std::vector<Difference> differences(const ResultFile& before, const ResultFile& after) {
  std::vector<Difference> all;
  add_rates(before.json.at("rates"), after.json.at("rates"), all);
  add_latencies(before.json.at("latency"), after.json.at("latency"), all);
  return all;
}

std::vector<Difference> beyond(const std::vector<Difference>& all, double max_regress) {
  std::vector<Difference> found;
  std::copy_if(all.begin(), all.end(), std::back_inserter(found),
               [&](const Difference& d) { return d.judged && d.regress() > max_regress; });
  return found;
}

std::string comparison(const ResultFile& before, const ResultFile& after, std::optional<double> max_regress) {
  std::string text = fmt::format("before      {}\nafter       {}\n", before.path, after.path);
  for (const ResultFile* result : {&before, &after}) {
    const auto state = result->json.at("verdict").at("state").get<std::string>();
    if (state != "VALID") text += fmt::format("note        {} is {}\n", result->path, state);
  }
  for (const std::string& setting : different_settings(before, after)) text += fmt::format("note        {}\n", setting);
  std::optional<Difference::Kind> kind;
  for (const Difference& d : differences(before, after)) {
    if (kind != d.kind) {
      text += fmt::format("{:<36}{:>11}{:>11}{:>11}\n",
                          d.kind == Difference::Kind::kRate ? "rates: more is better" : "latency: less is better",
                          "before", "after", "difference");
    }
    kind = d.kind;
    text += line(d, max_regress);
  }
  return text;
}

}  // namespace pollux::app
