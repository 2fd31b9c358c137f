#pragma once

#include <algorithm>
#include <cstdint>

#include "base/mutant.h"

namespace pollux::tcp {

// cwnd and ssthresh of RFC 5681 with NewReno (RFC 6582). In bytes. What only
// recovery needs (recover, duplicate ACKs) stands in Transmission.
struct Congestion {
  static constexpr std::uint32_t kMax = 1u << 30;  // no window is larger (RFC 7323, 2.3); cwnd stops there
  // RFC 3465's L: how many segments' worth one ACK may add in slow start.
  static constexpr std::uint32_t kL = 2;
  static constexpr std::uint32_t kLAfterTimeout = 1;  // there one ACK may cover a whole flight, received long ago

  std::uint32_t cwnd = 0;
  std::uint32_t ssthresh = UINT32_MAX;
  std::uint32_t acked = 0;  // bytes acknowledged since cwnd last grew, in congestion avoidance

  // RFC 6928: min(n*SMSS, max(2*SMSS, 14600)) with n = 10.
  static std::uint32_t initial_window(std::uint32_t smss, std::uint32_t segments) {
    return std::min(segments * smss, std::max(2 * smss, 14'600u));
  }

  bool in_slow_start() const { return cwnd < ssthresh; }

  // New data was acknowledged outside of recovery. Bytes are counted, not ACKs
  // (RFC 3465), so that divided ACKs gain nothing. `l` is kLAfterTimeout in the slow
  // start that follows a retransmission timeout.
  void grow(std::uint32_t bytes, std::uint32_t smss, std::uint32_t l = kL) {
    if (in_slow_start()) {
      cwnd = std::min(kMax, cwnd + std::min(bytes, l * smss));
      return;
    }
    acked += bytes;
    if (acked >= cwnd) {  // RFC 5681, 3.1: one SMSS a round trip
      acked -= cwnd;
      cwnd = std::min(kMax, cwnd + smss + MUTANT(72, 0u, smss / 8));
    }
  }

  // RFC 5681, equation (4).
  static std::uint32_t halved(std::uint32_t flight_size, std::uint32_t smss) {
    return std::max(flight_size / 2, 2 * smss);
  }
};

}  // namespace pollux::tcp
