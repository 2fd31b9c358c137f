#pragma once

#include <algorithm>
#include <cmath>

namespace pollux::tcp::test {

// The constants of RFC 9438, 4.1 and 4.6, and RFC 5681's for NewReno. Others, where a test wants to see that they
// matter.
struct CubicConstants {
  double c = 0.4;
  double beta = 0.7;
};

// RFC 9438 as it stands there, in segments and seconds: what becomes of cwnd outside of recovery.
struct CubicReference {
  CubicConstants constants{};
  double cwnd = 10;
  double ssthresh = INFINITY;
  double w_max = 0;
  double cwnd_prior = 0;
  bool avoiding = false;
  bool after_time_out = false;
  double t_epoch = 0, last_ack = 0, plateau = 0, k = 0, w_est = 0;

  // `limit`: RFC 3465's L, how many segments one ACK may add in slow start.
  void ack(double now, double rtt, double segments, double limit = 2) {
    if (cwnd < ssthresh) {
      cwnd += std::min(segments, limit);
      return;
    }
    if (!avoiding) begin(now);
    last_ack = now;
    const double t = now - t_epoch;
    const auto w_cubic = [&](double x) { return constants.c * std::pow(x - k, 3) + plateau; };  // (1)
    const double alpha = w_est >= cwnd_prior ? 1 : 3.0 * (1 - constants.beta) / (1 + constants.beta);
    w_est += alpha * segments / cwnd;  // (4)
    if (w_cubic(t) < w_est) {
      cwnd = std::max(cwnd, w_est);
      return;
    }
    double target = w_cubic(t + rtt);
    if (target < cwnd) target = cwnd;
    if (target > 1.5 * cwnd) target = 1.5 * cwnd;
    cwnd += (target - cwnd) / cwnd * segments;
  }
  // 5.8: an ACK for which the window was not used; such times do not count.
  void pause(double now) {
    if (!avoiding) return;
    t_epoch += now - last_ack;
    last_ack = now;
  }
  // Something is lost; what cwnd is then, the kind of recovery says.
  void lose(bool time_out) {
    cwnd_prior = cwnd;
    w_max = cwnd < w_max ? cwnd * (1 + constants.beta) / 2 : cwnd;  // 4.7
    ssthresh = std::max(cwnd * constants.beta, 2.0);                // 4.6, of cwnd, which grows only when it is used
    avoiding = false;
    after_time_out = time_out;
  }

 private:
  void begin(double now) {
    avoiding = true;
    t_epoch = now;
    w_est = cwnd;
    plateau = w_max;
    k = std::cbrt((w_max - cwnd) / constants.c);  // (2)
    if (after_time_out || w_max <= cwnd) {
      plateau = cwnd;
      k = 0;
    }
  }
};

}  // namespace pollux::tcp::test
