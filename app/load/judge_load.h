#pragma once

#include <string>
#include <vector>

#include "latencies.h"
#include "load/latencies.h"
#include "load/load_counts.h"
#include "options.h"
#include "report.h"

namespace pollux::app {

// What there is to judge a load by, once it is over.
struct LoadOutcome {
  LoadCounts counts;  // before anything was closed for the end
  const Latencies& latencies;
  const runtime::EngineSnapshot& before;  // the clock's start
  const runtime::EngineSnapshot& after;   // the clock's end: these two say how busy the cores were
  const runtime::EngineSnapshot& end;     // the engine has stopped
  std::string group;                      // of the clients
  std::string server_group;               // empty: the server is elsewhere
  double clock_error = 0;                 // of our clock against the kernel's, a share of 1
  std::vector<std::string> unanswered;    // targets that never answered, and why
};

// Whether the figures can be believed: about the generator, not about the target. A target that fails all it is asked
// is a result; one that was asked less, or later, than the schedule says is none.
Verdict judge_load(const LoadOutcome& outcome, const Options& options);

}  // namespace pollux::app
