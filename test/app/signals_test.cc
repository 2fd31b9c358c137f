#include "signals.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <future>

namespace pollux::app {
namespace {

using namespace std::chrono_literals;

void interrupt() { kill(getpid(), SIGINT); }

// Whoever takes the call back goes away next: a call that is under way has to end first.
TEST(Signals, NoHurryIsUnderWayOnceItIsTakenBack) {
  std::promise<void> begun;
  std::promise<void> may_end;
  Signals signals;
  signals.set_hurry([&] {
    begun.set_value();
    may_end.get_future().wait();
  });
  interrupt();
  EXPECT_EQ(signals.wait(5s), Signals::Event::kStop);
  EXPECT_EQ(signals.stops(), 1);
  std::future<void> has_begun = begun.get_future();
  EXPECT_EQ(has_begun.wait_for(0s), std::future_status::timeout);
  interrupt();
  ASSERT_EQ(has_begun.wait_for(5s), std::future_status::ready);

  const std::future<void> taken_back = std::async(std::launch::async, [&] { signals.set_hurry({}); });
  EXPECT_EQ(taken_back.wait_for(100ms), std::future_status::timeout);
  may_end.set_value();
  EXPECT_EQ(taken_back.wait_for(5s), std::future_status::ready);
  EXPECT_EQ(signals.stops(), 2);
}

}  // namespace
}  // namespace pollux::app
