#pragma once

#include <cstdint>

#include "tcp/deadlines.h"
#include "wire/seq_num.h"

namespace pollux::tcp {

// Where F-RTO stands (RFC 5682).
enum class Forward : std::uint8_t {
  kOff,
  kRepeated,  // the first segment went again: step 2 waits for its acknowledgment
  kNewText,   // nothing but new text goes: step 3 waits for the next ACK
};

// What must be remembered of a reduction of cwnd to find that nothing was lost, and to take it
// back: Eifel by timestamps (RFC 3522 and 4015), by D-SACK (RFC 3708) and by F-RTO (RFC 5682).
struct Spurious {
  bool pending = false;   // something was reduced, and that may turn out to have been for nothing
  bool time_out = false;  // by a time-out; else by a fast retransmit
  // The next ACK of something new may (RFC 3522, 3.2): not if what went again first was not the oldest outstanding, nor
  // once there was such an ACK.
  bool may_tell = true;
  bool repeated = false;  // something was sent again since
  Forward forward = Forward::kOff;
  SeqNum forward_end;             // how far new text may go in Forward::kNewText
  Millis repeated_at;             // RetransmitTS: when the first of it was
  SeqNum from;                    // SND.UNA when it was reduced
  SeqNum to;                      // behind the last that was sent again since
  std::uint32_t unexplained = 0;  // bytes sent again that no D-SACK has told of
  std::uint32_t prior_cwnd = 0;
  std::uint32_t prior_ssthresh = 0;  // of a time-out pipe_prev (RFC 4015, 3.2): max(FlightSize, ssthresh)
  std::uint32_t prior_w_max = 0;
};

}  // namespace pollux::tcp
