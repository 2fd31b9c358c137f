// Explicit Congestion Notification: RFC 3168, 6.1. What SYNs say of it is in open.cc, which packets are ECN-capable in
// transmit.cc.

#include <algorithm>

#include "tcp/tcb.h"

namespace pollux::tcp {

// Text came that lies in the window; of other text no mark is believed (RFC 3168, 6.1.5).
void Tcb::take_mark(const Segment& seg, Env& env) {
  const bool marked = seg.ecn == Ecn::kCe;
  if (marked) ++env.counters.ce_marks_received;
  manner_.echo = marked || (manner_.echo && !seg.flags.cwr);  // 6.1.3
}

// 6.1.2: what the peer echoes is answered as a loss would be, but that nothing is sent again; once for all that was
// outstanding when cwnd was last lowered. That never goes below two segments (RFC 5681, equation (4)), so that there is
// no case of a window of one.
void Tcb::take_echo(const Segment& seg, Env& env) {
  Transmission* tx = transmission(env);
  if (tx == nullptr || flag(kSynUnacked) || snd_.una == snd_.nxt || seg.ack < snd_.una) return;
  const bool answered = seg.ack <= tx->marked_to || snd_.una <= tx->recover;
  if (!seg.flags.ece || answered) return;
  congestion_.reduce(manner_.control, tx->stage, std::min(flight_size(), congestion_.cwnd), smss_, false);
  congestion_.cwnd = std::min(congestion_.cwnd, congestion_.ssthresh);
  tx->spurious = {};  // this reduction is not taken back
  tx->marked_to = snd_.nxt;
  manner_.cwr = true;
  ++env.counters.ecn_reductions;
}

}  // namespace pollux::tcp
