// CUBIC (RFC 9438) against its equations, computed once more in segments and seconds as they stand there.

#include <gtest/gtest.h>

#include <cmath>

#include "base/random.h"
#include "cubic_reference.h"
#include "tcp/congestion.h"

namespace pollux::tcp {
namespace {

constexpr std::uint32_t kSmss = 1448;
constexpr auto kCubic = CongestionControl::kCubic;

// Both, step by step. A round trip at a time, an ACK for every two segments.
struct Pair {
  explicit Pair(Duration round_trip) : rtt{round_trip} {}

  void ack_a_window() {
    const auto acks = std::max<std::uint32_t>(ours.cwnd / (2 * kSmss), 1);
    for (std::uint32_t i = 0; i < acks; ++i) {
      const Millis now{static_cast<std::uint32_t>(start_ms + rtt / 1ms * i / acks)};
      ours.grow(kCubic, stage, {.bytes = 2 * kSmss, .smss = kSmss, .now = now, .srtt = rtt});
      reference.ack(now.value() / 1000.0, std::chrono::duration<double>(rtt).count(), 2);
      ASSERT_NEAR(ours.cwnd / double{kSmss}, reference.cwnd, 0.02 + reference.cwnd * 1e-3) << now.value();
    }
    start_ms += static_cast<std::uint32_t>(rtt / 1ms);
  }
  void lose(bool time_out) {
    ours.reduce(kCubic, stage, ours.cwnd, kSmss, time_out);
    ours.cwnd = time_out ? kSmss : ours.ssthresh;
    reference.lose(time_out);
    reference.cwnd = time_out ? 1 : reference.ssthresh;
  }

  Duration rtt;
  std::uint32_t start_ms = 5000;
  Congestion ours{.cwnd = 10 * kSmss};
  Stage stage;
  test::CubicReference reference;
};

// RFC 9438, 4.2, equation (1); RFC 9438, 4.3, equation (4); RFC 9438, 4.3, Reno-friendly; RFC 9438, 4.4; RFC 9438, 4.5;
// RFC 9438, 4.7; RFC 9438, 4.8; RFC 9438, 4.10, slow start; RFC 9438, 5.1.
TEST(Cubic, FollowsTheEquationsStepByStep) {
  for (const Duration rtt : {Duration{10ms}, Duration{50ms}, Duration{200ms}}) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
      Random random{seed};
      Pair pair{rtt};
      for (int round = 0; round < 300 && pair.ours.cwnd < 20'000 * kSmss; ++round) {
        pair.ack_a_window();
        if (testing::Test::HasFatalFailure()) return;
        if (random.chance(0.04)) pair.lose(random.chance(0.15));
      }
    }
  }
}

TEST(Cubic, ReducesToSevenTenths) {  // RFC 9438, 4.6
  Congestion c{.cwnd = 100 * kSmss, .ssthresh = 100 * kSmss};
  Stage stage;
  c.reduce(kCubic, stage, 100 * kSmss, kSmss, false);
  EXPECT_EQ(c.ssthresh, 70 * kSmss);
  c.cwnd = kSmss;
  c.reduce(kCubic, stage, kSmss, kSmss, false);
  EXPECT_EQ(c.ssthresh, 2 * kSmss) << "and never below two segments";
}

// RFC 9438, 4.6: cwnd instead of flight_size, where it grows only when it is used. Of a burst of ACKs the first leave
// little in flight by the time the last tells of a loss.
TEST(Cubic, ReducesTheWindowAndNotWhatABurstOfAcksHasLeftInFlight) {
  Congestion c{.cwnd = 100 * kSmss, .ssthresh = 100 * kSmss};
  Stage stage;
  c.reduce(kCubic, stage, 20 * kSmss, kSmss, false);
  EXPECT_EQ(c.ssthresh, 70 * kSmss);
}

