#pragma once

#include <chrono>
#include <cstdint>

namespace pollux {

using namespace std::chrono_literals;

// Nanoseconds.
using Duration = std::chrono::nanoseconds;

// The clock of Instant. It has no now(): whoever runs a shard says what time it is.
struct GivenClock {
  using rep = std::int64_t;
  using period = std::nano;
  using duration = Duration;
  using time_point = std::chrono::time_point<GivenClock, Duration>;
  static constexpr bool is_steady = true;
};

// A point in time: nanoseconds since an origin that the owner of the clock chose.
// Never goes back. Virtual in tests and the simulator.
using Instant = GivenClock::time_point;

}  // namespace pollux
