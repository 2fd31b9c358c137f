#pragma once

#include "scenario.h"

namespace pollux::sim {

// Runs a world in a process of its own, so that an assertion that does not hold, or a loop without an end, is a failure
// like any other. The calling process must have one thread. Aborts if there can be no process.
Outcome run_apart(const World& world);

}  // namespace pollux::sim
