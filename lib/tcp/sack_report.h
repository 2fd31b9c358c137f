#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "tcp/scoreboard.h"
#include "wire/segment.h"
#include "wire/seq_num.h"

namespace pollux::tcp {

// What the SACK options that we send have still to tell (RFC 2018, 4; RFC 2883, 4): where
// text arrived beyond a hole, the latest first, and what arrived twice. Keeps one number of
// each range; the ranges themselves the ReceiveQueue has.
class SackReport {
 public:
  // Text arrived beyond a hole and is now part of the range [left, right).
  void arrived(SeqNum left, SeqNum right) {
    std::size_t kept = 0;
    std::size_t unsaid = 0;
    for (std::size_t i = 0; i < count_; ++i) {
      if (left <= recent_[i] && recent_[i] < right) continue;
      if (i < unsaid_) ++unsaid;
      recent_[kept++] = recent_[i];
    }
    kept = std::min(kept, kKept - 1);
    std::move_backward(recent_.begin(), recent_.begin() + kept, recent_.begin() + kept + 1);
    recent_[0] = left;
    count_ = static_cast<std::uint8_t>(kept + 1);
    unsaid_ = static_cast<std::uint8_t>(std::min(unsaid + 1, kKept));
  }

  // [left, right) was here before. Told once, and only of the last one.
  void arrived_again(SeqNum left, SeqNum right) { again_ = SackBlock{left, right}; }

  // No text is waited for any more.
  void forget_ranges() { count_ = unsaid_ = 0; }

  // There is something that no ACK has told yet.
  bool unsaid() const { return unsaid_ > 0 || again_; }
  bool duplicate_unsaid() const { return again_.has_value(); }

  // A segment came beyond the hole that begins at RCV.NXT. Whether it wants an ACK to itself, as RFC 5681, 4.2 asks for
  // each: so do the first three, by which a peer begins to repair. Of those behind them one ACK tells as much as one
  // for each would (so thinks Linux: tcp_comp_sack_nr), as long as there is room left in it for what arrived twice, and
  // for what others have told, for ACKs get lost.
  bool presses(SeqNum rcv_nxt) {
    if (hole_ != rcv_nxt) beyond_hole_ = 0;
    hole_ = rcv_nxt;
    if (beyond_hole_ < Scoreboard::kDupThresh) {
      ++beyond_hole_;
      return true;
    }
    return unsaid_ >= kMostUnsaid;
  }

  // The blocks of the next ACK, at most `room`, which is 3 or 4. First what arrived twice, if anything did; then,
  // the latest first, what no ACK has told yet; then what others have. If more is untold than fits, the older part
  // goes first, so that the last ACK of a burst begins with the last arrival. `range_around(seq)` is the range
  // that holds `seq` now, if any does.
  template <class RangeAround>
  SackBlocks next_blocks(std::size_t room, RangeAround&& range_around) {
    SackBlocks out;
    if (again_) out.blocks[out.count++] = *again_;
    again_.reset();
    const std::size_t fit = room - out.count;
    const std::size_t from = unsaid_ > fit ? unsaid_ - fit : 0;
    for (std::size_t i = from; i < count_ && out.count < room; ++i) {
      const std::optional<std::pair<SeqNum, SeqNum>> range = range_around(recent_[i]);
      if (range) out.blocks[out.count++] = {range->first, range->second};
    }
    unsaid_ = static_cast<std::uint8_t>(from);
    return out;
  }

 private:
  static constexpr std::size_t kKept = 16;        // what one burst may leave untold
  static constexpr std::uint8_t kMostUnsaid = 2;  // of three blocks or four

  std::array<SeqNum, kKept> recent_;  // the latest first, each of another range
  std::uint8_t count_ = 0;
  std::uint8_t unsaid_ = 0;       // the first so many
  std::uint8_t beyond_hole_ = 0;  // so many segments came while RCV.NXT was hole_; at DupThresh: or more
  SeqNum hole_;
  std::optional<SackBlock> again_;
};

}  // namespace pollux::tcp
