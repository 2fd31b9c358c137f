#pragma once

#include <cstdint>
#include <optional>

#include "tcp/send_log.h"
#include "time/instant.h"
#include "wire/seq_num.h"

namespace pollux::tcp {

// RFC 8985, 5.3: what RACK knows while something is SACKed, lost or sent again. In order, and acknowledged in order,
// segments need none of it: whatever has been delivered was sent before all that is outstanding.
struct Rack {
  SendLog::Sent latest{.at = Instant::min(), .end_seq = {}};  // RACK.xmit_ts and RACK.end_seq
  Duration rtt{};                                             // RACK.rtt
  SeqNum fack;                                                // RACK.fack: after the last number that was delivered
  std::optional<SendLog::Sent> delivered;                     // what the ACK at hand tells of, sent last
  bool original = false;  // ... and of something up to `recover` that was sent only once
};

// What of RACK-TLP outlives the time in which something is outstanding.
struct Reordering {
  static constexpr std::uint8_t kPersist = 16;
  static constexpr std::uint8_t kMostMult = 255;

  std::uint8_t mult = 1;               // RACK.reo_wnd_mult
  std::uint8_t persist : 5 = 0;        // RACK.reo_wnd_persist
  bool seen : 1 = false;               // RACK.reordering_seen
  bool probe_unexplained : 1 = false;  // all is acknowledged, but not whether a probe has repaired a loss
  bool probe_unmeasured : 1 = false;   // no round trip was measured since the last probe

  // A D-SACK came: something was sent again that was only late.
  void widen() {
    if (mult < kMostMult) ++mult;
    persist = kPersist;
  }
  // A recovery is over.
  void narrow() {
    if (persist > 0) persist = static_cast<std::uint8_t>((persist - 1) & 0x1f);
    if (persist == 0) mult = 1;
  }
};

// RFC 8985, 5.3: the loss probe that is on its way.
struct LossProbe {
  std::optional<SeqNum> end_seq;  // TLP.end_seq
  bool is_retrans = false;        // TLP.is_retrans
  bool due = false;               // one is to be sent
};

}  // namespace pollux::tcp
