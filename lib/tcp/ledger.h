#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "time/instant.h"

namespace pollux::tcp {

// What a connection that has something to send is held up by.
enum class Pace : std::uint8_t {
  kIdle,           // it has nothing
  kBusy,           // the network: cwnd, or nothing at all
  kRwndLimited,    // the peer's window
  kSndbufLimited,  // the send buffer: all in it is sent, and the application waits for room
};
inline constexpr std::size_t kPaceCount = 4;  // keep beside the last one

// What is counted over the whole life of a connection, for Tcb::info(). Too much for a TCB, and few ask: a connection
// has a ledger if one was left when it opened (ShardConfig::ledgers). Events, and bytes of text.
struct Ledger {
  std::uint64_t bytes_acked = 0;
  std::uint64_t bytes_received = 0;  // in order
  std::uint64_t bytes_sent = 0;      // what was sent again included
  std::uint64_t bytes_retrans = 0;
  std::uint32_t segs_out = 0;
  std::uint32_t segs_in = 0;
  std::uint32_t data_segs_out = 0;
  std::uint32_t data_segs_in = 0;
  std::uint32_t total_retrans = 0;  // segments, SYNs included
  std::uint32_t dsack_dups = 0;
  std::uint32_t reord_seen = 0;   // times that something came behind what was sent after it
  std::uint32_t rcv_ooopack = 0;  // segments that came out of order
  std::uint16_t reordering = 3;   // how far it came behind, at most, in segments; DupThresh before that

  // From now on it is `next` that holds the connection up.
  void turn(Pace next, Instant now) {
    spent_[static_cast<std::size_t>(pace_)] += now - since_;
    since_ = now;
    pace_ = next;
  }
  // For how long `pace` has held it up, until `now`.
  Duration spent(Pace pace, Instant now) const {
    return spent_[static_cast<std::size_t>(pace)] + (pace == pace_ ? now - since_ : Duration{});
  }

 private:
  Pace pace_ = Pace::kIdle;
  Instant since_{};
  std::array<Duration, kPaceCount> spent_{};
};
static_assert(sizeof(Ledger) == 112);  // as ShardConfig::ledgers says

}  // namespace pollux::tcp
