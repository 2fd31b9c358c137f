#pragma once

#include "options.h"
#include "signals.h"
#include "time_wait/model.h"

namespace pollux::app {

// What the options say of addresses, ports, destinations, 2MSL and rate.
Scenario scenario_of(const Options& options);

// `pollux timewait model|fill|churn|compare`. Returns the exit code.
int time_wait(Command command, const Options& options, Signals& signals);

}  // namespace pollux::app
