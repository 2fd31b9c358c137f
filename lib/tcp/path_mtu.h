#pragma once

#include <cstdint>

#include "wire/seq_num.h"

namespace pollux::tcp {

// What a path must be able to carry; bytes of the IP packet.
inline constexpr std::uint32_t kLeastMtuV4 = 68;    // RFC 791; RFC 1191, 3
inline constexpr std::uint32_t kLeastMtuV6 = 1280;  // RFC 8200, 5; RFC 8201, 4

// The size of the next smaller kind of link, for routers that do not say theirs (RFC 1191, 7, table 7-1); `mtu` is
// larger than kLeastMtuV4.
std::uint32_t plateau_below(std::uint32_t mtu);

// A search for the largest segment that the path carries (RFC 4821, 7), upwards from SMSS, by segments
// of new text that are larger than it. In bytes of text:
//
//    SMSS, which passes         size()                  high         what the handshake allows
//       |-------------------------|----------------------|--------------------|
//
// The largest goes first, as the path may be again what it was; from then on each probe halves what is unknown.
struct MtuSearch {
  static constexpr std::uint16_t kCloseEnough = 16;  // for less no segment is put at risk

  std::uint16_t high = 0;    // no larger one passes; 0: no search goes on
  bool high_failed = false;  // one byte more has failed; else `high` itself has not been tried
  std::uint16_t probe = 0;   // text of the segment that is on its way; 0: none is
  SeqNum left{};             // its numbers
  SeqNum right{};

  std::uint16_t size(std::uint16_t smss) const {
    return high_failed ? static_cast<std::uint16_t>(smss + (high - smss + 1) / 2) : high;
  }
  bool is_over(std::uint16_t smss) const { return high <= smss || (high_failed && high - smss < kCloseEnough); }
  // The probe was too large for the path; no more than `most` passes. `failed`: as high_failed.
  void fail(std::uint16_t most, bool failed) {
    high = most;
    high_failed = failed;
    probe = 0;
  }
};

}  // namespace pollux::tcp
