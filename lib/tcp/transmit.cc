// Output: the only builder of segments. Pays what the verbs have marked.

#include <algorithm>

#include "base/assert.h"
#include "base/mutant.h"
#include "tcp/tcb.h"
#include "wire/tcp_options.h"

namespace pollux::tcp {

std::optional<Outgoing> Tcb::poll_transmit(std::uint32_t max_text, Env& env) {
  std::optional<Outgoing> out{std::in_place};
  if (make_next(*out, max_text, env)) {
    note_sent(*out, env);
    may_transmit_ = owes_more(env);
  } else {
    out.reset();
    may_transmit_ = false;
  }
  if (!may_transmit_ && has_ledger_) count_pace(env);
  ASSERT(invariants_hold(env));
  return out;
}

Outgoing Tcb::acknowledge_at_once(Env& env) {
  ASSERT(owes_ack_at_once());
  Outgoing out;
  make_ack(out, env);
  note_sent(out, env);
  ASSERT(invariants_hold(env));
  return out;
}

// False, and `out` is untouched: nothing is to be sent now.
bool Tcb::make_next(Outgoing& out, std::uint32_t max_text, Env& env) {
  if (marks_.rst) return make_reset(out, env);
  if (state_ == State::kSynSent || state_ == State::kSynReceived) {
    if (marks_.syn) return make_syn(out, env);
    if (state_ == State::kSynSent) return false;
    return (transmission(env)->early && make_new_text(out, max_text, env)) || make_ack(out, env);
  }
  if (state_ == State::kClosed) return false;
  return make_retransmission(out, env) || make_new_text(out, max_text, env) || make_loss_probe(out, env) ||
         make_probe(out, env) || make_ack(out, env);
}

// Whether it is worth asking for another segment: most often one is all there is.
bool Tcb::owes_more(const Env& env) const {
  if (marks_.syn || marks_.ack || marks_.probe || marks_.keep_alive) return true;
  const Transmission* tx = transmission(env);
  if (tx == nullptr) return false;
  return unsent(env) > 0 || flag(kRepairing) || (fin_wanted() && !flag(kFinSent));
}

void Tcb::copy_text(const Outgoing& segment, std::span<std::byte> to, Env& env) {
  transmission(env)->buffer.copy(env.stores.slices, segment.text_offset, to);
}

// --- The kinds of segments ---

bool Tcb::make_reset(Outgoing& out, Env& env) {
  marks_.rst = false;
  segment_at(out, snd_.nxt, env);
  out.flags.rst = true;
  out.wnd = 0;
  ++env.counters.resets_sent;
  return true;
}

// SYN, or SYN-ACK in SYN-RECEIVED. Options that the peer's SYN has not offered are left out.
bool Tcb::make_syn(Outgoing& out, Env& env) {
  marks_.syn = false;
  Transmission& tx = *transmission(env);
  const bool answer = state_ == State::kSynReceived;
  out.seq = snd_.iss;
  out.flags.syn = true;
  out.flags.ack = answer;
  out.flags.ece = manner_.ecn;  // RFC 3168, 6.1.1
  out.flags.cwr = manner_.ecn && !answer;
  if (answer) out.ack = rcv_.nxt;
  const std::uint32_t wnd = answer ? rcv_wnd() : env.config.receive_buffer;  // never scaled in a SYN
  out.wnd = static_cast<std::uint16_t>(std::min<std::uint32_t>(wnd, 65535));
  out.options.mss = offered_mss_;  // MUST-14
  if (answer ? flag(kWindowScaled) : env.config.window_scaling) out.options.wind_shift = rcv_shift();
  out.options.sack_permitted = answer ? flag(kSackPermitted) : env.config.sack_permitted;
  if (answer ? flag(kTimestamps) : env.config.timestamps) {
    out.options.ts = Timestamps{timestamp_now(env), answer ? ts_.recent : 0};
  }
  if (snd_.nxt == snd_.iss) {
    snd_.nxt = snd_.iss + 1;
    tx.timing = true;
    tx.timed_seq = snd_.nxt;
    tx.timed_at = env.now;
    if (tx.fast_open) add_fast_open(out, env);
  } else {
    tx.timing = MUTANT(27, false, tx.timing);  // Karn
    count_again(0, env);
  }
  if (deadlines_.place_is_free(Timer::kRetransmission)) arm_retransmission(env);
  return true;
}

// RFC 7413, 4.2.1 and 4.2.2: asks for a cookie, gives one, or shows the one that we have, and text behind it.
void Tcb::add_fast_open(Outgoing& out, Env& env) {
  Transmission& tx = *transmission(env);
  out.options.fast_open = tx.fast_open;
  if (out.flags.ack || tx.fast_open->size == 0 || tx.buffer.empty()) return;
  const std::uint32_t mss = std::min(tx.peer_mss, offered_mss_);
  const auto used = static_cast<std::uint32_t>(options_size(out.options));
  if (mss <= used) return;
  out.text_size = std::min(tx.buffer.size(), mss - used);
  out.flags.psh = out.text_size == tx.buffer.size();  // MUST-61
  tx.syn_text = static_cast<std::uint16_t>(out.text_size);
  snd_.nxt += out.text_size;
  env.counters.bytes_sent += out.text_size;
}

// What was lost, the lowest first, as cwnd allows: RFC 6298, 5.4, and rule (1) of RFC 6675's NextSeg(); and the first
// of it whatever cwnd says when a recovery begins.
bool Tcb::make_retransmission(Outgoing& out, Env& env) {
  Transmission* tx = transmission(env);
  if (tx == nullptr || tx->log.lost() == 0) return false;
  if (!tx->resend_now && waits_forward(env)) return false;  // RFC 5682: whether it is lost is not known yet
  const auto [first, end] = tx->log.first_lost(snd_.una, snd_.nxt, tx->scoreboard);
  if (MUTANT(66, false, first == text_end(env))) return false;
  if (!tx->resend_now) {
    if (!may_go_now(env)) return false;
    const std::uint32_t in_network = flag(kSackPermitted) ? pipe(env) : distance(snd_.una, first);
    if (congestion_.cwnd < in_network + (tx->fast_recovery ? smss_ : 1u)) return false;
    // Into a window that has shrunk only the first segment goes, as a probe (SHLD-16, MAY-7). With a scaled window the
    // field may have been rounded down by less than one unit, which is no shrinking (RFC 7323, 2.4, (4)).
    const std::uint32_t rounding = (1u << snd_wind_shift_) - 1;
    if (first != snd_.una && snd_.una + snd_.wnd + rounding < min(first + smss_, end)) return false;
  }
  tx->resend_now = false;
  const SeqNum seq = MUTANT(77, first, snd_.una);
  note_repeat(seq, repeat(out, seq, end, env), env);
  return true;
}

// Sends the segment at `seq` once more, as much of it as stands before `end`; returns how much text that is.
std::uint32_t Tcb::repeat(Outgoing& out, SeqNum seq, SeqNum end, Env& env) {
  Transmission* tx = transmission(env);
  segment_at(out, seq, env);
  const SeqNum text_limit = min(end, text_end(env));
  const std::uint32_t size = seq < text_limit ? std::min<std::uint32_t>(smss_, distance(seq, text_limit)) : 0;
  add_text(out, size, env);
  out.flags.psh = size > 0 && seq + size == text_end(env);  // MUST-61
  out.flags.fin = flag(kFinSent) && seq + size == text_end(env) && seq + size < end;
  tx->timing = MUTANT(27, false, tx->timing);  // Karn (MUST-18)
  tx->resent_at = Millis::floor(env.now);
  tx->prr.out += size;
  const SeqNum sent_to = seq + size + (out.flags.fin ? 1u : 0u);
  tx->log.sent_again(seq, sent_to, snd_.una, snd_.nxt, env.now, min_rtt(), tx->scoreboard);
  count_again(size, env);
  if (deadlines_.place_is_free(Timer::kRetransmission) && MUTANT(13, true, false)) arm_retransmission(env);
  return size;
}

// Text that was never sent, as far as the peer's window, cwnd, Nagle and silly-window
// avoidance allow; and our FIN behind it.
bool Tcb::make_new_text(Outgoing& out, std::uint32_t max_text, Env& env) {
  Transmission* tx = transmission(env);
  if (tx == nullptr || flag(kFinSent)) return false;
  const std::uint32_t queued = unsent(env);
  const bool fin = fin_wanted();
  if (queued == 0 && !fin) return false;
  if (queued > 0 && !may_go_now(env)) return false;
  if (flight_size() == 0) restart_after_idle(env);
  if (smss_ < most_smss_) {
    const MtuProbe probe = make_mtu_probe(out, queued, env);
    if (probe != MtuProbe::kNone) return probe == MtuProbe::kMade;
  }

  const std::uint32_t usable = usable_window(env);
  // A device that cuts segments up copies the urgent pointer, which counts from each one's number, and CWR.
  const bool single = (tx->urgent && snd_.nxt < tx->up) || manner_.cwr;
  const std::uint32_t most = single ? smss_ : most_at_once(max_text);
  const std::uint32_t size = whole_segments(std::min({queued, usable, most}), queued, env);
  const bool with_fin = MUTANT(14, fin && size == queued, fin) && flight_size() + size < snd_.wnd;
  if ((size == 0 && !with_fin) || (size > 0 && !worth_sending(size, queued, env))) {
    wait_for_window(env);
    return false;
  }
  put_new_text(out, size, queued, with_fin, env);
  if (size > smss_) out.segment_size = smss_;
  return true;
}

// The first `size` bytes of the `queued` that were never sent.
void Tcb::put_new_text(Outgoing& out, std::uint32_t size, std::uint32_t queued, bool with_fin, Env& env) {
  ASSERT(size <= queued && queued == unsent(env));
  Transmission* tx = transmission(env);
  tx->log.sent(snd_.nxt, snd_.una, env.now, min_rtt(), tx->scoreboard);
  segment_at(out, snd_.nxt, env);
  add_text(out, size, env);
  const SeqNum end = snd_.nxt + size;
  out.flags.psh = size > 0 && (size == queued || end == tx->pushed);  // MUST-61
  out.flags.fin = with_fin;
  if (manner_.ecn && size > 0) {  // RFC 3168, 6.1.4 to 6.1.6: nothing else is ECN-capable
    out.ecn = Ecn::kEct0;
    out.flags.cwr = manner_.cwr;
    manner_.cwr = false;
  }
  if (with_fin) set(kFinSent);
  if (size == queued && flight_size() + size < congestion_.cwnd) tx->app_limited_to = end;
  tx->sws_forced = false;
  if (snd_.una == snd_.nxt) tx->stalled_since = Millis::floor(env.now);
  snd_.nxt += size + (with_fin ? 1u : 0u);
  // In a recovery cwnd is what is left in the network, or inflated, and says nothing about what is wanted of it.
  if (!tx->fast_recovery && pipe(env) + 2 * smss_ >= congestion_.cwnd) tx->full_to = snd_.nxt;
  env.counters.bytes_sent += size;
  tx->prr.out += size;
  sent_at_ = Millis::floor(env.now);
  if (!tx->timing && !(flag(kRepairing) && tx->log.repeated(snd_.una, snd_.nxt))) {
    tx->timing = true;
    tx->timed_seq = snd_.nxt;
    tx->timed_at = env.now;
    begin_rate_sample(out.seq, env);
  }
  deadlines_.clear(Timer::kPersist);
  if (deadlines_.place_is_free(Timer::kRetransmission)) arm_retransmission(env);  // RFC 6298, 5.1
}

// A segment without text and one number too early, which the peer answers with an ACK that
// carries its window: probes a closed window (MUST-36), and a silent peer (SHLD-12).
bool Tcb::make_probe(Outgoing& out, Env& env) {
  if (!marks_.probe && !marks_.keep_alive) return false;
  if (marks_.probe) ++env.counters.zero_window_probes;
  if (marks_.keep_alive) ++env.counters.keep_alive_probes;
  marks_.probe = false;
  marks_.keep_alive = false;
  segment_at(out, snd_.una - 1, env);
  return true;
}

bool Tcb::make_ack(Outgoing& out, Env& env) {
  if (!marks_.ack) return false;
  segment_at(out, MUTANT(63, snd_.nxt, snd_.una), env);
  add_sack(out, env);
  return true;
}

// --- What they have in common ---

void Tcb::segment_at(Outgoing& out, SeqNum seq, Env& env) {
  out.seq = seq;
  out.flags.ack = true;
  out.ack = rcv_.nxt;
  out.flags.ece = manner_.echo;
  choose_window(env);
  out.wnd = window_field();
  if (flag(kTimestamps)) out.options.ts = Timestamps{timestamp_now(env), ts_.recent};
  const Transmission* tx = transmission(env);
  if (tx != nullptr && tx->urgent && seq < tx->up) {
    out.flags.urg = true;
    out.up = static_cast<std::uint16_t>(std::min<std::uint32_t>(distance(seq, tx->up), 65535));
  }
}

void Tcb::add_text(Outgoing& out, std::uint32_t size, Env& env) {
  if (size == 0) return;
  out.text_offset = distance(first_text(env), out.seq);
  out.text_size = size;
}

// An acknowledgment rides on every segment but a probe: its number makes the peer drop it unread, and were both sides
// probing, neither would ever hear of what the other has taken.
void Tcb::note_sent(const Outgoing& out, Env& env) {
  ++env.counters.segments_sent;
  if (has_ledger_) count_sent(out, env);
  if (manner_.pacing && out.text_size > 0) note_release(out.text_size, env);
  if (!out.flags.ack || out.seq < snd_.una) return;
  if (marks_.repeats > 0) {
    --marks_.repeats;
  } else {
    marks_.ack = queue_ != kNone && sack_unsaid(env);  // on segments with text there is no room for blocks
    ack_at_once_ = ack_at_once_ && marks_.ack;
  }
  deadlines_.clear(Timer::kDelayedAck);
  rcv_.last_ack_sent = rcv_.nxt;
}

// Min(D, U) of RFC 9293, 3.8.6.2.1: what peer and network will bear.
std::uint32_t Tcb::usable_window(const Env& env) const {
  const Transmission& tx = *transmission(env);
  if (flag(kRepairing)) return usable_beside_losses(env);
  const std::uint32_t flight = flight_behind_syn();
  // RFC 3042: each of the first two duplicate ACKs lets one new segment go.
  const std::uint32_t extra = std::min<std::uint32_t>(tx.dup_acks, 2) * smss_;
  const std::uint32_t limit = std::min(snd_.wnd, MUTANT(15, congestion_.cwnd + extra, UINT32_MAX));
  return limit > flight ? limit - flight : 0;
}

// RFC 9293, 3.8.6.2.1 (sender's silly-window avoidance) and 3.7.4 (Nagle).
bool Tcb::worth_sending(std::uint32_t size, std::uint32_t queued, const Env& env) const {
  if (size >= smss_) return true;                    // (1)
  if (size == queued && may_push(env)) return true;  // (2)
  const bool alone = flight_behind_syn() == 0 || flag(kNoDelay);
  if (2 * std::uint64_t{size} >= snd_.max_wnd && alone) return true;  // (3)
  return transmission(env)->sws_forced;                               // (4)
}

// Whether a small segment that empties the queue may go although others are in flight.
bool Tcb::may_push(const Env& env) const {
  const Transmission& tx = *transmission(env);
  return flight_behind_syn() == 0 || MUTANT(47, flag(kNoDelay), true) || MUTANT(71, fin_wanted(), false) ||
         (tx.urgent && snd_.nxt < tx.up);
}

// Of several segments built as one (TSO), the last goes along only if it is full, or
// would go by itself.
std::uint32_t Tcb::whole_segments(std::uint32_t size, std::uint32_t queued, const Env& env) const {
  if (size <= smss_ || (size == queued && may_push(env))) return size;
  return size - size % smss_;
}

// Nothing can go now. If nothing is in flight either, no acknowledgment will come to say
// when it can: the persist timer must (MUST-35; the override time-out of 3.8.6.2.1).
void Tcb::wait_for_window(Env& env) {
  if (flight_size() > 0 || deadlines_.armed(Timer::kPersist)) return;
  Transmission& tx = *transmission(env);
  tx.stalled_since = Millis::floor(env.now);
  if (!MUTANT(16, true, false)) return;
  const Duration wait = snd_.wnd == 0 ? rtt_.rto(env.config) : env.config.sws_override;  // SHLD-29
  deadlines_.set(Timer::kPersist, env.now + wait);
}

// RFC 5681, 4.1, and RFC 2861 for ssthresh.
void Tcb::restart_after_idle(Env& env) {
  const Millis now = Millis::floor(env.now);
  Congestion::pause(transmission(env)->stage, now);  // nothing was in flight (RFC 9438, 5.8)
  const auto idle = std::chrono::milliseconds{now.elapsed_since(sent_at_)};
  if (MUTANT(50, idle <= rtt_.rto(env.config), true)) return;
  const std::uint32_t restart = Congestion::initial_window(smss_, env.config.initial_window_segments);
  if (restart < congestion_.cwnd) {
    congestion_.remember();
    congestion_.cwnd = restart;
  }
  note_full_window(now);
}

std::uint32_t Tcb::timestamp_now(const Env& env) const { return Millis::floor(env.now).value() + ts_.offset; }

SeqNum Tcb::first_text(const Env&) const { return snd_.una + (flag(kSynUnacked) ? 1u : 0u); }

SeqNum Tcb::text_end(const Env& env) const {
  const Transmission* tx = transmission(env);
  return first_text(env) + (tx == nullptr ? 0 : tx->buffer.size());
}

std::uint32_t Tcb::unsent(const Env& env) const {
  const SeqNum end = text_end(env);
  const SeqNum next = max(snd_.nxt, first_text(env));
  return next < end ? distance(next, end) : 0;
}

}  // namespace pollux::tcp
