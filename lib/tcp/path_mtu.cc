// The path's MTU: told by routers (RFC 1191, 8201; believed as RFC 5927 says), found to be smaller by time-outs where
// no router tells (RFC 4821, 7.7), and searched for upwards again (RFC 4821, 7.2 to 7.6).

#include "tcp/path_mtu.h"

#include <algorithm>
#include <array>

#include "base/assert.h"
#include "base/mutant.h"
#include "tcp/tcb.h"

namespace pollux::tcp {
namespace {

constexpr std::uint32_t kFixedV4 = 20 + 20;  // headers of IP and TCP
constexpr std::uint32_t kFixedV6 = 40 + 20;
// Segments that follow a probe, so that its loss is told by what they bring back and not by a time-out.
constexpr std::uint32_t kBehindProbe = 3;

// Modulo 2^16, some 18 hours: one that comes back after just so long searches up to Config::mtu_expires later.
std::uint16_t seconds(Instant now) {
  return static_cast<std::uint16_t>(now.time_since_epoch() / std::chrono::seconds{1});
}

}  // namespace

std::uint32_t plateau_below(std::uint32_t mtu) {
  constexpr std::array<std::uint32_t, 11> kPlateaus = {65535, 32000, 17914, 8166, 4352, 2002, 1492, 1006, 508, 296, 68};
  const auto* below = std::find_if(kPlateaus.begin(), kPlateaus.end(), [mtu](std::uint32_t p) { return p < mtu; });
  return below == kPlateaus.end() ? kLeastMtuV4 : *below;
}

// What of the MTU is no text.
std::uint32_t Tcb::headers() const {
  return (key_.local.is_v4() ? kFixedV4 : kFixedV6) + (flag(kTimestamps) ? kTimestampsSize : 0u);
}

std::uint32_t Tcb::path_mtu() const {
  if (smss_ < most_smss_) return smss_ + headers();
  return offered_mss_ + (key_.local.is_v4() ? kFixedV4 : kFixedV6);
}

bool Tcb::dont_fragment(const Config& config) const { return config.path_mtu_discovery && smss_ > least_smss(config); }

std::uint16_t Tcb::least_smss(const Config& config) const {
  const std::uint32_t headers_size = headers();
  return static_cast<std::uint16_t>(
      std::max<std::uint32_t>(kMinMss, config.min_pmtu > headers_size ? config.min_pmtu - headers_size : 0));
}

// RFC 5927, 4.1: believed only if it quotes what is outstanding, and tells of less than what is sent now. That it can
// be min_pmtu and no less keeps who has guessed all that from much harm.
bool Tcb::packet_too_big(SeqNum seq, std::uint32_t mtu, std::uint32_t size, Env& env) {
  const bool quoted = snd_.una <= seq && seq < snd_.nxt;
  if (!env.config.path_mtu_discovery || flag(kSynUnacked) || !has_transmission() || MUTANT(85, !quoted, false))
    return false;
  settle_mtu_probe(env);
  MtuSearch& search = transmission(env)->mtu_search;
  const bool of_probe = search.probe != 0 && seq == search.left;
  const bool v4 = key_.local.is_v4();
  // RFC 1191, 5: below the Total Length that is quoted; some routers add the header's to that, or spoil it.
  const std::uint32_t largest = (of_probe ? search.probe : smss_) + headers();
  if (v4 && mtu == 0) mtu = plateau_below(size > kFixedV4 ? std::min(size, largest) : largest);
  if (mtu < (v4 ? kLeastMtuV4 : kLeastMtuV6)) return false;  // RFC 8201, 4: "must discard"
  const std::uint32_t fits = mtu > headers() ? mtu - headers() : 0;
  const std::uint32_t smss = std::max<std::uint32_t>(fits, least_smss(env.config));
  if (of_probe && smss_ <= smss && smss < search.probe) {
    fail_mtu_probe(static_cast<std::uint16_t>(smss), false, env);  // RFC 8899, 4.6.2: worth a probe, and no more
    resend_as_smaller(search.left, search.right, env);
    return true;
  }
  if (smss >= smss_) return false;
  ++env.counters.path_mtu_lowered;
  lower_smss(static_cast<std::uint16_t>(smss), env);
  resend_as_smaller(seq, snd_.nxt, env);
  ASSERT(invariants_hold(env));
  return true;
}

// RFC 5681, 3.1: cwnd shrinks with it, so that it stays as many segments.
void Tcb::lower_smss(std::uint16_t smss, Env& env) {
  const auto cwnd = static_cast<std::uint32_t>(std::uint64_t{congestion_.cwnd} * smss / smss_);
  congestion_.cwnd = std::max<std::uint32_t>(cwnd, smss);
  smss_ = smss;
  transmission(env)->mtu_search = {};
  mtu_searched_s_ = seconds(env.now);
}

void Tcb::raise_smss(std::uint16_t smss) {
  smss_ = smss;
  congestion_.cwnd = std::max<std::uint32_t>(congestion_.cwnd, smss);
  congestion_.ssthresh = std::max(congestion_.ssthresh, 2u * smss);
}

// [left, right) was too large, which says nothing of congestion (RFC 1191, 6.4; RFC 4821, 7.6.2): it goes again at
// once, in segments of SMSS, and no window is reduced.
void Tcb::resend_as_smaller(SeqNum left, SeqNum right, Env& env) {
  Transmission& tx = *transmission(env);
  if (!tx.scoreboard.has_hole(left, right)) return;
  begin_repair(env);
  tx.log.lose(left, right, snd_.una, snd_.nxt, tx.scoreboard);
  tx.lowered_at = env.now;              // that some of it went for the second time is no reason to lower cwnd
  tx.spurious.forward = Forward::kOff;  // why there was a time-out is known now (RFC 5682)
  if (!tx.fast_recovery) {
    if (tx.recover < snd_.una) tx.recut = true;
    tx.recover = snd_.nxt - 1;
  }
  if (left <= tx.marked_to && tx.marked_to < right) {  // what bore CWR among it; new text does (RFC 3168, 6.1.2)
    manner_.cwr = manner_.ecn;
    tx.marked_to = snd_.nxt;
  }
  tx.dup_acks = 0;
  tx.resend_now = true;
  may_transmit_ = true;
}

// A time-out. RFC 4821, 7.7: a full-sized segment is lost again and again, and no router says why: what is tried
// instead is base_mss, and from there on half as much each time. It may have been an outage, so that the search upwards
// begins as soon as something passes.
void Tcb::suspect_black_hole(Env& env) {
  Transmission& tx = *transmission(env);
  settle_mtu_probe(env);
  if (tx.mtu_search.probe != 0) {
    fail_mtu_probe(static_cast<std::uint16_t>(tx.mtu_search.probe - 1), true, env);
  }
  const Config& config = env.config;
  if (!config.mtu_probing || tx.time_outs + 1 < config.r1) return;
  const SeqNum end = min(snd_.nxt, text_end(env));
  const std::uint32_t size = snd_.una < end ? std::min<std::uint32_t>(smss_, distance(snd_.una, end)) : 0;
  const std::uint32_t smaller = size > config.base_mss ? config.base_mss : size / 2;
  const std::uint32_t smss = std::max<std::uint32_t>(smaller, least_smss(config));
  if (smss >= size) return;
  ++env.counters.black_holes;
  lower_smss(static_cast<std::uint16_t>(smss), env);
  mtu_searched_s_ = seconds(env.now - config.mtu_expires);
}

// --- The search upwards ---

void Tcb::fail_mtu_probe(std::uint16_t most, bool failed, Env& env) {
  transmission(env)->mtu_search.fail(most, failed);
  mtu_searched_s_ = seconds(env.now);
  ++env.counters.mtu_probes_lost;
}

// RFC 4821, 7.6.1: all of the probe is acknowledged, and it was not sent again.
void Tcb::settle_mtu_probe(Env& env) {
  MtuSearch& search = transmission(env)->mtu_search;
  if (search.probe == 0 || snd_.una < search.right) return;
  raise_smss(search.probe);
  search.probe = 0;
}

// Something is found lost. True: nothing but the probe, which is no congestion (RFC 4821, 7.6.2).
bool Tcb::only_mtu_probe_lost(Env& env) {
  Transmission& tx = *transmission(env);
  settle_mtu_probe(env);
  MtuSearch& search = tx.mtu_search;
  if (search.probe == 0) return false;
  const SeqNum left = max(search.left, snd_.una);
  const bool alone = flag(kSackPermitted) ? tx.log.lost() == tx.log.lost_in(left, search.right, snd_.nxt, tx.scoreboard)
                                          : search.left <= snd_.una;
  if (!alone) {
    search.probe = 0;  // it tells nothing (RFC 4821, 7.6.4)
    return false;
  }
  fail_mtu_probe(static_cast<std::uint16_t>(search.probe - 1), true, env);
  resend_as_smaller(left, search.right, env);
  return true;
}

// RFC 1191, 6.3; RFC 8201, 4: what was too large is not tried again before mtu_expires; but a search that goes on is
// brought to its end. Without probes it is taken for possible again until a router objects.
bool Tcb::may_probe_mtu(Env& env) {
  MtuSearch& search = transmission(env)->mtu_search;
  settle_mtu_probe(env);
  // Limited transmit (RFC 3042) is for what is ordinary; and the loss of CWR has to be seen.
  if (search.probe != 0 || flag(kRepairing) || transmission(env)->dup_acks > 0 || manner_.cwr) return false;
  if (search.high == 0) {
    const std::chrono::seconds waited{static_cast<std::uint16_t>(seconds(env.now) - mtu_searched_s_)};
    if (waited < env.config.mtu_expires) return false;
    if (!env.config.mtu_probing) {
      raise_smss(most_smss_);
      return false;
    }
    search = {.high = most_smss_};
  }
  if (!search.is_over(smss_)) return true;
  search = {};
  mtu_searched_s_ = seconds(env.now);
  return false;
}

// RFC 4821, 7.4: a probe is a segment of new text, with enough behind it, and a window for all of that. It waits for
// the window to be free; but where nothing is in flight nothing would free it.
Tcb::MtuProbe Tcb::make_mtu_probe(Outgoing& out, std::uint32_t queued, Env& env) {
  if (!may_probe_mtu(env)) return MtuProbe::kNone;
  Transmission& tx = *transmission(env);
  const std::uint16_t size = tx.mtu_search.size(smss_);
  const std::uint32_t needed = size + kBehindProbe * smss_;
  if (tx.urgent || queued < needed || std::min(congestion_.cwnd, snd_.wnd) < needed) return MtuProbe::kNone;
  if (usable_window(env) < size) return flight_size() > 0 ? MtuProbe::kWaits : MtuProbe::kNone;
  tx.mtu_search.probe = size;
  tx.mtu_search.left = snd_.nxt;
  put_new_text(out, size, queued, false, env);
  tx.mtu_search.right = snd_.nxt;
  ++env.counters.mtu_probes;
  return MtuProbe::kMade;
}

}  // namespace pollux::tcp
