#pragma once

#include <algorithm>
#include <cstdint>

#include "base/mutant.h"
#include "tcp/config.h"
#include "time/instant.h"

namespace pollux::tcp {

// SRTT, RTTVAR and RTO of RFC 6298, section 2. Kept in microseconds.
class RttEstimator {
 public:
  bool sampled() const { return srtt_us_ != 0; }
  Duration srtt() const { return std::chrono::microseconds{srtt_us_}; }
  Duration rttvar() const { return std::chrono::microseconds{rttvar_us_}; }

  // The retransmission timeout before any back-off (2.1 to 2.5).
  Duration rto(const Config& config) const {
    if (!sampled()) return MUTANT(62, config.rto_initial, config.rto_initial / 4);
    return std::clamp<Duration>(srtt() + std::max<Duration>(kGranularity, 4 * rttvar()), config.rto_min,
                                config.rto_max);
  }

  // One measurement R. Karn's rule (section 3) is the caller's.
  void sample(Duration r) {
    const std::uint32_t us = microseconds(r);
    if (!sampled()) {  // 2.2
      srtt_us_ = us;
      rttvar_us_ = us / 2 & kMost;
      distrusted_ = 0;
      return;
    }
    if (distrusted_ != 0) return lengthen(us);
    const std::uint32_t error = srtt_us_ > us ? srtt_us_ - us : us - srtt_us_;
    const std::uint32_t rttvar = rttvar_us_;
    rttvar_us_ = (rttvar - rttvar / 4 + error / 4) & kMost;                   // 2.3, beta = 1/4
    srtt_us_ = std::max<std::uint32_t>(1, srtt_us_ - srtt_us_ / 8 + us / 8);  // alpha = 1/8
  }

  // RFC 4015, 3.2: the next R is the first of new text after a time-out that was for nothing. It makes the RTO longer,
  // and not shorter.
  void distrust() { distrusted_ = 1; }

 private:
  static constexpr std::uint32_t kMost = 0x7fff'ffff;

  void lengthen(std::uint32_t us) {
    distrusted_ = 0;
    srtt_us_ = std::max(srtt_us_ + microseconds(2 * kGranularity), us);
    rttvar_us_ = std::max<std::uint32_t>(rttvar_us_, us / 2) & kMost;
  }

  static constexpr Duration kGranularity = 1ms;  // G: a tick of the timer wheel

  static std::uint32_t microseconds(Duration d) {
    return static_cast<std::uint32_t>(std::clamp<std::int64_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(d).count(), 1, std::int64_t{UINT32_MAX} / 16));
  }

  std::uint32_t srtt_us_ = 0;  // 0: no sample yet
  std::uint32_t rttvar_us_ : 31 = 0;
  std::uint32_t distrusted_ : 1 = 0;
};

}  // namespace pollux::tcp
