#pragma once

#include "options.h"
#include "signals.h"

namespace pollux::app {

// `pollux serve http|echo|discard|chargen`: runs until ^C or --duration. Returns the exit code.
int serve(Command command, const Options& options, Signals& signals);

}  // namespace pollux::app
