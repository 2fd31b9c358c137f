#pragma once

#include "options.h"

namespace pollux::app {

// `pollux stacktest script`: runs scripts in packetdrill's dialect, each in a stack of its own, in virtual time, with
// IPv4 and with IPv6. Returns the exit code: 0, or 1 where a script failed or could not be read.
int stacktest_script(const Options& options);

}  // namespace pollux::app
