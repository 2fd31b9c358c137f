#pragma once

#include <algorithm>
#include <cstdint>

#include "tcp/config.h"
#include "tcp/deadlines.h"
#include "tcp/delivery_rate.h"
#include "tcp/hystart.h"
#include "time/instant.h"
#include "wire/seq_num.h"

namespace pollux::tcp {

// An acknowledgment of new data, outside of recovery, that the window was used for. Bytes are counted, not ACKs
// (RFC 3465), so that divided ACKs gain nothing.
struct Acked {
  std::uint32_t bytes = 0;
  std::uint32_t smss = 0;
  std::uint32_t l = 2;  // RFC 3465's L: how many segments' worth one ACK may add in slow start
  Millis now{};
  Duration srtt{};
  SeqNum ack{};                           // up to which
  SeqNum nxt{};                           // SND.NXT
  std::uint32_t rtt_us = HyStart::kNone;  // of the last that was acknowledged; measured in the first slow start only
  const RateSample* rate = nullptr;       // the latest; for controls that go by rates
};

// RFC 8257, 3.3: how much of what was acknowledged in a window had been marked.
struct MarkedBytes {
  SeqNum window_end{};  // DCTCP.WindowEnd
  std::uint32_t acked = 0;
  std::uint32_t marked = 0;
  bool open = false;  // window_end means something
};

// What congestion avoidance must know of the stage that it is in: since the last reduction, or since something
// began to be outstanding. Goes with the Transmission.
struct Stage {
  std::uint32_t acked = 0;       // NewReno: bytes acknowledged since cwnd last grew
  bool begun = false;            // CUBIC: what follows means something
  bool time_out = false;         // the stage follows a time-out (RFC 9438, 4.8)
  Millis epoch_start{};          // t = 0; moved on by times in which the window was not used (RFC 9438, 5.8)
  Millis last_ack{};             // the last acknowledgment
  std::uint32_t w_max = 0;       // bytes; the plateau of this stage
  double k = 0;                  // seconds from t = 0 to the plateau
  double w_now = 0;              // bytes; W_cubic(t) at last_ack
  double w_next = 0;             // bytes; W_cubic(t + RTT) then
  double w_est = 0;              // bytes; what Reno would have
  double credit = 0;             // growth of less than a byte
  std::uint32_t cwnd_prior = 0;  // bytes; CUBIC: cwnd before the reduction. DCTCP: what was in flight at a mark
  HyStart hystart{};             // CUBIC, in the first slow start
};

// cwnd and ssthresh of RFC 5681, in bytes, and the one number more that has to survive while nothing is outstanding.
struct Congestion {
  static constexpr std::uint32_t kMax = 1u << 30;  // no window is larger (RFC 7323, 2.3); cwnd stops there
  static constexpr std::uint32_t kL = 2;
  static constexpr std::uint32_t kLAfterTimeout = 1;  // there one ACK may cover a whole flight, received long ago

  std::uint32_t cwnd = 0;
  std::uint32_t ssthresh = UINT32_MAX;
  // CUBIC: cwnd before the last reduction; 0: none yet. DCTCP has 2^20 (1 - alpha) here, so that alpha is 1 at first.
  std::uint32_t w_max = 0;

  // RFC 6928: min(n*SMSS, max(2*SMSS, 14600)) with n = 10.
  static std::uint32_t initial_window(std::uint32_t smss, std::uint32_t segments) {
    return std::min(segments * smss, std::max(2 * smss, 14'600u));
  }

  bool in_slow_start() const { return cwnd < ssthresh; }
  // Nothing was ever lost or marked.
  bool in_first_slow_start() const { return ssthresh == UINT32_MAX; }
  // DCTCP.Alpha: the part of all bytes that is marked, 0 to 1.
  double alpha() const { return 1 - w_max / kAlphaUnit; }

  // cwnd is about to shrink for want of use: slow start leads back to three quarters of it (RFC 2861).
  void remember() { ssthresh = std::max(ssthresh, cwnd - cwnd / 4); }
  // Bytes a second to send at where a connection is paced; 0: no round trip is known. That is what cwnd allows, and
  // more, or pacing would limit before cwnd does: as Linux, twice as much while cwnd doubles each round trip, and else
  // a fifth more; and of `flight` where cwnd was lowered below what is outstanding.
  std::uint64_t pacing_rate(Duration srtt, std::uint32_t flight) const;

  // Slow start is the same for all; what they do in congestion avoidance is in congestion.cc.
  void grow(CongestionControl control, Stage& stage, const Acked& acked);
  // An acknowledgment came for which the window was not used: time stands still for the control.
  static void pause(Stage& stage, Millis now) {
    if (!stage.begun) return;
    stage.epoch_start = Millis{stage.epoch_start.value() + now.elapsed_since(stage.last_ack)};
    stage.last_ack = now;
  }
  // Something was lost: sets ssthresh, of `flight` bytes that were outstanding; cwnd is the caller's. A new stage.
  void reduce(CongestionControl control, Stage& stage, std::uint32_t flight, std::uint32_t smss, bool time_out);
  // Something was marked, and nothing lost (RFC 3168, 6.1.2): the same, but of DCTCP by how much was marked.
  void reduce_for_mark(CongestionControl control, Stage& stage, std::uint32_t flight, std::uint32_t smss);
  // RFC 8257, 3.3: `bytes` are acknowledged, up to `ack`; `marked`: the acknowledgment echoes a mark.
  void estimate_alpha(MarkedBytes& window, std::uint32_t bytes, bool marked, SeqNum ack, SeqNum nxt);

 private:
  static constexpr double kAlphaUnit = 1 << 20;
};

}  // namespace pollux::tcp
