// Pacing, and samples of the delivery rate in a connection.

#include "numbered_segments.h"

namespace pollux::tcp::test {
namespace {

// The handshake took 100 ms, which is SRTT.
Conditions paced() {
  return {.config = {.congestion = CongestionControl::kNewReno, .pacing = true}, .peer = {.sack_permitted = true}};
}

TEST(Pacing, SpreadsAWindowOverHalfARoundTripInSlowStart) {  // 200 % of cwnd / SRTT, as Linux
  TestConnection c = established(paced());
  EXPECT_EQ(c.tcb().pacing_rate(), 2u * 10 * kMss * 10);  // ten times a second
  c.user_sends(pattern(30 * kMss));
  const Instant begin = c.now();
  c.sleep(99ms);
  const auto all = c.take_all_sent();
  ASSERT_EQ(all.size(), 10u) << "all that cwnd allows";
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Duration due = static_cast<int>(i) * 5ms;  // a tenth of 50 ms
    EXPECT_LE(all[i].at - begin, due) << i;
    EXPECT_GE(all[i].at - begin, due - 2ms) << i << ": no more than a tick early, and one for rounding";
  }
}

TEST(Pacing, InCongestionAvoidanceAFifthFasterThanCwnd) {  // 120 %, as Linux
  Congestion c{.cwnd = 100'000, .ssthresh = 100'000};
  EXPECT_EQ(c.pacing_rate(100ms, 0), 1'200'000u);
  c.ssthresh = 200'001;
  EXPECT_EQ(c.pacing_rate(100ms, 0), 1'200'000u) << "slow start that is about to end";
  c.ssthresh = 200'002;
  EXPECT_EQ(c.pacing_rate(100ms, 0), 2'000'000u);
  EXPECT_EQ(c.pacing_rate(100ms, 200'000), 4'000'000u) << "cwnd was lowered below what is in flight";
  EXPECT_EQ(c.pacing_rate(0s, 0), 0u) << "no round trip is known";
}

TEST(Pacing, IsOffByDefault) {
  TestConnection c = established();
  EXPECT_EQ(c.tcb().pacing_rate(), 0u);
  c.user_sends(pattern(30 * kMss));
  EXPECT_EQ(c.take_all_sent().size(), 10u);
}

TEST(Pacing, AConnectionMayWantItAlone) {
  Conditions given;
  given.options.pacing = true;
  TestConnection c = established(given);
  c.user_sends(pattern(30 * kMss));
  EXPECT_EQ(c.take_all_sent().size(), 1u);
}

TEST(Pacing, HoldsRetransmissionsBackButTheFirst) {
  TestConnection c = established(paced());
  c.user_sends(pattern(30 * kMss));
  c.sleep(60ms);
  ASSERT_EQ(c.take_all_sent().size(), 10u);
  c.peer_sends(ack(at(0)).sack({{at(4), at(10)}}));
  const Instant begin = c.now();
  EXPECT_EQ(c.take_all_sent().size(), 1u);
  c.sleep(30ms);
  for (const Sent& s : c.take_all_sent()) EXPECT_GT(s.at, begin);
}

TEST(Pacing, WhatWaitsForItsTimeIsSentThoughNothingIsInFlight) {
  Conditions given = paced();
  given.options.nodelay = true;
  TestConnection c = established(given);
  c.user_sends(pattern(2 * kMss));
  c.peer_sends(ack(at(1)));  // the first; the second's time has not come
  c.sleep(20ms);
  EXPECT_EQ(c.take_all_sent().size(), 2u);
}

// draft-cheng-iccrg-delivery-rate-estimation, 2.2: bytes delivered in the time that it took to send or to acknowledge
// them, whichever is longer.
TEST(DeliveryRates, AWindowThatIsAcknowledgedAtAnEvenPaceShowsThatPace) {
  TestConnection c = ten_in_flight(1000);
  EXPECT_EQ(c.delivery_rate(), 0u);
  std::int64_t una = 0;
  c.sleep(100ms);
  for (int i = 0; i < 100; ++i) {  // a segment each 10 ms
    c.peer_sends(ack(at(++una)));
    c.sleep(10ms);
  }
  EXPECT_NEAR(static_cast<double>(c.delivery_rate()), kMss * 100.0, kMss * 12.0);
}

TEST(DeliveryRates, AcksThatComeTogetherDoNotRaiseIt) {  // 2.2.1: the time it took to send
  TestConnection c = ten_in_flight(1000);
  std::int64_t una = 0;
  c.sleep(100ms);
  for (int i = 0; i < 100; ++i) {
    c.sleep(20ms);
    c.peer_sends(ack(at(una += 2)));
  }
  const std::uint64_t rate = c.delivery_rate();
  c.sleep(200ms);
  for (int i = 0; i < 20; ++i) c.peer_sends(ack(at(++una)));
  EXPECT_LE(c.delivery_rate(), rate * 11 / 10);
}

TEST(DeliveryRates, WhatWasSackedAndThenAcknowledgedIsDeliveredOnce) {  // 2.2
  TestConnection c = ten_in_flight(0);
  c.sleep(150ms);
  sacks(c, 0, {{2, 4}});
  sacks(c, 4, {});
  EXPECT_NEAR(static_cast<double>(c.delivery_rate()), 4 * kMss / 0.15, kMss);
}

}  // namespace

TEST(DeliveryRate, IsWhatWasDeliveredInTheLongerOfBothTimes) {  // 2.2
  const Instant t{1s};
  DeliveryRate r;
  r.note_delivered(t - 50ms);
  r.sent({.una = SeqNum{100}, .now = t, .una_sent = t - 30ms});
  r.acknowledged(SeqNum{5100}, 0, t + 100ms, 1ms);
  EXPECT_EQ(r.last().delivered, 5000u);
  EXPECT_EQ(r.last().interval, Duration{150ms});
  EXPECT_EQ(r.last().rate(), 33'333u);
  r.note_delivered(t);
  r.sent({.una = SeqNum{100}, .sacked = 1000, .now = t, .una_sent = t - 300ms});
  r.acknowledged(SeqNum{2100}, 4000, t + 100ms, 1ms);
  EXPECT_EQ(r.last().delivered, 5000u) << "three of them SACKed";
  EXPECT_EQ(r.last().interval, Duration{300ms});
  r.sent({.una = SeqNum{100}, .sacked = 3000, .now = t, .una_sent = t - 300ms});
  r.acknowledged(SeqNum{6100}, 0, t + 100ms, 1ms);
  EXPECT_EQ(r.last().delivered, 3000u) << "the others were SACKed when it was sent";
}

TEST(DeliveryRate, ALullOfTheApplicationOnlyRaisesIt) {  // 3.4, as Linux keeps it
  const Instant t{1s};
  DeliveryRate r;
  r.sent({.una = SeqNum{0}, .now = t, .alone = true});
  r.acknowledged(SeqNum{10'000}, 0, t + 100ms, 1ms);
  r.sent({.una = SeqNum{0}, .now = t, .alone = true, .app_limited = true});
  r.acknowledged(SeqNum{100}, 0, t + 100ms, 1ms);
  EXPECT_EQ(r.last().rate(), 100'000u);
  r.sent({.una = SeqNum{0}, .now = t, .alone = true, .app_limited = true});
  r.acknowledged(SeqNum{20'000}, 0, t + 100ms, 1ms);
  EXPECT_EQ(r.last().rate(), 200'000u);
}

TEST(DeliveryRate, AnIntervalShorterThanAnyRoundTripSaysNothing) {  // 3.3
  const Instant t{1s};
  DeliveryRate r;
  r.sent({.una = SeqNum{0}, .now = t, .alone = true});
  r.acknowledged(SeqNum{10'000}, 0, t + 1ms, 20ms);
  EXPECT_EQ(r.last().rate(), 0u);
}

}  // namespace pollux::tcp::test
