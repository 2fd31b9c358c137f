#include "tcp/tcb.h"

namespace pollux::tcp {

// What must be true between verbs, whatever arrived. Each line is one rule.
bool Tcb::invariants_hold(const Env& env) const {
  const Transmission* tx = transmission(env);
  const ReceiveQueue* q = queue(env);
  const bool over = state_ == State::kClosed;

  // Send side (RFC 9293, 3.3.1).
  if (!(snd_.una <= snd_.nxt)) return false;
  if (!over && snd_.una != snd_.nxt && tx == nullptr) return false;
  if (tx != nullptr && !over) {
    // What is unacknowledged is the SYN, text of the buffer, and the FIN; nothing else.
    if (max(text_end(env), snd_.una) + (flag(kFinSent) ? 1u : 0u) < snd_.nxt) return false;
    if (!tx->scoreboard.invariants_hold(snd_.una, snd_.nxt)) return false;
    if (!flag(kSynUnacked) && !tx->log.invariants_hold(snd_.una, snd_.nxt, tx->scoreboard)) return false;
    const bool all_is_well = tx->scoreboard.empty() && tx->log.lost() == 0 && !tx->fast_recovery;
    if (!flag(kRepairing) && !all_is_well) return false;
    if (!flag(kSackPermitted) && !tx->scoreboard.empty()) return false;
    if (!(snd_.una <= tx->full_to && tx->full_to <= snd_.nxt)) return false;
  }

  // Timers. Something in flight has its timer; a closed window with something queued has
  // its own; never both, and never neither while nothing else can wake the connection.
  const bool in_flight = snd_.una != snd_.nxt;
  const bool rtx = deadlines_.armed(Timer::kRetransmission) || deadlines_.armed(Timer::kReordering) ||
                   deadlines_.armed(Timer::kLossProbe);
  const bool persist = deadlines_.armed(Timer::kPersist);
  if (rtx && persist) return false;
  if (!over && in_flight && !rtx && !may_transmit_) return false;
  if (!in_flight && rtx) return false;
  if (tx != nullptr && !over && !in_flight && !persist && !deadlines_.armed(Timer::kPacing) && !may_transmit_)
    return false;
  if (over && !deadlines_.none()) return false;
  if (state_ == State::kTimeWait && !deadlines_.armed(Timer::kTimeWait)) return false;
  if (state_ == State::kFinWait2 && flag(kUserClosed) && !deadlines_.armed(Timer::kTimeWait)) return false;

  // Receive side.
  if (!over && state_ != State::kSynSent) {
    if (!(rcv_.nxt <= rcv_.edge)) return false;  // RCV.WND is never negative
    if (!(rcv_.last_ack_sent <= rcv_.nxt)) return false;
  }
  if (q != nullptr && !q->invariants_hold(env.stores.held, rcv_.nxt)) return false;
  if (q != nullptr && (q->empty() || q->ranges() > env.config.max_ranges)) return false;
  if (flag(kEofPending) && unread(env) == 0) return false;
  if ((marks_.repeats > 0 || ack_at_once_) && !marks_.ack) return false;

  // Where the ledger is.
  const std::uint32_t place = tx != nullptr ? tx->ledger : transmission_ & ~kResting;
  if (has_ledger_ != (place != (kNone & ~kResting))) return false;

  // RFC 5681, 3.1; RFC 5961, 5.2.
  if (synchronized(state_) && (congestion_.cwnd < smss_ || congestion_.ssthresh < 2u * smss_)) return false;
  if (Congestion::kMax < congestion_.cwnd) return false;
  if (snd_.max_wnd < snd_.wnd) return false;
  return 0 < smss_ && smss_ <= most_smss_;
}

}  // namespace pollux::tcp
