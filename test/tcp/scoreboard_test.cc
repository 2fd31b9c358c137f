#include "tcp/scoreboard.h"

#include <gtest/gtest.h>

// RFC 6675, 3 and 4. Against a bitmap it stands in sack_bitmap_test.cc.

namespace pollux::tcp {
namespace {

constexpr std::uint32_t kSmss = 100;
constexpr SeqNum kFirst{0xffff'ff00};  // shortly before the wrap
constexpr SeqNum at(std::uint32_t offset) { return kFirst + offset; }

class OneBoard : public testing::Test {
 protected:
  ~OneBoard() override {
    EXPECT_TRUE(board.invariants_hold(una, at(100'000)));
    board.clear(store);
    EXPECT_EQ(store.size(), 0u);
  }

  Slab<SackedRange> store{4096};
  Scoreboard board;
  SeqNum una = at(0);
};

TEST_F(OneBoard, TellsHowMuchIsNews) {  // RFC 6675, 4, Update()
  EXPECT_EQ(board.add(store, at(10), at(20)), 10u);
  EXPECT_EQ(board.add(store, at(10), at(20)), 0u);
  EXPECT_EQ(board.add(store, at(15), at(25)), 5u);
  EXPECT_EQ(board.add(store, at(5), at(30)), 10u);
  EXPECT_EQ(board.ranges(), 1u);
}

TEST_F(OneBoard, RangesThatTouchBecomeOne) {
  board.add(store, at(10), at(20));
  board.add(store, at(30), at(40));
  board.add(store, at(20), at(30));
  EXPECT_EQ(board.ranges(), 1u);
  EXPECT_EQ(board.sacked(), 30u);
  EXPECT_EQ(store.size(), 1u);
}

// RFC 6675, 4, IsLost(): three discontiguous ranges, or more than two segments' worth, behind a number.
TEST_F(OneBoard, ThirdRangeOrMoreThanTwoSegmentsReachTheThreshold) {
  board.add(store, at(10), at(11));
  board.add(store, at(20), at(21));
  EXPECT_FALSE(board.reaches_threshold(kSmss));
  board.add(store, at(30), at(31));
  EXPECT_TRUE(board.reaches_threshold(kSmss));
}

TEST_F(OneBoard, TwoSegmentsWorthIsNotMoreThanThat) {
  board.add(store, at(50), at(50 + 2 * kSmss));
  EXPECT_FALSE(board.reaches_threshold(kSmss));
  board.add(store, at(50), at(51 + 2 * kSmss));
  EXPECT_TRUE(board.reaches_threshold(kSmss));
}

TEST_F(OneBoard, NumbersThatWereAcknowledgedLeave) {
  board.add(store, at(10), at(20));
  board.add(store, at(30), at(40));
  una = at(20);
  board.advance(store, una);
  EXPECT_EQ(board.sacked(), 10u);
  una = at(35);  // in the midst of a range: the peer has given it up
  board.advance(store, una);
  EXPECT_TRUE(board.empty());
}

TEST_F(OneBoard, HoldsManyRangesAndForgetsWhatIsTooMuch) {
  for (std::uint32_t i = 0; i < 2 * Scoreboard::kMaxRanges; ++i) board.add(store, at(2 * i + 1), at(2 * i + 2));
  EXPECT_EQ(board.ranges(), Scoreboard::kMaxRanges);
  EXPECT_GE(Scoreboard::kMaxRanges, 256u);
  const std::uint32_t beyond = 2 * Scoreboard::kMaxRanges + 10;
  EXPECT_FALSE(board.may_be_news(at(beyond), at(beyond + 1)));
  EXPECT_FALSE(board.may_be_news(at(3), at(4))) << "known";
  EXPECT_TRUE(board.may_be_news(at(3), at(5))) << "touches one that is there";
  EXPECT_EQ(board.add(store, at(1), at(4)), 1u) << "what joins ranges needs no room";
}

TEST_F(OneBoard, LeavesTheLastPlacesToThoseThatHoldNothing) {
  Slab<SackedRange> few{16};
  Scoreboard other;
  for (std::uint32_t i = 0; i < 50; ++i) other.add(few, at(2 * i + 1), at(2 * i + 2));
  EXPECT_EQ(few.size(), 14u);
  EXPECT_TRUE(other.may_be_news(at(200), at(201))) << "RACK learns of it, though it is not kept";
  EXPECT_EQ(board.add(few, at(1), at(2)), 1u);
  other.clear(few);
  board.clear(few);
}

}  // namespace
}  // namespace pollux::tcp
