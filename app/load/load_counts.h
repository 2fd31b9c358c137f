#pragma once

#include <cstdint>

#include "service_counters.h"

namespace pollux::app {

// What the clients of a core have done so far.
struct LoadCounts {
  ServiceCounters service;
  std::uint64_t begun = 0;           // arrivals of the schedule, whatever became of them
  std::uint64_t missed = 0;          // ... that were due when the clients were stopped, and had not begun
  std::uint64_t waits_for_port = 0;  // turns in which arrivals waited for one (OnExhaust::kWait)
  std::uint64_t open = 0;            // now, with those being opened
  std::uint64_t opening = 0;         // ... now
  std::uint64_t held = 0;            // now
  std::uint64_t held_lost = 0;       // held ones that ended before we closed them
  std::uint32_t targets_unanswered = 0;

  LoadCounts& operator+=(const LoadCounts& o) {
    service += o.service;
    begun += o.begun;
    missed += o.missed;
    waits_for_port += o.waits_for_port;
    open += o.open;
    opening += o.opening;
    held += o.held;
    held_lost += o.held_lost;
    targets_unanswered += o.targets_unanswered;
    return *this;
  }
};

}  // namespace pollux::app
