#pragma once

#include <functional>

#include "scenario.h"

namespace pollux::sim {

using RunWorld = std::function<Outcome(const World&)>;

struct Shrunk {
  World world;
  Outcome outcome;
  unsigned runs = 0;  // of the worlds that were tried
};

// The least of a world that fails: fewer kinds of trouble, fewer flows, less text, as long as it still fails, in
// whatever way. At most `most_runs` worlds are tried.
Shrunk shrink(const World& failing, const Outcome& outcome, const RunWorld& run, unsigned most_runs);

}  // namespace pollux::sim