TEST(Cubic, ReachesItsPlateauAfterKSeconds) {  // RFC 9438, 4.2, equation (2)
  Congestion c{.cwnd = 100 * kSmss, .ssthresh = 100 * kSmss};
  Stage stage;
  c.reduce(kCubic, stage, c.cwnd, kSmss, false);
  c.cwnd = c.ssthresh;
  const double k = std::cbrt(30 / 0.4);
  for (std::uint32_t ms = 0; ms < static_cast<std::uint32_t>(k * 1000); ms += 100) {
    for (std::uint32_t left = c.cwnd; left >= kSmss; left -= kSmss) {
      c.grow(kCubic, stage, {.bytes = kSmss, .smss = kSmss, .now = Millis{ms}, .srtt = 100ms});
    }
  }
  EXPECT_NEAR(c.cwnd / double{kSmss}, 100, 1.5);
}

TEST(Cubic, TargetIsNoLessThanCwndAndNoMoreThanHalfAsMuchAgain) {  // RFC 9438, 4.2, target
  Congestion c{.cwnd = 10 * kSmss, .ssthresh = 10 * kSmss};
  Stage stage;
  c.grow(kCubic, stage, {.bytes = 1, .smss = kSmss, .now = Millis{0}, .srtt = 100ms});
  ASSERT_EQ(c.cwnd, 10 * kSmss);
  // After 20 s the curve is at 10 + 0.4 * 20^3 segments.
  c.grow(kCubic, stage, {.bytes = c.cwnd, .smss = kSmss, .now = Millis{20'000}, .srtt = 100ms});
  EXPECT_EQ(c.cwnd, 15 * kSmss);
  c.cwnd = 4000 * kSmss;
  c.grow(kCubic, stage, {.bytes = c.cwnd, .smss = kSmss, .now = Millis{20'000}, .srtt = 100ms});
  EXPECT_EQ(c.cwnd, 4000 * kSmss);
}

TEST(Cubic, MakesRoomForOthers) {  // RFC 9438, 4.7: fast convergence
  Congestion c{.cwnd = 100 * kSmss, .ssthresh = 100 * kSmss};
  Stage stage;
  c.reduce(kCubic, stage, c.cwnd, kSmss, false);
  EXPECT_EQ(c.w_max, 100 * kSmss);
  c.cwnd = 80 * kSmss;
  c.reduce(kCubic, stage, c.cwnd, kSmss, false);
  EXPECT_EQ(c.w_max, 68 * kSmss);
}

TEST(Cubic, TimeInWhichTheWindowIsNotUsedDoesNotCount) {  // RFC 9438, 5.8
  Congestion used{.cwnd = 70 * kSmss, .ssthresh = 70 * kSmss, .w_max = 100 * kSmss};
  Congestion idle = used;
  Stage of_used;
  Stage of_idle;
  const auto ack = [](Congestion& c, Stage& stage, std::uint32_t ms) {
    c.grow(kCubic, stage, {.bytes = kSmss, .smss = kSmss, .now = Millis{ms}, .srtt = 100ms});
  };
  for (std::uint32_t ms = 0; ms <= 1000; ms += 10) {
    ack(used, of_used, ms);
    ack(idle, of_idle, ms);
  }
  for (std::uint32_t ms = 1000; ms <= 60'000; ms += 100) Congestion::pause(of_idle, Millis{ms});
  for (std::uint32_t ms = 1010; ms <= 2000; ms += 10) {
    ack(used, of_used, ms);
    ack(idle, of_idle, ms + 59'000);
  }
  EXPECT_EQ(idle.cwnd, used.cwnd);
}

TEST(Cubic, WindowStopsAtItsLimit) {
  Congestion c{.cwnd = Congestion::kMax - 10, .ssthresh = kSmss * 2};
  Stage stage;
  for (std::uint32_t ms = 0; ms < 100'000; ms += 1000) {
    c.grow(kCubic, stage, {.bytes = 1u << 30, .smss = kSmss, .now = Millis{ms}, .srtt = 300ms});
    ASSERT_LE(c.cwnd, Congestion::kMax);
  }
}

}  // namespace
}  // namespace pollux::tcp
