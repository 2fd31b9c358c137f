// RFC 9293, 3.10.6: STATUS, as far as it takes more than a look; and what is counted for it.

#include <algorithm>

#include "base/assert.h"
#include "tcp/tcb.h"

namespace pollux::tcp {
namespace {

// <netinet/tcp.h>, enum tcp_ca_state.
constexpr std::uint8_t kCaOpen = 0;
constexpr std::uint8_t kCaDisorder = 1;
constexpr std::uint8_t kCaCwr = 2;
constexpr std::uint8_t kCaRecovery = 3;
constexpr std::uint8_t kCaLoss = 4;

constexpr std::uint32_t kNoThreshold = 0x7fff'ffff;  // Linux's TCP_INFINITE_SSTHRESH

std::uint32_t microseconds(Duration d) {
  return static_cast<std::uint32_t>(std::min<std::int64_t>(d / std::chrono::microseconds{1}, UINT32_MAX));
}

std::uint64_t long_microseconds(Duration d) { return static_cast<std::uint64_t>(d / std::chrono::microseconds{1}); }

}  // namespace

Info Tcb::info(const Env& env) const {
  Info info;
  tell_of_sending(info, env);
  tell_of_repair(info, env);
  if (const Ledger* l = ledger(env)) tell_of_life(info, *l, env.now);
  info.backoff = back_off_;
  if (flag(kWindowScaled)) {
    info.snd_wscale = snd_wind_shift_;
    info.rcv_wscale = rcv_wind_shift_;
  }
  info.rto = microseconds(retransmission_timeout_length(env));
  info.ato = microseconds(env.config.delayed_ack);
  if (rtt_.sampled()) {
    info.rtt = microseconds(rtt_.srtt());
    info.rttvar = microseconds(rtt_.rttvar());
  }
  info.min_rtt = min_rtt_us_;
  info.rcv_mss = rmss_;
  info.advmss = offered_mss_;
  info.pmtu = path_mtu();
  info.rcv_wnd = state_ == State::kSynSent ? 0 : rcv_wnd();
  return info;
}

void Tcb::tell_of_sending(Info& info, const Env& env) const {
  const Transmission* tx = transmission(env);
  info.retransmits = tx == nullptr ? std::uint8_t{0} : tx->time_outs;
  info.probes = tx == nullptr || tx->probes == 0 ? keep_alive_sent_ : tx->probes;
  info.snd_mss = smss_;
  info.snd_cwnd = congestion_.cwnd / smss_;
  info.snd_ssthresh = congestion_.ssthresh == UINT32_MAX ? kNoThreshold : congestion_.ssthresh / smss_;
  info.unacked = in_segments(flight_size());
  info.notsent_bytes = unsent(env);
  info.snd_wnd = snd_.wnd;
  info.pacing_rate = pacing_rate();
  info.delivery_rate = delivery_rate(env);
}

void Tcb::tell_of_repair(Info& info, const Env& env) const {
  info.reordering = Ledger{}.reordering;
  const Transmission* tx = transmission(env);
  if (tx == nullptr || flag(kSynUnacked)) return;
  info.sacked = flag(kSackPermitted) ? in_segments(tx->scoreboard.sacked()) : tx->dup_acks;
  info.lost = in_segments(tx->log.lost());
  std::uint32_t again = 0;
  tx->log.each(snd_.una, snd_.nxt, snd_.nxt, [&](SeqNum from, SeqNum to, const SendLog::Run& run) {
    if (run.again && !run.lost) again += tx->scoreboard.holes(from, to);
  });
  info.retrans = in_segments(again);
  const bool recutting = tx->recut && snd_.una <= tx->recover;
  const bool in_doubt = recutting || !tx->scoreboard.empty() || tx->dup_acks > 0;
  info.ca_state = tx->fast_recovery          ? kCaRecovery
                  : has_answered_loss(*tx)   ? kCaLoss
                  : snd_.una < tx->marked_to ? kCaCwr
                  : in_doubt                 ? kCaDisorder
                                             : kCaOpen;
}

void Tcb::tell_of_life(Info& info, const Ledger& l, Instant now) {
  info.reordering = l.reordering;
  info.bytes_acked = l.bytes_acked;
  info.bytes_received = l.bytes_received;
  info.bytes_sent = l.bytes_sent;
  info.bytes_retrans = l.bytes_retrans;
  info.segs_out = l.segs_out;
  info.segs_in = l.segs_in;
  info.data_segs_out = l.data_segs_out;
  info.data_segs_in = l.data_segs_in;
  info.total_retrans = l.total_retrans;
  info.dsack_dups = l.dsack_dups;
  info.reord_seen = l.reord_seen;
  info.rcv_ooopack = l.rcv_ooopack;
  info.rwnd_limited = long_microseconds(l.spent(Pace::kRwndLimited, now));
  info.sndbuf_limited = long_microseconds(l.spent(Pace::kSndbufLimited, now));
  info.busy_time = long_microseconds(l.spent(Pace::kBusy, now)) + info.rwnd_limited + info.sndbuf_limited;
}

// --- The ledger ---

void Tcb::begin_ledger(Env& env) {
  if (has_ledger_) return;
  const std::uint32_t index = env.stores.ledgers.alloc();
  if (index == Slab<Ledger>::kNone) return;
  has_ledger_ = true;
  if (Transmission* tx = transmission(env)) {
    tx->ledger = index;
    env.stores.ledgers[index].turn(Pace::kBusy, env.now);
  } else {
    transmission_ = kResting | index;
    env.stores.ledgers[index].turn(Pace::kIdle, env.now);
  }
}

// After release of the Transmission.
void Tcb::drop_ledger(Env& env) {
  ASSERT(!has_transmission());
  if (!has_ledger_) return;
  has_ledger_ = false;
  env.stores.ledgers.free(transmission_ & ~kResting);
  transmission_ = kNone;
}

// Three that their callers, on the way of every segment, call only where there is a ledger.
void Tcb::count_arrival(const Segment& seg, Env& env) {
  Ledger* l = ledger(env);
  ++l->segs_in;
  if (!seg.text.empty()) ++l->data_segs_in;
}

void Tcb::count_sent(const Outgoing& out, Env& env) {
  Ledger* l = ledger(env);
  const std::uint32_t size = out.segment_size;  // what is larger than SMSS and not to be cut up probes the path
  const std::uint32_t segments = size == 0 ? 1 : (out.text_size + size - 1) / size;
  l->segs_out += segments;
  l->bytes_sent += out.text_size;
  if (out.text_size > 0) l->data_segs_out += segments;
}

// [seq, seq + size) goes out again; or a SYN does.
void Tcb::count_again(std::uint32_t size, Env& env) {
  ++env.counters.retransmitted_segments;
  Ledger* l = ledger(env);
  if (l == nullptr) return;
  ++l->total_retrans;
  l->bytes_retrans += size;
}

// Something came `behind` bytes behind what was sent after it.
void Tcb::count_reordering(std::uint32_t behind, Env& env) {
  reordering_.seen = true;
  Ledger* l = ledger(env);
  if (l == nullptr) return;
  ++l->reord_seen;
  l->reordering = static_cast<std::uint16_t>(std::clamp<std::uint32_t>(in_segments(behind), l->reordering, UINT16_MAX));
}

// Nothing more can go now: why?
void Tcb::count_pace(Env& env) {
  Ledger* l = ledger(env);
  const Transmission* tx = transmission(env);
  Pace pace = tx == nullptr ? Pace::kIdle : Pace::kBusy;
  const std::uint32_t queued = tx == nullptr || flag(kFinSent) ? 0 : unsent(env);
  const std::uint32_t flight = flight_size();
  const std::uint32_t next = std::min<std::uint32_t>(queued, smss_);
  if (next > 0 && flight + next > snd_.wnd && pipe(env) + next <= congestion_.cwnd) pace = Pace::kRwndLimited;
  if (tx != nullptr && queued == 0 && tx->app_waits) pace = Pace::kSndbufLimited;
  l->turn(pace, env.now);
}

}  // namespace pollux::tcp
