#pragma once

#include <rte_cycles.h>

#include <cstdint>

#include "time/instant.h"

namespace pollux::dpdk {

// The TSC as an Instant whose origin is that of CLOCK_MONOTONIC_RAW. DPDK's own
// rte_get_tsc_hz() is rounded to 10 MHz (off by 0.15 % where it was measured), so
// the rate is measured against the kernel's clock, and again every second while running.
//
// A value: each core has its own copy, nothing is shared. A copy never goes back;
// two of them differ by far less than a microsecond.
class TscClock {
 public:
  // Measures for some 20 ms.
  static TscClock calibrate();

  Instant now() {
    const std::uint64_t tsc = rte_rdtsc();
    if (tsc - anchor_tsc_ >= refresh_after_) [[unlikely]]
      refresh();
    return read(tsc);
  }

  // Measures anew and steers towards the kernel's clock; now() does it once a second.
  void refresh();

  double hz() const;

 private:
  struct Sample {
    std::uint64_t tsc;
    std::int64_t ns;
  };
  static Sample sample();

  Instant read(std::uint64_t tsc) {
    __extension__ using Wide = unsigned __int128;
    // refresh() anchors at a later TSC than its caller read.
    const std::uint64_t ticks = tsc > anchor_tsc_ ? tsc - anchor_tsc_ : 0;
    const auto ns = static_cast<std::int64_t>((static_cast<Wide>(ticks) * ns_per_tick_) >> kShift);
    return Instant{Duration{anchor_ns_ + ns}};
  }

  static constexpr unsigned kShift = 40;

  Sample origin_{};
  std::uint64_t anchor_tsc_ = 0;
  std::int64_t anchor_ns_ = 0;
  std::uint64_t ns_per_tick_ = 0;    // times 2^kShift, steered
  std::uint64_t refresh_after_ = 0;  // ticks
};

}  // namespace pollux::dpdk
