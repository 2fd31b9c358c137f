// RFC 9293, 3.10.8: USER TIMEOUT, RETRANSMISSION TIMEOUT, TIME-WAIT TIMEOUT; with the
// zero-window probe (3.8.6.1), keep-alive (3.8.4) and the delayed ACK (3.8.6.3).

#include <algorithm>

#include "base/assert.h"
#include "base/mutant.h"
#include "tcp/tcb.h"

namespace pollux::tcp {

void Tcb::timers_due(Env& env) {
  if (deadlines_.due(Timer::kRetransmission, env.now)) retransmission_timeout(env);
  if (deadlines_.due(Timer::kPersist, env.now)) persist_timeout(env);
  if (deadlines_.due(Timer::kReordering, env.now)) reordering_timeout(env);
  if (deadlines_.due(Timer::kLossProbe, env.now)) loss_probe_timeout(env);
  if (deadlines_.due(Timer::kPacing, env.now)) {
    deadlines_.clear(Timer::kPacing);
    may_transmit_ = true;
  }
  if (deadlines_.due(Timer::kDelayedAck, env.now)) {
    deadlines_.clear(Timer::kDelayedAck);
    ++env.counters.delayed_acks;
    owe_ack();
  }
  if (deadlines_.due(Timer::kKeepAlive, env.now)) keep_alive_timeout(env);
  if (deadlines_.due(Timer::kTimeWait, env.now)) time_wait_timeout(env);
  ASSERT(invariants_hold(env));
}

// How long the peer may leave us without an answer (R2; MUST-20, MUST-23).
Duration Tcb::r2(const Env& env) const {
  if (user_timeout_ms_ != 0) return std::chrono::milliseconds{user_timeout_ms_};
  return flag(kSynUnacked) ? env.config.r2_syn : env.config.r2;
}

bool Tcb::past_r2(Env& env) const {
  const auto waited = std::chrono::milliseconds{Millis::floor(env.now).since(transmission(env)->stalled_since)};
  return waited >= r2(env);
}

// RFC 6298, 5.4 to 5.7, and RFC 5681, 3.1.
void Tcb::retransmission_timeout(Env& env) {
  deadlines_.clear(Timer::kRetransmission);
  Transmission& tx = *transmission(env);
  // Of a listener's child that the application has already there are as many SYN-ACKs as of others.
  const bool unanswered = tx.early && flag(kSynUnacked) && tx.time_outs >= env.config.syn_ack_retries;
  if (past_r2(env) || unanswered) {
    ++env.counters.timed_out;
    return end(soft_error_ == Reason::kNone ? Reason::kTimedOut : soft_error_, env);
  }
  ++env.counters.rto_fired;
  if (flag(kSynUnacked)) {
    set(kSynRetransmitted);
    marks_.syn = true;
    // Perhaps something on the way cannot bear it (RFC 3168, 6.1.1.1; RFC 7413, 4.2.2).
    if (state_ == State::kSynSent) {
      manner_.ecn = false;
      if (tx.syn_text > 0 && tx.fast_open) ++env.counters.fast_open_active_fail;
    }
    tx.fast_open.reset();
  } else {
    suspect_black_hole(env);
    const bool forward = may_recover_forward(env);
    // Once for what is outstanding now (RFC 5681, 3.1: "not yet been resent by way of the retransmission timer").
    if (!has_answered_loss(tx) || tx.fast_recovery) {
      note_reduction(true, env);
      if (tx.fast_recovery) congestion_.cwnd = congestion_.ssthresh;  // where the recovery was going
      lower_ssthresh(flight_size(), true, env);
    }
    tx.lowered_at = env.now;
    tx.spurious.forward = forward ? Forward::kRepeated : Forward::kOff;
    congestion_.cwnd = MUTANT(33, std::uint32_t{smss_}, congestion_.cwnd);
    begin_repair(env);
    tx.fast_recovery = false;
    tx.dup_acks = 0;
    tx.recover = snd_.nxt - 1;
    tx.probe.end_seq.reset();
    tx.log.lose_nothing();
    tx.scoreboard.clear(env.stores.sacked);  // the peer may have given up what it held (RFC 2018, 8)
    lose_on_time_out(env);
    tx.resend_now = true;
  }
  if (back_off_ < UINT8_MAX) ++back_off_;
  if (tx.time_outs < UINT8_MAX) ++tx.time_outs;
  if (tx.time_outs == env.config.r1) events_.soft_error = true;  // SHLD-9
  if (MUTANT(13, true, false)) arm_time_out(env);
  may_transmit_ = true;
}

// The peer's window was closed (a probe), or too small to be worth a segment for so long
// that a small one goes out all the same (3.8.6.2.1, override).
void Tcb::persist_timeout(Env& env) {
  deadlines_.clear(Timer::kPersist);
  Transmission* tx = transmission(env);
  if (tx == nullptr) return;
  may_transmit_ = true;
  if (snd_.wnd > 0) {
    tx->sws_forced = true;
    return;
  }
  if (past_r2(env)) {
    ++env.counters.timed_out;
    return end(Reason::kTimedOut, env);
  }
  marks_.probe = true;
  if (tx->probes < 16) ++tx->probes;  // SHLD-30
  const Duration interval =
      std::min(rtt_.rto(env.config) * (1 << MUTANT(36, tx->probes, std::uint8_t{0})), env.config.persist_max);
  const Instant give_up = tx->stalled_since.instant(env.now) + r2(env);
  deadlines_.set(Timer::kPersist, std::min(env.now + interval, std::max(give_up, env.now)));
}

// MUST-26: only where nothing has been heard, and nothing is outstanding. An early
// wake-up (something was heard meanwhile) sets the timer for what remains.
void Tcb::keep_alive_timeout(Env& env) {
  deadlines_.clear(Timer::kKeepAlive);
  if (!flag(kKeepAliveOn) || !synchronized(state_) || state_ == State::kTimeWait) return;
  const auto idle = std::chrono::seconds{keep_alive_idle_s_};
  if (has_transmission()) return deadlines_.set(Timer::kKeepAlive, env.now + idle);
  const auto silent = std::chrono::milliseconds{Millis::floor(env.now).elapsed_since(heard_at_)};
  if (keep_alive_sent_ == 0 && silent < idle) return deadlines_.set(Timer::kKeepAlive, env.now + (idle - silent));
  if (MUTANT(38, keep_alive_sent_ >= keep_alive_count_, false)) {
    ++env.counters.timed_out;
    end(Reason::kTimedOut, env);
    marks_.rst = true;
    may_transmit_ = true;
    return;
  }
  ++keep_alive_sent_;
  marks_.keep_alive = true;
  may_transmit_ = true;
  deadlines_.set(Timer::kKeepAlive, env.now + std::chrono::seconds{keep_alive_interval_s_});
}

void Tcb::arm_keep_alive(Env& env) {
  if (!flag(kKeepAliveOn) || !synchronized(state_) || deadlines_.armed(Timer::kTimeWait)) return;
  keep_alive_sent_ = 0;
  deadlines_.set(Timer::kKeepAlive, env.now + std::chrono::seconds{keep_alive_idle_s_});
}

// 2MSL is over; or nobody came to close the half of a connection that nobody uses.
void Tcb::time_wait_timeout(Env& env) {
  deadlines_.clear(Timer::kTimeWait);
  if (state_ == State::kTimeWait) {
    enter(State::kClosed, env);
  } else {
    ++env.counters.timed_out;
    end(Reason::kTimedOut, env);
  }
}

// RFC 5927: an error is believed only if it quotes something that is outstanding, and
// ends a connection only while that opens (RFC 1122, 4.2.3.9; MUST-54, 56; SHLD-25, 26).
bool Tcb::icmp_error(IcmpError error, SeqNum seq, Env& env) {
  if (state_ == State::kClosed || seq < snd_.una || snd_.nxt <= seq) return false;
  const bool opening = state_ == State::kSynSent || state_ == State::kSynReceived;
  switch (error) {
    case IcmpError::kPortUnreachable:
    case IcmpError::kProtocolUnreachable:
      if (opening) {
        end(Reason::kRefused, env);
        return true;
      }
      break;
    case IcmpError::kHostUnreachable:
    case IcmpError::kNetUnreachable:
      soft_error_ = Reason::kUnreachable;
      break;
    case IcmpError::kOther:
      break;
  }
  events_.soft_error = true;
  return true;
}

}  // namespace pollux::tcp
