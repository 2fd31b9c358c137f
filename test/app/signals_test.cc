#include "signals.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <thread>

namespace pollux::app {
namespace {

using namespace std::chrono_literals;

void interrupt() { kill(getpid(), SIGINT); }

template <class Done>
bool comes_true(Done done) {
  for (int i = 0; i < 5000 && !done(); ++i) std::this_thread::sleep_for(1ms);
  return done();
}

// Whoever takes the call back goes away next: a call that is under way has to end first.
TEST(Signals, NoHurryIsUnderWayOnceItIsTakenBack) {
  std::atomic<bool> begun{false};
  std::atomic<bool> ended{false};
  Signals signals;
  signals.set_hurry([&] {
    begun = true;
    std::this_thread::sleep_for(200ms);
    ended = true;
  });
  interrupt();
  EXPECT_EQ(signals.wait(5s), Signals::Event::kStop);
  EXPECT_EQ(signals.stops(), 1);
  EXPECT_FALSE(begun);
  interrupt();
  ASSERT_TRUE(comes_true([&] { return begun.load(); }));
  signals.set_hurry({});
  EXPECT_TRUE(ended);
  EXPECT_EQ(signals.stops(), 2);
}

}  // namespace
}  // namespace pollux::app
