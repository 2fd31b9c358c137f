#include "tcp/congestion.h"

#include <cmath>

#include "base/mutant.h"

namespace pollux::tcp {
namespace {

// RFC 9438, 4: in segments and seconds.
constexpr double kC = 0.4;
constexpr double kBeta = 0.7;
constexpr double kAlpha = 3 * (1 - kBeta) / (1 + kBeta);  // 4.3

constexpr double kG = 1.0 / 16;  // RFC 8257, 3.3: g

double seconds(Millis from, Millis to) { return to.since(from) / 1000.0; }

// --- RFC 5681, 3.1: one SMSS a round trip ---

std::uint32_t reno_growth(const Congestion& c, Stage& stage, const Acked& acked) {
  stage.acked += acked.bytes;
  if (stage.acked < c.cwnd) return 0;
  stage.acked -= c.cwnd;
  return acked.smss + MUTANT(72, 0u, acked.smss / 8);
}

// --- RFC 9438 ---

// Equation (1), in bytes.
double w_cubic(const Stage& stage, double t, std::uint32_t smss) {
  const double d = t - stage.k;
  return kC * d * d * d * smss + stage.w_max;
}

// 4.2: the curve begins at cwnd and has its plateau at W_max; where cwnd is there already, or nobody knows where that
// is (4.8, after a time-out; 4.10), the plateau is here.
void begin_stage(const Congestion& c, Stage& stage, const Acked& acked) {
  const bool below = c.cwnd < c.w_max && !stage.time_out;
  stage.begun = true;
  stage.epoch_start = acked.now;
  stage.w_max = below ? c.w_max : c.cwnd;
  stage.k = below ? std::cbrt((c.w_max - c.cwnd) / (kC * acked.smss)) : 0;  // equation (2)
  stage.w_est = c.cwnd;
  stage.credit = 0;
  if (stage.cwnd_prior == 0) stage.cwnd_prior = c.w_max;
}

// Where the curve is. Not computed again within one millisecond: of many ACKs only the first pays.
void follow_curve(Stage& stage, const Acked& acked) {
  const double t = seconds(stage.epoch_start, acked.now);
  stage.last_ack = acked.now;
  stage.w_now = w_cubic(stage, t, acked.smss);
  stage.w_next = w_cubic(stage, t + std::chrono::duration<double>(acked.srtt).count(), acked.smss);
}

std::uint32_t cubic_growth(const Congestion& c, Stage& stage, const Acked& acked) {
  if (!stage.begun) {
    begin_stage(c, stage, acked);
    follow_curve(stage, acked);
  } else if (acked.now != stage.last_ack) {
    follow_curve(stage, acked);
  }
  const double cwnd = c.cwnd;
  const double share = acked.bytes / cwnd;  // of a window, and so of a round trip
  const double alpha = stage.w_est < stage.cwnd_prior ? kAlpha : 1;
  stage.w_est += alpha * share * acked.smss;  // equation (4)

  if (stage.w_now < stage.w_est) {  // 4.3, the Reno-friendly region
    return stage.w_est > cwnd ? static_cast<std::uint32_t>(stage.w_est - cwnd) : 0;
  }
  // 4.4 and 4.5: a round trip from now cwnd is to be where the curve is then, but not more than half as much again.
  const double target = std::clamp(stage.w_next, cwnd, 1.5 * cwnd);
  stage.credit += (target - cwnd) * share;
  const auto whole = static_cast<std::uint32_t>(stage.credit);
  stage.credit -= whole;
  return whole;
}

}  // namespace

void Congestion::grow(CongestionControl control, Stage& stage, const Acked& acked) {
  std::uint32_t more = 0;
  if (in_slow_start()) {
    more = std::min(acked.bytes, acked.l * acked.smss);
    if (control == CongestionControl::kCubic && in_first_slow_start()) {
      more = stage.hystart.take_ack(acked.ack, acked.nxt, acked.rtt_us, more);
      if (stage.hystart.is_over()) ssthresh = std::max(cwnd + more, 2 * acked.smss);
    }
  } else {
    switch (control) {
      case CongestionControl::kNewReno:
      case CongestionControl::kDctcp:  // RFC 8257, 3.4: grows as others do
        more = reno_growth(*this, stage, acked);
        break;
      case CongestionControl::kCubic:
        more = cubic_growth(*this, stage, acked);
        break;
    }
  }
  cwnd = std::min(kMax, cwnd + std::min(more, kMax));
}

void Congestion::reduce(CongestionControl control, Stage& stage, std::uint32_t flight, std::uint32_t smss,
                        bool time_out) {
  stage = {.time_out = time_out, .cwnd_prior = cwnd};
  switch (control) {
    case CongestionControl::kNewReno:  // RFC 5681, equation (4)
    case CongestionControl::kDctcp:    // RFC 8257, 3.5: as conventional TCP
      ssthresh = std::max(flight / 2, 2 * smss);
      break;
    case CongestionControl::kCubic:
      // 4.7, fast convergence: who has less than the last time makes room.
      w_max = cwnd < w_max ? static_cast<std::uint32_t>(cwnd * ((1 + kBeta) / 2)) : cwnd;
      // 4.6 has flight_size, or cwnd where it grows only when it is used: of ACKs that come in one burst the first have
      // emptied the network, as far as SND.UNA knows, by the time the last tells of a loss.
      ssthresh = std::max(static_cast<std::uint32_t>(cwnd * kBeta), 2 * smss);
      break;
  }
}

void Congestion::reduce_for_mark(CongestionControl control, Stage& stage, std::uint32_t flight, std::uint32_t smss) {
  if (control != CongestionControl::kDctcp) return reduce(control, stage, flight, smss, false);
  stage = {.cwnd_prior = flight};  // as reduce() has it, should something be lost too
  ssthresh = std::max(static_cast<std::uint32_t>(cwnd * (1 - alpha() / 2)), 2 * smss);  // RFC 8257, 3.4
}

void Congestion::estimate_alpha(MarkedBytes& window, std::uint32_t bytes, bool marked, SeqNum ack, SeqNum nxt) {
  if (!window.open) window = {.window_end = nxt, .open = true};
  window.acked += bytes;
  if (marked) window.marked += bytes;
  // With all acknowledged it is over as well: what comes next may be long in coming, and this is forgotten then.
  if (ack <= window.window_end && ack != nxt) return;
  const double m = window.acked == 0 ? 0 : static_cast<double>(window.marked) / window.acked;
  const double estimate = alpha() * (1 - kG) + kG * m;
  w_max = static_cast<std::uint32_t>((1 - estimate) * kAlphaUnit);
  window = {.window_end = nxt, .open = true};
}

std::uint64_t Congestion::pacing_rate(Duration srtt, std::uint32_t flight) const {
  if (srtt <= Duration{}) return 0;
  const std::uint64_t percent = cwnd < ssthresh / 2 ? 200 : 120;
  return std::max(cwnd, flight) * percent * 10'000'000 / static_cast<std::uint64_t>(srtt.count());
}

}  // namespace pollux::tcp
