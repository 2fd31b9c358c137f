#include "tcp/sack_report.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

// RFC 2018, 4: which blocks an ACK tells of, and in which order.

namespace pollux::tcp {
namespace {

using Range = std::pair<std::uint32_t, std::uint32_t>;

// Ranges of 10, held from 100 on with holes of 10: [100, 110), [120, 130), ...
struct Held {
  SackReport report;

  static Range range(std::uint32_t n) { return {100 + 20 * n, 110 + 20 * n}; }
  void arrives(std::uint32_t n) { report.arrived(SeqNum{range(n).first}, SeqNum{range(n).second}); }
  std::vector<Range> next(std::size_t room) {
    const SackBlocks blocks = report.next_blocks(room, [this](SeqNum seq) -> std::optional<std::pair<SeqNum, SeqNum>> {
      if (seq < filled_to) return std::nullopt;
      return std::pair{seq, seq + 10};
    });
    std::vector<Range> out;
    for (const SackBlock& block : blocks.all()) out.emplace_back(block.left.value(), block.right.value());
    return out;
  }
  SeqNum filled_to{0};
};

TEST(SackReport, BeginsWithTheRangeThatTheLastSegmentBelongsTo) {
  Held h;
  h.arrives(0);
  EXPECT_EQ(h.next(3), (std::vector{Held::range(0)}));
  h.arrives(5);
  EXPECT_EQ(h.next(3), (std::vector{Held::range(5), Held::range(0)}));
  h.arrives(0);
  EXPECT_EQ(h.next(3), (std::vector{Held::range(0), Held::range(5)}));
}

TEST(SackReport, RepeatsTheLatestOthers) {  // so that each is told at least three times
  Held h;
  for (std::uint32_t n = 0; n < 5; ++n) {
    h.arrives(n);
    h.next(3);
  }
  EXPECT_EQ(h.next(3), (std::vector{Held::range(4), Held::range(3), Held::range(2)}));
  EXPECT_EQ(h.next(4), (std::vector{Held::range(4), Held::range(3), Held::range(2), Held::range(1)}));
}

TEST(SackReport, TellsAllOfABurstInSeveralAcks) {
  Held h;
  for (std::uint32_t n = 0; n < 7; ++n) h.arrives(n);
  EXPECT_EQ(h.next(3), (std::vector{Held::range(2), Held::range(1), Held::range(0)}));
  EXPECT_TRUE(h.report.unsaid());
  EXPECT_EQ(h.next(3), (std::vector{Held::range(5), Held::range(4), Held::range(3)}));
  EXPECT_TRUE(h.report.unsaid());
  EXPECT_EQ(h.next(3), (std::vector{Held::range(6), Held::range(5), Held::range(4)}));
  EXPECT_FALSE(h.report.unsaid());
}

TEST(SackReport, WhatTheHoleNoLongerHidesIsNotTold) {
  Held h;
  for (std::uint32_t n = 0; n < 3; ++n) h.arrives(n);
  h.filled_to = SeqNum{125};
  EXPECT_EQ(h.next(3), (std::vector{Held::range(2)}));
}

TEST(SackReport, WhatArrivedTwiceComesFirstAndOnce) {  // RFC 2883, 4
  Held h;
  h.arrives(1);
  h.arrives(0);
  h.report.arrived_again(SeqNum{50}, SeqNum{60});
  EXPECT_TRUE(h.report.unsaid());
  EXPECT_EQ(h.next(3), (std::vector{Range{50, 60}, Held::range(0), Held::range(1)}));
  EXPECT_EQ(h.next(3), (std::vector{Held::range(0), Held::range(1)}));
}

TEST(SackReport, ABurstLargerThanItRemembersLosesTheOldest) {
  Held h;
  for (std::uint32_t n = 0; n < 100; ++n) h.arrives(n);
  std::vector<Range> told;
  for (int acks = 0; h.report.unsaid(); ++acks) {
    ASSERT_LT(acks, 10);
    for (const Range& range : h.next(3)) told.push_back(range);
  }
  for (std::uint32_t n = 84; n < 100; ++n) EXPECT_GE(std::count(told.begin(), told.end(), Held::range(n)), 1) << n;
}

}  // namespace
}  // namespace pollux::tcp
