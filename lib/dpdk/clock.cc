#include "dpdk/clock.h"

#include <rte_pause.h>

#include <algorithm>
#include <ctime>

namespace pollux::dpdk {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kCalibration = 20'000'000;
// How fast a reading is steered towards the kernel's clock, at most: parts of 10^6.
constexpr std::int64_t kMaxSteer = 500;
// Further behind than this (a suspended machine) the reading jumps forward.
constexpr std::int64_t kJump = 1'000'000;

std::int64_t raw_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC_RAW, &now);
  return now.tv_sec * kSecond + now.tv_nsec;
}

}  // namespace

// Of several readings the one with the least time between the two TSCs around it:
// an interrupt in between would falsify it.
TscClock::Sample TscClock::sample() {
  Sample best{};
  std::uint64_t narrowest = UINT64_MAX;
  for (int i = 0; i < 8; ++i) {
    const std::uint64_t before = rte_rdtsc_precise();
    const std::int64_t ns = raw_ns();
    const std::uint64_t width = rte_rdtsc_precise() - before;
    if (width < narrowest) {
      narrowest = width;
      best = {before + width / 2, ns};
    }
  }
  return best;
}

TscClock TscClock::calibrate() {
  TscClock clock;
  clock.origin_ = sample();
  while (raw_ns() - clock.origin_.ns < kCalibration) rte_pause();
  clock.anchor_tsc_ = clock.origin_.tsc;
  clock.anchor_ns_ = clock.origin_.ns;
  clock.refresh();
  return clock;
}

void TscClock::refresh() {
  __extension__ using Wide = unsigned __int128;
  const Sample here = sample();
  const std::uint64_t ticks = here.tsc - origin_.tsc;
  const auto elapsed = static_cast<std::uint64_t>(here.ns - origin_.ns);
  if (ticks == 0 || elapsed == 0) return;
  const auto rate = static_cast<std::uint64_t>((static_cast<Wide>(elapsed) << kShift) / ticks);

  // The reading goes on from where it is; what it is off by is made up over the next second.
  const bool first = ns_per_tick_ == 0;
  std::int64_t reading = first ? here.ns : read(here.tsc).time_since_epoch().count();
  const std::int64_t behind = here.ns - reading;
  if (behind > kJump) reading = here.ns;
  const std::int64_t steer = behind > kJump ? 0 : std::clamp(behind / 1000, -kMaxSteer, kMaxSteer);
  anchor_tsc_ = std::max(anchor_tsc_, here.tsc);
  anchor_ns_ = std::max(anchor_ns_, reading);
  ns_per_tick_ = rate + static_cast<std::uint64_t>(static_cast<std::int64_t>(rate / 1'000'000) * steer);
  // Early measurements are over short spans: the first are repeated sooner.
  const auto pause = std::min<std::uint64_t>(elapsed, kSecond);
  refresh_after_ = static_cast<std::uint64_t>((static_cast<Wide>(pause) << kShift) / rate);
}

double TscClock::hz() const {
  return static_cast<double>(kSecond) * static_cast<double>(std::uint64_t{1} << kShift) /
         static_cast<double>(ns_per_tick_);
}

}  // namespace pollux::dpdk
