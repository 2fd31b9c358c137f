// Explicit Congestion Notification: RFC 3168, 6.1, and where both sides are DCTCP, RFC 8257. What SYNs say of it is in
// open.cc, which packets are ECN-capable in transmit.cc.

#include <algorithm>

#include "base/mutant.h"
#include "tcp/tcb.h"

namespace pollux::tcp {

// A SYN, or SYN-ACK, of the peer's. RFC 3168, 6.1.1: what we send is ECN-capable only if neither side ever said that it
// is not willing. If it was we alone, because our SYN was lost once (6.1.1.1), then the peer may have had the first and
// send what is; and its marks "MUST" be heeded.
void Tcb::take_ecn_setup(const Segment& syn) {
  manner_.heeds = manner_.heeds && syn.is_ecn_setup();
  manner_.ecn = manner_.ecn && manner_.heeds;
}

// Text came that lies in the window; of other text no mark is believed (RFC 3168, 6.1.5).
void Tcb::take_mark(const Segment& seg, Env& env) {
  const bool marked = seg.ecn == Ecn::kCe;
  if (marked) ++env.counters.ce_marks_received;
  if (manner_.control != CongestionControl::kDctcp) {  // 6.1.3
    manner_.echo = MUTANT(83, marked || (manner_.echo && !seg.flags.cwr), false);
    return;
  }
  // RFC 8257, 3.2: where marks begin or end the ACK does not wait. That of a burst echoes a mark if there was one in
  // it.
  const bool first = rcv_.nxt == rcv_.last_ack_sent && !marks_.ack;
  manner_.echo = marked || (manner_.echo && !first);
  if (marked != manner_.ce) owe_ack();
  manner_.ce = marked;
}

// 6.1.2: what the peer echoes is answered as a loss would be, but that nothing is sent again; once for all that was
// outstanding when cwnd was last lowered. That never goes below two segments (RFC 5681, equation (4)), so that there is
// no case of a window of one.
void Tcb::take_echo(const Segment& seg, Env& env) {
  Transmission* tx = transmission(env);
  if (tx == nullptr || flag(kSynUnacked) || snd_.una == snd_.nxt || seg.ack < snd_.una) return;
  if (manner_.control == CongestionControl::kDctcp && snd_.una < seg.ack) {
    congestion_.estimate_alpha(tx->marked_bytes, distance(snd_.una, seg.ack), seg.flags.ece, seg.ack, snd_.nxt);
  }
  const bool answered = seg.ack <= tx->marked_to || has_answered_loss(*tx);
  if (!seg.flags.ece || answered || MUTANT(84, false, true)) return;
  congestion_.reduce_for_mark(manner_.control, tx->stage, std::min(flight_size(), congestion_.cwnd), smss_);
  congestion_.cwnd = std::min(congestion_.cwnd, congestion_.ssthresh);
  tx->spurious = {};  // this reduction is not taken back
  tx->marked_to = snd_.nxt;
  manner_.cwr = true;
  ++env.counters.ecn_reductions;
}

}  // namespace pollux::tcp
