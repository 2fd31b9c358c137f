// RFC 9293, 3.10.7: SEGMENT ARRIVES. To be read beside it: one function per group of
// states, one per numbered check, in the order given there. LISTEN is in open.cc, the
// acknowledgment field in acknowledgment.cc.

#include <algorithm>

#include "base/assert.h"
#include "base/mutant.h"
#include "tcp/tcb.h"

namespace pollux::tcp {
namespace {

constexpr std::uint32_t kLongPassed = std::uint32_t{1} << 30;  // more than a window: all of it has been read

// RFC 7323, 5.5: a timestamp older than this says nothing.
constexpr std::uint32_t kTimestampValidMs = 24 * 24 * 3600 * 1000;

// `a` before `b` on the timestamp clock, modulo 2^32 (RFC 7323, 5.2).
bool older(std::uint32_t a, std::uint32_t b) { return static_cast<std::int32_t>(a - b) < 0; }

std::uint32_t text_size(const Segment& seg) { return static_cast<std::uint32_t>(seg.text.size()); }

// Where the segment's text begins, and where its FIN stands.
SeqNum text_seq(const Segment& seg) { return seg.seq + (seg.flags.syn ? 1u : 0u); }
SeqNum fin_seq(const Segment& seg) { return text_seq(seg) + text_size(seg); }

// An ACK alone, at the right edge of our window: of one whose SND.NXT that is, because he has filled the window. It
// lies one number too far, but he has no other to send as long as text of his is missing. And where that was refused,
// for want of memory, this ACK may be what frees it: the application reads when it can write, and the window it waits
// for is told by nothing else (SND.WL1 keeps it from the text that comes again). Linux (tcp_sequence) and FreeBSD take
// it.
bool fills_window(const Segment& seg, SeqNum edge, State state) {
  const bool ack_alone = seg.flags.ack && !seg.flags.rst && seg.len() == 0;
  return ack_alone && seg.seq == edge && synchronized(state) && !peer_has_closed(state);
}

}  // namespace

ResetReply reset_for(const Segment& seg) {
  ASSERT(!seg.flags.rst);
  if (seg.flags.ack) return {MUTANT(52, seg.ack, seg.seq), SeqNum{0}, false};
  return {SeqNum{0}, seg.seq + seg.len(), true};
}

Verdict Tcb::segment_arrives(Arrival& arrival, Env& env) {
  ++env.counters.segments_received;
  const Verdict verdict = [&] {
    switch (state_) {
      case State::kClosed:
      case State::kListen:  // listeners are not TCBs: arrives_in_listen
        return arrives_in_closed(arrival.segment);
      case State::kSynSent:
        return arrives_in_syn_sent(arrival, env);
      case State::kSynReceived:
      case State::kEstablished:
      case State::kFinWait1:
      case State::kFinWait2:
      case State::kCloseWait:
      case State::kClosing:
      case State::kLastAck:
      case State::kTimeWait:
        return arrives_in_other_states(arrival, env);
    }
    unreachable();
  }();
  ++env.counters.verdicts[static_cast<std::size_t>(verdict)];
  if (has_ledger_) count_arrival(arrival.segment, env);
  ASSERT(invariants_hold(env));
  return verdict;
}

// 3.10.7.1.
Verdict Tcb::arrives_in_closed(const Segment& seg) const {
  return seg.flags.rst ? Verdict::kRstIgnored : Verdict::kReset;
}

// 3.10.7.3.
Verdict Tcb::arrives_in_syn_sent(Arrival& arrival, Env& env) {
  const Segment& seg = arrival.segment;

  // first, check the ACK bit
  const bool ack_acceptable = seg.flags.ack && snd_.una < seg.ack && seg.ack <= snd_.nxt;
  if (MUTANT(53, seg.flags.ack && !ack_acceptable, false))
    return seg.flags.rst ? Verdict::kRstIgnored : Verdict::kReset;

  // second, check the RST bit
  if (seg.flags.rst) {
    if (MUTANT(39, !ack_acceptable, false)) return Verdict::kRstIgnored;
    ++env.counters.resets_received;
    end(Reason::kRefused, env);
    return Verdict::kConnectionRefused;
  }

  // third, security: not implemented. fourth, check the SYN bit
  if (!seg.flags.syn) return Verdict::kSynSentIgnored;  // fifth
  if (ack_acceptable && env.config.timestamps && seg.options.ts && !echoes_our_syn(seg.options.ts->ecr, env)) {
    return Verdict::kReset;
  }
  take_syn(seg, env);
  if (!ack_acceptable) {  // simultaneous open (MUST-10); text is left for a retransmission
    enter(State::kSynReceived, env);
    marks_.syn = true;
    may_transmit_ = true;
    return Verdict::kAccepted;
  }
  established(env);
  take_ack(seg, env);
  owe_ack();
  check_urg(seg);  // "continue processing at the sixth step"
  const Verdict taken = take_text(arrival, env);
  take_fin(seg, env);
  return taken;
}

// Whether `ecr` is a timestamp that one of our SYNs carried; if not, it is no answer to them.
bool Tcb::echoes_our_syn(std::uint32_t ecr, const Env& env) const {
  return !older(timestamp_now(env), ecr) && !older(ecr, sent_at_.value() + ts_.offset);
}

// 3.10.7.4.
Verdict Tcb::arrives_in_other_states(Arrival& arrival, Env& env) {
  const Segment& seg = arrival.segment;
  if (state_ == State::kTimeWait) {
    if (const Verdict v = check_new_syn(seg, env); v != Verdict::kContinue) return v;  // RFC 6191
  }
  if (state_ == State::kSynReceived && seg.flags.syn && seg.seq == rcv_.irs && !seg.flags.rst) {
    return check_syn_again(arrival, env);
  }
  if (const Verdict v = check_timestamp(seg, env); v != Verdict::kContinue) return v;  // RFC 7323, 5.3
  if (const Verdict v = check_sequence(seg, env); v != Verdict::kContinue) return v;   // first
  if (const Verdict v = check_rst(seg, env); v != Verdict::kContinue) return v;        // second
  // third: security and compartment, not implemented
  if (const Verdict v = check_syn(seg, env); v != Verdict::kContinue) return v;  // fourth
  if (const Verdict v = check_ack(seg, env); v != Verdict::kContinue) return v;  // fifth
  if (state_ == State::kClosed) return Verdict::kAccepted;  // LAST-ACK, and our FIN is acknowledged
  note_timestamp(seg, env);
  heard_from_peer(env);
  check_urg(seg);                                       // sixth
  const Verdict taken = take_text(arrival, env);        // seventh
  if (taken == Verdict::kAccepted) take_fin(seg, env);  // eighth
  return taken;
}

// A SYN for a connection in TIME-WAIT may open its successor: with a newer timestamp,
// or with a higher sequence number (RFC 6191, 2; MAY-2). The caller forgets this
// connection and opens the new one, with an ISS above SND.NXT.
Verdict Tcb::check_new_syn(const Segment& seg, const Env& env) const {
  if (!seg.flags.syn || seg.flags.ack || seg.flags.rst || seg.flags.fin) return Verdict::kContinue;
  if (seg.options.ts && flag(kTimestamps)) {
    if (older(ts_.recent, seg.options.ts->val)) return Verdict::kReopen;
    if (older(seg.options.ts->val, ts_.recent)) return Verdict::kContinue;
  }
  // The successor will have timestamps, which this connection had not: PAWS keeps its old segments out.
  if (seg.options.ts && !flag(kTimestamps) && env.config.timestamps) return Verdict::kReopen;
  return MUTANT(2, rcv_.nxt < seg.seq, true) ? Verdict::kReopen : Verdict::kContinue;
}

// In SYN-RECEIVED the peer's SYN comes again. Alone: our SYN-ACK was lost. With an ACK of
// our SYN: the other half of a simultaneous open (3.5, figure 7). Its sequence number is
// one before RCV.NXT, so the first check would turn it away.
Verdict Tcb::check_syn_again(Arrival& arrival, Env& env) {
  take_ecn_setup(arrival.segment);  // perhaps not any more: RFC 3168, 6.1.1.1
  if (!arrival.segment.flags.ack) {
    marks_.syn = true;
    may_transmit_ = true;
    return Verdict::kDuplicateSyn;
  }
  if (const Verdict v = check_ack(arrival.segment, env); v != Verdict::kContinue) return v;
  owe_ack();
  check_urg(arrival.segment);
  const Verdict taken = take_text(arrival, env);
  take_fin(arrival.segment, env);
  return taken;
}

// PAWS (RFC 7323, 5.3, R1). Not for resets; not when TS.Recent is too old to compare.
Verdict Tcb::check_timestamp(const Segment& seg, Env& env) {
  if (!flag(kTimestamps) || !seg.options.ts || seg.flags.rst) return Verdict::kContinue;
  const bool old = older(seg.options.ts->val, ts_.recent);
  if (!MUTANT(68, MUTANT(3, old, !old && seg.options.ts->val != ts_.recent), false)) return Verdict::kContinue;
  const std::uint32_t age_ms = Millis::floor(env.now).elapsed_since(ts_.recent_at);
  if (MUTANT(54, age_ms > kTimestampValidMs, false)) return Verdict::kContinue;
  if (seg.flags.syn || seg.len() == 0) {
    challenge_ack(seg, env);
  } else {
    owe_ack();
  }
  return Verdict::kPaws;
}

// First. The segment is not trimmed here: a trimmed SEG.SEQ would let an old RST pass
// for one that names RCV.NXT exactly. take_text trims what it takes.
Verdict Tcb::check_sequence(const Segment& seg, Env& env) {
  const std::uint32_t wnd = rcv_wnd() + MUTANT(4, 0u, 1u);
  if (acceptable(seg.seq, seg.len(), rcv_.nxt, wnd)) return Verdict::kContinue;
  // RCV.WND may be zero: no text can be taken, but ACK, RST and URG still count (MUST-66).
  if (MUTANT(61, wnd == 0, false) && seg.seq == rcv_.nxt) return Verdict::kContinue;
  if (fills_window(seg, rcv_.edge, state_)) return Verdict::kContinue;
  if (seg.flags.rst) return Verdict::kRstOutOfWindow;
  if (seg.flags.syn) {
    challenge_ack(seg, env);
    return Verdict::kChallengedSyn;
  }
  const bool again = came_before(seg.seq) && seg.seq + seg.len() <= rcv_.nxt;
  if (again && seg.len() > 0) ++env.counters.duplicate_segments;
  if (came_before(seg.seq)) note_duplicate(seg.seq, min(seg.seq + seg.len(), rcv_.nxt), env);
  if (state_ == State::kTimeWait && seg.flags.fin && fin_seq(seg) + 1 == rcv_.nxt && MUTANT(24, true, false)) {
    begin_two_msl(env);  // the FIN again
  }
  const Verdict verdict = again ? Verdict::kDuplicate : Verdict::kOutOfWindow;
  if (MUTANT(73, false, state_ == State::kTimeWait)) return verdict;
  // Text and FIN are acknowledged always: their sender is waiting. So are probes of a
  // closed window. What else comes may be an attack or a loop (RFC 5961, 7).
  if (MUTANT(18, seg.len() > 0 || wnd == 0, false)) {
    owe_ack();
  } else {
    challenge_ack(seg, env);
  }
  return verdict;
}

// Second. Only a RST at exactly RCV.NXT is believed; one elsewhere in the window may be
// a blind attack, and is answered with a challenge ACK (RFC 5961, 3.2).
Verdict Tcb::check_rst(const Segment& seg, Env& env) {
  if (!seg.flags.rst) return Verdict::kContinue;
  if (state_ == State::kTimeWait && !MUTANT(5, env.config.rst_ends_time_wait, true)) return Verdict::kRstIgnored;
  if (MUTANT(6, seg.seq != rcv_.nxt, false)) {
    // Its text may reach into the window where SEG.SEQ does not.
    if (!in_window(seg.seq, rcv_.nxt, rcv_wnd())) return Verdict::kRstOutOfWindow;
    challenge_ack(seg, env);
    return Verdict::kChallengedRst;
  }
  ++env.counters.resets_received;
  if (state_ == State::kSynReceived && !flag(kPassive)) {  // MUST-11
    end(Reason::kRefused, env);
    return Verdict::kConnectionRefused;
  }
  end(Reason::kReset, env);
  return Verdict::kConnectionReset;
}

// Fourth (RFC 5961, 4.2). In SYN-RECEIVED after a passive OPEN: back to LISTEN, unless the application has it already.
Verdict Tcb::check_syn(const Segment& seg, Env& env) {
  if (!seg.flags.syn) return Verdict::kContinue;
  if (state_ == State::kSynReceived && flag(kPassive) && !transmission(env)->early) {
    end(Reason::kReset, env);
    return Verdict::kConnectionReset;
  }
  challenge_ack(seg, env);
  return Verdict::kChallengedSyn;
}

// Fifth.
Verdict Tcb::check_ack(const Segment& seg, Env& env) {
  if (!seg.flags.ack) return Verdict::kNoAck;
  if (state_ == State::kSynReceived) {
    if (MUTANT(55, !(snd_.una < seg.ack && seg.ack <= snd_.nxt), false)) return Verdict::kReset;
    established(env);
  }
  if (MUTANT(28, snd_.nxt < seg.ack, false)) {
    challenge_ack(seg, env);
    return Verdict::kAckOfUnsent;
  }
  // SND.UNA - MAX.SND.WND =< SEG.ACK (RFC 5961, 5.2), and nothing from before our SYN.
  if (seg.ack < snd_.una) {
    const std::uint32_t back = distance(seg.ack, snd_.una);
    const bool before_our_syn = !flag(kFarFromIss) && back > distance(snd_.iss + 1, snd_.una);
    if (MUTANT(29, back > snd_.max_wnd || before_our_syn, false)) {
      challenge_ack(seg, env);
      return Verdict::kAckTooOld;
    }
  }
  take_ack(seg, env);
  return Verdict::kContinue;
}

// Sixth. Urgent text stays in line (RFC 6093, 3.1); the application is told where it ends.
void Tcb::check_urg(const Segment& seg) {
  if (!seg.flags.urg || peer_has_closed(state_)) return;
  const SeqNum up = text_seq(seg) + seg.up;
  if (MUTANT(70, up <= rcv_.nxt, false)) return;  // all of it has been received
  if (flag(kUrgentPending) && rcv_.nxt < rcv_.up && up <= rcv_.up) return;
  rcv_.up = up;
  set(kUrgentPending);
  events_.urgent = true;
}

// Seventh.
Verdict Tcb::take_some_text(Arrival& arrival, Env& env) {
  const Segment& seg = arrival.segment;
  if (state_ == State::kTimeWait) {
    owe_ack();
    return Verdict::kAccepted;
  }
  if (peer_has_closed(state_)) return Verdict::kAccepted;  // behind a FIN: "this should not occur"

  if (manner_.heeds) take_mark(seg, env);
  const std::size_t offset = static_cast<std::size_t>(seg.text.data() - arrival.packet.bytes().data());
  std::span<std::byte> text = arrival.packet.bytes().subspan(offset, seg.text.size());
  SeqNum seq = text_seq(seg);
  if (MUTANT(30, seq < rcv_.nxt, false)) {
    const std::uint32_t known = std::min(distance(seq, rcv_.nxt), text_size(seg));
    note_duplicate(seq, seq + known, env);
    text = text.subspan(known);
    seq += known;
  }
  const std::size_t offered = seq <= rcv_.edge ? distance(seq, rcv_.edge) : 0;
  text = text.first(std::min(text.size(), MUTANT(31, offered, text.size())));
  if (!text.empty() && buffer_is_overrun(seq + static_cast<std::uint32_t>(text.size()), env)) {
    owe_ack();
    return Verdict::kNoMemory;
  }
  if (text.empty()) {
    ++env.counters.duplicate_segments;
    owe_ack();
    return Verdict::kAccepted;
  }
  if (MUTANT(40, flag(kUserClosed), false)) {  // RFC 9293, 3.6.1: nobody will read it, and the peer is told
    abort(env);
    return Verdict::kDataAfterClose;
  }
  if (seq != rcv_.nxt) return hold_out_of_order(seq, text, arrival, env);
  if (env.config.receive_buffer_max > 0) tune_receive_buffer(seg, env);
  if (!take_in_order(text, arrival, env)) return Verdict::kNoMemory;
  owe_ack_for_text(static_cast<std::uint32_t>(text.size()), env);
  return Verdict::kAccepted;
}

// With a scaled window the edge is rounded up to what the field can say, again with each ACK, so that
// a window may be offered that the buffer has not: a quarter more is taken, and then no more.
bool Tcb::buffer_is_overrun(SeqNum end, const Env& env) const {
  const std::uint32_t ahead = distance(rcv_.nxt, end);
  // Most segments: nothing is unread, and no buffer is ever smaller than that.
  if (queue_ == kNone && ahead <= env.config.receive_buffer) return false;
  const std::uint32_t buffer = receive_limit(env.config);
  const std::uint32_t most = buffer + buffer / 4 + (1u << rcv_wind_shift_);
  return most < unread(env) + ahead;
}

// The next text in order: straight to the application if nothing is queued before it.
bool Tcb::take_in_order(std::span<std::byte> text, Arrival& arrival, Env& env) {
  if (queue_ != kNone) return queue_in_order(text, arrival, env);
  // The application may leave it; then there must be a place for it.
  if (env.stores.held.full() || env.stores.queues.full()) return false;
  const auto size = static_cast<std::uint32_t>(text.size());
  advance_rcv_nxt(size);
  count_received(size, env);
  arrival.fresh = text;
  return true;
}

// Where something is unread or lies beyond a hole, or a duplicate or a FIN is still to be told of. Not to be a part of
// take_in_order, of whose calls most do without it: what it keeps in registers they would have to save.
[[gnu::noinline]] bool Tcb::queue_in_order(std::span<std::byte> text, Arrival& arrival, Env& env) {
  const auto size = static_cast<std::uint32_t>(text.size());
  ReceiveQueue* q = queue(env);
  // Many small segments may take more memory than their text tells.
  if (q->true_size() > most_held(env.config)) return false;
  if (MUTANT(43, q->ranges() > 0, false)) owe_ack_at_once();  // a hole is filled, or a part of it (RFC 5681, 4.2)
  if (!q->append(env.stores.held, rcv_.nxt, text, std::move(arrival.packet))) return false;
  const SeqNum before = rcv_.nxt;
  note_overlap(before, before + size, env);
  advance_rcv_nxt(size);
  const SeqNum joined = q->join(env.stores.held, rcv_.nxt);
  if (joined != rcv_.nxt) advance_rcv_nxt(distance(rcv_.nxt, joined));
  count_received(distance(before, rcv_.nxt), env);
  return true;
}

void Tcb::count_received(std::uint32_t bytes, Env& env) {
  env.counters.bytes_received += bytes;
  if (Ledger* l = ledger(env)) l->bytes_received += bytes;
}

// Text beyond a hole (SHLD-31). Acknowledged without delay (MAY-13).
Verdict Tcb::hold_out_of_order(SeqNum seq, std::span<std::byte> text, Arrival& arrival, Env& env) {
  eager_acks_ = kEagerAcks;
  ReceiveQueue* q = begin_queue(env);
  if (q == nullptr) {
    owe_duplicate_ack(nullptr);
    return Verdict::kNoMemory;
  }
  note_overlap(seq, seq + static_cast<std::uint32_t>(text.size()), env);
  const auto held = q->hold(env.stores.held, seq, text, std::move(arrival.packet),
                            MUTANT(58, env.config.max_ranges, 0u), most_held(env.config));
  if (const auto range = q->range_around(seq)) q->sack.arrived(range->first, range->second);
  if (MUTANT(42, true, false)) owe_duplicate_ack(q);
  end_queue_if_empty(env);
  switch (held) {
    case ReceiveQueue::Held::kNew:
      ++env.counters.out_of_order;
      if (Ledger* l = ledger(env)) ++l->rcv_ooopack;
      return Verdict::kAccepted;
    case ReceiveQueue::Held::kDuplicate:
      ++env.counters.duplicate_segments;
      return Verdict::kAccepted;
    case ReceiveQueue::Held::kNoRoom:
      return Verdict::kNoMemory;
  }
  unreachable();
}

// Eighth. A FIN counts when all text before it has been taken; one that comes early waits.
void Tcb::take_fin(const Segment& seg, Env& env) {
  if (state_ == State::kTimeWait && seg.flags.fin) {  // "Restart the 2 MSL time-wait timeout."
    begin_two_msl(env);
    return owe_ack();
  }
  if (state_ == State::kClosed) return;
  if (peer_has_closed(state_)) {  // a second one: acknowledged, and the state remains
    if (seg.flags.fin) owe_ack();
    return;
  }
  if (seg.flags.fin) {
    const SeqNum at = fin_seq(seg);
    if (MUTANT(7, at == rcv_.nxt, rcv_.nxt <= at)) return fin_arrived(env);
    if (rcv_.nxt < at && at < rcv_.edge) {
      owe_ack();
      if (ReceiveQueue* q = begin_queue(env); q != nullptr && !q->fin_seq) q->fin_seq = at;
    }
  }
  if (ReceiveQueue* q = queue(env); q != nullptr && q->fin_seq == rcv_.nxt) fin_arrived(env);
}

void Tcb::fin_arrived(Env& env) {
  if (ReceiveQueue* q = queue(env)) {
    q->fin_seq.reset();
    q->sack.forget_ranges();
    while (q->ranges() > 0) q->drop_last_range(env.stores.held);  // behind a FIN there is no text
    end_queue_if_empty(env);
  }
  advance_rcv_nxt(1);
  owe_ack();
  if (unread(env) == 0) {
    events_.eof = true;
  } else {
    set(kEofPending);
  }
  if (state_ == State::kEstablished) {
    enter(State::kCloseWait, env);
  } else if (state_ == State::kFinWait1) {
    // Were our FIN acknowledged, check_ack would have left FIN-WAIT-1.
    enter(MUTANT(32, State::kClosing, State::kTimeWait), env);
  } else if (state_ == State::kFinWait2) {
    enter(State::kTimeWait, env);
  }
}

// The one place where RCV.NXT moves. The right edge stays; see choose_window.
void Tcb::advance_rcv_nxt(std::uint32_t n) {
  rcv_.nxt += n;
  marks_.repeats = 0;  // they would repeat what was never said
  // An urgent pointer long passed would come to lie ahead again after 2^31 bytes.
  if (flag(kUrgentPending) && rcv_.up + kLongPassed < rcv_.nxt) set(kUrgentPending, false);
  // A FIN may stand at the edge itself (policy: taken in a closed window).
  if (rcv_.edge < rcv_.nxt) rcv_.edge = rcv_.nxt;
}

// RFC 5681, 4.2: at least every second full-sized segment, and within 500 ms.
void Tcb::owe_ack_for_text(std::uint32_t size, Env& env) {
  rmss_ = std::max<std::uint16_t>(rmss_, static_cast<std::uint16_t>(std::min<std::uint32_t>(size, offered_mss_)));
  if (eager_acks_ > 0) --eager_acks_;
  if (distance(rcv_.last_ack_sent, rcv_.nxt) >= MUTANT(41, 2u, 200u) * rmss_) {
    owe_ack();
  } else if (MUTANT(25, !deadlines_.armed(Timer::kDelayedAck), false)) {
    deadlines_.set(Timer::kDelayedAck, env.now + env.config.delayed_ack);
  }
}

// RFC 5961, 7: at most one in a while, for each connection alone, so that the limit
// tells nobody about other connections (CVE-2016-5696). Text is answered always.
void Tcb::challenge_ack(const Segment& seg, Env& env) {
  if (MUTANT(18, !seg.text.empty(), false)) return owe_ack();
  const Millis now = Millis::floor(env.now);
  const auto interval = std::chrono::duration_cast<std::chrono::milliseconds>(env.config.challenge_interval).count();
  if (MUTANT(45, flag(kChallenged), false) && now.elapsed_since(challenged_at_) < interval) {
    ++env.counters.challenges_withheld;
    return;
  }
  set(kChallenged);
  challenged_at_ = now;
  ++env.counters.challenge_acks;
  owe_ack();
}

// RFC 7323, 4.3, (2) and (3).
void Tcb::note_timestamp(const Segment& seg, Env& env) {
  if (!flag(kTimestamps) || !seg.options.ts) return;
  if (older(seg.options.ts->val, ts_.recent) &&
      Millis::floor(env.now).elapsed_since(ts_.recent_at) <= kTimestampValidMs)
    return;
  if (MUTANT(8, rcv_.last_ack_sent < seg.seq, false)) return;
  ts_.recent = seg.options.ts->val;
  ts_.recent_at = Millis::floor(env.now);
}

void Tcb::heard_from_peer(Env& env) {
  heard_at_ = Millis::floor(env.now);
  keep_alive_sent_ = 0;
}

}  // namespace pollux::tcp
