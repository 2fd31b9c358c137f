// Tail loss probes: RFC 8985, section 7. An ACK is asked for when none came for two round trips, so that RACK finds
// what was lost at the end of a flight, which otherwise only a time-out would.

#include <algorithm>

#include "base/assert.h"
#include "base/mutant.h"
#include "tcp/tcb.h"

namespace pollux::tcp {
namespace {

constexpr Duration kUnmeasured = 1s;  // 7.2: without SRTT
constexpr Duration kSlack = 2ms;      // two ticks of the wheel, below which nothing can be timed

}  // namespace

// 7.2, TLP_calc_PTO(). The RTO is the caller's.
Duration Tcb::probe_timeout(const Env& env) const {
  if (!rtt_.sampled()) return kUnmeasured;
  const bool one_segment = flight_size() <= smss_ && unsent(env) == 0;
  return 2 * rtt_.srtt() + (one_segment ? env.config.max_ack_delay : kSlack);
}

// 7.3. Sending what is new does not touch the timer: it comes up early, and waits for what remains; but no longer than
// until the time-out.
void Tcb::loss_probe_timeout(Env& env) {
  deadlines_.clear(Timer::kLossProbe);
  if (past_r2(env)) return retransmission_timeout(env);
  Transmission& tx = *transmission(env);
  const Instant time_out = tx.stalled_since.instant(env.now) + retransmission_timeout_length(env);
  const Instant due = std::min(sent_at_.instant(env.now) + probe_timeout(env), time_out);
  if (env.now < due) return deadlines_.set(Timer::kLossProbe, due);
  if (!reordering_.probe_unmeasured && MUTANT(81, true, false)) {
    begin_repair(env);
    tx.probe.due = true;
    may_transmit_ = true;
  }
  arm_time_out(env);
}

// What is new, or else the last segment once more.
bool Tcb::make_loss_probe(Outgoing& out, Env& env) {
  Transmission* tx = transmission(env);
  if (tx == nullptr || !tx->probe.due) return false;
  tx->probe.due = false;
  const std::uint32_t flight = flight_size();
  if (!tx->scoreboard.empty() || tx->log.lost() > 0) return false;  // an answer came after all
  if (flight == 0) return false;                                    // so it did
  const std::uint32_t queued = flag(kFinSent) ? 0 : unsent(env);
  const std::uint32_t room = snd_.wnd > flight ? snd_.wnd - flight : 0;
  const std::uint32_t size = std::min({queued, room, std::uint32_t{smss_}});
  tx->probe.is_retrans = size == 0;
  if (size > 0) {
    put_new_text(out, size, queued, false, env);
  } else {
    const SeqNum left = max(snd_.una, snd_.nxt - smss_);
    repeat(out, left, snd_.nxt, env);
  }
  tx->probe.end_seq = snd_.nxt;
  reordering_.probe_unmeasured = true;
  ++env.counters.tail_loss_probes;
  return true;
}

// 7.4, TLP_process_ack(). When all is acknowledged, it is not known yet whether that was the probe's doing: the answer
// to the other copy, if both have come, is still on its way, and may find nothing outstanding any more.
bool Tcb::take_probe_ack(const Segment& seg, const SackBlock* dsack, Env& env) {
  Transmission* tx = transmission(env);
  const std::optional<SeqNum> end = tx != nullptr                   ? tx->probe.end_seq
                                    : reordering_.probe_unexplained ? std::optional{snd_.una}
                                                                    : std::nullopt;
  if (!end || seg.ack < *end) return false;
  const bool is_retrans = tx == nullptr || tx->probe.is_retrans;
  const bool twice = dsack != nullptr && dsack->right == *end;
  const bool plain = seg.ack == snd_.una && seg.options.sack.count == 0 && seg.text.empty() && !seg.flags.fin;
  const bool repaired = is_retrans && !twice && *end < seg.ack;
  if (is_retrans && !twice && !plain && !repaired) return false;
  reordering_.probe_unexplained = false;
  if (tx == nullptr) return twice;
  tx->probe.end_seq.reset();
  if (!repaired) return twice;
  tx->spurious = {};  // one loss, and a reduction that is due
  tx->lowered_at = env.now;
  lower_ssthresh(std::min(flight_size(), congestion_.cwnd), false, env);
  congestion_.cwnd = std::min(congestion_.cwnd, congestion_.ssthresh);
  return false;
}

}  // namespace pollux::tcp
