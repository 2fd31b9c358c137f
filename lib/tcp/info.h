#pragma once

#include <cstdint>

namespace pollux::tcp {

// What Linux says of a connection in struct tcp_info (TCP_INFO), under its names and in its units: windows and what is
// outstanding in segments of snd_mss, times in microseconds. What a Ledger counts is 0 where the connection has none.
struct Info {
  std::uint8_t ca_state = 0;  // TCP_CA_Open (0), _Disorder (1), _CWR (2), _Recovery (3), _Loss (4) of <netinet/tcp.h>
  std::uint8_t retransmits = 0;  // time-outs in a row
  std::uint8_t probes = 0;       // of a closed window, or of a silent peer, in a row
  std::uint8_t backoff = 0;      // doublings of rto
  std::uint8_t snd_wscale = 0;
  std::uint8_t rcv_wscale = 0;

  std::uint32_t rto = 0;  // backed off as it is
  std::uint32_t ato = 0;  // how long an ACK is delayed at most
  std::uint32_t rtt = 0;  // smoothed; 0: not measured yet, nor rttvar
  std::uint32_t rttvar = 0;
  std::uint32_t min_rtt = 0;

  std::uint32_t snd_mss = 0;  // bytes of text in a full segment
  std::uint32_t rcv_mss = 0;  // bytes; the largest that came
  std::uint32_t advmss = 0;   // bytes; what our MSS option said
  std::uint32_t pmtu = 0;     // bytes; the largest IP packet

  std::uint32_t snd_cwnd = 0;
  std::uint32_t snd_ssthresh = 0;  // 2^31 - 1: none yet
  std::uint32_t unacked = 0;
  std::uint32_t sacked = 0;  // without SACK: duplicate ACKs
  std::uint32_t lost = 0;
  std::uint32_t retrans = 0;     // sent again, and outstanding
  std::uint32_t reordering = 0;  // 3 until more was seen
  std::uint32_t notsent_bytes = 0;
  std::uint32_t snd_wnd = 0;  // bytes
  std::uint32_t rcv_wnd = 0;  // bytes

  std::uint64_t pacing_rate = 0;    // bytes a second; 0: not limited
  std::uint64_t delivery_rate = 0;  // bytes a second; 0: not measured since something is outstanding

  // Since the connection opened (Ledger).
  std::uint64_t bytes_acked = 0;
  std::uint64_t bytes_received = 0;
  std::uint64_t bytes_sent = 0;  // bytes_retrans included
  std::uint64_t bytes_retrans = 0;
  std::uint32_t segs_out = 0;
  std::uint32_t segs_in = 0;
  std::uint32_t data_segs_out = 0;
  std::uint32_t data_segs_in = 0;
  std::uint32_t total_retrans = 0;
  std::uint32_t dsack_dups = 0;
  std::uint32_t reord_seen = 0;
  std::uint32_t rcv_ooopack = 0;
  std::uint64_t busy_time = 0;       // something was to be sent, or unacknowledged
  std::uint64_t rwnd_limited = 0;    // ... and the peer's window had no room
  std::uint64_t sndbuf_limited = 0;  // ... and the send buffer was full, and all in it sent
};

}  // namespace pollux::tcp
