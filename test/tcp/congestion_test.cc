#include "tcp/congestion.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

// MUST-19: slow start and congestion avoidance of RFC 5681, by bytes (RFC 3465), from
// the initial window of RFC 6928.

namespace pollux::tcp {
namespace {

constexpr std::uint32_t kSmss = 1460;

// A window and the stage it is in, under NewReno.
struct Reno : Congestion {
  void grow(std::uint32_t bytes, std::uint32_t smss, std::uint32_t l = kL) {
    Congestion::grow(CongestionControl::kNewReno, stage, {.bytes = bytes, .smss = smss, .l = l, .now = {}});
  }
  Stage stage{};
};

Reno window(std::uint32_t cwnd, std::uint32_t ssthresh) { return {{.cwnd = cwnd, .ssthresh = ssthresh}}; }
Reno slow_start(std::uint32_t cwnd) { return {{.cwnd = cwnd}}; }
Reno avoidance(std::uint32_t cwnd) { return window(cwnd, cwnd); }

std::uint32_t halved(std::uint32_t flight, std::uint32_t smss) {
  Reno c = avoidance(100 * smss);
  c.reduce(CongestionControl::kNewReno, c.stage, flight, smss, false);
  return c.ssthresh;
}

// The peer acknowledges a whole window, `per_ack` bytes at a time.
void one_round_trip(Reno& c, std::uint32_t per_ack, std::uint32_t l = Congestion::kL) {
  for (std::uint32_t left = c.cwnd; left > 0;) {
    const std::uint32_t n = std::min(left, per_ack);
    c.grow(n, kSmss, l);
    left -= n;
  }
}

TEST(Congestion, InitialWindowIsThatOfRfc6928) {
  struct Row {
    std::uint32_t smss, window;
  };
  // min(10 * MSS, max(2 * MSS, 14600))
  for (const Row row : {Row{536, 5360}, Row{1220, 12'200}, Row{1440, 14'400}, Row{1448, 14'480}, Row{1460, 14'600},
                        Row{2000, 14'600}, Row{7300, 14'600}, Row{8960, 17'920}, Row{65'495, 130'990}}) {
    EXPECT_EQ(Congestion::initial_window(row.smss, 10), row.window) << row.smss;
  }
}

TEST(Congestion, InitialWindowCanBeSmaller) {
  EXPECT_EQ(Congestion::initial_window(kSmss, 1), kSmss);  // RFC 5681, 3.1, lost SYN
  EXPECT_EQ(Congestion::initial_window(kSmss, 4), 4 * kSmss);
}

TEST(Congestion, BeginsInSlowStartWithoutAThreshold) {  // RFC 5681, 3.1, initial ssthresh: "arbitrarily high"
  const Congestion c{.cwnd = 10 * kSmss};
  EXPECT_TRUE(c.in_slow_start());
  EXPECT_GE(c.ssthresh, 1u << 30);
}

TEST(Congestion, SlowStartDoublesEachRoundTrip) {
  for (const std::uint32_t per_ack : {kSmss, 2 * kSmss}) {  // with and without delayed ACKs
    Reno c = slow_start(10 * kSmss);
    one_round_trip(c, per_ack);
    EXPECT_EQ(c.cwnd, 20 * kSmss);
    one_round_trip(c, per_ack);
    EXPECT_EQ(c.cwnd, 40 * kSmss);
  }
}

TEST(Congestion, OneAckAddsAtMostTwoSegments) {  // RFC 3465, 2.2: L = 2 * SMSS
  Reno c = slow_start(10 * kSmss);
  c.grow(10 * kSmss, kSmss);
  EXPECT_EQ(c.cwnd, 12 * kSmss);
}

TEST(Congestion, AfterATimeoutOneAckAddsAtMostOneSegment) {  // RFC 3465, 2.3
  Reno c = slow_start(kSmss);
  c.grow(10 * kSmss, kSmss, Congestion::kLAfterTimeout);
  EXPECT_EQ(c.cwnd, 2 * kSmss);
}

TEST(Congestion, DividedAcksGainNothingInSlowStart) {  // RFC 5681, 3.1, equation (2); RFC 3465, 3.1
  Reno whole = slow_start(10 * kSmss);
  Reno divided = whole;
  whole.grow(kSmss, kSmss);
  for (std::uint32_t i = 0; i < kSmss; ++i) divided.grow(1, kSmss);
  EXPECT_EQ(divided.cwnd, whole.cwnd);
}

TEST(Congestion, SlowStartEndsAtTheThreshold) {  // RFC 5681, 3.1, slow start
  Reno c = window(10 * kSmss, 12 * kSmss);
  c.grow(kSmss, kSmss);
  EXPECT_TRUE(c.in_slow_start());
  c.grow(kSmss, kSmss);
  EXPECT_FALSE(c.in_slow_start());
  c.grow(kSmss, kSmss);
  EXPECT_EQ(c.cwnd, 12 * kSmss);
}

TEST(Congestion, AvoidanceAddsOneSegmentEachRoundTrip) {  // RFC 5681, 3.1, congestion avoidance
  for (const std::uint32_t per_ack : {std::uint32_t{100}, kSmss, 2 * kSmss, 20 * kSmss}) {
    Reno c = avoidance(20 * kSmss);
    for (std::uint32_t round = 1; round <= 50; ++round) {
      one_round_trip(c, per_ack);
      EXPECT_EQ(c.cwnd, (20 + round) * kSmss) << "ACKs of " << per_ack << " bytes, round trip " << round;
    }
  }
}

TEST(Congestion, AvoidanceWaitsForAWholeWindow) {
  Reno c = avoidance(20 * kSmss);
  c.grow(20 * kSmss - 1, kSmss);
  EXPECT_EQ(c.cwnd, 20 * kSmss);
  c.grow(1, kSmss);
  EXPECT_EQ(c.cwnd, 21 * kSmss);
}

TEST(Congestion, AvoidanceCountsWhatWasLeftOver) {  // RFC 3465, 2.1: bytes_acked is reduced by cwnd, not cleared
  Reno c = avoidance(20 * kSmss);
  c.grow(20 * kSmss - 1, kSmss);
  c.grow(kSmss, kSmss);
  EXPECT_EQ(c.cwnd, 21 * kSmss);
  c.grow(20 * kSmss, kSmss);
  EXPECT_EQ(c.cwnd, 21 * kSmss);
  c.grow(1, kSmss);
  EXPECT_EQ(c.cwnd, 22 * kSmss);
}

TEST(Congestion, ThresholdIsHalfTheFlightAndAtLeastTwoSegments) {  // RFC 5681, 3.1, equation (4)
  EXPECT_EQ(halved(20 * kSmss, kSmss), 10 * kSmss);
  EXPECT_EQ(halved(5 * kSmss, kSmss), 5 * kSmss / 2);
  EXPECT_EQ(halved(4 * kSmss, kSmss), 2 * kSmss);
  EXPECT_EQ(halved(3 * kSmss, kSmss), 2 * kSmss);
  EXPECT_EQ(halved(0, kSmss), 2 * kSmss);
}

// A path that never loses a segment lets cwnd grow for as long as the connection lives.
TEST(Congestion, WindowDoesNotWrapOnALosslessPath) {
  Reno c = slow_start(10 * kSmss);
  std::uint32_t least = c.cwnd;
  for (std::uint64_t acked = 0; acked < (std::uint64_t{1} << 33); acked += 2 * 65'495) {
    c.grow(2 * 65'495, 65'495);
    ASSERT_GE(c.cwnd, least);
    least = c.cwnd;
  }
  EXPECT_LE(c.cwnd, 1u << 30) << "RFC 7323: no window is larger";
  Reno full = avoidance(1u << 30);
  full.grow(1u << 30, kSmss);
  EXPECT_EQ(full.cwnd, 1u << 30);
}

RC_GTEST_PROP(Congestion, NeverShrinksAndNeverGrowsFasterThanTheAcknowledgedBytes, (std::uint32_t seed)) {
  Reno c = window(10 * kSmss, (1 + seed % 100) * kSmss);
  const int acks = *rc::gen::inRange(1, 200);
  for (int i = 0; i < acks; ++i) {
    const std::uint32_t bytes = *rc::gen::inRange<std::uint32_t>(1, std::min(c.cwnd, 10 * kSmss));
    const std::uint32_t before = c.cwnd;
    const bool slow = c.in_slow_start();
    c.grow(bytes, kSmss);
    RC_ASSERT(c.cwnd >= before);
    RC_ASSERT(c.cwnd - before <= (slow ? std::min(bytes, 2 * kSmss) : kSmss));
  }
}

}  // namespace
}  // namespace pollux::tcp
