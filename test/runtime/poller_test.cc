#include "runtime/poller.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>

#include "dpdk/thread.h"
#include "runtime/mailbox.h"

namespace pollux::runtime {
namespace {

using namespace std::chrono_literals;

// Has work in the turns in which it was told so.
class Fake final : public Polled {
 public:
  bool turn(Instant now) override {
    EXPECT_FALSE(left.load());
    EXPECT_GE(now, last_);
    last_ = now;
    by = std::this_thread::get_id();
    ++turns;
    return mailbox.drain() != 0;
  }
  std::optional<Instant> next_due(Instant) const override { return std::nullopt; }
  void leave(Instant) override {
    mailbox.close();
    left = true;
  }
  CoreSnapshot snapshot() override { return {}; }
  void begin_drain() override {}
  void abort_all() override {}
  Remaining remaining() override { return {}; }

  std::atomic<bool> left{false};
  std::uint64_t turns = 0;
  std::thread::id by;
  Mailbox<> mailbox;

 private:
  Instant last_{};
};

unsigned any_cpu() { return dpdk::allowed_cpus().front(); }

TEST(Poller, TurnsAllThatIsSeatedThereOnOneThreadAndLeavesAtTheEnd) {
  Fake first;
  Fake second;
  std::thread::id maker;
  Poller poller{any_cpu(), IdlePolicy::kSleep, dpdk::TscClock::calibrate()};
  poller.add([&]() -> Polled& {
    maker = std::this_thread::get_id();
    return first;
  });
  poller.add([&]() -> Polled& { return second; });
  ASSERT_TRUE(poller.start());
  EXPECT_EQ(poller.polled(), (std::vector<Polled*>{&first, &second}));
  first.mailbox.call([] {});
  second.mailbox.call([] {});
  poller.stop();

  EXPECT_TRUE(first.left && second.left);
  EXPECT_EQ(first.by, maker) << "made where it is polled";
  EXPECT_EQ(second.by, maker);
  EXPECT_EQ(first.turns, second.turns);
  EXPECT_EQ(first.loop().turns, first.turns);
  EXPECT_EQ(first.loop().busy_turns, 1u);
  EXPECT_LE(first.loop().busy, first.loop().total);
}

TEST(Poller, SleepsWhenThereIsNothingToDo) {
  Fake idle;
  Poller poller{any_cpu(), IdlePolicy::kSleep, dpdk::TscClock::calibrate()};
  poller.add([&]() -> Polled& { return idle; });
  ASSERT_TRUE(poller.start());
  std::this_thread::sleep_for(200ms);
  poller.stop();
  EXPECT_GT(idle.turns, 10u);
  EXPECT_LT(idle.turns, 5000u);  // one that spins makes millions
  EXPECT_GE(idle.loop().total, 150ms);
}

TEST(Poller, SaysWhyAWorkerCouldNotBeMade) {
  Poller poller{any_cpu(), IdlePolicy::kSleep, dpdk::TscClock::calibrate()};
  poller.add([]() -> Polled& { throw std::bad_alloc{}; });
  const auto started = poller.start();
  ASSERT_FALSE(started);
  EXPECT_NE(started.error().find("CPU " + std::to_string(any_cpu())), std::string::npos);
}

}  // namespace
}  // namespace pollux::runtime
