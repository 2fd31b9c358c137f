#pragma once

#include <algorithm>
#include <cstdint>

#include "time/instant.h"
#include "wire/seq_num.h"

namespace pollux::tcp {

// draft-cheng-iccrg-delivery-rate-estimation, 2.2: between two acknowledgments so much was delivered.
struct RateSample {
  std::uint32_t delivered = 0;  // bytes; 0: none yet
  Duration interval{};
  bool app_limited = false;  // it was the application that sent no more

  // Bytes a second.
  std::uint64_t rate() const {
    if (delivered == 0) return 0;
    return static_cast<std::uint64_t>(delivered) * 1'000'000'000 / static_cast<std::uint64_t>(interval.count());
  }
};

// Takes such a sample of the segment whose round trip is being timed: once a round trip. One of each segment, as Linux
// takes it (tcp_rate.c), would need a record of each, and tell little more. What was delivered is told by SND.UNA and
// by how much beyond it is SACKed.
class DeliveryRate {
 public:
  // When a segment goes out, its number `una` behind what is acknowledged; that was sent at `una_sent`.
  struct Departure {
    SeqNum una{};
    std::uint32_t sacked = 0;
    Instant now{};
    Instant una_sent{};
    bool alone = false;  // nothing else is outstanding
    bool app_limited = false;
  };
  void sent(const Departure& d) {
    sampling_ = true;
    una_ = d.una;
    sacked_ = d.sacked;
    delivered_before_ = d.alone ? d.now : delivered_at_;
    send_elapsed_ = d.alone ? Duration{} : d.now - d.una_sent;
    app_limited_ = d.app_limited;
  }
  void note_delivered(Instant now) { delivered_at_ = now; }
  // That segment is acknowledged, and SND.UNA is `ack` now. An interval shorter than the shortest round trip shows ACKs
  // that came together, and says nothing (3.3).
  void acknowledged(SeqNum ack, std::uint32_t sacked, Instant now, Duration min_rtt) {
    if (!sampling_) return;
    sampling_ = false;
    const Duration interval = std::max(send_elapsed_, now - delivered_before_);
    const std::uint32_t known = distance(una_, ack) + sacked;  // in it what was SACKed already
    const std::uint32_t delivered = known - std::min(known, sacked_);
    if (interval < min_rtt || interval <= Duration{}) return;
    const RateSample sample{.delivered = delivered, .interval = interval, .app_limited = app_limited_};
    if (!sample.app_limited || last_.rate() <= sample.rate()) last_ = sample;
  }
  const RateSample& last() const { return last_; }

 private:
  RateSample last_;
  Instant delivered_at_;  // C.delivered_time
  // Of the segment being timed, when it was sent.
  Instant delivered_before_{};  // P.delivered_time
  Duration send_elapsed_{};
  SeqNum una_;
  std::uint32_t sacked_ = 0;
  bool app_limited_ = false;
  bool sampling_ = false;
};

}  // namespace pollux::tcp
