// Loss recovery by selective acknowledgment, for peers that agreed to SACK: RFC 6675, 5, where RACK (rack.cc) says
// what is lost and when to begin, with PRR (RFC 6937). Those that did not agree have NewReno, in acknowledgment.cc.

#include <algorithm>

#include "base/assert.h"
#include "base/mutant.h"
#include "tcp/tcb.h"

namespace pollux::tcp {

void Tcb::take_repair_ack(const Segment& seg, Env& env) {
  const SeqNum una_before = snd_.una;
  if (flag(kSackPermitted)) {
    take_sack(seg, env);
  } else if (snd_.una < seg.ack) {
    new_ack(seg, env);
  } else if (is_duplicate_ack(seg, env)) {
    duplicate_ack(env);
  }
  if (flag(kRepairing)) end_repair_if_done(una_before != snd_.una, env);
}

void Tcb::take_sack(const Segment& seg, Env& env) {
  take_dsack(seg, env);
  if (!has_transmission()) return;
  if (!flag(kRepairing) && tells_of_more(seg)) begin_repair(env);
  const bool more = MUTANT(56, snd_.una < seg.ack, snd_.una.value() < seg.ack.value());
  if (!flag(kRepairing)) {
    if (more) new_ack(seg, env);
    return;
  }
  const SeqNum una_before = snd_.una;
  const std::uint32_t sacked_before = transmission(env)->scoreboard.sacked();
  const bool was_recovering = snd_.una <= transmission(env)->recover;
  if (more) {
    note_acknowledged(seg, env);
    new_ack(seg, env);
  }
  Transmission* tx = transmission(env);
  if (was_recovering && (tx == nullptr || tx->recover < snd_.una)) reordering_.narrow();
  if (tx == nullptr) return;
  const bool news = update_scoreboard(seg, env) > 0;
  if (tx->spurious.forward != Forward::kOff && (news || una_before != snd_.una)) {
    recover_forward(distance(una_before, snd_.una), tx->rack.original, env);
  }
  take_delivered(tx->scoreboard.empty() ? snd_.una : tx->scoreboard.highest(), env);
  if (news && snd_.una == seg.ack && tx->dup_acks < UINT8_MAX) {  // 2: what a duplicate acknowledgment is here
    ++tx->dup_acks;
    ++env.counters.duplicate_acks;
  }
  const bool more_lost = snd_.una != snd_.nxt && detect_loss(env);
  if (news || more_lost) may_transmit_ = true;
  const bool recovering = snd_.una <= tx->recover;
  if (!recovering || more_lost) answer_loss(env);
  if (!tx->fast_recovery) return;
  const bool safe = recovering && una_before < snd_.una && !more_lost;  // SafeACK of RFC 9937
  // Less than before is known where the peer gave up what it held (RFC 2018, 8).
  const std::uint32_t known = distance(una_before, snd_.una) + tx->scoreboard.sacked();
  reduce_window(known > sacked_before ? known - sacked_before : 0, safe, env);
}

// What the acknowledgment field tells RACK.
void Tcb::note_acknowledged(const Segment& seg, Env& env) {
  const auto echo = seg.options.ts ? std::optional{seg.options.ts->ecr} : std::nullopt;
  const Transmission& tx = *transmission(env);
  tx.log.each(snd_.una, seg.ack, snd_.nxt, [&](SeqNum from, SeqNum to, const SendLog::Run& run) {
    const SeqNum hole = tx.scoreboard.skip(from);
    if (hole < to) note_delivered(hole, to, run, echo, env);
  });
}

// RFC 6937, 3: "on every ACK during recovery".
void Tcb::reduce_window(std::uint32_t delivered, bool safe, Env& env) {
  Prr& prr = transmission(env)->prr;
  const std::uint32_t cwnd = prr.window(delivered, safe, pipe(env), congestion_.ssthresh, smss_);
  congestion_.cwnd = std::clamp<std::uint32_t>(cwnd, smss_, Congestion::kMax);
}

// Blocks that say what cannot be are ignored: a peer cannot hold what was not sent, nor SND.UNA itself without
// acknowledging it.
bool Tcb::is_possible(const SackBlock& block) const {
  const bool possible = snd_.una < block.left && block.left < block.right && block.right <= snd_.nxt;
  return MUTANT(75, possible, block.left < block.right && block.right <= snd_.nxt);
}

bool Tcb::tells_of_more(const Segment& seg) const {
  const std::span<const SackBlock> blocks = seg.options.sack.all();
  return std::any_of(blocks.begin(), blocks.end(), [this](const SackBlock& block) { return is_possible(block); });
}

// Update() of RFC 6675, 4: returns how many numbers were not known to have arrived.
std::uint32_t Tcb::update_scoreboard(const Segment& seg, Env& env) {
  Transmission& tx = *transmission(env);
  std::uint32_t news = 0;
  for (const SackBlock& block : seg.options.sack.all()) {
    if (!is_possible(block)) continue;
    std::uint32_t lost = 0;
    const auto take_hole = [&log = tx.log, &lost, &env, this](SeqNum left, SeqNum right) {
      log.each(left, right, snd_.nxt, [&](SeqNum from, SeqNum to, const SendLog::Run& run) {
        note_delivered(from, to, run, std::nullopt, env);
        if (run.lost) lost += distance(from, to);
      });
    };
    const std::uint32_t added = tx.scoreboard.add(env.stores.sacked, block.left, block.right, take_hole);
    if (added > 0) tx.log.found(lost);
    news += added;
  }
  if (news > 0) tx.delivery_rate.note_delivered(env.now);
  return news;
}

// What was found lost begins a recovery. In one, and after a time-out, it was outstanding when cwnd was lowered, and is
// no news; but what was sent since, again, and is lost once more is another indication of congestion (RFC 5681, 4.3).
// That cannot be known before a round trip has passed.
void Tcb::answer_loss(Env& env) {
  const Transmission& tx = *transmission(env);
  if (tx.recover < snd_.una) {
    if (tx.log.lost() > 0) begin_sack_recovery(env);
  } else if (tx.lowered_at <= tx.log.lost_again() && tx.lowered_at + min_rtt() <= env.now) {
    lower_again(env);
  }
}

// (4.1) to (4.4).
void Tcb::begin_sack_recovery(Env& env) {
  if (only_mtu_probe_lost(env)) return;
  Transmission& tx = *transmission(env);
  note_reduction(false, env);
  // What limited transmit sent beyond cwnd does not count (RFC 5681, 3.2, (2)).
  lower_ssthresh(std::min(flight_size(), congestion_.cwnd), false, env);
  tx.prr.begin(flight_size());
  tx.recover = snd_.nxt - 1;
  tx.fast_recovery = true;
  tx.resend_now = true;
  tx.probe.end_seq.reset();
  may_transmit_ = true;
  ++env.counters.fast_retransmits;
}

// Should nothing have been lost after all, then that is true of the first reduction too: undo() goes back to before it.
void Tcb::lower_again(Env& env) {
  Transmission& tx = *transmission(env);
  if (!tx.fast_recovery) {
    if (!tx.spurious.pending) note_reduction(false, env);
    tx.recover = snd_.nxt - 1;
    tx.fast_recovery = true;
    tx.spurious.forward = Forward::kOff;
    // Slow start, which the time-out began, was going there, as far as there is something to send.
    congestion_.cwnd = std::max(congestion_.cwnd, std::min(congestion_.ssthresh, flight_size()));
    ++env.counters.fast_retransmits;
  } else {
    congestion_.cwnd = congestion_.ssthresh;  // that is where PRR was going
  }
  tx.resend_now = true;
  tx.lowered_at = env.now;
  // It is the same congestion: where CUBIC's plateau is, is known from its first loss (RFC 9438, 4.6 and 4.7).
  const std::uint32_t w_max = congestion_.w_max;
  tx.marked_to = snd_.una - 1;  // but sent after a mark was answered
  lower_ssthresh(std::min(flight_size(), congestion_.cwnd), false, env);
  if (manner_.control == CongestionControl::kCubic) congestion_.w_max = w_max;
  if (manner_.ecn) tx.marked_to = snd_.nxt;  // echoes of what was in flight then are answered with this
  tx.prr.begin(pipe(env));
}

// SetPipe() of RFC 6675, 4: what is thought to be in the network. Everything that is neither SACKed nor lost.
std::uint32_t Tcb::pipe(const Env& env) const {
  if (!flag(kSackPermitted) || !has_transmission()) return flight_size();
  const Transmission& tx = *transmission(env);
  return flight_size() - tx.scoreboard.sacked() - tx.log.lost();
}

// usable_window() while something is lost or SACKed, which is in the network no more (RFC 6675).
std::uint32_t Tcb::usable_beside_losses(const Env& env) const {
  if (transmission(env)->spurious.forward == Forward::kNewText) return forward_window(env);
  if (transmission(env)->log.lost() > 0) return 0;  // that comes first
  const std::uint32_t flight = flight_size();
  const std::uint32_t in_network = MUTANT(15, pipe(env), 0u);
  const std::uint32_t by_peer = snd_.wnd > flight ? snd_.wnd - flight : 0;
  return std::min(by_peer, congestion_.cwnd > in_network ? congestion_.cwnd - in_network : 0);
}

}  // namespace pollux::tcp
