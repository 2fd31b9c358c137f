#pragma once

#include "options.h"

namespace pollux::app {

// `stacktest sim`: runs worlds one after the other, in virtual time. Of each that fails it prints what was wrong, and
// the command that shows it again in the smallest world that fails as well. Returns the exit code.
int stacktest_sim(const Options& options);

}  // namespace pollux::app
