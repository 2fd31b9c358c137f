#pragma once

#include <cstdint>

#include "tcp/config.h"
#include "tcp/deadlines.h"
#include "wire/seq_num.h"

// The variables of a TCB that are told as one.

namespace pollux::tcp {

// RFC 9293, 3.3.1. SND.WND is kept unscaled (in bytes).
struct SendSpace {
  SeqNum una;
  SeqNum nxt;
  std::uint32_t wnd = 0;
  std::uint32_t max_wnd = 0;  // MAX.SND.WND of RFC 5961, 5.2
  SeqNum wl1;
  SeqNum wl2;
  SeqNum iss;
};

struct ReceiveSpace {
  SeqNum nxt;
  SeqNum edge;  // right edge as last offered; RCV.WND = edge - nxt. Never moves left (SHLD-14)
  SeqNum irs;
  SeqNum up;             // RCV.UP
  SeqNum last_ack_sent;  // Last.ACK.sent of RFC 7323, 4.3
};

struct TimestampState {
  std::uint32_t recent = 0;  // TS.Recent
  Millis recent_at;          // when it was taken, for the 24 days of RFC 7323, 5.5
  std::uint32_t offset = 0;
};

// How a connection goes about it: what its Options ask for, what both SYNs agreed on, and what ECN owes.
struct Manner {
  CongestionControl control : 2 = CongestionControl::kCubic;
  bool pacing : 1 = false;
  bool ecn : 1 = false;    // RFC 3168: both are willing; in SYN-SENT, our SYN says that we are
  bool heeds : 1 = false;  // marks are echoed: we once said so, and the peer always (6.1.1)
  bool echo : 1 = false;   // ECE on each acknowledgment (6.1.3)
  bool ce : 1 = false;     // DCTCP.CE (RFC 8257, 3.2)
  bool cwr : 1 = false;    // CWR on the next new text (6.1.2)
};
static_assert(sizeof(Manner) == 1);

}  // namespace pollux::tcp
