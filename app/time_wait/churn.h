#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "base/expected.h"
#include "options.h"
#include "signals.h"
#include "time_wait/model.h"

namespace pollux::app {

// `pollux timewait churn`: short connections in each of the modes asked for, one after the other, in a process each.
// Returns the exit code.
int time_wait_churn(const Options& options, Signals& signals);

// Why the tables for it cannot be made; empty: they can.
std::optional<std::string> too_large(const Scenario& scenario);
// One scenario, in this process: as to_json(ChurnResult) gives it, with the endpoint's whole result as "endpoint".
Expected<nlohmann::ordered_json, std::string> churn(const Options& options, const Scenario& scenario,
                                                    Duration duration);

// Long enough to see a tuple come again twice.
Duration churn_time(const Scenario& scenario);

}  // namespace pollux::app
