#pragma once

#include <cstdint>

#include "tcp/tcb.h"

namespace pollux::tcp {

// A connection in SYN-RECEIVED that came from LISTEN, in 24 bytes: what a TCB knows
// of it that cannot be had from its key. It is a TCB packed away until the third
// segment comes; the rules of SYN-RECEIVED stand in Tcb and nowhere else.
struct HandshakeRecord {
  SeqNum iss;
  SeqNum irs;
  std::uint32_t ts_recent = 0;
  Millis sent_at;         // first SYN-ACK
  std::uint16_t wnd = 0;  // SEG.WND of the SYN
  std::uint16_t smss = 0;
  std::uint8_t wind_shifts = 0;  // Snd.Wind.Shift in the upper four bits, Rcv.Wind.Shift in the lower
  std::uint8_t flags = 0;
  std::uint8_t retransmissions = 0;
  std::uint8_t listener = 0;

  // `tcb` is in SYN-RECEIVED and passive, and its SYN-ACK has been sent.
  static HandshakeRecord pack(const Tcb& tcb, std::uint8_t retransmissions);
  // What a segment that arrived has changed in the TCB made of this record, which is still in SYN-RECEIVED.
  void note(const Tcb& tcb);
  // More than one SYN-ACK, or one of an unknown time, may be what the peer answers: no round trip is measured
  // (MUST-18).
  void measure_nothing();
  // A SYN-ACK goes out again: a segment outside the window may be answered once more.
  void allow_challenge();
  // Makes `tcb`, which is new, that connection again. `opening` and `options` are those it was opened with.
  void unpack(const FlowKey& key, const Opening& opening, const Options& options, Tcb& tcb, Env& env) const;
};
static_assert(sizeof(HandshakeRecord) == 24);

}  // namespace pollux::tcp
