// The acknowledgment field: RFC 9293, 3.10.7.4, fifth, in ESTABLISHED and beyond, with
// RFC 5681 and 6582 (congestion control), RFC 6298 (timer) and RFC 7323 (round trips). What
// SACK adds is in sack_recovery.cc.

#include <algorithm>

#include "base/assert.h"
#include "base/mutant.h"
#include "tcp/tcb.h"

namespace pollux::tcp {
namespace {

constexpr std::uint8_t kDuplicateThreshold = 3;          // RFC 5681, 3.2
constexpr std::uint32_t kRestartThreshold = 4;           // rrthresh of RFC 7765, 4
constexpr std::uint32_t kHalf = std::uint32_t{1} << 31;  // of the sequence numbers: as far as order goes

std::uint32_t scaled(const Segment& seg, std::uint8_t shift) {
  return std::uint32_t{seg.wnd} << (seg.flags.syn ? 0 : shift);
}

// R2: then nobody waits for an answer any more.
Instant give_up_at(const Transmission& tx, Duration r2, Instant now) { return tx.stalled_since.instant(now) + r2; }

}  // namespace

void Tcb::take_ack(const Segment& seg, Env& env) {
  if (manner_.ecn) take_echo(seg, env);
  if (concerns_repair(seg)) {
    take_repair_ack(seg, env);
  } else if (MUTANT(56, snd_.una < seg.ack, snd_.una.value() < seg.ack.value())) {
    new_ack(seg, env);
  } else if (is_duplicate_ack(seg, env)) {
    duplicate_ack(env);
  }
  update_send_window(seg, env);
  if (flag(kFinSent) && snd_.una == snd_.nxt) our_fin_acknowledged(env);
}

void Tcb::new_ack(const Segment& seg, Env& env) {
  Transmission& tx = *transmission(env);
  if (tx.syn_text > 0) settle_syn_text(seg.ack, env);
  const bool was_full = snd_.una < tx.full_to;
  const std::uint32_t acked = distance(snd_.una, seg.ack);
  const std::uint32_t flight = flight_size();
  const bool of_syn = flag(kSynUnacked);
  const Millis now = Millis::floor(env.now);
  // Most ACKs lie in the midst of what is being timed, and measure nothing.
  const bool timed = tx.timing && tx.timed_seq <= seg.ack;
  if (timed || (!tx.timing && (back_off_ > 0 || flag(kRepairing)))) measure_rtt(seg, env);
  advance_una(seg.ack, env);
  if (timed) tx.delivery_rate.acknowledged(seg.ack, tx.scoreboard.sacked(), env.now, min_rtt());
  tx.dup_acks = MUTANT(34, std::uint8_t{0}, tx.dup_acks);
  soft_error_ = Reason::kNone;  // progress: the way is open after all
  if (tx.spurious.pending) find_spurious(seg, acked, env);
  // What is in flight counts by cwnd as an undo may just have put it back.
  const bool used = !of_syn && (was_full || flight + 2 * smss_ >= congestion_.cwnd ||
                                (congestion_.in_slow_start() && 2 * flight >= congestion_.cwnd));
  if (tx.fast_recovery) {
    leave_or_continue_recovery(acked, env);
    tx.used = 0;  // a recovery uses less
    note_full_window(now);
  } else if (used) {  // and only then may it grow
    if (!is_marked(seg)) grow(seg, acked, env);
    tx.used = 0;
    note_full_window(now);
  } else {
    Congestion::pause(tx.stage, now);
    validate_window(flight, now, env);
  }
  if (tx.app_waits && send_room(env) >= env.config.send_buffer / 4) {
    tx.app_waits = false;
    events_.writable = true;
  }
  may_transmit_ = true;
  end_transmission_if_idle(env);
}

// Outside of recovery. RFC 3465, 2.3: more slowly until what a time-out found is acknowledged.
void Tcb::grow(const Segment& seg, std::uint32_t acked, Env& env) {
  Transmission& tx = *transmission(env);
  congestion_.grow(manner_.control, tx.stage,
                   {.bytes = acked,
                    .smss = smss_,
                    .l = has_answered_loss(tx) ? Congestion::kLAfterTimeout : Congestion::kL,
                    .now = Millis::floor(env.now),
                    .srtt = rtt_.srtt(),
                    .ack = seg.ack,
                    .nxt = snd_.nxt,
                    .rtt_us = round_trip_us(seg.ack, env),
                    .rate = &tx.delivery_rate.last()});
}

// RFC 7413, 4.2.2: what is not acknowledged of the text in our SYN was not taken, and never will be. It goes at once,
// as text that was not sent yet.
void Tcb::settle_syn_text(SeqNum ack, Env& env) {
  Transmission& tx = *transmission(env);
  tx.syn_text = 0;
  if (ack == snd_.nxt) {
    ++env.counters.fast_open_active;
    return;
  }
  if (tx.fast_open) ++env.counters.fast_open_active_fail;  // else the time-out has counted it
  const std::uint32_t refused = distance(ack, snd_.nxt);
  env.counters.bytes_sent -= refused;
  if (Ledger* l = ledger(env)) l->bytes_sent -= refused;
  snd_.nxt = ack;
}

// RFC 2861, as Linux has it: what is not used of cwnd for a whole RTO, because application or peer do not want it, says
// nothing about the network any more; half of it goes. ssthresh keeps what was found out. (RFC 7661 would leave all of
// it for five minutes, to go at once in one burst.)
void Tcb::validate_window(std::uint32_t flight, Millis now, Env& env) {
  Transmission& tx = *transmission(env);
  tx.used = std::max(tx.used, flight);
  const std::uint16_t since = static_cast<std::uint16_t>(sixteen_ms(now) - full_at_);
  if (since * 16ms < rtt_.rto(env.config)) return;
  const std::uint32_t window = std::max(tx.used, Congestion::initial_window(smss_, env.config.initial_window_segments));
  if (MUTANT(88, window < congestion_.cwnd, false)) {
    congestion_.remember();
    congestion_.cwnd = (congestion_.cwnd + window) / 2;
    tx.stage = {};
  }
  tx.used = 0;
  note_full_window(now);
}

// The one place where SND.UNA moves.
void Tcb::advance_una(SeqNum ack, Env& env) {
  ASSERT(snd_.una < ack && ack <= snd_.nxt);
  Transmission& tx = *transmission(env);
  const SeqNum first = first_text(env);
  if (first < ack) {
    const std::uint32_t text = std::min(distance(first, ack), tx.buffer.size());
    tx.buffer.drop_front(env.stores.slices, text);
    if (Ledger* l = ledger(env)) l->bytes_acked += text;
  }
  if (flag(kSynUnacked)) back_off_ = 0;  // RFC 6298, 5.7 says what follows a lost SYN
  set(kSynUnacked, false);
  if (flag(kRepairing)) {
    tx.log.advance(snd_.una, ack, snd_.nxt, tx.scoreboard);
    tx.scoreboard.advance(env.stores.sacked, ack);
  }
  snd_.una = ack;
  if (distance(snd_.iss, snd_.una) >= kHalf) set(kFarFromIss);
  tx.time_outs = 0;
  tx.marked_to = max(tx.marked_to, ack - 1);
  tx.recover = max(tx.recover, ack - 1);  // carried along, or it would come to lie ahead after 2^31 bytes
  tx.up = max(tx.up, ack);
  tx.full_to = max(tx.full_to, ack);
  if (tx.dsack_round && *tx.dsack_round <= ack) tx.dsack_round.reset();
  tx.stalled_since = Millis::floor(env.now);
  tx.delivery_rate.note_delivered(env.now);
  if (snd_.una == snd_.nxt) {
    deadlines_.clear_place(Timer::kRetransmission);  // RFC 6298, 5.2
  } else {
    restart_retransmission(env);
  }
}

// Karn (MUST-18): what was sent twice measures nothing, and the back-off stays until
// something is measured. With timestamps an acknowledgment that echoes one no older than
// our last retransmission answers that one (RFC 7323, 4.1); their clock ticks in
// milliseconds, so they serve only where our own cannot.
void Tcb::measure_rtt(const Segment& seg, Env& env) {
  Transmission& tx = *transmission(env);
  if (tx.timing) {
    tx.timing = false;
    return note_round_trip(env.now - tx.timed_at, seg, env);
  }
  if (!flag(kTimestamps) || !seg.options.ts) return;
  const std::uint32_t resent = tx.resent_at.value() + ts_.offset;
  const std::uint32_t echoed = seg.options.ts->ecr;
  if (MUTANT(9, static_cast<std::int32_t>(echoed - resent) < 0, false)) return;
  const auto ms = static_cast<std::int32_t>(timestamp_now(env) - echoed);
  if (ms < 0) return;
  note_round_trip(std::chrono::milliseconds{std::max(ms, 1)}, seg, env);
}

void Tcb::note_round_trip(Duration rtt, const Segment& seg, Env& env) {
  back_off_ = 0;
  reordering_.probe_unmeasured = false;
  Transmission& tx = *transmission(env);
  if (tx.adapt_rto_beyond && *tx.adapt_rto_beyond < seg.ack) {
    rtt_.distrust();
    tx.adapt_rto_beyond.reset();
  }
  rtt_.sample(rtt);
  const auto us = static_cast<std::uint32_t>(std::clamp<std::int64_t>(rtt / 1us, 1, UINT32_MAX));
  min_rtt_us_ = min_rtt_us_ == 0 ? us : std::min(min_rtt_us_, us);
}

// For HyStart++, of the last that `ack` acknowledges: of each ACK, and so only where it is wanted. A run's time is that
// of its first segment, so that this is up to a sixteenth of a round trip too long (SendLog); RttThresh is an eighth,
// and at most 16 ms, and the shortest of a round is what counts.
std::uint32_t Tcb::round_trip_us(SeqNum ack, const Env& env) const {
  if (manner_.control != CongestionControl::kCubic || !congestion_.in_first_slow_start() || flag(kRepairing))
    return HyStart::kNone;
  const SendLog::Run* run = transmission(env)->log.run_of(ack - 1);
  if (run == nullptr || run->again) return HyStart::kNone;
  return static_cast<std::uint32_t>(std::min<std::int64_t>((env.now - run->at) / 1us, HyStart::kNone - 1));
}

// RFC 5681, section 2, with RFC 9293's window update excluded. With SACK it is the blocks that count.
bool Tcb::is_duplicate_ack(const Segment& seg, const Env& env) const {
  return seg.ack == snd_.una && !flag(kSackPermitted) && transmission(env) != nullptr && flight_size() > 0 &&
         seg.text.empty() && !seg.flags.syn && !seg.flags.fin &&
         MUTANT(57, scaled(seg, snd_wind_shift_) == snd_.wnd, true) && snd_.wnd != 0;
}

// RFC 6582, 3.2.
void Tcb::duplicate_ack(Env& env) {
  Transmission& tx = *transmission(env);
  ++env.counters.duplicate_acks;
  if (tx.dup_acks < UINT8_MAX) ++tx.dup_acks;
  may_transmit_ = true;  // limited transmit (RFC 3042), or the inflated window
  if (tx.spurious.forward != Forward::kOff) recover_forward(0, false, env);
  if (MUTANT(37, false, true)) arm_retransmission(env);
  if (tx.fast_recovery) {
    // Each stands for a segment that has left; there are no more than are in flight.
    congestion_.cwnd = std::min(congestion_.cwnd + smss_, congestion_.ssthresh + flight_size() + smss_);
    return;
  }
  if (tx.dup_acks != MUTANT(10, kDuplicateThreshold, std::uint8_t{255})) return;
  if (snd_.una <= tx.recover) return;  // duplicates that our own go-back caused
  if (only_mtu_probe_lost(env)) return;
  // What limited transmit sent beyond cwnd does not count (RFC 5681, 3.2, (2)).
  note_reduction(false, env);
  lower_ssthresh(std::min(flight_size(), congestion_.cwnd), false, env);
  congestion_.cwnd = congestion_.ssthresh + kDuplicateThreshold * smss_;
  tx.recover = snd_.nxt - 1;
  begin_repair(env);
  tx.fast_recovery = true;
  lose_first(env);
  ++env.counters.fast_retransmits;
}

// Something was lost; cwnd is the caller's. Where a mark of the same window lowered it already, that was the answer to
// both (RFC 3168, 6.1.2). DCTCP's may have been a small one: then the answer is as if there had been no mark, so that
// both are no more than one reduction either (RFC 8257, 3.5).
void Tcb::lower_ssthresh(std::uint32_t flight, bool time_out, Env& env) {
  Transmission& tx = *transmission(env);
  const bool dctcp = manner_.control == CongestionControl::kDctcp;
  const bool answered = !time_out && snd_.una < tx.marked_to;
  if (answered && dctcp) flight = std::max(flight, tx.stage.cwnd_prior);
  if (!answered || dctcp) congestion_.reduce(manner_.control, tx.stage, flight, smss_, time_out);
  tx.recut = false;
  manner_.cwr = manner_.ecn;
}

// Of NewReno: SND.UNA's segment goes once more, whatever cwnd says.
void Tcb::lose_first(Env& env) {
  Transmission& tx = *transmission(env);
  tx.log.lose(snd_.una, min(snd_.una + smss_, snd_.nxt), snd_.una, snd_.nxt, tx.scoreboard);
  tx.resend_now = true;
}

void Tcb::leave_or_continue_recovery(std::uint32_t acked, Env& env) {
  Transmission& tx = *transmission(env);
  if (tx.recover < snd_.una) {  // full acknowledgment
    tx.fast_recovery = false;
    tx.resend_now = false;
    if (flag(kSackPermitted)) {
      congestion_.cwnd = congestion_.ssthresh;  // RFC 6937, 3
    } else {
      const std::uint32_t deflated =
          std::min(congestion_.ssthresh, std::max<std::uint32_t>(flight_size(), smss_) + smss_);
      congestion_.cwnd = MUTANT(35, deflated, congestion_.cwnd);
    }
    return;
  }
  if (flag(kSackPermitted)) return;              // reduce_window() says what may be sent
  if (MUTANT(26, true, false)) lose_first(env);  // partial: the next hole
  congestion_.cwnd -= std::min(congestion_.cwnd, acked);
  if (acked >= smss_) congestion_.cwnd += smss_;
  congestion_.cwnd = std::max<std::uint32_t>(congestion_.cwnd, smss_);
}

// "SND.WL1 < SEG.SEQ or (SND.WL1 = SEG.SEQ and SND.WL2 =< SEG.ACK)". Text that is sent again
// bears an old number, but the higher acknowledgment shows that the window is the newest;
// without it SND.UNA would carry the old window beyond the edge that was offered.
void Tcb::update_send_window(const Segment& seg, Env& env) {
  if (seg.ack < snd_.una) return;
  const bool newest = snd_.wl2 < seg.ack || snd_.wl1 < seg.seq || (snd_.wl1 == seg.seq && snd_.wl2 <= seg.ack);
  if (!MUTANT(11, newest, true)) return;
  const bool was_closed = snd_.wnd == 0;
  snd_.wnd = scaled(seg, snd_wind_shift_);
  snd_.wl1 = max(snd_.wl1, seg.seq);
  snd_.wl2 = seg.ack;
  snd_.max_wnd = std::max(snd_.max_wnd, snd_.wnd);
  Transmission* tx = transmission(env);
  if (tx == nullptr) return;
  if (snd_.wnd == 0) {
    tx->stalled_since = Millis::floor(env.now);  // MUST-37: as long as probes are answered
    return;
  }
  tx->probes = 0;
  if (was_closed) deadlines_.clear(Timer::kPersist);  // the override of silly-window avoidance runs on
  may_transmit_ = true;
}

// FIN-WAIT-1, CLOSING, LAST-ACK: "if our FIN is now acknowledged".
void Tcb::our_fin_acknowledged(Env& env) {
  if (state_ == State::kFinWait1) {
    enter(State::kFinWait2, env);
    if (MUTANT(44, flag(kUserClosed), false)) deadlines_.set(Timer::kTimeWait, env.now + env.config.fin_wait_2);
  } else if (state_ == State::kClosing) {
    enter(State::kTimeWait, env);
  } else if (state_ == State::kLastAck) {
    end(Reason::kFinished, env);
  }
}

// RFC 6298, 2 and 5.5 to 5.7.
Duration Tcb::retransmission_timeout_length(const Env& env) const {
  Duration rto = rtt_.rto(env.config);
  if (!rtt_.sampled() && flag(kSynRetransmitted) && !flag(kSynUnacked)) rto = env.config.rto_after_syn_lost;
  const int shift = std::min<int>(back_off_, 16);
  return std::min(rto * (1 << MUTANT(12, shift, 0)), env.config.rto_max);
}

// RFC 8985, 7.2: a loss probe comes before the time-out, where there may be one.
void Tcb::arm_retransmission(Env& env) {
  if (!may_probe()) return arm_time_out(env);
  Duration wait = probe_timeout(env);
  // No RTO is shorter than rto_min, and so most ACKs need not know it.
  if (env.config.rto_min < wait) wait = std::min(wait, retransmission_timeout_length(env));
  deadlines_.set(Timer::kLossProbe, std::min(env.now + wait, give_up_at(*transmission(env), r2(env), env.now)));
}

// RFC 6298, 5.3, as RFC 7765, 4 has it: with too few segments outstanding, and to be sent, for a fast retransmit, the
// time counts for which the earliest has waited already. A loss probe comes before that, where there may be one.
void Tcb::restart_retransmission(Env& env) {
  arm_retransmission(env);
  if (!deadlines_.armed(Timer::kRetransmission)) return;
  // What is about to go again has not waited since it first went.
  if (transmission(env)->fast_recovery || snd_.una <= transmission(env)->recover) return;
  if (flight_size() + unsent(env) > (kRestartThreshold - 1) * smss_) return;
  const Instant sent = transmission(env)->log.sent_by(snd_.una, snd_.nxt, min_rtt());
  const Instant due = sent + retransmission_timeout_length(env);
  const bool sooner = env.now < due && due < deadlines_.when(Timer::kRetransmission, env.now);
  if (MUTANT(87, sooner, false)) {
    deadlines_.set(Timer::kRetransmission, due);
  }
}

void Tcb::arm_time_out(Env& env) { deadlines_.set(Timer::kRetransmission, time_out_at(env)); }

Instant Tcb::time_out_at(const Env& env) const {
  const Instant give_up = give_up_at(*transmission(env), r2(env), env.now);
  return std::min(env.now + retransmission_timeout_length(env), give_up);
}

}  // namespace pollux::tcp
