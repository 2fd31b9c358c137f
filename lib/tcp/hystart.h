#pragma once

#include <algorithm>
#include <cstdint>

#include "wire/seq_num.h"

namespace pollux::tcp {

// HyStart++ (RFC 9406): finds the end of the first slow start by round trips that become longer, before the queue in
// front of the bottleneck is full. Conservative slow start (CSS) then shows whether that was so.
class HyStart {
 public:
  static constexpr std::uint32_t kNone = UINT32_MAX;  // no round trip; else microseconds

  // An ACK in slow start acknowledges up to `ack`, and `nxt` is SND.NXT. `rtt_us`: of what it acknowledges. Returns how
  // much of `growth` cwnd may have (4.2).
  std::uint32_t take_ack(SeqNum ack, SeqNum nxt, std::uint32_t rtt_us, std::uint32_t growth) {
    if (!begun_ || window_end_ < ack) begin_round(nxt);
    if (rtt_us != kNone) {
      current_min_ = std::min(current_min_, rtt_us);
      if (samples_ < kSamples) ++samples_;
    }
    if (samples_ == kSamples) judge();
    return in_css() ? growth / kCssGrowthDivisor : growth;
  }
  bool in_css() const { return baseline_ != kNone; }
  // CSS went through to its end: congestion avoidance follows.
  bool is_over() const { return in_css() && css_rounds_ >= kCssRounds; }

 private:
  // 4.3.
  static constexpr std::uint32_t kMinRttThresh = 4000;
  static constexpr std::uint32_t kMaxRttThresh = 16'000;
  static constexpr std::uint32_t kMinRttDivisor = 8;
  static constexpr std::uint8_t kSamples = 8;
  static constexpr std::uint32_t kCssGrowthDivisor = 4;
  static constexpr std::uint8_t kCssRounds = 5;

  void begin_round(SeqNum nxt) {
    if (in_css()) ++css_rounds_;
    begun_ = true;
    window_end_ = nxt;
    last_min_ = current_min_;
    current_min_ = kNone;
    samples_ = 0;
  }
  void judge() {
    if (in_css()) {
      if (current_min_ < baseline_) baseline_ = kNone;  // it was a passing delay
    } else if (last_min_ != kNone) {
      const std::uint32_t threshold = std::clamp(last_min_ / kMinRttDivisor, kMinRttThresh, kMaxRttThresh);
      if (current_min_ < last_min_ + threshold) return;
      baseline_ = current_min_;
      css_rounds_ = 0;
    }
  }

  SeqNum window_end_;
  std::uint32_t last_min_ = kNone;     // lastRoundMinRTT
  std::uint32_t current_min_ = kNone;  // currentRoundMinRTT
  std::uint32_t baseline_ = kNone;     // cssBaselineMinRtt; kNone: not in CSS
  std::uint8_t samples_ = 0;
  std::uint8_t css_rounds_ = 0;
  bool begun_ = false;
};

}  // namespace pollux::tcp
