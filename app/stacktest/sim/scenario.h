#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "world.h"

namespace pollux::sim {

// What became of one world.
struct Outcome {
  std::vector<std::string> failures;  // empty: it passed
  std::uint64_t log_hash = 0;         // of every frame and event, with its time
  std::uint64_t events = 0;
  std::uint64_t segments = 0;
  double virtual_seconds = 0;
  Troubles troubles;
  std::uint32_t flows = 0;
  std::uint64_t most_bytes = 0;  // that one side was to send
};

// Makes a world of its seed (limits, faults, flows, strangers), runs it with faults, then without, and looks at what is
// left. Equal worlds give equal outcomes.
Outcome run_world(const World& world);

}  // namespace pollux::sim
