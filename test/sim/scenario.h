#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace pollux::sim {

// What became of one seed.
struct Outcome {
  std::vector<std::string> failures;  // empty: it passed
  std::uint64_t log_hash = 0;         // of every frame and event, with its time
  std::uint64_t events = 0;
  std::uint64_t segments = 0;
  double virtual_seconds = 0;
  std::string features;  // what the seed switched on, one line
};

// Makes a world of the seed (limits, faults, flows, strangers), runs it with faults, then
// without, and looks at what is left. The same seed always makes the same world.
Outcome run_seed(std::uint64_t seed);

}  // namespace pollux::sim
