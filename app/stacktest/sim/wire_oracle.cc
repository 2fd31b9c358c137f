#include "wire_oracle.h"

#include <algorithm>

namespace pollux::sim {
namespace {

// How far `to` stands behind `from`; offsets of one incarnation stay below 2^31.
std::uint64_t offset(std::uint32_t from, std::uint32_t to) { return to - from; }
bool behind(std::uint64_t o) { return o >= (std::uint64_t{1} << 31); }
bool newer(std::uint32_t a, std::uint32_t b) { return static_cast<std::int32_t>(a - b) > 0; }

// RFC 3168, 6.1.1: a SYN has both flags, a SYN-ACK has one.
bool is_ecn_setup(const WireView& v) { return v.ece && v.cwr != v.ack_bit; }

constexpr Duration kLatestAck = 500ms;  // MUST-40
constexpr std::size_t kSynsKept = 8;
constexpr Duration kSlack = 10ms;  // a device that is full, a burst that waits its turn

}  // namespace

void WireOracle::Coverage::add(std::uint64_t from, std::uint64_t to) {
  if (to <= from) return;
  auto piece = pieces_.upper_bound(from);
  if (piece != pieces_.begin() && std::prev(piece)->second >= from) --piece;
  while (piece != pieces_.end() && piece->first <= to) {
    from = std::min(from, piece->first);
    to = std::max(to, piece->second);
    piece = pieces_.erase(piece);
  }
  pieces_[from] = to;
  const auto first = pieces_.begin();
  if (first->first <= contiguous_) contiguous_ = std::max(contiguous_, first->second);
}

bool WireOracle::Coverage::holds(std::uint64_t from, std::uint64_t to) const {
  const auto behind = pieces_.upper_bound(from);
  return behind != pieces_.begin() && to <= std::prev(behind)->second;
}

void WireOracle::complain(const std::string& what, const WireView& v) { complain_(what + ": " + to_string(v)); }

std::optional<WireOracle::Edges> WireOracle::edges(const FlowKey& key) const {
  const auto found = directions_.find(key_of(key));
  if (found == directions_.end() || !found->second.syn || !found->second.peer) return std::nullopt;
  const Direction& d = found->second;
  const std::uint32_t irs = d.peer->seq;
  return Edges{d.syn->seq + static_cast<std::uint32_t>(d.end), irs + static_cast<std::uint32_t>(d.acked),
               irs + static_cast<std::uint32_t>(d.edge)};
}

// --- A turn ---

void WireOracle::begin_turn(int, Instant) { owing_.clear(); }

// What the peer sends twice it sends because it waits for an answer (RFC 9293, 3.10.7.4, first).
void WireOracle::end_turn(int host, bool pending) {
  for (const Key& key : owing_) {
    Direction& d = at(key);
    if (d.answer_owed && !pending && !excused_[static_cast<std::size_t>(host)]) {
      complain_("text or FIN that was sent again got no answer from " + pollux::to_string(key.source) + ":" +
                std::to_string(key.source_port));
    }
    d.answer_owed = false;
  }
  owing_.clear();
}

// --- What a host sends ---

void WireOracle::sent(int host, std::span<const std::byte> frame, Instant now) {
  WireView v;
  std::string what;
  switch (look(frame, v, what)) {
    case Sight::kMalformed:
      return complain_("a malformed frame was sent (" + what + ") by host " + std::to_string(host));
    case Sight::kOther:
      // While an address is being asked for, segments wait; what follows tells nothing of timers.
      if (asks_for_neighbour(frame)) {
        for (auto& [key, d] : directions_) d.resent_at.reset();
      }
      return;
    case Sight::kTcp:
      break;
  }
  ++segments_;
  if (v.ip_size > limits_[static_cast<std::size_t>(host)].mtu) complain("larger than the MTU", v);
  Direction& d = at(key_of(v));
  d.answer_owed = false;
  if (v.rst) return judge_reset(d, v);
  if (v.syn && (!d.syn || d.syn->seq != v.seq)) begin_incarnation(d, v);
  if (!d.syn) return complain("a segment before any SYN", v);
  if (v.syn) judge_syn(host, d, v);
  judge_ecn(host, d, v);
  judge_text(host, d, v);
  if (v.ack_bit) judge_ack(host, d, v, now);
  if (!v.sack.empty()) judge_sack(d, v);
  if (!v.syn) judge_timestamps(host, d, v);
  judge_repetition(d, v, now);
}

WireOracle::Syn WireOracle::syn_of(const WireView& v) {
  const auto text = static_cast<std::uint32_t>(v.text.size());
  return {v.seq, v.wnd, v.mss, v.wind_shift, v.ts, v.sack_permitted, is_ecn_setup(v), text};
}

void WireOracle::begin_incarnation(Direction& d, const WireView& v) {
  Direction next;
  next.syn = syn_of(v);
  next.stream = stream_of_(v);
  next.syns_delivered = std::move(d.syns_delivered);
  next.non_resets_delivered = d.non_resets_delivered;
  next.resets_sent = d.resets_sent;
  next.resets_allowed = d.resets_allowed;
  d = std::move(next);
}

// The SYN that is answered is the one that this incarnation has taken, with its text as far as it is acknowledged
// (RFC 7413, 4.2.2).
bool WireOracle::take_syn_of_peer(Direction& d, const WireView& syn_ack) {
  const auto found = std::find_if(d.syns_delivered.rbegin(), d.syns_delivered.rend(),
                                  [&](const Syn& syn) { return syn_ack.ack - (syn.seq + 1) <= syn.text; });
  if (found == d.syns_delivered.rend()) return false;
  d.peer = *found;
  d.coverage.add(1, offset(d.peer->seq, syn_ack.ack));
  d.peer_edge = std::max<std::uint64_t>(d.peer_edge, 1u + d.peer->wnd);
  if (d.peer->ts) d.ts_limit = d.peer->ts->first;
  return true;
}

void WireOracle::judge_syn(int host, Direction& d, const WireView& v) {
  if (!v.mss) complain("a SYN without MSS", v);  // MUST-14
  const auto headers = v.ip_size - v.options_size - v.text.size();
  if (v.mss && *v.mss + headers > limits_[static_cast<std::size_t>(host)].mtu) complain("MSS larger than the MTU", v);
  if (!v.ack_bit) return;
  if (!d.peer && !take_syn_of_peer(d, v)) return complain("a SYN-ACK for no SYN", v);
  // RFC 7323, 1.3 and 2.2; RFC 2018, 2: only what the SYN has offered.
  if ((v.ts && !d.peer->ts) || (v.wind_shift && !d.peer->wind_shift) || (v.sack_permitted && !d.peer->sack_permitted)) {
    complain("a SYN-ACK with an option that the SYN did not have", v);
  }
}

// RFC 3168, 6.1.1 and 6.1.4 to 6.1.6.
void WireOracle::judge_ecn(int host, Direction& d, const WireView& v) {
  if (v.ecn == 3) complain("marked by its sender", v);
  if (v.ecn != 0 && v.text.empty()) complain("an ECN-capable packet without text", v);
  const auto asked = [&](const Syn& syn) { return syn.ecn_setup && (!d.peer || syn.seq == d.peer->seq); };
  d.peer_willing |= std::any_of(d.syns_delivered.begin(), d.syns_delivered.end(), asked);
  if (v.syn) {
    d.syn->ecn_setup = d.syn->ecn_setup && is_ecn_setup(v);
    d.once_willing |= is_ecn_setup(v);
    if ((v.ece || v.cwr) && !is_ecn_setup(v)) complain("a SYN that asks for half of ECN", v);
    if (v.ack_bit && v.ece && !d.peer_willing) complain("a SYN-ACK with ECN that the SYN did not ask for", v);
    return;
  }
  if ((v.ecn != 0 || v.cwr) && !(d.syn->ecn_setup && d.peer_willing)) complain("ECN, not agreed on", v);
  // RFC 3168, 6.1.1: marks are echoed though a later SYN of ours did not ask.
  if (v.ece && !(d.once_willing && d.peer_willing)) complain("ECE, not agreed on", v);
  if (unseen_[static_cast<std::size_t>(host)]) return;
  const bool is_new = !v.text.empty() && offset(d.syn->seq, v.seq) >= d.end;
  if ((v.ecn != 0 || v.cwr) && !is_new) complain("ECT or CWR on what is sent again", v);
}

void WireOracle::judge_text(int host, Direction& d, const WireView& v) {
  const std::uint64_t from = offset(d.syn->seq, v.seq);
  if (v.length() == 0) {
    // Pure ACKs bear SND.NXT; probes of a closed window or a silent peer, one number below SND.UNA.
    if (unseen_[static_cast<std::size_t>(host)] && !behind(from)) d.end = std::max(d.end, from);
    if (behind(from) || from > d.end) complain("an ACK with a number that was never reached", v);
    return;
  }
  if (behind(from)) return complain("a number before the SYN", v);
  const std::uint64_t to = from + v.length();
  if (!v.syn && to > d.peer_edge) complain("beyond the window that the peer has offered", v);
  if (!v.text.empty()) {
    const std::uint64_t text_from = from + (v.syn ? 1 : 0);
    if (text_from == 0) return complain("text in the place of the SYN", v);
    if (d.stream && !d.stream->matches(text_from - 1, v.text)) complain("text that is not the application's", v);
    if (d.fin_at && text_from + v.text.size() > *d.fin_at) complain("text behind the FIN", v);
    const std::uint16_t mss = d.peer && d.peer->mss ? std::max<std::uint16_t>(*d.peer->mss, 48)
                                                    : static_cast<std::uint16_t>(v.source.is_v4() ? 536 : 1220);
    // How much a SYN may have, an earlier connection has told (RFC 7413, 4.1.3).
    if (!v.syn && v.text.size() + v.options_size > mss)
      complain("more text than the peer's MSS allows", v);  // RFC 6691
  }
  if (v.fin) {
    const std::uint64_t at = to - 1;
    if (d.fin_at && *d.fin_at != at) complain("a FIN in two places", v);
    if (!d.fin_at && at < d.end && !unseen_[static_cast<std::size_t>(host)])
      complain("a FIN before text that was sent", v);
    d.fin_at = at;
  }
  d.end = std::max(d.end, to);
}

void WireOracle::judge_ack(int host, Direction& d, const WireView& v, Instant now) {
  if (!d.peer) return complain("an acknowledgment before the peer's SYN came", v);
  const std::uint64_t ack = offset(d.peer->seq, v.ack);
  const std::uint64_t have = d.received();
  if (behind(ack) || ack > have) return complain("an acknowledgment of what never came", v);
  if (ack < d.acked) complain("an acknowledgment that goes back", v);
  d.acked = std::max(d.acked, ack);
  const unsigned shift = d.scaled() && !v.syn ? *d.syn->wind_shift : 0u;
  const std::uint64_t window = std::uint64_t{v.wnd} << shift;
  // SHLD-14. A SYN-ACK that comes again cannot say what a challenge ACK in between has: its field is never scaled.
  if (ack + window < d.edge && !v.syn) complain("the right edge of the window moves left", v);
  const std::uint64_t unit = std::uint64_t{1} << shift;
  if (window > limits_[static_cast<std::size_t>(host)].receive_buffer_max + unit) {
    complain("a window larger than the buffer behind it", v);
  }
  judge_growth_of_window(host, d, ack + window, unit, v);
  d.edge = std::max(d.edge, ack + window);
  const std::uint64_t answered = ack >= std::min(have, d.edge) ? have : ack;
  bool late = false;
  for (; !d.acks_owed.empty() && d.acks_owed.front().to <= answered; d.acks_owed.pop_front()) {
    late |= now - d.acks_owed.front().since > kLatestAck + kSlack;
  }
  if (late && !excused_[static_cast<std::size_t>(host)] && !d.late_text) {
    complain("an acknowledgment more than 500 ms late", v);
  }
}

// MUST-39: the right edge stays until it can move by a segment, or by half of the buffer (RFC 9293, 3.8.6.2.2). What
// the field cannot say is rounded (twice where a handshake was half done), and what is more than it can say follows
// RCV.NXT.
void WireOracle::judge_growth_of_window(int host, const Direction& d, std::uint64_t edge, std::uint64_t unit,
                                        const WireView& v) {
  const bool rounded = edge <= d.edge + 2 * (unit - 1);
  if (d.edge == 0 || rounded || v.syn || v.wnd == UINT16_MAX || unseen_[static_cast<std::size_t>(host)]) return;
  const std::uint64_t half = limits_[static_cast<std::size_t>(host)].receive_buffer / 2;
  if (edge - d.edge + unit < std::min<std::uint64_t>(half, d.syn->mss.value_or(0))) {
    complain("the window opens by less than a segment", v);
  }
}

// RFC 2018, 3 and 4; RFC 2883, 4: only the first block may tell of what was acknowledged or is told again.
void WireOracle::judge_sack(const Direction& d, const WireView& v) {
  if (!d.sack_in_use()) return complain("SACK, not agreed on", v);
  if (v.sack.size() > (v.ts ? 3u : 4u)) complain("more SACK blocks than there is room for", v);
  for (std::size_t i = 0; i < v.sack.size(); ++i) {
    const std::uint64_t left = offset(d.peer->seq, v.sack[i].first);
    const std::uint64_t right = offset(d.peer->seq, v.sack[i].second);
    if (behind(right) || left >= right) return complain("a SACK block that is none", v);
    const bool fin = i == 0 && d.peer_fin && right == *d.peer_fin + 1 && right <= d.acked;
    const std::uint64_t text_right = fin ? *d.peer_fin : right;
    if (left < text_right && !d.coverage.holds(left, text_right)) complain("a SACK block of what never came", v);
    if (i > 0 && left <= d.acked) complain("a SACK block of what is acknowledged", v);
    for (std::size_t j = 1; j < i; ++j) {
      const std::uint64_t l = offset(d.peer->seq, v.sack[j].first);
      if (left <= offset(d.peer->seq, v.sack[j].second) && l <= right)
        complain("SACK blocks without a hole between", v);
    }
  }
}

void WireOracle::judge_timestamps(int host, Direction& d, const WireView& v) {
  if (!d.peer) return;
  if (v.ts.has_value() != d.ts_in_use()) return complain("timestamps: agreed on and absent, or the other way", v);
  if (!v.ts) return;
  const auto [val, ecr] = *v.ts;
  if (d.sent_ts && newer(d.last_tsval, val)) complain("a timestamp that goes back", v);
  if (d.sent_ts && newer(d.last_tsecr, ecr)) complain("an echoed timestamp that goes back", v);
  // What may be echoed follows from the last acknowledgment that was sent, seen or not.
  const bool known = d.ts_limit && !unseen_[static_cast<std::size_t>(host)];
  if (known ? newer(ecr, *d.ts_limit) : !d.ts_limit)
    complain("a timestamp echoed that came behind a hole (RFC 7323, 4.3)", v);
  d.sent_ts = true;
  d.last_tsval = val;
  d.last_tsecr = ecr;
}

// RFC 9293, 3.5.2: a reset answers a segment that is no reset, or comes from the application.
void WireOracle::judge_reset(Direction& d, const WireView& v) {
  ++d.resets_sent;
  if (d.resets_sent > d.non_resets_delivered + d.resets_allowed) complain("a reset that nothing asked for", v);
}

// RFC 6298, 5.5: when nothing is heard, each repetition waits twice as long as the last. With SACK the first may be a
// loss probe, after which the RTO runs anew (RFC 8985, 7.3).
void WireOracle::judge_repetition(Direction& d, const WireView& v, Instant now) {
  if (v.length() == 0) return;
  const std::uint64_t from = offset(d.syn->seq, v.seq);
  if (d.resent_at && from == d.resent_offset) {
    const Duration gap = now - *d.resent_at;
    const bool after_probe = ++d.resent_times == 2 && d.sack_in_use();
    if (!after_probe && d.resent_gap > Duration{0} && gap < 50s && gap + kSlack < d.resent_gap * 3 / 2) {
      complain("sent again without back-off", v);
    }
    d.resent_gap = gap;
  } else {
    d.resent_gap = Duration{0};
    d.resent_times = 0;
  }
  d.resent_offset = from;
  d.resent_at = now;
}

// --- What a host is given ---

bool WireOracle::reset_hits(std::span<const std::byte> frame) const {
  WireView v;
  std::string what;
  if (look(frame, v, what) == Sight::kOther || !v.rst) return false;
  const auto found = directions_.find(turned(key_of(v)));
  if (found == directions_.end() || !found->second.peer) return false;
  const Direction& d = found->second;
  const std::uint64_t from = offset(d.peer->seq, v.seq);
  return d.acked <= from && from <= d.coverage.contiguous() + 1;
}

void WireOracle::delivered(int, std::span<const std::byte> frame, Instant now) {
  WireView v;
  std::string what;
  const Sight sight = look(frame, v, what);
  if (sight == Sight::kOther && says_too_big(frame)) {  // what goes again then does so without a time-out
    for (auto& [key, d] : directions_) d.resent_at.reset();
  }
  if (sight == Sight::kOther || v.source_port == 0) return;
  const Key key = turned(key_of(v));
  Direction& d = at(key);
  if (!v.rst) ++d.non_resets_delivered;
  if (sight == Sight::kMalformed) return;  // a stranger's; a receiver is to take it for what it can
  d.resent_at.reset();
  const Syn syn = syn_of(v);
  if (v.syn) {
    if (d.syns_delivered.size() == kSynsKept) d.syns_delivered.erase(d.syns_delivered.begin());
    d.syns_delivered.push_back(syn);
  }
  if (v.rst) d.answer_owed = false;  // there may be nobody left to answer
  if (!d.syn || v.rst) return;
  // What is no SYN but acknowledges ours, or stands behind the SYN that was taken, concerns this incarnation.
  const std::uint64_t acked = offset(d.syn->seq, v.ack);
  if (v.syn && v.ack_bit && !d.peer && !behind(acked) && acked > 0 && acked <= d.end) {
    d.peer = syn;
    d.end = acked;  // what is not acknowledged of our SYN's text is as if it had not been sent
  }
  if (!d.peer) return;
  if (v.length() > (v.syn ? 1u : 0u)) {
    const std::uint64_t end = offset(d.peer->seq, v.seq) + v.length();
    if (!behind(end) && end <= d.acked) {
      d.answer_owed = true;
      owing_.push_back(key);
    }
  }
  take_delivery(d, v, now);
}

void WireOracle::take_delivery(Direction& d, const WireView& v, Instant now) {
  const std::uint64_t from = offset(d.peer->seq, v.seq);
  if (v.ack_bit) {
    const std::uint64_t ack = offset(d.syn->seq, v.ack);
    if (behind(ack) || ack == 0 || ack > d.end) return;  // of another incarnation
    if (d.fin_at && ack == d.end && !d.fin_acked) {
      d.fin_acked = true;
      if (d.peer_fin && d.acked > *d.peer_fin) d.answer_owed = false;  // LAST-ACK is over, nobody is left to answer
    }
    const unsigned shift = d.scaled() && !v.syn ? *d.peer->wind_shift : 0u;
    const std::uint64_t window = std::uint64_t{v.wnd} << shift;
    d.peer_edge = std::max(d.peer_edge, ack + window);
    if (ack > d.una) d.max_wnd = std::max(d.max_wnd, window);
    d.una = std::max(d.una, ack);
    if (ack + d.max_wnd < d.una && !v.text.empty()) d.late_text = true;  // RFC 5961, 5.2: "MUST be discarded"
  }
  // RFC 7323, 4.3: TS.Recent may come from a segment that begins at or before Last.ACK.sent, which may be anything up
  // to RCV.NXT: an ACK may have been made in the middle of the burst, and be seen only at its end.
  if (v.ts && (v.syn || behind(from) || from <= std::max(d.acked, d.received()))) {
    if (!d.ts_limit || newer(v.ts->first, *d.ts_limit)) d.ts_limit = v.ts->first;
  }
  if (!v.ack_bit || v.length() == 0) return;
  std::uint64_t text_from = from + (v.syn ? 1 : 0);
  std::uint64_t text_to = text_from + v.text.size();
  if (behind(text_to)) return;  // wholly before the SYN
  const std::uint64_t before = d.received();
  if (v.fin) d.peer_fin = text_to;
  if (behind(text_from)) text_from = 1;
  d.coverage.add(text_from, text_to);
  const std::uint64_t have = d.received();
  if (before < have && d.acked < std::min(have, d.edge)) d.acks_owed.push_back({have, now});
}

}  // namespace pollux::sim
