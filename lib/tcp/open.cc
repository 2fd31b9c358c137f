// Opening: RFC 9293, 3.10.1 (OPEN) and 3.10.7.2 (SEGMENT ARRIVES in LISTEN), and
// what SYN segments carry.

#include <algorithm>

#include "base/assert.h"
#include "base/mutant.h"
#include "tcp/tcb.h"

namespace pollux::tcp {
namespace {

// As far as a buffer may grow. Each ACK may round the edge up by a unit, for which buffer_is_overrun() allows a quarter
// of the buffer, and so a small buffer cannot have the units of a very large one.
constexpr std::uint32_t kMostGrown = 65535u << 8;

// The smallest shift with which 16 bits can offer the whole buffer (RFC 7323, 2.3), as large as it may become.
std::uint8_t shift_for(const Config& config) {
  const std::uint32_t buffer = std::max(config.receive_buffer, std::min(config.receive_buffer_max, kMostGrown));
  std::uint8_t shift = 0;
  while (shift < 14 && (std::uint64_t{65535} << shift) < buffer) ++shift;
  return shift;
}

std::uint16_t limit_mss(std::uint16_t mss, std::uint16_t limit) { return limit == 0 ? mss : std::min(mss, limit); }

}  // namespace

Verdict arrives_in_listen(const Segment& seg) {
  if (seg.flags.rst) return Verdict::kListenIgnored;   // first
  if (seg.flags.ack) return Verdict::kReset;           // second
  if (!seg.flags.syn) return Verdict::kListenIgnored;  // fourth
  // third. SYN and FIN together open and close at once; nobody honest sends that.
  if (seg.flags.fin) return Verdict::kSynWithFin;
  return Verdict::kContinue;
}

void Tcb::set_up(const FlowKey& key, const Opening& opening, const Options& options, const Config& config) {
  key_ = key;
  snd_.iss = opening.iss;
  snd_.una = opening.iss;
  snd_.nxt = opening.iss;
  ts_.offset = opening.timestamp_offset;
  offered_mss_ = limit_mss(opening.mss, options.mss);
  set(kSynUnacked);
  set(kNoDelay, options.nodelay);
  set(kKeepAliveOn, options.keep_alive.on);
  keep_alive_idle_s_ = options.keep_alive.idle_s;
  keep_alive_interval_s_ = options.keep_alive.interval_s;
  keep_alive_count_ = options.keep_alive.count;
  set_user_timeout(options.user_timeout);
  ttl_ = options.ttl;
  set_tos(options.tos);
  manner_.control = options.congestion.value_or(config.congestion);
  manner_.ecn = options.ecn.value_or(config.ecn) || manner_.control == CongestionControl::kDctcp;
  manner_.heeds = manner_.ecn;
  manner_.pacing = options.pacing.value_or(config.pacing);
}

void Tcb::open_active(const FlowKey& key, const Opening& opening, const Options& options, Env& env) {
  ASSERT(state_ == State::kClosed);
  set_up(key, opening, options, env.config);
  offered_mss_ = limit_mss(offered_mss_, env.config.mss);
  rcv_wind_shift_ = (env.config.window_scaling ? shift_for(env.config) : 0) & 0xf;
  smss_ = most_smss_ = offered_mss_;
  sent_at_ = Millis::floor(env.now);
  Transmission& tx = begin_transmission(env);
  tx.fast_open = opening.fast_open;
  tx.peer_mss = opening.peer_mss;
  begin_ledger(env);
  ++env.counters.active_opens;
  enter(State::kSynSent, env);
  marks_.syn = true;
  may_transmit_ = true;
}

void Tcb::open_passive(const FlowKey& key, const Segment& syn, const Opening& opening, const Options& options,
                       Env& env) {
  ASSERT(state_ == State::kClosed);
  set_up(key, opening, options, env.config);
  offered_mss_ = limit_mss(offered_mss_, env.config.mss);
  set(kPassive);
  rcv_wind_shift_ = (env.config.window_scaling ? shift_for(env.config) : 0) & 0xf;
  sent_at_ = Millis::floor(env.now);
  begin_transmission(env).fast_open = opening.fast_open;
  ++env.counters.passive_opens;
  enter(State::kSynReceived, env);
  take_syn(syn, env);
  marks_.syn = true;
  may_transmit_ = true;
}

void Tcb::open_early(Arrival& arrival, Env& env) {
  ASSERT(state_ == State::kSynReceived && flag(kPassive));
  transmission(env)->early = true;
  ++env.counters.fast_open_passive;
  begin_ledger(env);
  if (has_ledger_) count_arrival(arrival.segment, env);
  events_.opened = true;
  static_cast<void>(take_text(arrival, env));
  ASSERT(invariants_hold(env));
}

// The peer's SYN: IRS, the first window, and what its options agree to. Text behind
// it is not taken here: before the handshake is done it may be forged (3.10.7.2).
void Tcb::take_syn(const Segment& syn, Env& env) {
  rcv_.irs = syn.seq;
  rcv_.nxt = syn.seq + 1;
  rcv_.up = rcv_.nxt;
  rcv_.last_ack_sent = rcv_.nxt;
  rcv_.edge = rcv_.nxt + std::min<std::uint32_t>(env.config.receive_buffer, 65535);

  snd_.wnd = syn.wnd;  // never scaled in a SYN (RFC 7323, 2.2)
  snd_.max_wnd = snd_.wnd;
  snd_.wl1 = syn.seq;
  snd_.wl2 = syn.flags.ack ? syn.ack : snd_.iss;

  const TcpOptions& options = syn.options;
  const std::uint16_t peer_mss = std::max(MUTANT(65, kMinMss, std::uint16_t{1}),
                                          options.mss.value_or(key_.remote.is_v4() ? kDefaultMssV4 : kDefaultMssV6));
  smss_ = std::min(peer_mss, offered_mss_);  // MUST-16
  if (!env.config.path_mtu_discovery && !key_.local.is_v4()) smss_ = std::min(smss_, kDefaultMssV6);
  if (env.config.timestamps && options.ts) {
    set(kTimestamps);
    ts_.recent = options.ts->val;
    ts_.recent_at = Millis::floor(env.now);
    smss_ = static_cast<std::uint16_t>(MUTANT(1, smss_ - kTimestampsSize, +smss_));
  }
  most_smss_ = smss_;
  if (env.config.window_scaling && options.wind_shift) {
    set(kWindowScaled);
    snd_wind_shift_ = std::min<std::uint8_t>(*options.wind_shift, 14) & 0xf;
  } else {
    rcv_wind_shift_ = 0;
  }
  set(kSackPermitted, env.config.sack_permitted && options.sack_permitted);
  take_ecn_setup(syn);
  congestion_.cwnd = Congestion::initial_window(smss_, env.config.initial_window_segments);
}

// The handshake is done. The window of the segment that did it is taken by the caller.
void Tcb::established(Env& env) {
  enter(State::kEstablished, env);
  marks_.syn = false;
  begin_ledger(env);
  ++env.counters.opened;
  if (manner_.ecn) ++env.counters.ecn_opened;
  if (!transmission(env)->early) events_.opened = true;
  if (flag(kSynRetransmitted)) congestion_.cwnd = smss_;  // RFC 5681, 3.1
  heard_from_peer(env);
  begin_round(env);
  note_full_window(Millis::floor(env.now));
  arm_keep_alive(env);
  may_transmit_ = true;
  if (flag(kCloseWanted)) static_cast<void>(shutdown(env));
}

}  // namespace pollux::tcp
