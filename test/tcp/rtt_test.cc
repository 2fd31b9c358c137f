#include "tcp/rtt.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <vector>

// RFC 6298 (MUST-18 and MUST-19 of RFC 9293 rest on it; Karn's rule is the caller's).

namespace pollux::tcp {
namespace {

double ms(Duration d) { return std::chrono::duration<double, std::milli>(d).count(); }
Duration from_ms(double value) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double, std::milli>(value));
}

// RFC 6298, section 2, word for word, in floating point and milliseconds.
class Reference {
 public:
  void sample(double r) {
    if (!sampled_) {
      srtt = r;
      rttvar = r / 2;
      sampled_ = true;
      return;
    }
    rttvar = (1 - 0.25) * rttvar + 0.25 * std::abs(srtt - r);
    srtt = (1 - 0.125) * srtt + 0.125 * r;
  }
  double rto(double least, double most) const {
    return std::min(most, std::max(least, srtt + std::max(1.0, 4 * rttvar)));
  }
  double srtt = 0;
  double rttvar = 0;

 private:
  bool sampled_ = false;
};

// Integers in microseconds may stray this far from the real numbers.
constexpr double kSrttError = 0.010;
constexpr double kRttvarError = 0.016;
constexpr double kRtoError = kSrttError + 4 * kRttvarError;

TEST(RttEstimator, TakesOneSecondBeforeTheFirstSample) {  // RFC 6298, 2.1
  const RttEstimator rtt;
  EXPECT_FALSE(rtt.sampled());
  EXPECT_EQ(rtt.rto(Config{}), 1s);
}

TEST(RttEstimator, FirstSampleSetsAll) {  // RFC 6298, 2.2
  RttEstimator rtt;
  rtt.sample(400ms);
  EXPECT_TRUE(rtt.sampled());
  EXPECT_EQ(rtt.srtt(), 400ms);
  EXPECT_EQ(rtt.rttvar(), 200ms);
  EXPECT_EQ(rtt.rto(Config{}), 1200ms);
}

TEST(RttEstimator, SecondSampleUsesTheOldSrttForTheVariance) {  // RFC 6298, 2.3: RTTVAR before SRTT
  RttEstimator rtt;
  rtt.sample(400ms);
  rtt.sample(800ms);
  EXPECT_EQ(rtt.rttvar(), 250ms);  // 3/4 * 200 + 1/4 * |400 - 800|
  EXPECT_EQ(rtt.srtt(), 450ms);    // 7/8 * 400 + 1/8 * 800
  EXPECT_EQ(rtt.rto(Config{}), 1450ms);
}

TEST(RttEstimator, FollowsATableOfSamples) {
  const std::vector<std::vector<double>> table = {
      {100, 100, 100, 100, 100, 100, 100, 100},
      {100, 200, 400, 800, 1600, 3200, 6400, 12'800},
      {5000, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1},
      {0.02, 0.03, 0.02, 0.5, 0.02, 0.02},
      {250.125, 333.333, 249.999, 750.75, 12.5},
      {20'000, 40'000, 90'000, 100'000},
  };
  const Config config;
  for (const auto& samples : table) {
    RttEstimator rtt;
    Reference reference;
    for (const double r : samples) {
      SCOPED_TRACE(testing::Message() << "sample " << r << " ms of a series that begins with " << samples.front());
      rtt.sample(from_ms(r));
      reference.sample(r);
      EXPECT_NEAR(ms(rtt.srtt()), reference.srtt, kSrttError);
      EXPECT_NEAR(ms(rtt.rttvar()), reference.rttvar, kRttvarError);
      EXPECT_NEAR(ms(rtt.rto(config)), reference.rto(ms(config.rto_min), ms(config.rto_max)), kRtoError);
    }
  }
}

RC_GTEST_PROP(RttEstimator, StaysWithRealNumbers, (const std::vector<std::uint32_t>& samples_us)) {
  const Config config;
  RttEstimator rtt;
  Reference reference;
  for (const std::uint32_t us : samples_us) {
    const std::uint32_t r = 1 + us % 100'000'000;
    rtt.sample(std::chrono::microseconds{r});
    reference.sample(r / 1000.0);
    RC_ASSERT(std::abs(ms(rtt.srtt()) - reference.srtt) < kSrttError);
    RC_ASSERT(std::abs(ms(rtt.rttvar()) - reference.rttvar) < kRttvarError);
    RC_ASSERT(std::abs(ms(rtt.rto(config)) - reference.rto(ms(config.rto_min), ms(config.rto_max))) < kRtoError);
  }
}

TEST(RttEstimator, RoundingDoesNotAddUp) {
  RttEstimator rtt;
  Reference reference;
  for (int i = 0; i < 100'000; ++i) {
    const double r = 0.333 + (i % 7) * 0.111;
    rtt.sample(from_ms(r));
    reference.sample(r);
  }
  EXPECT_NEAR(ms(rtt.srtt()), reference.srtt, kSrttError);
  EXPECT_NEAR(ms(rtt.rttvar()), reference.rttvar, kRttvarError);
}

TEST(RttEstimator, VarianceCountsAtLeastAsTheClocksTick) {  // RFC 6298, 4: max(G, K * RTTVAR)
  RttEstimator rtt;
  for (int i = 0; i < 200; ++i) rtt.sample(500ms);
  EXPECT_LT(4 * rtt.rttvar(), 1ms);
  EXPECT_EQ(rtt.rto(Config{}), rtt.srtt() + 1ms);
}

TEST(RttEstimator, RtoHasAFloor) {  // RFC 6298, 2.4
  RttEstimator rtt;
  rtt.sample(1ms);
  EXPECT_EQ(rtt.rto(Config{}), 200ms);
  Config config;
  config.rto_min = 1s;
  EXPECT_EQ(rtt.rto(config), 1s);
}

TEST(RttEstimator, RtoHasACeilingOfAtLeastSixtySeconds) {  // RFC 6298, 2.5
  RttEstimator rtt;
  rtt.sample(100s);
  EXPECT_EQ(rtt.rto(Config{}), 60s);
  EXPECT_GE(Config{}.rto_max, 60s);
}

TEST(RttEstimator, SampleOfNothingIsASample) {
  RttEstimator rtt;
  rtt.sample(0ns);
  EXPECT_TRUE(rtt.sampled());
  EXPECT_EQ(rtt.rto(Config{}), 200ms);
}

TEST(RttEstimator, AbsurdSamplesDoNotWrap) {
  RttEstimator rtt;
  rtt.sample(24h * 365);
  EXPECT_EQ(rtt.rto(Config{}), 60s);
  for (int i = 0; i < 20; ++i) rtt.sample(24h * 365);
  EXPECT_EQ(rtt.rto(Config{}), 60s);
  for (int i = 0; i < 200; ++i) rtt.sample(10ms);
  EXPECT_EQ(rtt.rto(Config{}), 200ms) << "forgotten again";
}

}  // namespace
}  // namespace pollux::tcp
