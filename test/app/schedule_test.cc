#include "load/schedule.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace pollux::app {
namespace {

std::vector<Duration> arrivals(Schedule schedule) {
  std::vector<Duration> all;
  for (; schedule.next(); schedule.pop()) all.push_back(*schedule.next());
  return all;
}

std::vector<Duration> distances(const std::vector<Duration>& at) {
  std::vector<Duration> all;
  for (std::size_t i = 1; i < at.size(); ++i) all.push_back(at[i] - at[i - 1]);
  return all;
}

// Kolmogorov-Smirnov: the greatest distance between the sample's distribution and the one given, times the root of the
// sample's size. Of a true sample it is above 1.95 once in a thousand times.
template <class Cdf>
double kolmogorov_smirnov(std::vector<double> sample, Cdf&& cdf) {
  std::sort(sample.begin(), sample.end());
  const auto n = static_cast<double>(sample.size());
  double worst = 0;
  for (std::size_t i = 0; i < sample.size(); ++i) {
    const double expected = cdf(sample[i]);
    worst = std::max({worst, expected - static_cast<double>(i) / n, static_cast<double>(i + 1) / n - expected});
  }
  return worst * std::sqrt(n);
}
constexpr double kOnceInAThousand = 1.95;

std::vector<double> exponential_sample(const std::vector<Duration>& at, double rate) {
  std::vector<double> sample;
  for (const Duration d : distances(at)) sample.push_back(rate * std::chrono::duration<double>(d).count());
  return sample;
}
double exponential_cdf(double x) { return 1 - std::exp(-x); }

TEST(Schedule, ConstantArrivalsAreAsManyAsTheRateSaysAtEqualDistances) {
  const auto at = arrivals(Schedule{{{100'000, 100'000, 10s}}, 1});
  ASSERT_EQ(at.size(), 1'000'000u);
  for (const Duration d : distances(at)) ASSERT_LE(std::abs((d - 10us).count()), 2);  // rounded to nanoseconds
  EXPECT_EQ(at.front(), 5us);
  EXPECT_LT(at.back(), 10s);
}

TEST(Schedule, WorkersShareTheConstantArrivals) {
  const std::vector<Stage> stages{{1000, 5000, 1s}};
  auto whole = arrivals(Schedule{stages, 1});
  std::vector<Duration> parts;
  for (unsigned worker = 0; worker < 3; ++worker) {
    const auto part = arrivals(Schedule{stages, 1, worker, 3});
    EXPECT_NEAR(static_cast<double>(part.size()), static_cast<double>(whole.size()) / 3, 1);
    parts.insert(parts.end(), part.begin(), part.end());
  }
  std::sort(parts.begin(), parts.end());
  EXPECT_EQ(parts, whole);
}

TEST(Schedule, PoissonDistancesPassKolmogorovSmirnov) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const auto at = arrivals(Schedule{{{50'000, 50'000, 4s, Arrivals::kPoisson}}, seed});
    EXPECT_LT(kolmogorov_smirnov(exponential_sample(at, 50'000), exponential_cdf), kOnceInAThousand) << seed;
    EXPECT_NEAR(static_cast<double>(at.size()), 200'000, 4 * std::sqrt(200'000)) << seed;
  }
}

TEST(Schedule, TheTestThatPoissonPassesConstantFails) {
  const auto at = arrivals(Schedule{{{50'000, 50'000, 1s}}, 1});
  EXPECT_GT(kolmogorov_smirnov(exponential_sample(at, 50'000), exponential_cdf), 10 * kOnceInAThousand);
}

TEST(Schedule, ThePoissonProcessesOfWorkersAreOneOfTheWholeRate) {
  std::vector<Duration> all;
  for (unsigned worker = 0; worker < 4; ++worker) {
    const auto part = arrivals(Schedule{{{40'000, 40'000, 2s, Arrivals::kPoisson}}, 7, worker, 4});
    EXPECT_NEAR(static_cast<double>(part.size()), 20'000, 4 * std::sqrt(20'000));
    all.insert(all.end(), part.begin(), part.end());
  }
  std::sort(all.begin(), all.end());
  EXPECT_LT(kolmogorov_smirnov(exponential_sample(all, 40'000), exponential_cdf), kOnceInAThousand);
}

TEST(Schedule, ARampGrowsInAStraightLine) {
  const auto constant = arrivals(Schedule{{{0, 20'000, 10s}}, 1});
  EXPECT_EQ(constant.size(), 100'000u);
  // Half of the time brings a quarter of the arrivals: their times are spread as t^2.
  const auto poisson = arrivals(Schedule{{{0, 20'000, 10s, Arrivals::kPoisson}}, 3});
  for (const auto& at : {constant, poisson}) {
    std::vector<double> sample;
    for (const Duration d : at) sample.push_back(std::chrono::duration<double>(d).count() / 10);
    EXPECT_LT(kolmogorov_smirnov(sample, [](double t) { return t * t; }), kOnceInAThousand);
  }
}

TEST(Schedule, StagesFollowOneAnotherAndOneWithoutArrivalsIsAPause) {
  const auto at = arrivals(Schedule{{{100, 100, 1s}, {0, 0, 5s}, {10, 10, 1s}}, 1});
  ASSERT_EQ(at.size(), 110u);
  EXPECT_LT(at[99], 1s);
  EXPECT_EQ(at[100], 6050ms);
}

TEST(Schedule, TheSameSeedGivesTheSameAndAnotherAnother) {
  const std::vector<Stage> stages{{1000, 1000, 1s, Arrivals::kPoisson}};
  EXPECT_EQ(arrivals(Schedule{stages, 1}), arrivals(Schedule{stages, 1}));
  EXPECT_NE(arrivals(Schedule{stages, 1}), arrivals(Schedule{stages, 2}));
}

TEST(Schedule, WhatIsDueIsWhatHasNotBegun) {
  Schedule schedule{{{1000, 1000, 1s}}, 1};
  EXPECT_EQ(schedule.due(100ms), 100u);
  for (int i = 0; i < 30; ++i) schedule.pop();
  EXPECT_EQ(schedule.popped(), 30u);
  EXPECT_EQ(schedule.due(100ms), 70u);
  EXPECT_EQ(schedule.due(10s), 970u);
  EXPECT_EQ(schedule.due(20ms), 0u);
  EXPECT_EQ(Schedule{}.due(1s), 0u);
}

TEST(Schedule, TheRateAndTheExpectedCountAreThoseOfTheStages) {
  const Schedule schedule{{{0, 100, 10s}, {100, 100, 10s}}, 1};
  EXPECT_DOUBLE_EQ(schedule.rate(5s), 50);
  EXPECT_DOUBLE_EQ(schedule.rate(15s), 100);
  EXPECT_DOUBLE_EQ(schedule.rate(20s), 0);
  EXPECT_DOUBLE_EQ(schedule.expected(10s), 500);
  EXPECT_DOUBLE_EQ(schedule.expected(30s), 1500);
}

}  // namespace
}  // namespace pollux::app
