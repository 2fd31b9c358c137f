#include "hdr_histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "base/random.h"

namespace pollux::app {
namespace {

// Values over ten powers of ten, as latencies are.
std::vector<std::int64_t> values(std::uint64_t seed, std::size_t n) {
  Random random{seed};
  std::vector<std::int64_t> made;
  for (std::size_t i = 0; i < n; ++i) made.push_back(static_cast<std::int64_t>(random() >> (24 + random.below(40))));
  return made;
}

std::int64_t exact(std::vector<std::int64_t>& sorted, double share) {
  const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(sorted.size())));
  return sorted[std::max<std::size_t>(rank, 1) - 1];
}

TEST(HdrHistogram, QuantilesAreThoseOfTheSortedValuesToThreeDigits) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    auto sorted = values(seed, 5000);
    HdrHistogram histogram;
    for (const auto v : sorted) histogram.record(Duration{v});
    std::sort(sorted.begin(), sorted.end());
    for (const double share : {0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999, 1.0}) {
      const std::int64_t want = exact(sorted, share);
      const std::int64_t got = histogram.quantile(share).count();
      EXPECT_GE(got, want);
      EXPECT_LE(got, want + want / 1000) << "seed " << seed << " share " << share;
    }
    EXPECT_EQ(histogram.min().count(), sorted.front());
    EXPECT_EQ(histogram.max().count(), sorted.back());
    EXPECT_EQ(histogram.count(), sorted.size());
  }
}

TEST(HdrHistogram, SmallValuesAreExact) {
  HdrHistogram histogram;
  for (int v = 0; v < 2048; ++v) histogram.record(Duration{v});
  EXPECT_EQ(histogram.quantile(0.5).count(), 1023);
  EXPECT_EQ(histogram.mean().count(), 1023);
  EXPECT_EQ(histogram.quantile(1).count(), 2047);
}

TEST(HdrHistogram, TwoHistogramsAddUpToThatOfAllValues) {
  const auto a = values(1, 1000);
  const auto b = values(2, 3000);
  HdrHistogram first, second, both;
  for (const auto v : a) first.record(Duration{v}), both.record(Duration{v});
  for (const auto v : b) second.record(Duration{v}), both.record(Duration{v});
  first.merge(second);
  EXPECT_EQ(first.count(), both.count());
  EXPECT_EQ(first.min(), both.min());
  EXPECT_EQ(first.max(), both.max());
  for (const double share : {0.1, 0.5, 0.99, 1.0}) EXPECT_EQ(first.quantile(share), both.quantile(share));
}

TEST(HdrHistogram, AnEmptyOneSaysZero) {
  const HdrHistogram histogram;
  EXPECT_EQ(histogram.count(), 0u);
  EXPECT_EQ(histogram.min().count(), 0);
  EXPECT_EQ(histogram.max().count(), 0);
  EXPECT_EQ(histogram.mean().count(), 0);
  EXPECT_EQ(histogram.quantile(0.5).count(), 0);
}

TEST(HdrHistogram, NegativeCountsAsZeroAndHugeKeepsItsMaximum) {
  HdrHistogram histogram;
  histogram.record(Duration{-5});
  histogram.record(Duration{INT64_MAX});
  EXPECT_EQ(histogram.min().count(), 0);
  EXPECT_EQ(histogram.max().count(), INT64_MAX);
  EXPECT_EQ(histogram.quantile(0.5).count(), 0);
}

}  // namespace
}  // namespace pollux::app
