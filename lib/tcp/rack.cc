// Losses told by time: RFC 8985, section 6 (RACK), for peers that agreed to SACK.

#include <algorithm>

#include "base/assert.h"
#include "base/mutant.h"
#include "tcp/tcb.h"

namespace pollux::tcp {

// Something is SACKed, lost or sent again from now on, until end_repair_if_done() finds that nothing is.
void Tcb::begin_repair(Env& env) {
  if (flag(kRepairing)) return;
  set(kRepairing);
  Transmission& tx = *transmission(env);
  tx.rack = {};
  tx.rack.fack = snd_.una;
  if (deadlines_.armed(Timer::kLossProbe)) arm_retransmission(env);  // 7.2: no probe now
}

void Tcb::end_repair_if_done(bool progress, Env& env) {
  const Transmission* tx = transmission(env);
  if (tx == nullptr) return set(kRepairing, reordering_.probe_unexplained);
  if (tx->fast_recovery || snd_.una <= tx->recover || !tx->scoreboard.empty() || tx->probe.end_seq) return;
  if (tx->probe.due || deadlines_.armed(Timer::kReordering) || tx->log.repeated(snd_.una, snd_.nxt)) return;
  set(kRepairing, false);
  // It may be a probe's time now; but what acknowledges nothing puts no time-out off (RFC 6298, 5.3).
  if (flight_size() > 0 && (progress || !deadlines_.armed(Timer::kRetransmission))) arm_retransmission(env);
}

// Steps 2 and 3, for [from, to) of one run: an ACK tells of it, cumulatively (then `echo` is its timestamp's, if it has
// any) or selectively, and of `from` none did before. What a SACK of text beyond a hole echoes is older than that text
// (RFC 7323, 4.3) and tells nothing of which copy has come.
void Tcb::note_delivered(SeqNum from, SeqNum to, const SendLog::Run& run, std::optional<std::uint32_t> echo, Env& env) {
  const Transmission& tx = *transmission(env);
  Rack& rack = transmission(env)->rack;
  if (!run.again) {
    if (from <= tx.recover) rack.original = true;
    if (from < rack.fack) count_reordering(distance(from, rack.fack), env);
  } else {
    // Which copy came? Not the last one, if that would have been faster than any ever was.
    if (env.now - run.at < min_rtt()) return;
    const std::uint32_t sent_at = Millis::floor(run.at).value() + ts_.offset;
    if (echo && static_cast<std::int32_t>(*echo - sent_at) < 0) return;
  }
  const SendLog::Sent segment{.at = run.at, .end_seq = to};
  if (!rack.delivered || segment.after(*rack.delivered)) rack.delivered = segment;
}

// The end of steps 2 and 3, when all has been looked at that the ACK tells of.
void Tcb::take_delivered(SeqNum highest, Env& env) {
  Rack& rack = transmission(env)->rack;
  rack.fack = max(rack.fack, highest);
  rack.original = false;
  if (!rack.delivered) return;
  rack.rtt = env.now - rack.delivered->at;
  if (rack.delivered->after(rack.latest)) rack.latest = *rack.delivered;
  rack.delivered.reset();
}

// Step 4.
Duration Tcb::reordering_window(const Env& env) const {
  const Transmission& tx = *transmission(env);
  if (!reordering_.seen) {
    const bool in_recovery = tx.fast_recovery || snd_.una <= tx.recover;
    if (in_recovery || tx.dup_acks >= Scoreboard::kDupThresh || tx.scoreboard.reaches_threshold(smss_)) return {};
  }
  return MUTANT(79, std::min<Duration>(reordering_.mult * min_rtt() / 4, rtt_.srtt()), Duration{});
}

// Step 5, RACK_detect_loss_and_arm_timer(): whether something was found lost.
bool Tcb::detect_loss(Env& env) {
  if (MUTANT(10, false, true)) return false;
  Transmission& tx = *transmission(env);
  const std::uint32_t before = tx.log.lost();
  const Instant limit = env.now - tx.rack.rtt - reordering_window(env);
  const Duration wait = tx.log.lose_sent_before(tx.rack.latest, limit, snd_.una, snd_.nxt, tx.scoreboard);
  if (wait > Duration{}) {
    const Instant at = env.now + wait;
    const bool time_out_first =
        deadlines_.armed(Timer::kRetransmission) && deadlines_.when(Timer::kRetransmission, env.now) <= at;
    if (!time_out_first && MUTANT(80, true, false)) deadlines_.set(Timer::kReordering, at);
  } else if (deadlines_.armed(Timer::kReordering)) {
    arm_retransmission(env);
  }
  return tx.log.lost() > before;
}

void Tcb::reordering_timeout(Env& env) {
  deadlines_.clear(Timer::kReordering);
  if (detect_loss(env)) {
    Transmission& tx = *transmission(env);
    answer_loss(env);
    if (tx.fast_recovery) reduce_window(0, false, env);
    may_transmit_ = true;
  }
  if (!deadlines_.armed(Timer::kReordering)) arm_retransmission(env);
}

// 6.3, RACK_mark_losses_on_RTO(). Where RACK has not measured anything since all was well, SRTT will do.
void Tcb::lose_on_time_out(Env& env) {
  Transmission& tx = *transmission(env);
  const Duration rtt = tx.rack.rtt > Duration{} ? tx.rack.rtt : rtt_.srtt();
  const Instant limit = flag(kSackPermitted) ? env.now - rtt - reordering_window(env) : env.now;
  tx.log.lose_sent_by(limit, snd_.una, snd_.nxt, tx.scoreboard);
  tx.log.lose(snd_.una, min(snd_.una + smss_, snd_.nxt), snd_.una, snd_.nxt, tx.scoreboard);
  tx.rack.fack = snd_.una;  // what was SACKed is forgotten, and will be news once more
}

}  // namespace pollux::tcp
