#include "oracle.h"

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

#include "wire/seq_num.h"

namespace pollux::matrix {
namespace {

using Outcomes = std::vector<Outcome>;

// How far `n` lies ahead of `base`; negative when it lies behind.
std::int64_t ahead(SeqNum base, SeqNum n) { return static_cast<std::int32_t>(n.value() - base.value()); }

// RCV.NXT =< n < RCV.NXT+RCV.WND. Not through `ahead`: what lies half the number space away is in no window.
bool in_receive_window(const Block& b, SeqNum n) {
  const std::uint32_t offset = n.value() - b.rcv_nxt.value();
  return offset < b.rcv_wnd;
}

// RFC 9293, 3.10.7.4, table 6.
bool acceptable(const Block& b, const Arrival& seg) {
  const std::uint32_t len = seg.len();
  if (b.rcv_wnd == 0) return len == 0 && seg.seq == b.rcv_nxt;
  if (len == 0) return in_receive_window(b, seg.seq);
  return in_receive_window(b, seg.seq) || in_receive_window(b, seg.seq + (len - 1));
}

bool peers_fin_received(State state) {
  return state == State::kCloseWait || state == State::kClosing || state == State::kLastAck ||
         state == State::kTimeWait;
}

Answer ack_of(SeqNum seq, SeqNum ack, When when = When::kNow) {
  return {.wire = Wire::kAck, .seq = seq, .ack = ack, .when = when};
}

// The connection as it was; only what is sent differs.
Outcome unchanged(const Block& b, std::string_view source) {
  return {.state = b.state, .snd_una = b.snd_una, .rcv_nxt = b.rcv_nxt, .source = source};
}

Outcome dropped(const Block& b, std::string_view source) { return unchanged(b, source); }

// <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>, and the segment is dropped.
Outcome acknowledged(const Block& b, std::string_view source) {
  Outcome o = unchanged(b, source);
  o.answer = ack_of(b.snd_nxt, b.rcv_nxt);
  return o;
}

// <SEQ=SEG.ACK><CTL=RST>, the connection staying as it is.
Outcome refused_ack(const Block& b, const Arrival& seg, std::string_view source) {
  Outcome o = unchanged(b, source);
  o.answer = {.wire = Wire::kRst, .seq = seg.ack};
  return o;
}

Outcome gone(State state, std::string_view source) { return {.state = state, .source = source}; }

// ---- 3.10.7.1 ----

Outcome closed(const Block& b, const Arrival& seg) {
  if (seg.flags.rst) return dropped(b, "RFC 9293, 3.10.7.1: a RST is discarded");
  if (seg.flags.ack) return refused_ack(b, seg, "RFC 9293, 3.10.7.1: the ACK bit is on");
  Outcome o = unchanged(b, "RFC 9293, 3.10.7.1: the ACK bit is off");
  o.answer = {.wire = Wire::kRstAck, .seq = SeqNum{0}, .ack = seg.seq + seg.len()};
  return o;
}

// ---- 3.10.7.2 ----

// A SYN makes a half-open connection. What else it carries is kept for later or
// left for the peer to send again: ACK=RCV.NXT covers the SYN alone.
Outcome syn_in_listen(const Arrival& seg, std::string_view source) {
  Outcome o{.state = State::kSynReceived, .rcv_nxt = seg.seq + 1, .source = source};
  o.answer = {.wire = Wire::kSynAck, .ack = seg.seq + 1};
  return o;
}

Outcome listen(const Block& b, const Arrival& seg) {
  if (seg.flags.rst) return dropped(b, "RFC 9293, 3.10.7.2, first: a RST is ignored");
  if (seg.flags.ack) return refused_ack(b, seg, "RFC 9293, 3.10.7.2, second: any acknowledgment is bad");
  if (seg.flags.syn) return syn_in_listen(seg, "RFC 9293, 3.10.7.2, third: a SYN");
  return dropped(b, "RFC 9293, 3.10.7.2, fourth: other data or control");
}

// ---- sixth to eighth: what the segment brings, the ACK being good ----

State after_fin(State state) {
  if (state == State::kEstablished) return State::kCloseWait;
  if (state == State::kFinWait1) return State::kClosing;
  if (state == State::kFinWait2) return State::kTimeWait;
  return state;
}

// RCV.NXT moves over text that is new and in order; a FIN at its end counts where
// it lies in the window. The rest is trimmed, what lies beyond a hole is held.
void take_text_and_fin(Outcome& o, const Block& b, SeqNum text_seq, const Arrival& seg) {
  const std::int64_t wnd = b.rcv_wnd;
  const std::int64_t first = ahead(o.rcv_nxt, text_seq);
  const std::int64_t fin = first + seg.text;
  const std::int64_t end = std::min(fin, wnd);
  const SeqNum nxt = o.rcv_nxt;
  const bool fin_counts = seg.flags.fin && fin >= 0 && fin < wnd;

  if (first > 0) {
    o.told.urgent = seg.flags.urg ? Tell::kMay : Tell::kNo;
    o.held = static_cast<std::uint32_t>(std::max<std::int64_t>(end - first, 0));
    o.fin_held = fin_counts;
    o.answer = ack_of(b.snd_nxt, nxt, When::kMay);
    o.source = "RFC 9293, 3.10.7.4, seventh: in the window, not at its left edge (SHLD-31, MAY-13)";
    return;
  }
  o.told.urgent = seg.flags.urg ? Tell::kMust : Tell::kNo;
  o.told.text = static_cast<std::uint32_t>(std::max<std::int64_t>(end, 0));
  o.rcv_nxt = nxt + o.told.text + (fin_counts ? 1u : 0u);
  if (o.rcv_nxt == nxt) return;
  o.answer = ack_of(b.snd_nxt, o.rcv_nxt, When::kSoon);
  o.source = "RFC 9293, 3.10.7.4, seventh: text at the left edge";
  if (!fin_counts) return;

  o.source = "RFC 9293, 3.10.7.4, eighth: the peer's FIN";
  o.told.end = Tell::kMust;
  o.state = after_fin(o.state);
}

// After a FIN nothing can follow: text and URG are ignored. An acknowledgment hurts
// nobody where the segment took up sequence numbers or lay off the left edge.
void ignore_text(Outcome& o, const Block& b, const Arrival& seg) {
  const bool owed = seg.flags.fin && (o.state == State::kCloseWait || o.state == State::kTimeWait);
  if (owed && ahead(b.rcv_nxt, seg.seq) <= 0) {
    o.answer = ack_of(b.snd_nxt, b.rcv_nxt, When::kSoon);
    o.source = "RFC 9293, 3.10.7.4, eighth: a second FIN is acknowledged, the state remains";
    return;
  }
  if (seg.len() > 0 || seg.seq != b.rcv_nxt) {
    o.answer = ack_of(b.snd_nxt, b.rcv_nxt, When::kMay);
    o.source = "RFC 9293, 3.10.7.4, seventh: after a FIN the text is ignored";
  }
}

// ---- 3.10.7.3 ----

// Our SYN is acknowledged and the peer's is here: ESTABLISHED, and on at the sixth step.
Outcomes synchronized(const Block& b, const Arrival& seg) {
  constexpr std::string_view kSource = "RFC 9293, 3.10.7.3, fourth: SYN, and our SYN has been ACKed";
  Outcome o{.state = State::kEstablished, .snd_una = seg.ack, .rcv_nxt = seg.seq + 1, .source = kSource};
  o.told.connected = Tell::kMust;
  const Answer of_syn = ack_of(b.snd_nxt, o.rcv_nxt);
  take_text_and_fin(o, b, seg.seq + 1, seg);
  o.source = kSource;
  if (o.answer.wire == Wire::kNothing) {
    o.answer = of_syn;
    return {o};
  }
  // "Some implementations suppress this segment when the received one contains data".
  Outcome apart = o;
  apart.also = o.answer;
  apart.answer = of_syn;
  return {o, apart};
}

Outcomes syn_sent(const Block& b, const Arrival& seg) {
  if (seg.flags.ack && (ahead(b.iss, seg.ack) <= 0 || ahead(b.snd_nxt, seg.ack) > 0)) {
    if (seg.flags.rst) return {dropped(b, "RFC 9293, 3.10.7.3, first: a bad ACK with RST is dropped")};
    return {refused_ack(b, seg, "RFC 9293, 3.10.7.3, first: SEG.ACK =< ISS or SEG.ACK > SND.NXT")};
  }
  if (seg.flags.rst) {
    // RFC 5961 would have SEG.SEQ compared with RCV.NXT, which has no value before the peer's SYN.
    if (!seg.flags.ack) return {dropped(b, "RFC 9293, 3.10.7.3, second: a RST without ACK")};
    Outcome o = gone(State::kClosed, "RFC 9293, 3.10.7.3, second: a RST with an acceptable ACK");
    o.told.reset = Tell::kMust;
    return {o};
  }
  if (!seg.flags.syn) return {dropped(b, "RFC 9293, 3.10.7.3, fifth: neither SYN nor RST")};
  if (seg.flags.ack) return synchronized(b, seg);
  Outcome o = unchanged(b, "RFC 9293, 3.10.7.3, fourth: a SYN without ACK (MUST-10)");
  o.state = State::kSynReceived;
  o.rcv_nxt = seg.seq + 1;
  o.answer = {.wire = Wire::kSynAck, .seq = b.iss, .ack = seg.seq + 1};
  return {o};
}

// ---- 3.10.7.4 ----

// First.
Outcome not_acceptable(const Block& b, const Arrival& seg) {
  if (seg.flags.rst) return dropped(b, "RFC 9293, 3.10.7.4, first: unacceptable, and a RST");
  return acknowledged(b, "RFC 9293, 3.10.7.4, first: an unacceptable segment is acknowledged");
}

// Second; RFC 5961, 3.2. It is SEG.SEQ that counts, whatever text the RST carries.
Outcome reset(const Block& b, const Arrival& seg) {
  if (!in_receive_window(b, seg.seq)) return dropped(b, "RFC 9293, 3.10.7.4, second, 1): a RST outside the window");
  if (seg.seq != b.rcv_nxt) {
    return acknowledged(b, "RFC 9293, 3.10.7.4, second, 3): a RST in the window, not at RCV.NXT (RFC 5961, 3.2)");
  }
  constexpr std::string_view kSource = "RFC 9293, 3.10.7.4, second, 2): a RST at RCV.NXT";
  if (b.state == State::kSynReceived && b.passive) return gone(State::kListen, kSource);
  Outcome o = gone(State::kClosed, kSource);
  if (b.state == State::kSynReceived) {
    o.told.refused = Tell::kMust;
  } else if (b.state == State::kClosing || b.state == State::kLastAck || b.state == State::kTimeWait) {
    o.told.reset = Tell::kMay;  // The text asks for no signal here.
  } else {
    o.told.reset = Tell::kMust;
  }
  return o;
}

// Fourth, RFC 5961, 4.2; MAY-2 for TIME-WAIT.
Outcomes syn_in_time_wait(const Block& b, const Arrival& seg) {
  Outcomes all{acknowledged(b, "RFC 9293, 3.10.7.4, fourth: a SYN is answered with a challenge ACK (RFC 5961, 4.2)")};
  if (b.listener && !seg.flags.ack && (ahead(b.rcv_nxt, seg.seq) >= 0 || seg.seq == b.rcv_nxt + 0x8000'0000u)) {
    all.push_back(syn_in_listen(seg, "RFC 9293, 3.6.1: a new SYN reopens from TIME-WAIT (MAY-2)"));
    all.back().answer.reopens = true;
    all.back().answer.after = b.snd_nxt;
  }
  return all;
}

// Fifth.
bool in_rfc_5961_range(const Block& b, SeqNum ack) {
  return ahead(b.snd_una - b.max_snd_wnd, ack) >= 0 && ahead(b.snd_nxt, ack) <= 0;
}

Outcomes bad_ack_in_syn_received(const Block& b, const Arrival& seg) {
  Outcomes all{refused_ack(b, seg, "RFC 9293, 3.10.7.4, fifth, SYN-RECEIVED: the acknowledgment is not acceptable")};
  if (!in_rfc_5961_range(b, seg.ack)) {
    all.push_back(acknowledged(b, "RFC 9293, 3.10.7.4, fifth: SEG.ACK out of range (RFC 5961, 5.2)"));
  }
  return all;
}

// What an acceptable SEG.ACK does to a connection that lives on. Returns the state after it.
State after_ack(State state, bool all_acked) {
  if (!all_acked) return state;
  // In these three our FIN is the last number of what was sent.
  if (state == State::kFinWait1) return State::kFinWait2;
  if (state == State::kClosing) return State::kTimeWait;
  if (state == State::kLastAck) return State::kClosed;
  return state;
}

Outcomes from_fifth_step(const Block& b, const Arrival& seg) {
  if (!seg.flags.ack) return {dropped(b, "RFC 9293, 3.10.7.4, fifth: the ACK bit is off")};
  Outcome o = unchanged(b, "RFC 9293, 3.10.7.4, fifth: an acceptable acknowledgment");
  if (b.state == State::kSynReceived) {
    if (ahead(b.snd_una, seg.ack) <= 0 || ahead(b.snd_nxt, seg.ack) > 0) return bad_ack_in_syn_received(b, seg);
    o.state = State::kEstablished;
    o.told.connected = Tell::kMust;
  } else if (!in_rfc_5961_range(b, seg.ack)) {
    return {acknowledged(b, "RFC 9293, 3.10.7.4, fifth: SEG.ACK out of range (RFC 5961, 5.2)")};
  }
  if (ahead(b.snd_una, seg.ack) > 0) o.snd_una = seg.ack;
  o.state = after_ack(o.state, o.snd_una == b.snd_nxt);
  if (o.state == State::kClosed) return {gone(State::kClosed, "RFC 9293, 3.10.7.4, fifth, LAST-ACK: our FIN is acked")};

  if (!peers_fin_received(b.state)) {
    take_text_and_fin(o, b, seg.seq, seg);
    return {o};
  }
  if (b.state == State::kTimeWait) {
    o.answer = ack_of(b.snd_nxt, b.rcv_nxt, When::kMay);
    o.source = "RFC 9293, 3.10.7.4, fifth, TIME-WAIT: acknowledge it";
  }
  ignore_text(o, b, seg);
  return {o};
}

// In SYN-RECEIVED the peer's SYN again. It lies before the window, and so it is acknowledged; our SYN-ACK again does
// that as well, and is what the peer lacks. Its acknowledgment may count all the same: with it a simultaneous open ends
// (3.5, figure 7), A.2 warns of what comes of ignoring it, and 3.5.2 would have a bad one answered with a reset.
Outcomes syn_again(const Block& b, const Arrival& seg) {
  Outcomes all{acknowledged(b, "RFC 9293, 3.10.7.4, first: the SYN again is acknowledged")};
  all.push_back(unchanged(b, "RFC 9293, 3.10.7.4, first, and 3.8.1: the SYN again, our SYN-ACK again"));
  all.back().answer = {.wire = Wire::kSynAck, .seq = b.iss, .ack = b.rcv_nxt};
  if (!seg.flags.ack) return all;
  Arrival trimmed = seg;
  trimmed.flags.syn = false;
  trimmed.seq = seg.seq + 1;
  for (Outcome& o : from_fifth_step(b, trimmed)) {
    // It is a segment before the window: if not for its text or its FIN, it is acknowledged as one.
    if (o.answer.wire == Wire::kNothing) o.answer = ack_of(b.snd_nxt, b.rcv_nxt, When::kSoon);
    o.source = "RFC 9293, 3.5, figure 7, and A.2: the acknowledgment of a SYN that comes again";
    all.push_back(o);
  }
  return all;
}

Outcomes other_states(const Block& b, const Arrival& seg) {
  if (b.state == State::kTimeWait && seg.flags.syn && !seg.flags.rst) return syn_in_time_wait(b, seg);
  if (b.state == State::kSynReceived && seg.flags.syn && seg.seq == b.irs && !seg.flags.rst) return syn_again(b, seg);
  if (!acceptable(b, seg)) return {not_acceptable(b, seg)};
  if (seg.flags.rst) return {reset(b, seg)};
  if (!seg.flags.syn) return from_fifth_step(b, seg);
  if (b.state == State::kSynReceived && b.passive) {
    return {gone(State::kListen, "RFC 9293, 3.10.7.4, fourth, SYN-RECEIVED: a SYN returns it to LISTEN")};
  }
  return {acknowledged(b, "RFC 9293, 3.10.7.4, fourth: a SYN is answered with a challenge ACK (RFC 5961, 4.2)")};
}

}  // namespace

std::vector<Outcome> expected(const Block& block, const Arrival& seg) {
  switch (block.state) {
    case State::kClosed:
      return {closed(block, seg)};
    case State::kListen:
      return {listen(block, seg)};
    case State::kSynSent:
      return syn_sent(block, seg);
    case State::kSynReceived:
    case State::kEstablished:
    case State::kFinWait1:
    case State::kFinWait2:
    case State::kCloseWait:
    case State::kClosing:
    case State::kLastAck:
    case State::kTimeWait:
      return other_states(block, seg);
  }
  return {};
}

}  // namespace pollux::matrix
