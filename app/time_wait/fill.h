#pragma once

#include "options.h"
#include "signals.h"

namespace pollux::app {

// `pollux timewait fill`: real handshakes and closes until the entries asked for are there; then what they cost, and
// what it takes to be rid of all of them. Returns the exit code.
int time_wait_fill(const Options& options, Signals& signals);

}  // namespace pollux::app
