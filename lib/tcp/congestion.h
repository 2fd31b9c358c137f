#pragma once

#include <algorithm>
#include <cstdint>

namespace pollux::tcp {

// cwnd and ssthresh of RFC 5681 with NewReno (RFC 6582). In bytes. What only
// recovery needs (recover, duplicate ACKs) stands in Transmission.
struct Congestion {
  std::uint32_t cwnd = 0;
  std::uint32_t ssthresh = UINT32_MAX;
  std::uint32_t acked = 0;  // bytes acknowledged since cwnd last grew, in congestion avoidance

  // RFC 6928: min(n*SMSS, max(2*SMSS, 14600)) with n = 10.
  static std::uint32_t initial_window(std::uint32_t smss, std::uint32_t segments) {
    return std::min(segments * smss, std::max(2 * smss, 14'600u));
  }

  bool in_slow_start() const { return cwnd < ssthresh; }

  // New data was acknowledged outside of recovery. Bytes are counted, not ACKs
  // (RFC 3465, L = 2), so that divided ACKs gain nothing.
  void grow(std::uint32_t bytes, std::uint32_t smss) {
    if (in_slow_start()) {
      cwnd += std::min(bytes, 2 * smss);
      return;
    }
    acked += bytes;
    if (acked >= cwnd) {  // RFC 5681, 3.1: one SMSS a round trip
      acked -= cwnd;
      cwnd += smss;
    }
  }

  // RFC 5681, equation (4).
  static std::uint32_t halved(std::uint32_t flight_size, std::uint32_t smss) {
    return std::max(flight_size / 2, 2 * smss);
  }
};

}  // namespace pollux::tcp
