#include "base/random.h"

#include <gtest/gtest.h>

#include <array>

namespace pollux {
namespace {

// The published first outputs of splitmix64 for seed 1234567.
TEST(Random, SplitmixMatchesItsReference) {
  std::uint64_t state = 1234567;
  EXPECT_EQ(splitmix64(state), 6457827717110365317u);
  EXPECT_EQ(splitmix64(state), 3203168211198807973u);
  EXPECT_EQ(splitmix64(state), 9817491932198370423u);
}

TEST(Random, TheSameSeedGivesTheSameNumbers) {
  Random a{7};
  Random b{7};
  Random other{8};
  bool differs = false;
  for (int i = 0; i < 100; ++i) {
    const std::uint64_t x = a();
    EXPECT_EQ(x, b());
    differs |= x != other();
  }
  EXPECT_TRUE(differs);
}

TEST(Random, BelowIsEven) {
  Random random{1};
  std::array<int, 10> seen{};
  for (int i = 0; i < 100'000; ++i) ++seen.at(random.below(10));
  for (const int n : seen) EXPECT_NEAR(n, 10'000, 500);
}

TEST(Random, ChanceMeansItsShare) {
  Random random{2};
  int hits = 0;
  for (int i = 0; i < 100'000; ++i) hits += random.chance(0.03) ? 1 : 0;
  EXPECT_NEAR(hits, 3'000, 300);
  EXPECT_FALSE(random.chance(0));
  EXPECT_TRUE(random.chance(1));
}

}  // namespace
}  // namespace pollux
