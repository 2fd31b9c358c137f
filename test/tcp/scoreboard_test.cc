#include "tcp/scoreboard.h"

#include <gtest/gtest.h>

#include <functional>

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

  std::uint32_t add(Scoreboard& to, SeqNum left, SeqNum right) {
    holes = 0;
    return to.add(store, left, right, see);
  }

  Slab<SackedRange> store{4096};
  Scoreboard board;
  SeqNum una = at(0);
  std::uint32_t holes = 0;  // seen by the last add()
  const std::function<void(SeqNum, SeqNum)> see = [this](SeqNum, SeqNum) { ++holes; };
};

TEST_F(OneBoard, TellsHowMuchIsNews) {  // RFC 6675, 4, Update()
  EXPECT_EQ(add(board, at(10), at(20)), 10u);
  EXPECT_EQ(add(board, at(10), at(20)), 0u);
  EXPECT_EQ(add(board, at(15), at(25)), 5u);
  EXPECT_EQ(add(board, at(5), at(30)), 10u);
  EXPECT_EQ(board.ranges(), 1u);
}

TEST_F(OneBoard, RangesThatTouchBecomeOne) {
  add(board, at(10), at(20));
  add(board, at(30), at(40));
  add(board, at(20), at(30));
  EXPECT_EQ(board.ranges(), 1u);
  EXPECT_EQ(board.sacked(), 30u);
  EXPECT_EQ(store.size(), 1u);
}

// RFC 6675, 4, IsLost(): three discontiguous ranges, or more than two segments' worth, behind a number.
TEST_F(OneBoard, ThirdRangeOrMoreThanTwoSegmentsReachTheThreshold) {
  add(board, at(10), at(11));
  add(board, at(20), at(21));
  EXPECT_FALSE(board.reaches_threshold(kSmss));
  add(board, at(30), at(31));
  EXPECT_TRUE(board.reaches_threshold(kSmss));
}

TEST_F(OneBoard, TwoSegmentsWorthIsNotMoreThanThat) {
  add(board, at(50), at(50 + 2 * kSmss));
  EXPECT_FALSE(board.reaches_threshold(kSmss));
  add(board, at(50), at(51 + 2 * kSmss));
  EXPECT_TRUE(board.reaches_threshold(kSmss));
}

TEST_F(OneBoard, NumbersThatWereAcknowledgedLeave) {
  add(board, at(10), at(20));
  add(board, at(30), at(40));
  una = at(20);
  board.advance(store, una);
  EXPECT_EQ(board.sacked(), 10u);
  una = at(35);  // in the midst of a range: the peer has given it up
  board.advance(store, una);
  EXPECT_TRUE(board.empty());
}

TEST_F(OneBoard, HoldsManyRangesAndForgetsWhatIsTooMuch) {
  for (std::uint32_t i = 0; i < 2 * Scoreboard::kMaxRanges; ++i) add(board, at(2 * i + 1), at(2 * i + 2));
  EXPECT_EQ(board.ranges(), Scoreboard::kMaxRanges);
  EXPECT_GE(Scoreboard::kMaxRanges, 256u);
  const std::uint32_t beyond = 2 * Scoreboard::kMaxRanges + 10;
  EXPECT_EQ(add(board, at(beyond), at(beyond + 1)), 0u);
  EXPECT_EQ(holes, 0u);
  EXPECT_EQ(add(board, at(1), at(4)), 1u) << "what joins ranges needs no room";
}

TEST_F(OneBoard, LeavesTheLastPlacesToThoseThatHoldNothing) {
  Slab<SackedRange> few{16};
  Scoreboard other;
  for (std::uint32_t i = 0; i < 50; ++i) other.add(few, at(2 * i + 1), at(2 * i + 2), [](SeqNum, SeqNum) {});
  EXPECT_EQ(few.size(), 14u);
  holes = 0;
  EXPECT_EQ(other.add(few, at(200), at(201), see), 0u);
  EXPECT_EQ(holes, 1u) << "RACK learns of it, though it is not kept";
  EXPECT_EQ(board.add(few, at(1), at(2), see), 1u);
  other.clear(few);
  board.clear(few);
}

}  // namespace
}  // namespace pollux::tcp
