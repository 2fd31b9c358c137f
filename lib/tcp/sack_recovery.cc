// Loss recovery by selective acknowledgment: RFC 6675, section 5, for peers that agreed to
// SACK, with PRR (RFC 6937). Those that did not have NewReno, in acknowledgment.cc.

#include <algorithm>

#include "base/assert.h"
#include "base/mutant.h"
#include "tcp/tcb.h"

namespace pollux::tcp {

void Tcb::take_sack(const Segment& seg, Env& env) {
  const SeqNum una_before = snd_.una;
  const std::uint32_t sacked_before = transmission(env)->scoreboard.sacked();
  if (snd_.una < seg.ack) new_ack(seg, env);
  Transmission* tx = transmission(env);
  if (tx == nullptr) return;
  const bool news = update_scoreboard(seg, env) > 0;
  if (news) may_transmit_ = true;
  if (news && snd_.una == seg.ack && tx->dup_acks < UINT8_MAX) {  // 2: what a duplicate acknowledgment is here
    ++tx->dup_acks;
    ++env.counters.duplicate_acks;
  }
  const SeqNum lost = tx->scoreboard.lost_edge(snd_.una, smss_);
  bool safe = false;
  if (tx->recover < snd_.una) {
    if (MUTANT(10, tx->dup_acks >= Scoreboard::kDupThresh || snd_.una < lost, false)) begin_sack_recovery(env);
  } else {
    safe = una_before < snd_.una && lost <= tx->rtx_end;  // SafeACK of RFC 9937
    tx->rtx_end = max(tx->rtx_end, lost);
  }
  if (!flag(kFastRecovery)) return;
  const std::uint32_t delivered = distance(una_before, snd_.una) + tx->scoreboard.sacked() - sacked_before;
  reduce_window(delivered, safe, env);
}

// RFC 6937, 3: "on every ACK during recovery".
void Tcb::reduce_window(std::uint32_t delivered, bool safe, Env& env) {
  Prr& prr = transmission(env)->prr;
  const std::uint32_t cwnd = prr.window(delivered, safe, pipe(env), congestion_.ssthresh, smss_);
  congestion_.cwnd = std::clamp<std::uint32_t>(cwnd, smss_, Congestion::kMax);
}

// Update() of RFC 6675, 4: returns how many numbers were not known to have arrived. Blocks that say what cannot
// be are ignored: a peer cannot hold what was not sent, nor SND.UNA itself without acknowledging it.
std::uint32_t Tcb::update_scoreboard(const Segment& seg, Env& env) {
  Transmission& tx = *transmission(env);
  std::uint32_t news = 0;
  const std::span<const SackBlock> blocks = seg.options.sack.all();
  if (!blocks.empty()) {  // RFC 2883, 5: whether the first tells of what arrived twice
    const SackBlock& first = blocks.front();
    const bool inside = blocks.size() > 1 && blocks[1].left <= first.left && first.right <= blocks[1].right;
    if (first.left < first.right && (first.right <= seg.ack || inside)) take_dsack(first, env);
  }
  for (const SackBlock& block : blocks) {
    const bool possible = snd_.una < block.left && block.left < block.right && block.right <= snd_.nxt;
    if (MUTANT(75, possible, block.left < block.right && block.right <= snd_.nxt)) {
      news += tx.scoreboard.add(env.stores.sacked, block.left, block.right);
    }
  }
  return news;
}

// (4.1) to (4.4).
void Tcb::begin_sack_recovery(Env& env) {
  Transmission& tx = *transmission(env);
  note_reduction(false, env);
  // What limited transmit sent beyond cwnd does not count (RFC 5681, 3.2, (2)).
  congestion_.reduce(env.config.congestion, tx.stage, std::min(flight_size(), congestion_.cwnd), smss_, false);
  tx.prr.begin(flight_size());
  tx.recover = snd_.nxt - 1;
  set(kFastRecovery);
  tx.resend_head = true;
  tx.scoreboard.begin_again(snd_.una);
  tx.rtx_end = tx.scoreboard.lost_edge(snd_.una, smss_);
  tx.rescue_rxt = min(tx.scoreboard.hole_end(snd_.una, snd_.nxt), snd_.una + smss_) - 1;
  may_transmit_ = true;
  ++env.counters.fast_retransmits;
}

// SetPipe() of RFC 6675, 4: what is thought to be in the network. Everything that is neither SACKed nor lost, and
// what was sent again.
std::uint32_t Tcb::pipe(const Env& env) const {
  if (!flag(kSackPermitted) || transmission_ == kNone) return flight_size();
  const Transmission& tx = *transmission(env);
  const SeqNum lost = tx.rtx_end;
  const std::uint32_t once = distance(lost, snd_.nxt) - tx.scoreboard.sacked_from(lost);
  const std::uint32_t again = distance(snd_.una, tx.scoreboard.rtx_next()) - tx.scoreboard.passed();
  return once + again;
}

// usable_window() while something is lost or SACKed, which is in the network no more (RFC 6675).
std::uint32_t Tcb::usable_beside_losses(const Env& env) const {
  if (lost_remains(env)) return 0;  // that comes first
  const std::uint32_t flight = flight_size();
  const std::uint32_t in_network = MUTANT(15, pipe(env), 0u);
  const std::uint32_t by_peer = snd_.wnd > flight ? snd_.wnd - flight : 0;
  return std::min(by_peer, congestion_.cwnd > in_network ? congestion_.cwnd - in_network : 0);
}

// Rules (3) and (4) of NextSeg(), RFC 6675, 4, once there is nothing that is lost for sure and no new text: what may
// be lost, and once in a recovery the last segment, so that a hole at the end need not wait for the timer.
bool Tcb::make_rescue(Outgoing& out, Env& env) {
  Transmission* tx = transmission(env);
  if (tx == nullptr || !flag(kFastRecovery) || !flag(kSackPermitted) || lost_remains(env)) return false;
  if (congestion_.cwnd < pipe(env) + smss_) return false;
  const Scoreboard& board = tx->scoreboard;
  const SeqNum next = board.skip(board.rtx_next());
  if (!board.empty() && next < board.highest()) {  // (3)
    const SeqNum sent_to = repeat(out, next, board.hole_end(next, snd_.nxt), env);
    tx->scoreboard.sent_again_to(sent_to);
    return true;
  }
  const auto [left, right] = board.last_hole(snd_.una, snd_.nxt);  // (4)
  if (snd_.una <= tx->rescue_rxt || right <= board.rtx_next()) return false;
  tx->rescue_rxt = tx->recover;
  repeat(out, distance(left, right) > smss_ ? right - smss_ : left, right, env);  // HighRxt stays
  return true;
}

}  // namespace pollux::tcp
