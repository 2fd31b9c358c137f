#include "load/thresholds.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/assert.h"
#include "latencies.h"
#include "suggest.h"

namespace pollux::app {
namespace {

using Json = nlohmann::ordered_json;

const Json* find(const Json& from, const std::vector<std::string>& path) {
  const Json* at = &from;
  for (const std::string& name : path) {
    if (!at->is_object()) return nullptr;
    const auto found = at->find(name);
    if (found == at->end()) return nullptr;
    at = &*found;
  }
  return at->is_number() ? at : nullptr;
}

// In the whole, else in the first of its sections that has it.
const Json* metric(const Json& result, const std::vector<std::string>& path) {
  if (const Json* found = find(result, path)) return found;
  for (const char* section : {"latency", "rates", "totals", "errors", "pace", "tcp", "time_wait", "states", "memory"}) {
    const auto within = result.find(section);  // a closed loop has no pace
    if (within == result.end()) continue;
    if (const Json* found = find(*within, path)) return found;
  }
  return nullptr;
}

// A result with every metric that there can be.
Json blank() {
  Result result;
  result.latency = Latencies{}.named();
  result.pace.emplace();
  return to_json(result);
}

void add_names(const Json& from, const std::string& prefix, std::vector<std::string>& names) {
  for (const auto& [name, value] : from.items()) {
    if (value.is_object()) add_names(value, prefix + name + ".", names);
    if (value.is_number()) names.push_back(prefix + name);
  }
}

std::string joined(const std::vector<std::string>& path) {
  std::string text;
  for (const std::string& name : path) text += (text.empty() ? "" : ".") + name;
  return text;
}

bool holds(const Condition& condition, double value) {
  switch (condition.relation) {
    case Condition::Relation::kAbove:
      return value > condition.limit;
    case Condition::Relation::kAtLeast:
      return value >= condition.limit;
    case Condition::Relation::kBelow:
      return value < condition.limit;
    case Condition::Relation::kAtMost:
      return value <= condition.limit;
  }
  unreachable();
}

}  // namespace

Expected<void, std::string> check_metrics(const std::vector<Condition>& conditions, std::string_view option) {
  if (conditions.empty()) return {};
  const Json all = blank();
  for (const Condition& condition : conditions) {
    if (metric(all, condition.path) != nullptr) continue;
    std::vector<std::string> names;
    add_names(all, "", names);
    for (const char* section : {"latency", "rates", "totals", "errors", "pace"}) add_names(all[section], "", names);
    const std::vector<std::string_view> views{names.begin(), names.end()};
    const std::string name = joined(condition.path);
    return unexpected(
        fmt::format("{}: there is no metric `{}`{}\n  they are the numbers of the result file: pollux demo "
                    "-d 1s --json - shows one",
                    option, name, did_you_mean(name, views)));
  }
  return {};
}

std::vector<Threshold> outcomes(const std::vector<Condition>& conditions, const Result& result) {
  std::vector<Threshold> all;
  if (conditions.empty()) return all;
  const Json json = to_json(result);
  for (const Condition& condition : conditions) {
    const Json* found = metric(json, condition.path);
    // A section that this run has not (the pace of a closed loop): nothing was measured that could hold.
    const double value = found == nullptr ? 0 : found->get<double>();
    all.push_back({condition.text, value, found == nullptr || !holds(condition, value)});
  }
  return all;
}

}  // namespace pollux::app
