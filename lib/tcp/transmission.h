#pragma once

#include <cstdint>
#include <optional>

#include "base/slab.h"
#include "tcp/congestion.h"
#include "tcp/delivery_rate.h"
#include "tcp/ledger.h"
#include "tcp/path_mtu.h"
#include "tcp/prr.h"
#include "tcp/rack.h"
#include "tcp/receive_queue.h"
#include "tcp/scoreboard.h"
#include "tcp/send_buffer.h"
#include "tcp/send_log.h"
#include "tcp/spurious.h"
#include "time/instant.h"
#include "wire/segment.h"
#include "wire/seq_num.h"

namespace pollux::tcp {

// What only a connection with something to send, or unacknowledged, needs. Taken
// from a slab when it begins and given back when all is acknowledged.
struct Transmission {
  // Not defaulted: `log` must not be filled with zeros first.
  Transmission() {}  // NOLINT(modernize-use-equals-default)
  SendBuffer buffer;
  Scoreboard scoreboard;       // RFC 6675; empty where SACK was not negotiated
  SeqNum recover;              // RFC 6582, "recover"; RFC 6675, RecoveryPoint
  Stage stage;                 // of congestion avoidance
  Prr prr;                     // in fast recovery, with SACK
  Spurious spurious;           // whether the last reduction of cwnd was for nothing
  SeqNum timed_seq;            // the segment whose round trip is being measured ends here
  SeqNum up;                   // SND.UP: after the urgent text
  SeqNum pushed;               // the application's last write ends here (PSH, MUST-61)
  Millis stalled_since;        // when SND.UNA last moved, for R2
  Millis resent_at;            // last retransmission
  std::uint32_t ledger = 0;    // what Tcb::transmission_ says of the ledger without a Transmission
  std::uint32_t used = 0;      // the most that was in flight since cwnd was last full (RFC 2861: W_used)
  std::uint16_t peer_mss = 0;  // for the text of our SYN, if that has a cookie
  std::uint16_t syn_text = 0;  // how much text was in our SYN, until some of it is acknowledged; bytes
  std::uint8_t time_outs = 0;  // in a row, since SND.UNA moved; for R1
  std::uint8_t probes = 0;     // zero-window probes in a row; their back-off
  std::uint8_t dup_acks = 0;
  bool timing = false;
  bool fast_recovery = false;
  bool resend_now = false;  // what is lost first goes once more, whatever cwnd says: fast retransmit
  bool urgent = false;
  bool sws_forced = false;  // the override time-out has passed: send what fits
  bool recut = false;       // what ends at `recover` is no recovery: it was too large for the path, and goes again
  bool early = false;  // RFC 7413: the application has had text of the SYN, and may answer before the handshake ends
  bool app_waits = false;  // the application found the buffer full and wants to know of room
  Instant timed_at;
  SeqNum marked_to;  // SND.NXT when a mark last lowered cwnd (RFC 3168, 6.1.2: once for what was outstanding then)
  MarkedBytes marked_bytes;
  DeliveryRate delivery_rate;
  // SND.NXT when cwnd was last full, but for two segments; or SND.UNA. Of what was sent before, each ACK tells that the
  // window was used (Linux: cwnd_usage_seq). By what is in flight when it comes that does not show: of several ACKs in
  // one burst the first leave less than cwnd to the others.
  SeqNum full_to;
  SeqNum app_limited_to;                // what was sent before it was all there was to send, and cwnd had room for more
  Instant release;                      // with pacing: when the next segment is to go
  Instant lowered_at = Instant::min();  // the last time that a loss, or the path's MTU, lowered cwnd
  std::optional<SeqNum> adapt_rto_beyond;   // RFC 4015, 3.2: by the first round trip of what was sent behind it
  std::optional<SeqNum> dsack_round;        // RACK.dsack_round, until it is acknowledged
  Rack rack;                                // while kRepairing
  LossProbe probe;                          // RFC 8985, 7
  std::optional<FastOpenCookie> fast_open;  // for the first SYN or SYN-ACK; with the first time-out it goes
  MtuSearch mtu_search;                     // while SMSS is less than the handshake allows
  SendLog log;                              // last: for most it ends within its first line
};

// The memory of a shard's connections beside their TCBs.
struct Stores {
  Slab<Transmission> transmissions;
  SliceStore slices;
  Slab<ReceiveQueue> queues;
  Slab<HeldText> held;
  Slab<SackedRange> sacked;
  Slab<Ledger> ledgers{0};
};

}  // namespace pollux::tcp
