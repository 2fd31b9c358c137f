// Taking back what was done for nothing: Eifel detection by timestamps (RFC 3522) and its
// response (RFC 4015), and detection by D-SACK (RFC 3708).

#include <algorithm>

#include "base/mutant.h"
#include "tcp/tcb.h"

namespace pollux::tcp {

// cwnd is about to be reduced.
void Tcb::note_reduction(bool time_out, Env& env) {
  transmission(env)->lowered_at = env.now;
  Spurious& s = transmission(env)->spurious;
  s = {};
  s.pending = true;
  s.time_out = time_out;
  s.from = snd_.una;
  s.to = snd_.una;
  s.prior_cwnd = congestion_.cwnd;
  s.prior_ssthresh = time_out ? std::max(flight_size(), congestion_.ssthresh) : congestion_.ssthresh;  // pipe_prev
  s.prior_w_max = congestion_.w_max;
}

void Tcb::note_repeat(SeqNum seq, std::uint32_t size, Env& env) {
  Spurious& s = transmission(env)->spurious;
  if (!s.pending) return;
  if (!s.repeated) {
    s.repeated_at = Millis::floor(env.now);
    // Where what is oldest was sent again before the reduction, by another recovery, its ACK echoes that.
    if (seq != snd_.una) s.may_tell = false;
  }
  s.repeated = true;
  s.unexplained += size;
  s.to = max(s.to, seq + size);
}

// RFC 3522, 3.2, (4) and (5): the first acceptable ACK after something was sent again echoes what was sent before
// that. Then the first copy has arrived, and was only late.
void Tcb::find_spurious(const Segment& seg, std::uint32_t acked, Env& env) {
  Spurious& s = transmission(env)->spurious;
  if (s.forward != Forward::kOff && !flag(kSackPermitted)) recover_forward(acked, s.to < snd_.una, env);
  if (!s.pending || !s.repeated || !s.may_tell) return;
  s.may_tell = false;
  if (!flag(kTimestamps) || !seg.options.ts) return;
  const auto age = static_cast<std::int32_t>(seg.options.ts->ecr - (s.repeated_at.value() + ts_.offset));
  if (MUTANT(78, age < 0, true)) undo(acked, env);
}

// RFC 2883, 5: the first block, if it tells of what arrived twice.
const SackBlock* Tcb::dsack_of(const Segment& seg) {
  const std::span<const SackBlock> blocks = seg.options.sack.all();
  if (blocks.empty()) return nullptr;
  const SackBlock& first = blocks.front();
  const bool inside = blocks.size() > 1 && blocks[1].left <= first.left && first.right <= blocks[1].right;
  return first.left < first.right && (first.right <= seg.ack || inside) ? &first : nullptr;
}

// RFC 3708: a D-SACK for everything that was sent again shows that none of it had been lost. One for what was not sent
// again tells of the network, and that of a loss probe of nothing else.
void Tcb::take_dsack(const Segment& seg, Env& env) {
  const SackBlock* block = dsack_of(seg);
  if (block != nullptr) {
    ++env.counters.dsacks_received;
    if (Ledger* l = ledger(env)) ++l->dsack_dups;
  }
  if (take_probe_ack(seg, block, env) || block == nullptr || !has_transmission()) return;
  Transmission& tx = *transmission(env);
  if (!tx.dsack_round || *tx.dsack_round <= snd_.una) {  // RFC 8985, 6.2, step 4
    tx.dsack_round = snd_.nxt;
    reordering_.widen();
  }
  Spurious& s = tx.spurious;
  if (!s.pending || s.unexplained == 0 || block->left < s.from || s.to < block->right) return;
  s.unexplained -= std::min(s.unexplained, distance(block->left, block->right));
  if (s.unexplained == 0) undo(0, env);
}

// RFC 4015, 3.2: "Reversing the congestion control state". After a time-out, when all that was in flight may arrive at
// once, cwnd takes in no more than an initial window above what is outstanding; then nothing is sent again. And the RTO
// was too short: it is to learn more from the next round trip that is measured than from others.
void Tcb::undo(std::uint32_t acked, Env& env) {
  Transmission& tx = *transmission(env);
  const Spurious s = tx.spurious;
  ++(s.time_out ? env.counters.spurious_time_outs : env.counters.spurious_recoveries);
  // What RFC 8985, 6.2, step 3 does not see once it was sent again; without this every reordering that reaches
  // DupThresh would go on to cost a retransmission.
  if (!s.time_out) count_reordering(distance(s.from, s.to), env);
  const std::uint32_t most = Congestion::initial_window(smss_, env.config.initial_window_segments);
  const std::uint32_t resumed = s.time_out ? flight_size() + std::min(acked, most) : s.prior_cwnd;
  // In NewReno's fast recovery cwnd counts what has left the network too (RFC 6582, 3.2).
  const std::uint32_t now = tx.fast_recovery ? 0 : congestion_.cwnd;
  // SMSS may be larger now than it was then, and less than one segment in flight.
  congestion_.cwnd = std::max<std::uint32_t>({now, std::min(s.prior_cwnd, resumed), smss_});
  const std::uint32_t ssthresh = std::max(s.prior_ssthresh, 2u * smss_);
  if (congestion_.ssthresh < ssthresh)
    tx.marked_to = snd_.una - 1;  // with that went an answer to marks (lower_again())
  congestion_.ssthresh = MUTANT(82, ssthresh, congestion_.ssthresh);
  if (s.time_out) tx.adapt_rto_beyond = snd_.nxt;
  // RFC 9438, 4.9. DCTCP's alpha, which stands there too, was measured since.
  if (manner_.control == CongestionControl::kCubic) congestion_.w_max = s.prior_w_max;
  tx.stage = {};
  tx.spurious = {};
  tx.fast_recovery = false;
  tx.resend_now = false;
  tx.dup_acks = 0;
  tx.recover = snd_.una - 1;
  tx.log.lose_nothing();
  may_transmit_ = true;
}

}  // namespace pollux::tcp
