#pragma once

#include "options.h"
#include "signals.h"

namespace pollux::app {

// `pollux load`: opens connections as the options say, and reports how long everything took. Returns the exit code.
int load(const Options& options, Signals& signals);

}  // namespace pollux::app
