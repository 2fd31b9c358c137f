#include <gtest/gtest.h>

#include "runtime/poller.h"

namespace pollux::runtime {
namespace {

TEST(Rest, SleepsOnlyAfterAWhileThenLongerEachTime) {
  Rest rest;
  Instant now{1s};
  rest.busy(now);
  EXPECT_FALSE(rest.tired(now + Rest::kPatience - 1ns));
  now += Rest::kPatience;
  EXPECT_TRUE(rest.tired(now));
  Duration last{0};
  for (int i = 0; i < 100; ++i) {
    const Duration sleep = rest.sleep(now, std::nullopt);
    EXPECT_GE(sleep, last);
    EXPECT_LE(sleep, std::max(Rest::kShortest, (now - Instant{1s}) / 8)) << "it keeps others waiting for long";
    last = sleep;
    now += sleep;
  }
  EXPECT_EQ(last, Rest::kLongest);
}

TEST(Rest, NeverSleepsPastWhatIsDue) {
  Rest rest;
  const Instant now{1s};
  EXPECT_EQ(rest.sleep(now, now + 3us), 3us);
  EXPECT_EQ(rest.sleep(now, now), 0ns);
  EXPECT_EQ(rest.sleep(now, now - 5us), 0ns);
}

TEST(Rest, WorkMakesItPatientAgain) {
  Rest rest;
  Instant now{1s};
  now += 1s;
  EXPECT_EQ(rest.sleep(now, std::nullopt), Rest::kLongest);
  rest.busy(now);
  EXPECT_FALSE(rest.tired(now));
  EXPECT_EQ(rest.sleep(now, std::nullopt), Rest::kShortest);
}

}  // namespace
}  // namespace pollux::runtime
