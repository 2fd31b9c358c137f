// HyStart++ (RFC 9406), from its section 4.

#include "tcp/hystart.h"

#include <gtest/gtest.h>

#include "tcp/congestion.h"

namespace pollux::tcp {
namespace {

constexpr std::uint32_t kSegment = 1000;

// A sender in slow start whose rounds have ten segments each.
struct Rounds {
  // Ten ACKs with this round trip; how much cwnd would have grown.
  std::uint32_t round(std::uint32_t rtt_us, int acks = 10) {
    std::uint32_t grown = 0;
    const SeqNum nxt = una + 10 * kSegment;
    for (int i = 0; i < acks; ++i) {
      una += kSegment;
      grown += hystart.take_ack(una, nxt + static_cast<std::uint32_t>(i) * kSegment, rtt_us, kSegment);
    }
    una = nxt;
    return grown;
  }
  HyStart hystart;
  SeqNum una{0xfffffff0};
};

TEST(HyStart, WithoutDelayItIsSlowStart) {
  Rounds r;
  for (int i = 0; i < 20; ++i) EXPECT_EQ(r.round(20'000), 10 * kSegment);
  EXPECT_FALSE(r.hystart.in_css());
}

TEST(HyStart, ARoundThatIsLongerByAnEighthBeginsCss) {  // RFC 9406, 4.2, RttThresh; RFC 9406, 4.3
  struct Row {
    std::uint32_t rtt, more;  // by so much longer than the last
  };
  // An eighth, but at least 4 ms and at most 16 ms.
  for (const Row row : {Row{80'000, 10'000}, Row{8'000, 4'000}, Row{400'000, 16'000}}) {
    Rounds short_of;
    short_of.round(row.rtt);
    short_of.round(row.rtt + row.more - 1);
    EXPECT_FALSE(short_of.hystart.in_css()) << row.rtt;
    Rounds r;
    r.round(row.rtt);
    r.round(row.rtt + row.more);
    EXPECT_TRUE(r.hystart.in_css()) << row.rtt;
  }
}

TEST(HyStart, FewerThanEightRoundTripsSayNothing) {  // RFC 9406, 4.2, N_RTT_SAMPLE
  Rounds r;
  r.round(20'000);
  r.round(90'000, 7);
  EXPECT_FALSE(r.hystart.in_css());
}

TEST(HyStart, InCssCwndGrowsAQuarterAsFast) {  // RFC 9406, 4.2, CSS_GROWTH_DIVISOR
  Rounds r;
  r.round(20'000);
  r.round(40'000);
  EXPECT_EQ(r.round(40'000), 10 * kSegment / 4);
}

TEST(HyStart, AShorterRoundShowsThatItWasAPassingDelay) {  // RFC 9406, 4.2, cssBaselineMinRtt
  Rounds r;
  r.round(20'000);
  r.round(40'000);
  ASSERT_TRUE(r.hystart.in_css());
  r.round(30'000);
  EXPECT_FALSE(r.hystart.in_css());
  EXPECT_EQ(r.round(30'000), 10 * kSegment);
}

TEST(HyStart, FiveRoundsOfCssEndIt) {  // RFC 9406, 4.2, CSS_ROUNDS: the one it began in counts
  Rounds r;
  r.round(20'000);
  r.round(40'000);
  for (int i = 0; i < 4; ++i) {
    EXPECT_FALSE(r.hystart.is_over()) << i;
    r.round(40'000);
  }
  EXPECT_FALSE(r.hystart.is_over());
  r.round(40'000, 1);
  EXPECT_TRUE(r.hystart.is_over());
}

TEST(HyStart, CubicGoesOnToCongestionAvoidance) {  // RFC 9438, 4.10, HyStart++; RFC 9406, 4.2, CSS_ROUNDS
  for (const auto control : {CongestionControl::kCubic, CongestionControl::kNewReno}) {
    Congestion c{.cwnd = 100 * kSegment};
    Stage stage;
    SeqNum una{1};
    for (std::uint32_t round = 0; round < 12; ++round) {
      const SeqNum nxt = una + 10 * kSegment;
      for (std::uint32_t i = 1; i <= 10; ++i) {
        c.grow(control, stage,
               {.bytes = kSegment,
                .smss = kSegment,
                .ack = una + i * kSegment,
                .nxt = nxt + i * kSegment,
                .rtt_us = 20'000 + 10'000 * round});
      }
      una = nxt;
    }
    EXPECT_EQ(c.in_slow_start(), control == CongestionControl::kNewReno);
    EXPECT_LE(c.ssthresh == UINT32_MAX ? 0 : c.ssthresh, c.cwnd);
  }
}

// RFC 5681, equation (4): ssthresh is never less than two segments; cwnd may be, after a SYN that was lost.
TEST(HyStart, LeavesAThresholdOfTwoSegments) {
  Congestion c{.cwnd = kSegment};
  Stage stage;
  SeqNum una{1};
  for (std::uint32_t round = 0; round < 12 && c.in_first_slow_start(); ++round) {
    const SeqNum nxt = una + 100;
    for (std::uint32_t i = 1; i <= 10; ++i) {
      c.grow(
          CongestionControl::kCubic, stage,
          {.bytes = 10, .smss = kSegment, .ack = una + i * 10, .nxt = nxt + i * 10, .rtt_us = 20'000 + 10'000 * round});
    }
    una = nxt;
  }
  EXPECT_LT(c.cwnd, 2 * kSegment);
  EXPECT_EQ(c.ssthresh, 2 * kSegment);
}

TEST(HyStart, AfterALossSlowStartIsAsItWas) {  // RFC 9406, 4.2: only in the first
  Congestion c{.cwnd = 10 * kSegment, .ssthresh = 1000 * kSegment};
  Stage stage;
  SeqNum una{1};
  for (std::uint32_t i = 0; i < 60; ++i) {
    una += kSegment;
    c.grow(CongestionControl::kCubic, stage,
           {.bytes = kSegment, .smss = kSegment, .ack = una, .nxt = una + 10 * kSegment, .rtt_us = 20'000 + 5000 * i});
  }
  EXPECT_EQ(c.cwnd, 70 * kSegment);
}

}  // namespace
}  // namespace pollux::tcp
