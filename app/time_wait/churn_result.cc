#include "time_wait/churn_result.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "units.h"

namespace pollux::app {
namespace {

using Json = nlohmann::ordered_json;

// As the kernel and as Pollux call it.
const std::set<std::string> kForWantOfPorts{"EADDRNOTAVAIL", "EADDRINUSE", "port_exhausted"};

double rate_between(const ChurnSample& a, const ChurnSample& b) {
  return b.at > a.at ? static_cast<double>(b.completed - a.completed) / seconds(b.at - a.at) : 0;
}

// How far a measured value is from the model's, as a share of that.
std::optional<double> off(double measured, double predicted) {
  if (predicted == 0) return std::nullopt;
  return measured / predicted - 1;
}

// A sample for each second.
std::vector<ChurnSample> each_second(const std::vector<ChurnSample>& samples) {
  std::vector<ChurnSample> picked;
  Duration next{0};
  for (const ChurnSample& s : samples) {
    if (s.at < next) continue;
    picked.push_back(s);
    next = s.at + 1s - 5ms;
  }
  return picked;
}

}  // namespace

const ChurnSample* ChurnResult::sample_at(Duration at) const {
  const auto found = std::lower_bound(samples.begin(), samples.end(), at,
                                      [](const ChurnSample& s, Duration when) { return s.at < when; });
  return found == samples.end() ? nullptr : &*found;
}

double ChurnResult::rate_before() const {
  if (samples.empty()) return 0;
  if (!exhausted_after) return rate_between(samples.front(), samples.back());
  // The first that knows of it; who waits for a port is refused none.
  const auto refused = std::find_if(samples.begin(), samples.end(), [](const ChurnSample& s) { return s.refused > 0; });
  const ChurnSample* const after = refused == samples.end() ? sample_at(*exhausted_after) : &*refused;
  return after == nullptr ? 0 : static_cast<double>(after->completed) / seconds(*exhausted_after);
}

std::optional<double> ChurnResult::sustained() const {
  if (samples.empty()) return std::nullopt;
  const Prediction p = prediction_for(*this);
  if (!exhausted_after || !p.held) {
    const bool too_short = p.exhausted_after && samples.back().at < *p.exhausted_after + *p.held;
    return too_short ? std::nullopt : std::optional{rate_between(samples.front(), samples.back())};
  }
  const Duration held = *p.held;
  const ChurnSample* const first = sample_at(std::max<Duration>((*exhausted_after + held) / 2, *exhausted_after));
  if (first == nullptr) return std::nullopt;
  const auto periods = (samples.back().at - first->at) / held;
  if (periods == 0) return std::nullopt;
  const ChurnSample* const last = sample_at(first->at + periods * held);
  return rate_between(*first, last == nullptr ? samples.back() : *last);
}

Scenario asked_of(const ChurnResult& result) {
  Scenario asked = result.scenario;
  if (asked.rate == 0) asked.rate = result.rate_before();
  return asked;
}
Prediction prediction_for(const ChurnResult& result) { return predict(asked_of(result)); }

Json to_json(const ChurnResult& r) {
  const Scenario asked = asked_of(r);
  const Prediction predicted = predict(asked);
  Json causes = Json::object();
  for (const auto& [cause, count] : r.refusals) causes[cause] = count;
  Json series = Json::array();
  const std::vector<ChurnSample> picked = each_second(r.samples);
  for (std::size_t i = 1; i < picked.size(); ++i) {
    const ChurnSample& from = picked[i - 1];
    const ChurnSample& to = picked[i];
    const double modelled = (completed_by(asked, to.at) - completed_by(asked, from.at)) / seconds(to.at - from.at);
    series.push_back({{"t_ns", to.at.count()},
                      {"connections_per_second", rate_between(from, to)},
                      {"model_connections_per_second", modelled},
                      {"time_wait", to.time_wait},
                      {"model_time_wait", waiting_at(asked, to.at)},
                      {"refused", to.refused - from.refused}});
  }
  const double measured_exhaustion = r.exhausted_after ? seconds(*r.exhausted_after) : 0;
  const double predicted_exhaustion = predicted.exhausted_after ? seconds(*predicted.exhausted_after) : 0;
  const std::optional<double> sustained = r.sustained();
  // Of a run without a rate the model takes what it reached at first: that says nothing of what it sustained, unless
  // ports ran out.
  const bool derived = r.scenario.rate == 0 && !r.exhausted_after;
  const auto number = [](const std::optional<double>& n) { return n ? Json(*n) : Json(nullptr); };
  return {{"who", r.who},
          {"scenario", to_json(r.scenario)},
          {"duration_ns", r.duration.count()},
          {"attempted", r.attempted},
          {"completed", r.completed},
          {"rate_before_exhaustion", r.rate_before()},
          {"sustained_per_second", number(sustained)},
          {"exhausted_after_ns", r.exhausted_after ? Json(r.exhausted_after->count()) : Json(nullptr)},
          {"first_failure", r.first_failure},
          {"refusals", std::move(causes)},
          {"time_wait_peak", r.peak_time_wait},
          {"bytes_per_entry", r.bytes_per_entry},
          {"time_wait_bytes", r.bytes_per_entry * static_cast<double>(r.peak_time_wait)},
          {"cpu_seconds", r.cpu_seconds},
          {"model", to_json(predicted)},
          {"off_model",
           {{"sustained", number(sustained && !derived ? off(*sustained, predicted.sustained) : std::nullopt)},
            {"exhausted_after", r.exhausted_after && r.scenario.rate > 0
                                    ? number(off(measured_exhaustion, predicted_exhaustion))
                                    : Json(nullptr)}}},
          {"series", std::move(series)}};
}

void judge(Verdict& verdict, const Json& result) {
  const auto who = result.at("who").get<std::string>();
  for (const auto& [cause, count] : result.at("refusals").items()) {
    if (kForWantOfPorts.contains(cause)) continue;
    verdict.degrade(fmt::format("{}: {} connections failed: {}", who, count.get<std::uint64_t>(), cause));
  }
  if (!result.contains("endpoint")) return;
  for (const Json& reason : result.at("endpoint").at("verdict").at("reasons"))
    verdict.degrade(fmt::format("{}: {}", who, reason.get<std::string>()));
}

std::string verdict_text(const Verdict& verdict) {
  std::string text = std::string{name(verdict.state)} + "\n";
  for (const std::string& reason : verdict.reasons) text += "  " + reason + "\n";
  return text;
}

std::string shown_rate(const Json& rate) { return rate.is_null() ? "-" : show_count(rate.get<double>()) + "/s"; }
std::string shown_share(const Json& off) {
  return off.is_null() ? "-" : fmt::format("{:+.1f} %", 100 * off.get<double>());
}
std::string shown_instant(const Json& ns) {
  return ns.is_null() ? "never" : show_duration(Duration{ns.get<Duration::rep>()});
}

std::string churn_table(const Json& results) {
  std::string text =
      fmt::format("{:<56}{:>8}{:>11}{:>8}{:>8}{:>10}{:>8}{:>8}{:>9}{:>11}{:>9}{:>7}\n", "", "tuples", "sustained",
                  "model", "off", "run out", "model", "off", "refused", "TIME-WAIT", "memory", "CPU");
  for (const Json& r : results) {
    const Json& model = r["model"];
    std::uint64_t refused = 0;
    for (const auto& [cause, count] : r["refusals"].items()) refused += count.get<std::uint64_t>();
    text += fmt::format("{:<56}{:>8}{:>11}{:>8}{:>8}{:>10}{:>8}{:>8}{:>9}{:>11}{:>9}{:>6.1f}s\n",
                        r["who"].get<std::string>(), show_count(model["tuples"].get<double>()),
                        shown_rate(r["sustained_per_second"]), show_count(model["sustained_per_second"].get<double>()),
                        shown_share(r["off_model"]["sustained"]), shown_instant(r["exhausted_after_ns"]),
                        shown_instant(model["exhausted_after_ns"]), shown_share(r["off_model"]["exhausted_after"]),
                        show_count(static_cast<double>(refused)), with_commas(r["time_wait_peak"].get<std::uint64_t>()),
                        show_bytes(r["time_wait_bytes"].get<double>()), r["cpu_seconds"].get<double>());
    const auto failure = r["first_failure"].get<std::string>();
    if (!failure.empty()) text += fmt::format("{:<56}first failure: {}\n", "", failure);
  }
  return text;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream all{text};
  for (std::string line; std::getline(all, line);) lines.push_back(line);
  return lines;
}

}  // namespace pollux::app
