// How fast: samples of the delivery rate, and pacing, which spreads over a round trip what cwnd lets go.

#include <algorithm>

#include "tcp/tcb.h"

namespace pollux::tcp {

// A segment may go within the tick in which its time comes. Later ones wait for the timer.
bool Tcb::may_go_now(Env& env) {
  if (!manner_.pacing) return true;
  const Instant at = transmission(env)->release - TimerWheel::kTick;
  if (at <= env.now) return true;
  deadlines_.set(Timer::kPacing, at);
  return false;
}

// How much text goes as one to a device that segments: no more than a tick's worth.
std::uint32_t Tcb::most_at_once(std::uint32_t max_text) const {
  const std::uint32_t most = std::max<std::uint32_t>(max_text, smss_);
  const std::uint64_t rate = pacing_rate();
  if (rate == 0) return most;
  return static_cast<std::uint32_t>(std::clamp<std::uint64_t>(rate / (1s / TimerWheel::kTick), smss_, most));
}

void Tcb::note_release(std::uint32_t size, Env& env) {
  const std::uint64_t rate = pacing_rate();
  if (rate == 0) return;  // before a round trip is known
  Transmission& tx = *transmission(env);
  const auto takes = static_cast<Duration::rep>(std::uint64_t{size} * 1'000'000'000 / rate);
  tx.release = std::max(tx.release, env.now) + Duration{takes};
}

// The segment at `seq`, which is going out, is timed.
void Tcb::begin_rate_sample(SeqNum seq, Env& env) {
  Transmission& tx = *transmission(env);
  const SendLog::Run* run = tx.log.run_of(snd_.una);
  tx.app_limited_to = max(tx.app_limited_to, snd_.una);
  tx.delivery_rate.sent({.una = snd_.una,
                         .sacked = tx.scoreboard.sacked(),
                         .now = env.now,
                         .una_sent = run == nullptr ? env.now : run->at,
                         .alone = snd_.una == seq,
                         .app_limited = snd_.una < tx.app_limited_to});
}

std::uint64_t Tcb::delivery_rate(const Env& env) const {
  const Transmission* tx = transmission(env);
  return tx == nullptr ? 0 : tx->delivery_rate.last().rate();
}

}  // namespace pollux::tcp
