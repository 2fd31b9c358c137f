#pragma once

#include "options.h"
#include "report.h"
#include "signals.h"

namespace pollux::app {

// `pollux demo`: a server and clients in this process, over a virtual pair. Returns the exit code.
int demo(const Options& options, Signals& signals);

// What both sides of a run counted, once it is over.
struct BothSides {
  ServiceCounters client;
  ServiceCounters server;
  std::uint64_t client_open = 0;
  bool drained = true;
  bool impaired = false;  // on purpose
};
// Whether the run accounts for every connection and every byte, and lost nothing.
Verdict judge(const BothSides& sides, const runtime::EngineSnapshot& engine, const std::string& client_group,
              const std::string& server_group);

}  // namespace pollux::app
