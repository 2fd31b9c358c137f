// Losses told by time: RFC 8985, section 6. The handshake has measured a round trip of 100 ms.

#include <algorithm>

#include "numbered_segments.h"

namespace pollux::tcp::test {
namespace {

constexpr Duration kRtt = 100ms;
constexpr Duration kReoWnd = kRtt / 4;

bool contains(const Segments& all, std::int64_t n) { return std::find(all.begin(), all.end(), n) != all.end(); }

// Ten segments are out for a round trip.
TestConnection a_round_trip_later(std::int64_t more = 0) {
  TestConnection c = ten_in_flight(more);
  c.sleep(kRtt);
  return c;
}

// The first of ten came after the second: RACK.reordering_seen. Two are acknowledged.
TestConnection reordered() {
  TestConnection c = a_round_trip_later(30);
  sacks(c, 0, {{1, 2}});
  sacks(c, 2, {});
  EXPECT_EQ(c.counters().retransmitted_segments, 0u);
  sent(c);
  return c;
}

// RFC 8985, 6.2, step 1; RFC 8985, 6.2, step 4, min_RTT: a quarter of it; RFC 8985, 6.2, step 5; RK-01
TEST(Rack, WhatWasSentBeforeADeliveredSegmentIsLostAfterTheReorderingWindow) {
  TestConnection c = a_round_trip_later();
  sacks(c, 0, {{1, 2}});
  c.sleep(kReoWnd - 1ms);
  c.expect_nothing_sent();
  c.sleep(1ms);
  EXPECT_EQ(sent(c), (Segments{0}));
  EXPECT_EQ(c.counters().fast_retransmits, 1u);
  EXPECT_LT(ssthresh(c), 10u * kMss);
}

TEST(Rack, WhatComesWithinTheWindowCostsNothing) {
  TestConnection c = a_round_trip_later();
  sacks(c, 0, {{1, 2}});
  c.sleep(kReoWnd - 1ms);
  sacks(c, 2, {});
  c.sleep(2ms);
  sacks(c, 10, {});
  c.expect_nothing_sent();
  EXPECT_EQ(c.counters().fast_retransmits, 0u);
}

// RFC 8985, 6.2, step 3; RFC 8985, 6.2, step 4, DupThresh; RK-02
TEST(Rack, AtTheThresholdNothingIsWaitedForUntilReorderingWasSeen) {
  TestConnection fresh = a_round_trip_later();
  sacks(fresh, 0, {{1, 5}});
  EXPECT_EQ(sent(fresh), (Segments{0}));

  TestConnection c = reordered();
  sacks(c, 2, {{3, 8}});
  EXPECT_FALSE(contains(sent(c), 2));
  c.sleep(kReoWnd - 1ms);
  EXPECT_FALSE(contains(sent(c), 2));
  c.sleep(1ms);
  EXPECT_EQ(sent(c).front(), 2);
}

// Step 3 sees none of it: the hole was sent again at once.
TEST(Rack, ARecoveryThatWasForNothingShowsReorderingToo) {
  TestConnection c = a_round_trip_later(30);
  sacks(c, 0, {{1, 4}});
  EXPECT_EQ(sent(c).front(), 0);
  c.sleep(5ms);
  sacks(c, 4, {});
  sacks(c, 4, {{0, 1}});
  EXPECT_EQ(c.counters().spurious_recoveries, 1u);
  sent(c);
  c.sleep(kRtt);
  sacks(c, 4, {{5, 9}});
  EXPECT_FALSE(contains(sent(c), 4));
}

TEST(Rack, ADSackWidensTheWindowOncePerRound) {  // RFC 8985, 6.2, step 4, D-SACK; RK-08
  TestConnection c = reordered();
  sacks(c, 2, {{0, 1}});
  sacks(c, 2, {{1, 2}});
  sacks(c, 2, {{3, 8}});
  sent(c);
  c.sleep(2 * kReoWnd - 1ms);
  EXPECT_FALSE(contains(sent(c), 2));
  c.sleep(1ms);
  EXPECT_EQ(sent(c).front(), 2);
}

TEST(Rack, TheWindowIsNoWiderThanARoundTrip) {  // RFC 8985, 6.2, step 4, SRTT: min(..., SRTT)
  TestConnection c = reordered();
  for (int round = 0; round < 8; ++round) {
    const std::int64_t una = (c.snd_una() - 1) / kMss;
    sacks(c, una, {{0, 1}});
    sacks(c, una + 2, {});
    c.sleep(10ms);
    sacks(c, (c.snd_nxt() - 1) / kMss, {});
  }
  sent(c);
  c.user_sends(pattern(10 * kMss, 40 * kMss));
  c.sleep(kRtt);
  const std::int64_t una = (c.snd_una() - 1) / kMss;
  sacks(c, una, {{una + 1, una + 2}});
  sent(c);
  c.sleep(std::chrono::ceil<std::chrono::milliseconds>(c.tcb().rtt().srtt()));
  EXPECT_TRUE(contains(sent(c), una));
}

TEST(Rack, SixteenRecoveriesWithoutADSackNarrowTheWindow) {  // RFC 8985, 6.2, step 4, reo_wnd_persist
  Reordering reordering;
  reordering.widen();
  reordering.widen();
  for (int i = 0; i < 15; ++i) reordering.narrow();
  EXPECT_EQ(reordering.mult, 3);
  reordering.narrow();
  EXPECT_EQ(reordering.mult, 1);
  for (int i = 0; i < 1000; ++i) reordering.widen();
  EXPECT_EQ(reordering.mult, Reordering::kMostMult);
}

TEST(Rack, ALostRetransmissionIsSentAgainWithoutATimeOut) {  // RFC 8985, 6.2, step 5; RFC 6675, 5, (B); SS-08
  TestConnection c = a_round_trip_later(20);
  sacks(c, 0, {{1, 4}});
  EXPECT_EQ(sent(c).front(), 0);
  const std::int64_t next = (c.snd_nxt() - 1) / kMss;
  sacks(c, 0, {{1, 10}});
  ASSERT_GT((c.snd_nxt() - 1) / kMss, next) << "something new goes behind the retransmission";
  sent(c);
  c.sleep(kRtt);
  sacks(c, 0, {{1, next + 1}});
  EXPECT_EQ(sent(c).front(), 0);
  EXPECT_EQ(c.counters().rto_fired, 0u);
  EXPECT_EQ(c.counters().fast_retransmits, 1u) << "it is the same recovery";
}

TEST(Rack, TwoLostRetransmissionsAreSentAgainTogether) {
  TestConnection c = a_round_trip_later(20);
  sacks(c, 0, {{3, 10}, {1, 2}});
  const Segments again = sent(c);
  ASSERT_TRUE(contains(again, 0) && contains(again, 2));
  const std::int64_t last = again.back();
  ASSERT_GE(last, 10) << "something new goes behind them";
  c.sleep(kRtt);
  sacks(c, 0, {{last, last + 1}, {3, 10}, {1, 2}});
  EXPECT_TRUE(contains(sent(c), 0));
  sacks(c, 2, {{last, last + 1}, {3, 10}});  // cwnd, which was lowered once more, has room again
  EXPECT_TRUE(contains(sent(c), 2));
  EXPECT_EQ(c.counters().rto_fired, 0u);
}

TEST(Rack, WhatWasSentBeforeTheRetransmissionSaysNothingOfIt) {
  TestConnection c = a_round_trip_later();
  sacks(c, 0, {{1, 4}});
  EXPECT_EQ(sent(c), (Segments{0}));
  c.sleep(50ms);
  sacks(c, 0, {{1, 9}});
  c.expect_nothing_sent();
}

TEST(Rack, AnAckTooSoonForTheRetransmissionIsForTheFirstCopy) {  // RFC 8985, 6.2, step 2, min_RTT; RK-07
  TestConnection c = a_round_trip_later();
  sacks(c, 0, {{1, 4}});
  sent(c);
  c.sleep(50ms);
  sacks(c, 4, {});
  c.expect_nothing_sent();
}

TEST(Rack, OnceTheRetransmissionIsAcknowledgedWhatIsOlderIsLost) {  // RFC 8985, 6.2, step 5
  TestConnection c = a_round_trip_later();
  sacks(c, 0, {{1, 4}});
  sent(c);
  c.sleep(kRtt);
  sacks(c, 4, {});
  EXPECT_EQ(sent(c).front(), 4);
  EXPECT_EQ(c.counters().rto_fired, 0u);
}

TEST(Rack, ATimeOutLosesOnlyWhatIsOld) {  // RFC 8985, 6.3
  TestConnection c = established(with_sack());
  c.user_sends(pattern(2 * kMss));
  c.sleep(2 * kRtt + 2ms);  // a loss probe
  EXPECT_EQ(sent(c), (Segments{0, 1, 1}));
  c.sleep(c.rto() - 50ms);
  c.user_sends(pattern(kMss, 2 * kMss));
  EXPECT_EQ(sent(c), (Segments{2}));
  c.sleep(50ms);
  EXPECT_EQ(sent(c), (Segments{0}));
  sacks(c, 1, {});
  EXPECT_EQ(sent(c), (Segments{1}));
  sacks(c, 2, {});
  c.expect_nothing_sent();
}

TEST(Rack, ConnectionsWithoutSackHaveNoPartInIt) {
  TestConnection c = ten_in_flight(0, {});
  c.sleep(kRtt);
  c.peer_sends(ack(1).seq(1));
  c.sleep(kRtt);
  c.expect_nothing_sent();
}

}  // namespace
}  // namespace pollux::tcp::test
