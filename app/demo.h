#pragma once

#include "options.h"
#include "signals.h"

namespace pollux::app {

// `pollux demo`: a server and clients in this process, over a virtual pair. Returns the exit code.
int demo(const Options& options, Signals& signals);

}  // namespace pollux::app
