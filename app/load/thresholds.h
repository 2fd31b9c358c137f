#pragma once

#include <string>
#include <vector>

#include "base/expected.h"
#include "load/settings.h"
#include "report.h"

namespace pollux::app {

// Metrics are the numbers of the result file, named by their path ("latency.response.p99"), or without its first word
// where that leaves no doubt ("response.p99").

// An error if a condition names a metric that no result has; `option` is what it was given to.
Expected<void, std::string> check_metrics(const std::vector<Condition>& conditions, std::string_view option);

// How each condition came out: a threshold fails where it holds.
std::vector<Threshold> outcomes(const std::vector<Condition>& conditions, const Result& result);

}  // namespace pollux::app
