#pragma once

#include "options.h"
#include "signals.h"

namespace pollux::app {

// `pollux timewait compare`: the same scenario on this machine's kernel and on Pollux, all side by side in processes of
// their own. Returns the exit code.
int time_wait_compare(const Options& options, Signals& signals);

}  // namespace pollux::app
