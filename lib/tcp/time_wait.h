#pragma once

#include <cstdint>

#include "tcp/tcb.h"

namespace pollux::tcp {

// What TIME-WAIT needs of a TCB, and a TCB in TIME-WAIT made from it: the rules of
// that state stand in Tcb and nowhere else.
struct TimeWaitRecord {
  SeqNum snd_nxt;
  SeqNum rcv_nxt;
  std::uint32_t ts_recent = 0;
  Millis ts_recent_at;
  Millis entered;  // when 2MSL began
  std::uint16_t wnd_field = 0;
  bool timestamps = false;
  bool challenged = false;  // a challenge ACK went out a moment ago (RFC 5961, 7)

  static TimeWaitRecord pack(const Tcb& tcb, Instant now);
  void unpack(const FlowKey& key, std::uint32_t timestamp_offset, Tcb& tcb, Env& env) const;
};

}  // namespace pollux::tcp
