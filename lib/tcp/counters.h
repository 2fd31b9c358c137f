#pragma once

#include <array>
#include <cstdint>

#include "tcp/state.h"
#include "tcp/verdict.h"

namespace pollux::tcp {

// What a shard's connections did, in events since start. One writer: the shard's core.
struct Counters {
  std::uint64_t segments_sent = 0;
  std::uint64_t segments_received = 0;
  std::uint64_t bytes_sent = 0;      // text, first transmissions only
  std::uint64_t bytes_received = 0;  // text that advanced RCV.NXT
  std::uint64_t retransmitted_segments = 0;
  std::uint64_t rto_fired = 0;
  std::uint64_t fast_retransmits = 0;
  std::uint64_t tail_loss_probes = 0;    // RFC 8985, 7
  std::uint64_t dsacks_received = 0;     // RFC 2883
  std::uint64_t spurious_time_outs = 0;  // found to have been for nothing, and undone
  std::uint64_t spurious_recoveries = 0;
  std::uint64_t path_mtu_lowered = 0;  // because a router said so (RFC 1191, RFC 8201)
  std::uint64_t black_holes = 0;       // and because of time-outs (RFC 4821, 7.7)
  std::uint64_t mtu_probes = 0;        // RFC 4821, 7.5: sent
  std::uint64_t mtu_probes_lost = 0;
  std::uint64_t ecn_opened = 0;          // of those opened: where both sides agreed on ECN
  std::uint64_t ce_marks_received = 0;   // segments with text (RFC 3168, 6.1.3)
  std::uint64_t ecn_reductions = 0;      // of cwnd, because the peer echoed a mark
  std::uint64_t duplicate_acks = 0;      // received
  std::uint64_t out_of_order = 0;        // segments held for reassembly
  std::uint64_t duplicate_segments = 0;  // nothing new in them
  std::uint64_t resets_sent = 0;
  std::uint64_t resets_received = 0;  // believed ones
  std::uint64_t challenge_acks = 0;
  std::uint64_t challenges_withheld = 0;  // by the rate limit
  std::uint64_t zero_window_probes = 0;
  std::uint64_t keep_alive_probes = 0;
  std::uint64_t active_opens = 0;
  std::uint64_t passive_opens = 0;
  std::uint64_t opened = 0;  // reached ESTABLISHED
  std::uint64_t syn_cookies_sent = 0;
  std::uint64_t syn_cookies_accepted = 0;
  std::uint64_t syn_cookies_failed = 0;  // ACKs to a listener that had sent cookies, and theirs was none or too old
  // Fast Open, as Linux's counters of these names say.
  std::uint64_t fast_open_active = 0;           // text in our SYN that was acknowledged
  std::uint64_t fast_open_active_fail = 0;      // that was not, or the SYN was lost
  std::uint64_t fast_open_passive = 0;          // SYNs with a good cookie: open at once
  std::uint64_t fast_open_passive_fail = 0;     // with a cookie that was none of ours
  std::uint64_t fast_open_listen_overflow = 0;  // as many were pending as may be: the usual handshake
  std::uint64_t fast_open_cookie_reqd = 0;      // SYNs that asked for a cookie
  std::uint64_t timed_out = 0;
  std::uint64_t delayed_acks = 0;  // sent by the timer
  std::array<std::uint64_t, kVerdictCount> verdicts{};

  // Not events but what is: connections in each state now, packed ones included.
  std::array<std::int64_t, kStateCount> states{};
};

}  // namespace pollux::tcp
