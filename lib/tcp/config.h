#pragma once

#include <cstdint>
#include <optional>

#include "time/instant.h"

namespace pollux::tcp {

enum class CongestionControl : std::uint8_t {
  kNewReno,  // RFC 5681 and 6582
  kCubic,    // RFC 9438, with HyStart++ (RFC 9406)
  // RFC 8257; asks for ECN, and without it is NewReno. As receiver it has one ACK for a burst of the device, which
  // echoes a mark if there was one in it: then all that it acknowledges counts as marked (3.2 would have an ACK for
  // each run).
  kDctcp,
};

// What a SYN without the MSS option offers (MUST-15); bytes.
inline constexpr std::uint16_t kDefaultMssV4 = 536;
inline constexpr std::uint16_t kDefaultMssV6 = 1220;
inline constexpr std::uint16_t kMinMss = 48;          // below it, headers would outweigh text (CVE-2019-11479)
inline constexpr std::uint16_t kTimestampsSize = 12;  // of the option on every segment, padding included

// What all connections of a shard share. Sizes in bytes.
struct Config {
  // RFC 6298. The RFC asks for a floor of 1 s (2.4); like Linux we take 200 ms,
  // because a delayed ACK comes within 40 to 200 ms everywhere.
  Duration rto_initial = 1s;  // 2.1
  Duration rto_min = 200ms;
  Duration rto_max = 60s;            // 2.5
  Duration rto_after_syn_lost = 3s;  // 5.7

  // RFC 9293, 3.8.3: R1 counts retransmissions, R2 is time.
  std::uint8_t r1 = 3;               // SHLD-10
  Duration r2 = 5min;                // SHLD-11: at least 100 s; 3.9.1.1: "five minutes"
  Duration r2_syn = 3min;            // MUST-23: at least 3 minutes
  std::uint8_t syn_ack_retries = 5;  // 1 s doubling: gives up after 63 s

  Duration delayed_ack = 40ms;          // MUST-40: below 500 ms
  Duration max_ack_delay = 200ms;       // RFC 8985, 7.2: how long a peer may delay the ACK of one segment; Linux's
  Duration msl = 30s;                   // TIME-WAIT lasts twice this; Linux's 60 s in all
  Duration fin_wait_2 = 60s;            // once the application has closed both ways
  Duration persist_max = 60s;           // cap of zero-window probe intervals
  Duration challenge_interval = 500ms;  // RFC 5961, 7: at most one challenge ACK in this time
  Duration sws_override = 200ms;        // RFC 9293, 3.8.6.2.1: between 0.1 and 1 s

  std::uint32_t receive_buffer = 256 * 1024;  // what a connection begins with
  std::uint32_t receive_buffer_max = 0;  // what that grows to where so much is read in a round trip; less: it stays
  std::uint32_t send_buffer = 256 * 1024;
  std::uint32_t max_ranges = 512;             // out-of-order segments held for one connection
  std::uint16_t mss = 0;                      // upper limit on top of what the MTU allows; 0: none
  std::uint8_t initial_window_segments = 10;  // RFC 6928

  // The path's MTU. Off: IPv4 goes without DF, and IPv6 in packets of 1280 bytes (RFC 8201, 4).
  bool path_mtu_discovery = true;  // RFC 1191, RFC 8201
  bool mtu_probing = true;        // RFC 4821: once R1 time-outs suggest a black hole, and to find out what passes again
  std::uint16_t base_mss = 1024;  // RFC 4821, 7.2: text of a segment that passes nearly everywhere
  std::uint16_t min_pmtu = 552;   // what a router says less than is not believed; below, routers cut up. Linux's
  Duration mtu_expires = 10min;   // RFC 1191, 6.3: until a larger one is tried again; whole seconds, less than 18 h

  // Where a connection's Options do not say otherwise.
  CongestionControl congestion = CongestionControl::kCubic;
  bool ecn = false;     // RFC 3168
  bool pacing = false;  // spread over the round trip what cwnd allows

  bool timestamps = true;           // RFC 7323
  bool window_scaling = true;       // RFC 7323
  bool sack_permitted = true;       // RFC 2018
  bool syn_cookies = true;          // RFC 4987, 3.6: once more than half of a listener's backlog is half open
  bool rst_ends_time_wait = false;  // true: RFC 793; false: RFC 1337

  // RFC 7413. An old duplicate of a SYN may bring its text to an application once more, after the connection that it
  // opened first (2.1): only for requests that may come twice.
  bool fast_open_client = false;  // for connections whose Options ask for it
  bool fast_open_server = false;  // for listeners that allow it
};

// Keep-alive (RFC 9293, 3.8.4): off unless the connection asks. Units: seconds.
struct KeepAlive {
  bool on = false;
  std::uint16_t idle_s = 7200;  // MUST-28: at least two hours by default
  std::uint16_t interval_s = 75;
  std::uint8_t count = 10;
};

// What one connection may ask for itself; listeners hand theirs down.
struct Options {
  bool nodelay = false;  // MUST-17: Nagle off
  KeepAlive keep_alive{};
  Duration user_timeout = 0s;  // MUST-21; 0: Config::r2
  std::uint8_t ttl = 64;       // MUST-49
  std::uint8_t tos = 0;        // MUST-48: DiffServ; the two ECN bits are ours
  std::uint16_t mss = 0;       // 0: Config's
  bool fast_open = false;      // of an active open: what is sent before the SYN goes out may go in it (RFC 7413)
  // nullopt: Config's.
  std::optional<CongestionControl> congestion{};
  std::optional<bool> ecn{};
  std::optional<bool> pacing{};
};

}  // namespace pollux::tcp
