#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "report.h"
#include "time/instant.h"
#include "time_wait/model.h"

namespace pollux::app {

// Some while of a run of short connections.
struct ChurnSample {
  Duration at{0};               // since the start
  std::uint64_t completed = 0;  // connections, since the start
  std::uint64_t refused = 0;    // ... that no port was free for, since the start
  std::uint64_t time_wait = 0;  // now
};

// What came of a scenario, on the kernel or on Pollux.
struct ChurnResult {
  std::string who;  // "Linux, tcp_tw_reuse 0"
  Scenario scenario;
  Duration duration{0};
  std::vector<ChurnSample> samples;
  std::optional<Duration> exhausted_after;  // from the start until the first found no port
  std::string first_failure;                // what the first that failed was told; empty: none did
  std::uint64_t attempted = 0;
  std::uint64_t completed = 0;
  std::vector<std::pair<std::string, std::uint64_t>> refusals;  // by cause
  std::uint64_t peak_time_wait = 0;
  double bytes_per_entry = 0;
  double cpu_seconds = 0;  // of client and server

  const ChurnSample* sample_at(Duration at) const;  // the first then or later; null: the run had ended
  // Connections/s before the first was refused, and in the long run: over whole holding times of a tuple from the
  // middle of the first pause on, in which the same tuples come again.
  double rate_before() const;
  // Empty: the run was too short to say.
  std::optional<double> sustained() const;
};

// The scenario; one without a rate is asked for what it reached at first.
Scenario asked_of(const ChurnResult& result);
// With the model's figures beside the measured ones.
Prediction prediction_for(const ChurnResult& result);
nlohmann::ordered_json to_json(const ChurnResult& result);
// What of a run, as to_json gives it, lowers the verdict on all of them.
void judge(Verdict& verdict, const nlohmann::ordered_json& result);
std::string verdict_text(const Verdict& verdict);
// How tables and pages write what may be null there: "470/s", "-0.2 %", "14.1s"; "-" and "never" for null.
std::string shown_rate(const nlohmann::ordered_json& rate);
std::string shown_share(const nlohmann::ordered_json& off);
std::string shown_instant(const nlohmann::ordered_json& ns);
// `results`: an array of what to_json gives.
std::string churn_table(const nlohmann::ordered_json& results);
std::vector<std::string> lines_of(const std::string& text);

}  // namespace pollux::app
