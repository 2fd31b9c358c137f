// A TCB packed into what SYN-RECEIVED and TIME-WAIT need, and made again.

#include <algorithm>

#include "base/assert.h"
#include "tcp/handshake_record.h"
#include "tcp/tcb.h"
#include "tcp/time_wait.h"

namespace pollux::tcp {
namespace {

constexpr std::uint8_t kShiftMask = 0x0f;

// HandshakeRecord::flags.
constexpr std::uint8_t kHasTimestamps = 0x10;
constexpr std::uint8_t kHasWindowScale = 0x20;
constexpr std::uint8_t kHasSack = 0x40;
constexpr std::uint8_t kHasEcn = 0x02;
constexpr std::uint8_t kWasRepeated = 0x01;  // the SYN-ACK, because the peer's SYN came again, or was a cookie
// RFC 5961, 7, where there is no room for a time: one challenge ACK between two SYN-ACKs. Without it an old
// duplicate of a SYN and a peer that knows nothing of it answer each other for ever.
constexpr std::uint8_t kWasChallenged = 0x80;

}  // namespace

HandshakeRecord HandshakeRecord::pack(const Tcb& tcb, std::uint8_t retransmissions) {
  ASSERT(tcb.state_ == State::kSynReceived && tcb.flag(Tcb::kPassive));
  HandshakeRecord r;
  r.iss = tcb.snd_.iss;
  r.irs = tcb.rcv_.irs;
  r.ts_recent = tcb.ts_.recent;
  r.sent_at = tcb.sent_at_;
  r.wnd = static_cast<std::uint16_t>(tcb.snd_.wnd);
  r.smss = tcb.smss_;
  r.wind_shifts = static_cast<std::uint8_t>(tcb.snd_wind_shift_ << 4 | tcb.rcv_wind_shift_);
  r.flags = static_cast<std::uint8_t>((tcb.flag(Tcb::kTimestamps) ? kHasTimestamps : 0) |
                                      (tcb.flag(Tcb::kWindowScaled) ? kHasWindowScale : 0) |
                                      (tcb.flag(Tcb::kSackPermitted) ? kHasSack : 0) | (tcb.manner_.ecn ? kHasEcn : 0));
  r.retransmissions = retransmissions;
  r.listener = static_cast<std::uint8_t>(tcb.listener);
  return r;
}

void HandshakeRecord::note(const Tcb& tcb) {
  if (tcb.flag(Tcb::kChallenged)) flags |= kWasChallenged;
  if (tcb.marks_.syn) measure_nothing();
  if (!tcb.manner_.ecn) flags = static_cast<std::uint8_t>(flags & ~kHasEcn);
}

void HandshakeRecord::measure_nothing() { flags |= kWasRepeated; }

void HandshakeRecord::allow_challenge() { flags = static_cast<std::uint8_t>(flags & ~kWasChallenged); }

void HandshakeRecord::unpack(const FlowKey& key, const Opening& opening, const Options& options, Tcb& tcb,
                             Env& env) const {
  tcb.set_up(key, {iss, opening.timestamp_offset, opening.mss}, options, env.config);
  tcb.set(Tcb::kPassive);
  tcb.set(Tcb::kTimestamps, (flags & kHasTimestamps) != 0);
  tcb.set(Tcb::kWindowScaled, (flags & kHasWindowScale) != 0);
  tcb.set(Tcb::kSackPermitted, (flags & kHasSack) != 0);
  tcb.manner_.ecn = tcb.manner_.heeds = (flags & kHasEcn) != 0;
  tcb.set(Tcb::kSynRetransmitted, retransmissions > 0);
  tcb.set(Tcb::kChallenged, (flags & kWasChallenged) != 0);
  tcb.challenged_at_ = Millis::floor(env.now);
  tcb.state_ = State::kSynReceived;  // not through enter(): it has been in this state all the time
  tcb.listener = listener;
  tcb.offered_mss_ = env.config.mss == 0 ? tcb.offered_mss_ : std::min(tcb.offered_mss_, env.config.mss);
  tcb.smss_ = tcb.most_smss_ = smss;
  const unsigned shifts = wind_shifts;  // of two numbers; g++ takes a shifted byte for one that may be too large
  tcb.snd_wind_shift_ = (shifts >> 4) & kShiftMask;
  tcb.rcv_wind_shift_ = wind_shifts & kShiftMask;
  tcb.sent_at_ = sent_at;
  tcb.ts_.recent = ts_recent;
  tcb.ts_.recent_at = sent_at;
  tcb.congestion_.cwnd = Congestion::initial_window(smss, env.config.initial_window_segments);

  tcb.rcv_.irs = irs;
  tcb.rcv_.nxt = irs + 1;
  tcb.rcv_.up = tcb.rcv_.nxt;
  tcb.rcv_.last_ack_sent = tcb.rcv_.nxt;
  // What the SYN-ACK has offered, and with a scaled field any answer since (Tcb::choose_window).
  const std::uint32_t unit = std::uint32_t{1} << tcb.rcv_wind_shift_;
  tcb.rcv_.edge = tcb.rcv_.nxt + (std::min<std::uint32_t>(env.config.receive_buffer, 65535) + unit - 1) / unit * unit;

  tcb.snd_.nxt = iss + 1;
  tcb.snd_.wnd = wnd;
  tcb.snd_.max_wnd = wnd;
  tcb.snd_.wl1 = irs;
  tcb.snd_.wl2 = iss;

  Transmission& tx = tcb.begin_transmission(env);
  tx.stalled_since = sent_at;
  tx.timing = retransmissions == 0 && (flags & kWasRepeated) == 0;
  tx.timed_seq = tcb.snd_.nxt;
  tx.timed_at = sent_at.instant(env.now);
  tcb.back_off_ = retransmissions;
  tcb.arm_retransmission(env);
}

TimeWaitRecord TimeWaitRecord::pack(const Tcb& tcb, Instant now) {
  ASSERT(tcb.state_ == State::kTimeWait);
  TimeWaitRecord r;
  r.snd_nxt = tcb.snd_.nxt;
  r.rcv_nxt = tcb.rcv_.nxt;
  r.ts_recent = tcb.ts_.recent;
  r.ts_recent_at = tcb.ts_.recent_at;
  r.entered = Millis::floor(now);
  r.wnd_field = tcb.window_field();
  r.timestamps = tcb.flag(Tcb::kTimestamps);
  return r;
}

void TimeWaitRecord::unpack(const FlowKey& key, std::uint32_t timestamp_offset, Tcb& tcb, Env& env) const {
  tcb.key_ = key;
  tcb.state_ = State::kTimeWait;  // not through enter(): it has been in this state all the time
  tcb.reason_ = Reason::kFinished;
  tcb.set(Tcb::kFinSent);
  tcb.set(Tcb::kTimestamps, timestamps);
  tcb.set(Tcb::kChallenged, challenged);
  tcb.challenged_at_ = Millis::floor(env.now);
  tcb.ts_ = {ts_recent, ts_recent_at, timestamp_offset};
  tcb.snd_.una = snd_nxt;
  tcb.snd_.nxt = snd_nxt;
  tcb.snd_.iss = snd_nxt - (std::uint32_t{1} << 30);  // how far back an old ACK is merely old
  tcb.snd_.max_wnd = std::uint32_t{1} << 30;
  tcb.rcv_.nxt = rcv_nxt;
  tcb.rcv_.edge = rcv_nxt + wnd_field;  // unscaled: the field goes out as it is
  tcb.rcv_.last_ack_sent = rcv_nxt;
  tcb.congestion_.cwnd = tcb.smss_;
  tcb.deadlines_.set(Timer::kTimeWait, entered.instant(env.now) + 2 * env.config.msl);
}

}  // namespace pollux::tcp
