#include <gtest/gtest.h>

#include "runtime/poller.h"

namespace pollux::runtime {
namespace {

TEST(Rest, SleepsOnlyAfterAWhileThenLongerEachTime) {
  Rest rest;
  Instant now{1s};
  rest.busy(now);
  EXPECT_EQ(rest.idle(now + Rest::kPatience - 1ns, std::nullopt), 0ns);
  now += Rest::kPatience;
  Duration last{0};
  for (int i = 0; i < 10; ++i) {
    const Duration sleep = rest.idle(now, std::nullopt);
    EXPECT_GE(sleep, last);
    EXPECT_LE(sleep, 1ms);
    last = sleep;
    now += sleep;
  }
  EXPECT_EQ(last, Rest::kLongest);
}

TEST(Rest, NeverSleepsPastWhatIsDue) {
  Rest rest;
  const Instant now{1s};
  EXPECT_EQ(rest.idle(now, now + 3us), 3us);
  EXPECT_EQ(rest.idle(now, now), 0ns);
  EXPECT_EQ(rest.idle(now, now - 5us), 0ns);
}

TEST(Rest, WorkMakesItPatientAgain) {
  Rest rest;
  Instant now{1s};
  for (int i = 0; i < 10; ++i) rest.idle(now, std::nullopt);
  rest.busy(now);
  EXPECT_EQ(rest.idle(now, std::nullopt), 0ns);
  now += Rest::kPatience;
  EXPECT_EQ(rest.idle(now, std::nullopt), Rest::kShortest);
}

}  // namespace
}  // namespace pollux::runtime
