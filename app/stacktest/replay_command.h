#pragma once

#include "options.h"

namespace pollux::app {

// `stacktest replay`: feeds one end of a captured connection to the stack, which is the other end, in virtual time;
// writes what was on the wire then, and compares it with what was expected. Returns the exit code.
int stacktest_replay(const Options& options);

}  // namespace pollux::app
