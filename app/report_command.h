#pragma once

#include "options.h"

namespace pollux::app {

// pollux report RESULT... [--html FILE] [--csv [FILE]]: what result files say. Returns the exit code.
int report(const Options& options);

// pollux compare BEFORE AFTER [--max-regress SHARE]. Returns the exit code.
int compare(const Options& options);

}  // namespace pollux::app
