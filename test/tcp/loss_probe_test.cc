// Tail loss probes: RFC 8985, section 7. The handshake has measured a round trip of 100 ms; the RTO is 300 ms.

#include "numbered_segments.h"

namespace pollux::tcp::test {
namespace {

constexpr Duration kRtt = 100ms;
constexpr Duration kPto = 2 * kRtt + 2ms;  // and two ticks

// A peer's ACKs of single segments come within 40 ms.
Conditions with_quick_acks() {
  Conditions given = with_sack();
  given.config.max_ack_delay = 40ms;
  return given;
}

// Ten segments of which the last was lost; a probe has repaired that, or was not needed.
TestConnection probed() {
  TestConnection c = ten_in_flight(0, with_quick_acks());
  c.sleep(kRtt);
  sacks(c, 9, {});
  c.sleep(2 * kRtt + 40ms);
  EXPECT_EQ(sent(c), (Segments{9}));
  EXPECT_EQ(c.counters().tail_loss_probes, 1u);
  return c;
}

// Something more is sent, and acknowledged.
void goes_on(TestConnection& c) {
  c.user_sends(pattern(2 * kMss, 10 * kMss));
  EXPECT_EQ(sent(c), (Segments{10, 11}));
  c.sleep(kRtt);
  sacks(c, 12, {});
}

TEST(LossProbe, TheLastSegmentGoesOnceMoreAfterTwoRoundTrips) {  // 7.2, 7.3; RK-03
  TestConnection c = ten_in_flight(0);
  const std::uint32_t before = cwnd(c);
  c.sleep(kPto - 1ms);
  c.expect_nothing_sent();
  c.sleep(1ms);
  EXPECT_EQ(sent(c), (Segments{9}));
  EXPECT_EQ(c.counters().tail_loss_probes, 1u);
  EXPECT_EQ(c.counters().rto_fired, 0u);
  EXPECT_EQ(cwnd(c), before) << "7.3: it costs no window";
}

TEST(LossProbe, WhatIsNewGoesFirstWhateverCwndSays) {  // 7.3
  TestConnection c = ten_in_flight(5);
  c.sleep(kPto);
  EXPECT_EQ(sent(c), (Segments{10}));
}

TEST(LossProbe, WhatIsNewStaysWithinThePeersWindow) {  // 7.3: "AND the receive window allows new data to be sent"
  Conditions given = with_sack();
  given.peer.wnd = static_cast<std::uint16_t>(10 * kMss);
  TestConnection c = ten_in_flight(5, given);
  c.sleep(kPto);
  EXPECT_EQ(sent(c), (Segments{9}));
}

// A window that is rounded, or shrinks, keeps only what is new from being the probe.
TEST(LossProbe, TheLastSegmentGoesOnceMoreIntoAWindowThatHasShrunk) {  // 7.3; RFC 7323, 2.4
  Conditions given = with_sack();
  given.peer.wnd = static_cast<std::uint16_t>(10 * kMss);
  TestConnection c = ten_in_flight(5, given);
  c.peer_sends(ack(at(0)).seq(1).wnd(static_cast<std::uint16_t>(10 * kMss - 8)));
  c.sleep(kPto);
  EXPECT_EQ(sent(c), (Segments{9}));
}

TEST(LossProbe, TextThatAcknowledgesNothingPutsNoTimeOutOff) {  // RFC 6298, 5.3
  TestConnection c = ten_in_flight(0);
  for (int n = 0; n < 20; ++n) {
    c.sleep(50ms);
    c.peer_sends(data("x").seq(1 + n).ack(at(0)));
  }
  EXPECT_GT(c.counters().rto_fired, 0u);
}

TEST(LossProbe, ForOneSegmentTheDelayOfItsAckIsWaitedFor) {  // 7.2: TLP.max_ack_delay; RK-03
  TestConnection c = established(with_quick_acks());
  c.user_sends(pattern(kMss));
  sent(c);
  c.sleep(2 * kRtt + 39ms);
  c.expect_nothing_sent();
  c.sleep(1ms);
  EXPECT_EQ(sent(c), (Segments{0}));
  EXPECT_EQ(c.counters().tail_loss_probes, 1u);
}

TEST(LossProbe, ComesNoLaterThanTheTimeOutWould) {  // 7.2: TCP_RTO_expiration
  TestConnection c = established(with_sack());
  c.user_sends(pattern(kMss));
  sent(c);
  const std::uint32_t before = cwnd(c);
  c.sleep(c.rto());
  EXPECT_EQ(sent(c), (Segments{0}));
  EXPECT_EQ(c.counters().rto_fired, 0u);
  EXPECT_EQ(cwnd(c), before);
}

TEST(LossProbe, SendingPutsItOffButNotBeyondTheTimeOut) {  // 7.2
  TestConnection c = established(with_sack());
  c.user_sends(pattern(2 * kMss));
  c.sleep(150ms);
  c.user_sends(pattern(2 * kMss, 2 * kMss));
  sent(c);
  c.sleep(c.rto() - 150ms - 1ms);
  c.expect_nothing_sent();
  c.sleep(1ms);
  EXPECT_EQ(sent(c), (Segments{3}));
}

TEST(LossProbe, PeersWithoutSackGetNone) {  // 7.1: RACK needs SACK
  TestConnection c = ten_in_flight(0, {});
  c.sleep(c.rto());
  EXPECT_EQ(sent(c), (Segments{0}));
  EXPECT_EQ(c.counters().tail_loss_probes, 0u);
  EXPECT_EQ(c.counters().rto_fired, 1u);
}

TEST(LossProbe, TheTimeOutFollowsAnUnansweredProbe) {  // 7.3: "MUST re-arm the RTO timer"
  TestConnection c = ten_in_flight(0);
  c.sleep(kPto);
  sent(c);
  c.sleep(c.rto() - 1ms);
  c.expect_nothing_sent();
  c.sleep(1ms);
  EXPECT_EQ(sent(c), (Segments{0}));
  EXPECT_EQ(c.counters().rto_fired, 1u);
  EXPECT_EQ(c.counters().tail_loss_probes, 1u) << "only one is on its way";
}

TEST(LossProbe, NoneInRecovery) {  // 7.2; RK-05
  TestConnection c = ten_in_flight(0);
  sacks(c, 0, {{1, 4}});
  EXPECT_EQ(sent(c), (Segments{0}));
  c.sleep(c.rto());
  EXPECT_EQ(c.counters().tail_loss_probes, 0u);
  EXPECT_EQ(c.counters().rto_fired, 1u);
}

TEST(LossProbe, NoneBeforeARoundTripWasMeasuredSinceTheLast) {  // 7.3: the second condition
  TestConnection c = probed();
  sacks(c, 10, {});
  sacks(c, 10, {{9, 10}});
  c.user_sends(pattern(5 * kMss, 10 * kMss));
  sent(c);
  c.sleep(kPto);
  c.expect_nothing_sent();
  c.sleep(c.rto());
  EXPECT_EQ(c.counters().tail_loss_probes, 1u);
  EXPECT_EQ(sent(c).front(), 10);
  EXPECT_EQ(c.counters().rto_fired, 1u);
}

TEST(LossProbe, ALossThatItRepairedReducesTheWindow) {  // 7.4; RK-04
  TestConnection c = probed();
  c.sleep(kRtt);
  sacks(c, 10, {});
  EXPECT_EQ(ssthresh(c), UINT32_MAX) << "the answer to the first copy may come yet";
  goes_on(c);
  EXPECT_LT(ssthresh(c), UINT32_MAX);
  EXPECT_LE(cwnd(c), ssthresh(c) + kMss);
  EXPECT_EQ(c.counters().rto_fired, 0u);
}

TEST(LossProbe, ADSackForItShowsThatNothingWasLost) {  // 7.4, case 1; RK-04
  TestConnection c = probed();
  sacks(c, 10, {});
  c.sleep(kRtt);
  sacks(c, 10, {{9, 10}});
  goes_on(c);
  EXPECT_EQ(ssthresh(c), UINT32_MAX);
  EXPECT_EQ(c.counters().dsacks_received, 1u);
}

TEST(LossProbe, SoDoesADuplicateAckWithoutBlocks) {  // 7.4, case 2
  TestConnection c = probed();
  sacks(c, 10, {});
  c.sleep(kRtt);
  sacks(c, 10, {});
  goes_on(c);
  EXPECT_EQ(ssthresh(c), UINT32_MAX);
}

TEST(LossProbe, OneOfNewTextTellsNothingOfLoss) {  // 7.4: not TLP.is_retrans
  TestConnection c = ten_in_flight(1);
  c.sleep(kPto);
  EXPECT_EQ(sent(c), (Segments{10}));
  sacks(c, 11, {});
  c.user_sends(pattern(2 * kMss, 11 * kMss));
  c.sleep(kRtt);
  sacks(c, 13, {});
  EXPECT_EQ(ssthresh(c), UINT32_MAX);
}

// Several at the end were lost: what the probe's SACK tells of lets RACK find the rest.
TEST(LossProbe, ItsSackBringsFastRecovery) {  // 3.4; 7
  TestConnection c = ten_in_flight(0);
  c.sleep(kRtt);
  sacks(c, 6, {});
  c.sleep(kPto);
  EXPECT_EQ(sent(c), (Segments{9}));
  c.sleep(kRtt);
  sacks(c, 6, {{9, 10}});
  c.sleep(kRtt / 4);  // it is but one segment: the reordering window
  EXPECT_EQ(sent(c).front(), 6);
  EXPECT_EQ(c.counters().fast_retransmits, 1u);
  sacks(c, 10, {});
  c.expect_nothing_sent();
  EXPECT_EQ(c.counters().rto_fired, 0u);
}

TEST(LossProbe, TheFinGoesWithIt) {
  TestConnection c = established(with_sack());
  c.user_sends("hello");
  EXPECT_TRUE(c.user_shuts_down().has_value());
  c.take_all_sent();
  c.sleep(c.rto());
  c.expect_sent(data("hello").seq(1).ack(1).flags("FP."));
  EXPECT_EQ(c.counters().tail_loss_probes, 1u);
}

TEST(LossProbe, GivesUpAtR2LikeTheTimeOut) {  // RFC 9293, MUST-20
  Conditions given = with_sack();
  given.config.r2 = 150ms;
  TestConnection c = ten_in_flight(0, given);
  c.sleep(150ms);
  EXPECT_EQ(c.state(), State::kClosed);
  EXPECT_EQ(c.reason(), Reason::kTimedOut);
}

}  // namespace
}  // namespace pollux::tcp::test
