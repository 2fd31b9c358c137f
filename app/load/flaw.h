#pragma once

#include <cstdint>

#include "base/assert.h"
#include "service_counters.h"
#include "tcp/tcb.h"

namespace pollux::app {

// What was wrong with an exchange, beside what TCP says of its connection's end.
enum class Flaw : std::uint8_t { kNone, kBadStatus, kMismatch, kGarbled, kTimeout, kNoMemory };

// Of a connection that failed.
inline void count_failure(ServiceCounters& counters, Flaw flaw, tcp::Reason reason) {
  switch (flaw) {
    case Flaw::kNone:
      return counters.count_failure(reason);
    case Flaw::kBadStatus:
      ++counters.bad_status;
      return;
    case Flaw::kMismatch:
      ++counters.mismatch;
      return;
    case Flaw::kGarbled:
      ++counters.protocol;
      return;
    case Flaw::kTimeout:
      ++counters.timed_out;
      return;
    case Flaw::kNoMemory:
      ++counters.no_resources;
      return;
  }
  unreachable();
}

}  // namespace pollux::app
