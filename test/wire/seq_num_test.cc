#include "wire/seq_num.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

namespace pollux {
namespace {

constexpr SeqNum kLast{0xffffffff};
constexpr SeqNum kZero{0};

TEST(SeqNum, ComesAfterTheLastNumberAgainAtZero) {
  EXPECT_EQ(kLast + 1, kZero);
  EXPECT_EQ(kZero - 1, kLast);
  EXPECT_LT(kLast, kZero);
  EXPECT_GT(kZero, kLast);
  EXPECT_EQ(distance(kLast, kZero), 1u);
  SeqNum s = kLast;
  s += 3;
  EXPECT_EQ(s, SeqNum{2});
}

TEST(SeqNum, IsOrderedUpToHalfTheSpaceAway) {
  for (const std::uint32_t at : {0u, 1u, 0x7fffffffu, 0x80000000u, 0xffffffffu}) {
    const SeqNum s{at};
    EXPECT_LT(s, s + 0x7fffffff);
    EXPECT_LE(s, s);
    EXPECT_GE(s, s);
    EXPECT_FALSE(s < s);
    EXPECT_GT(s, s + 0x80000001);
  }
}

TEST(SeqNum, MaxAndMinFollowTheOrderAcrossTheWrap) {
  EXPECT_EQ(max(kLast, kZero), kZero);
  EXPECT_EQ(min(kLast, kZero), kLast);
  EXPECT_EQ(max(kZero, kLast), kZero);
}

RC_GTEST_PROP(SeqNum, AddingLessThanHalfTheSpaceMovesAfter, (std::uint32_t at)) {
  const auto n = *rc::gen::inRange<std::uint32_t>(1, 0x80000000u);
  const SeqNum s{at};
  RC_ASSERT(s < s + n);
  RC_ASSERT(distance(s, s + n) == n);
  RC_ASSERT(s + n - n == s);
}

TEST(Window, HoldsItsFirstAndItsLastNumberAcrossTheWrap) {
  const SeqNum first{0xfffffffe};
  EXPECT_FALSE(in_window(first - 1, first, 4));
  EXPECT_TRUE(in_window(first, first, 4));
  EXPECT_TRUE(in_window(first + 3, first, 4));
  EXPECT_FALSE(in_window(first + 4, first, 4));
  EXPECT_FALSE(in_window(first, first, 0));
}

// RFC 9293, 3.10.7.4, table 6, with RCV.NXT just below the wrap.
TEST(Acceptable, FollowsTheFourCases) {
  const SeqNum nxt{0xfffffffe};
  EXPECT_TRUE(acceptable(nxt, 0, nxt, 0));
  EXPECT_FALSE(acceptable(nxt + 1, 0, nxt, 0));
  EXPECT_FALSE(acceptable(nxt - 1, 0, nxt, 0));

  EXPECT_TRUE(acceptable(nxt, 0, nxt, 10));
  EXPECT_TRUE(acceptable(nxt + 9, 0, nxt, 10));
  EXPECT_FALSE(acceptable(nxt + 10, 0, nxt, 10));
  EXPECT_FALSE(acceptable(nxt - 1, 0, nxt, 10));

  EXPECT_FALSE(acceptable(nxt, 1, nxt, 0));

  EXPECT_TRUE(acceptable(nxt, 1, nxt, 10));
  EXPECT_TRUE(acceptable(nxt - 5, 6, nxt, 10));   // its last byte is the first wanted
  EXPECT_FALSE(acceptable(nxt - 5, 5, nxt, 10));  // all of it is old
  EXPECT_TRUE(acceptable(nxt + 9, 100, nxt, 10));
  EXPECT_FALSE(acceptable(nxt + 10, 100, nxt, 10));
}

}  // namespace
}  // namespace pollux
