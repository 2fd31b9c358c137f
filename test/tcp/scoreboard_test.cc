#include "tcp/scoreboard.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "base/random.h"

// RFC 6675, 3 and 4, against a bitmap: one bit for each number, and nothing clever.

namespace pollux::tcp {
namespace {

constexpr std::uint32_t kSmss = 100;
constexpr SeqNum kFirst{0xffff'ff00};  // shortly before the wrap
constexpr SeqNum at(std::uint32_t offset) { return kFirst + offset; }

// What a scoreboard should say, found out number by number.
class Model {
 public:
  explicit Model(std::uint32_t size) : sacked_(size) {}

  std::uint32_t add(std::uint32_t left, std::uint32_t right) {
    std::uint32_t news = 0;
    for (std::uint32_t n = left; n < right; ++n) {
      news += sacked_[n] ? 0 : 1;
      sacked_[n] = true;
    }
    return news;
  }
  void advance(std::uint32_t una) {
    for (std::uint32_t n = una_; n < una; ++n) sacked_[n] = false;
    for (std::uint32_t n = una; n < sacked_.size() && sacked_[n]; ++n) sacked_[n] = false;
    una_ = una;
  }

  std::uint32_t una() const { return una_; }
  std::uint32_t sacked(std::uint32_t from, std::uint32_t to) const {
    return static_cast<std::uint32_t>(std::count(sacked_.begin() + from, sacked_.begin() + to, true));
  }
  std::uint32_t size() const { return static_cast<std::uint32_t>(sacked_.size()); }
  bool is_sacked(std::uint32_t n) const { return sacked_[n]; }
  std::uint32_t ranges() const {
    std::uint32_t count = 0;
    for (std::uint32_t n = 1; n < size(); ++n) count += sacked_[n] && !sacked_[n - 1] ? 1 : 0;
    return count;
  }
  // IsLost() of RFC 6675, 4, for SND.UNA.
  bool reaches_threshold() const { return ranges() >= 3 || sacked(una_, size()) > 2 * kSmss; }
  void clear() { std::fill(sacked_.begin(), sacked_.end(), false); }

 private:
  std::vector<bool> sacked_;
  std::uint32_t una_ = 0;
};

void expect_same(const Scoreboard& board, const Model& model, std::uint32_t nxt) {
  ASSERT_TRUE(board.invariants_hold(at(model.una()), at(nxt)));
  EXPECT_EQ(board.sacked(), model.sacked(model.una(), nxt));
  EXPECT_EQ(board.ranges(), model.ranges());
  EXPECT_EQ(board.reaches_threshold(kSmss), model.reaches_threshold());
}

void expect_same_queries(const Scoreboard& board, const Model& model, std::uint32_t nxt, std::uint32_t n) {
  EXPECT_EQ(board.holes(at(n), at(nxt)), nxt - n - model.sacked(n, nxt));
  EXPECT_EQ(board.holes(at(model.una()), at(n)), n - model.una() - model.sacked(model.una(), n));
  std::uint32_t open = n;
  while (open < nxt && model.is_sacked(open)) ++open;
  EXPECT_EQ(board.skip(at(n)), at(open));
  std::uint32_t next = n + 1;
  while (next < nxt && (!model.is_sacked(next) || model.is_sacked(next - 1))) ++next;
  EXPECT_EQ(board.hole_end(at(n), at(nxt)), at(next));
}

// Random operations as SEGMENT ARRIVES makes them, over numbers that wrap.
void compare_with_the_model(std::uint64_t seed, int operations, std::uint32_t size, std::uint32_t longest) {
  Random random{seed};
  Slab<SackedRange> store{Scoreboard::kMaxRanges * 8 / 7 + 8};
  Scoreboard board;
  Model model{size};
  for (int i = 0; i < operations && model.una() + 2 < size; ++i) {
    const std::uint32_t una = model.una();
    const std::uint32_t open = size - una - 1;
    switch (random.below(20)) {
      case 0: {  // SND.UNA moves, mostly a little
        const auto to =
            static_cast<std::uint32_t>(una + 1 + random.below(random.chance(0.1) ? open : std::min(open, 8u)));
        board.advance(store, at(to));
        model.advance(to);
        break;
      }
      case 1:
        if (random.chance(0.1)) {
          board.clear(store);
          model.clear();
        }
        break;
      default: {
        const auto left = static_cast<std::uint32_t>(una + 1 + random.below(open));
        const auto right = static_cast<std::uint32_t>(left + 1 + random.below(std::min(size - left, longest)));
        EXPECT_EQ(board.add(store, at(left), at(std::min(right, size))), model.add(left, std::min(right, size)));
        break;
      }
    }
    ASSERT_NO_FATAL_FAILURE(expect_same(board, model, size));
    expect_same_queries(board, model, size, static_cast<std::uint32_t>(model.una() + random.below(size - model.una())));
  }
  board.clear(store);
  EXPECT_EQ(store.size(), 0u);
}

TEST(Scoreboard, IsWhatABitmapSays) {  // RFC 6675, 3
  for (std::uint64_t seed = 1; seed <= 60 && !testing::Test::HasFailure(); ++seed) {
    compare_with_the_model(seed, 400, 600, seed % 3 == 0 ? 3 : seed % 3 == 1 ? 20 : 200);
  }
}

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
  EXPECT_EQ(board.add(store, at(1), at(4)), 1u) << "what joins ranges needs no room";
}

TEST_F(OneBoard, LeavesTheLastPlacesToThoseThatHoldNothing) {
  Slab<SackedRange> few{16};
  Scoreboard other;
  for (std::uint32_t i = 0; i < 50; ++i) other.add(few, at(2 * i + 1), at(2 * i + 2));
  EXPECT_EQ(few.size(), 14u);
  EXPECT_EQ(board.add(few, at(1), at(2)), 1u);
  other.clear(few);
  board.clear(few);
}

}  // namespace
}  // namespace pollux::tcp
