#pragma once

#include "options.h"

namespace pollux::app {

// `stacktest tap`: runs test/tap/run.py with this program in the place of the tested one. Returns an exit code only if
// it cannot be run.
int stacktest_tap(const Options& options);

}  // namespace pollux::app
