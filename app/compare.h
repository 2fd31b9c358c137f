#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "result_file.h"

namespace pollux::app {

// One figure of two results.
struct Difference {
  enum class Kind : std::uint8_t { kRate, kLatency };  // more is better; less is better
  std::string name;                                    // "rates.requests_per_second", "latency.connect.p99"
  Kind kind = Kind::kRate;
  double before = 0;
  double after = 0;
  // Whether it says enough about the run to be judged by: a percentile with at least ten values beyond it, in both; no
  // minimum and no maximum, which are single values.
  bool judged = true;

  // By how much it got worse, as a share of what it was; less than 0: better. From 0 to anything is infinite.
  double regress() const;
};

// Why two must not be compared: they are of other subcommands, or one calls itself INVALID.
struct Refusal {
  bool invalid = false;
  std::string why;
};
// Empty: they may be compared.
std::optional<Refusal> refusal(const ResultFile& before, const ResultFile& after);
// What of machine and configuration differs, for people; a line each.
std::vector<std::string> different_settings(const ResultFile& before, const ResultFile& after);

// Of every rate and every latency that both measured.
std::vector<Difference> differences(const ResultFile& before, const ResultFile& after);

// The differences for people. `max_regress`: a share; what is worse by more is marked.
std::string comparison(const ResultFile& before, const ResultFile& after, std::optional<double> max_regress);

// Those that are judged and worse by more than `max_regress`.
std::vector<Difference> beyond(const std::vector<Difference>& all, double max_regress);

}  // namespace pollux::app
