#pragma once

#include <string>

#include "report.h"
#include "service_counters.h"

namespace pollux::app {

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

// What one side sent the other has received, to the byte; for runs in which no connection failed or is still
// exchanging.
void judge_bytes(Verdict& verdict, const runtime::EngineSnapshot& engine, const std::string& client_group,
                 const std::string& server_group);

// What our own machinery lost, and captures that lack frames: both lower a verdict on whatever was measured.
void judge_machinery(Verdict& verdict, const runtime::EngineSnapshot& engine);

// Whether a server's own machinery lost frames or turned connections away. Unlike the demo's, its peers may do as they
// please: what they send in vain is no fault of the run.
Verdict judge_server(const runtime::EngineSnapshot& engine);

}  // namespace pollux::app
