// F-RTO: RFC 5682. Whether a time-out was for nothing is told by what comes after it: if two acknowledgments bring more
// than was sent again, then the rest had not been lost. For peers without timestamps, which tell sooner (undo.cc).

#include <algorithm>

#include "base/mutant.h"
#include "tcp/tcb.h"

namespace pollux::tcp {

// Step 1, when the timer has expired and nothing is done about it yet. Not in the midst of another recovery, nor where
// something was SACKed: then something is missing.
bool Tcb::may_recover_forward(const Env& env) const {
  const Transmission& tx = *transmission(env);
  if (flag(kTimestamps) || tx.fast_recovery || snd_.una <= tx.recover) return false;
  if (!tx.scoreboard.empty() || tx.log.lost() > 0) return false;
  return flag(kSackPermitted) || !flag(kRepairing);  // a loss probe was sent again, too; but what it was is known
}

// Whether a new segment would go, if only the peer's window counted.
bool Tcb::has_new_segment(const Env& env) const {
  const std::uint32_t flight = flight_size();
  const std::uint32_t queued = flag(kFinSent) ? 0 : unsent(env);
  const std::uint32_t room = snd_.wnd > flight ? snd_.wnd - flight : 0;
  const std::uint32_t size = std::min({queued, room, std::uint32_t{smss_}});
  return size > 0 && worth_sending(size, queued, env);
}

// Steps 2 and 3, as in 2.1 and, with SACK, in 3.1. An ACK has acknowledged `acked` bytes, or is a duplicate.
// `original`: it tells of something that was outstanding at the time-out and has been sent only once.
void Tcb::recover_forward(std::uint32_t acked, bool original, Env& env) {
  Transmission& tx = *transmission(env);
  Spurious& s = tx.spurious;
  if (!s.repeated) return;  // it came before that
  if (s.forward == Forward::kRepeated) {
    if (acked == 0 && flag(kSackPermitted)) return;  // 3.1, (2): the ACK of what was sent again is waited for
    if (acked > 0 && snd_.una < s.to) return;        // not all of it
    s.forward = acked > 0 && snd_.una <= tx.recover ? Forward::kNewText : Forward::kOff;  // (2b), (2a)
    s.forward_end = snd_.nxt + 2u * smss_;
    return;
  }
  if (MUTANT(86, original, true)) return undo(acked, env);  // (3b)
  s.forward = Forward::kOff;                                // (3a)
  congestion_.cwnd = std::min<std::uint32_t>(congestion_.cwnd, 3u * smss_);
}

// Whether what is lost has to wait. If there is nothing new to be sent it need not (2b).
bool Tcb::waits_forward(Env& env) {
  Spurious& s = transmission(env)->spurious;
  const bool nothing_sent = s.forward == Forward::kNewText && s.forward_end == snd_.nxt + 2u * smss_;
  if (nothing_sent && !has_new_segment(env)) s.forward = Forward::kOff;
  return s.forward != Forward::kOff;
}

// What step 2b lets go.
std::uint32_t Tcb::forward_window(const Env& env) const {
  const SeqNum end = min(transmission(env)->spurious.forward_end, snd_.una + snd_.wnd);
  return snd_.nxt < end ? distance(snd_.nxt, end) : 0;
}

}  // namespace pollux::tcp
