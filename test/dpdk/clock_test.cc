#include "dpdk/clock.h"

#include <gtest/gtest.h>
#include <rte_lcore.h>

#include <atomic>
#include <ctime>
#include <thread>

#include "dpdk/random.h"
#include "dpdk/thread.h"
#include "eal_fixture.h"

namespace pollux::dpdk {
namespace {

std::int64_t kernel_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC_RAW, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

// Our reading and the kernel's at one moment; of several tries the one that took least.
struct Both {
  std::int64_t ours;
  std::int64_t kernels;
};
Both read_both(TscClock& clock) {
  Both best{};
  std::int64_t least = INT64_MAX;
  for (int i = 0; i < 50; ++i) {
    const std::int64_t before = kernel_ns();
    const std::int64_t ours = clock.now().time_since_epoch().count();
    const std::int64_t after = kernel_ns();
    if (after - before < least) {
      least = after - before;
      best = {ours, before + (after - before) / 2};
    }
  }
  return best;
}

TEST(TscClock, KeepsTimeWithTheKernelsWithin100PartsOfAMillion) {
  TscClock clock = TscClock::calibrate();
  const Both start = read_both(clock);
  std::this_thread::sleep_for(200ms);
  const Both end = read_both(clock);
  const double kernel = static_cast<double>(end.kernels - start.kernels);
  const double ours = static_cast<double>(end.ours - start.ours);
  EXPECT_NEAR((ours / kernel - 1) * 1e6, 0, 100);
  EXPECT_NEAR(static_cast<double>(end.ours - end.kernels), 0, 20'000);  // same origin, in ns
}

TEST(TscClock, NeverGoesBackThoughItIsRefreshed) {
  TscClock clock = TscClock::calibrate();
  Instant last = clock.now();
  for (int i = 0; i < 200'000; ++i) {
    if (i % 1000 == 0) clock.refresh();
    const Instant now = clock.now();
    ASSERT_GE(now, last);
    last = now;
  }
}

TEST(TscClock, CopiesAgree) {
  TscClock one = TscClock::calibrate();
  TscClock two = one;
  std::this_thread::sleep_for(50ms);
  one.refresh();
  const Instant a = one.now();
  const Instant b = two.now();
  EXPECT_LT(std::chrono::abs(b - a), 50us);
}

TEST(RandomKey, IsNotTheSameTwice) {
  EXPECT_NE(random_key(), random_key());
  EXPECT_NE(random_seed(), random_seed());
}

TEST(Lcores, RunWorkAndSayWhenTheyAreBusy) {
  const std::vector<unsigned> lcores = worker_lcores();
  ASSERT_EQ(lcores.size(), 1u);
  std::atomic<bool> go{false};
  std::atomic<unsigned> ran_on{0};
  ASSERT_TRUE(run_on_lcore(lcores[0], [&] {
    while (!go) std::this_thread::yield();
    ran_on = rte_lcore_id();
  }));
  const auto busy = run_on_lcore(lcores[0], [] {});
  ASSERT_FALSE(busy.has_value());
  EXPECT_NE(busy.error().find("it is busy"), std::string::npos);
  go = true;
  wait_for_lcore(lcores[0]);
  EXPECT_EQ(ran_on, lcores[0]);
}

TEST(RegisteredThread, IsKnownToDpdkAndHasAMempoolCache) {
  unsigned lcore = LCORE_ID_ANY;
  registered_thread(-1, [&] { lcore = rte_lcore_id(); }).join();
  EXPECT_NE(lcore, LCORE_ID_ANY);
}

TEST(Eal, StartsOnceInAProcess) {
  EXPECT_EQ(eal().describe(), "no huge pages, 192 MB");
  const auto again = Eal::start({.huge_pages = HugePages::kOff});
  ASSERT_FALSE(again.has_value());
  EXPECT_NE(again.error().find("once"), std::string::npos) << again.error();
}

}  // namespace
}  // namespace pollux::dpdk
