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

// RFC 8985, 7.2, 2 * SRTT; RFC 8985, 7.3, last segment; RK-03
TEST(LossProbe, TheLastSegmentGoesOnceMoreAfterTwoRoundTrips) {
  TestConnection c = ten_in_flight(0);
  const std::uint32_t before = cwnd(c);
  c.sleep(kPto - 1ms);
  c.expect_nothing_sent();
  c.sleep(1ms);
  EXPECT_EQ(sent(c), (Segments{9}));
  EXPECT_EQ(c.counters().tail_loss_probes, 1u);
  EXPECT_EQ(c.counters().rto_fired, 0u);
  EXPECT_EQ(cwnd(c), before) << "RFC 8985, 7.3, cwnd: it costs none";
}

TEST(LossProbe, WhatIsNewGoesFirstWhateverCwndSays) {  // RFC 8985, 7.3, new text; RFC 8985, 7.3, cwnd
  TestConnection c = ten_in_flight(5);
  c.sleep(kPto);
  EXPECT_EQ(sent(c), (Segments{10}));
}

// RFC 8985, 7.3, new text: "AND the receive window allows new data to be sent"
TEST(LossProbe, WhatIsNewStaysWithinThePeersWindow) {
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
  Conditions given = with_sack();
  given.peer.wnd = static_cast<std::uint16_t>(10 * kMss);
  TestConnection c = ten_in_flight(0, given);
  for (int n = 0; n < 20; ++n) {
    c.sleep(50ms);
    c.peer_sends(data("x").seq(1 + n).ack(at(0)).wnd(static_cast<std::uint16_t>(10 * kMss - 8)));
  }
  EXPECT_GT(c.counters().rto_fired, 0u);
}

TEST(LossProbe, ForOneSegmentTheDelayOfItsAckIsWaitedFor) {  // RFC 8985, 7.2, max_ack_delay; RK-03
  TestConnection c = established(with_quick_acks());
  c.user_sends(pattern(kMss));
  sent(c);
  c.sleep(2 * kRtt + 39ms);
  c.expect_nothing_sent();
  c.sleep(1ms);
  EXPECT_EQ(sent(c), (Segments{0}));
  EXPECT_EQ(c.counters().tail_loss_probes, 1u);
}

TEST(LossProbe, ComesAfterASecondWhereNoRoundTripWasMeasured) {  // RFC 8985, 7.2, without SRTT
  TestConnection c = syn_received(with_sack());
  c.sleep(1100ms);  // the SYN-ACK goes twice, and measures nothing
  c.peer_sends(ack(1));
  c.take_all_sent();
  c.user_sends(pattern(kMss));
  EXPECT_EQ(sent(c), (Segments{0}));
  c.sleep(1s - 1ms);
  c.expect_nothing_sent();
  c.sleep(1ms);
  EXPECT_EQ(sent(c), (Segments{0}));
  EXPECT_EQ(c.counters().tail_loss_probes, 1u);
}

TEST(LossProbe, ComesNoLaterThanTheTimeOutWould) {  // RFC 8985, 7.2, RTO: TCP_RTO_expiration
  TestConnection c = established(with_sack());
  c.user_sends(pattern(kMss));
  sent(c);
  const std::uint32_t before = cwnd(c);
  c.sleep(c.rto());
  EXPECT_EQ(sent(c), (Segments{0}));
  EXPECT_EQ(c.counters().rto_fired, 0u);
  EXPECT_EQ(cwnd(c), before);
}

TEST(LossProbe, SendingPutsItOffButNotBeyondTheTimeOut) {  // RFC 8985, 7.2, new text; RFC 8985, 7.2, RTO
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

TEST(LossProbe, PeersWithoutSackGetNone) {  // RFC 8985, 7.2, SACK
  TestConnection c = ten_in_flight(0, {});
  c.sleep(c.rto());
  EXPECT_EQ(sent(c), (Segments{0}));
  EXPECT_EQ(c.counters().tail_loss_probes, 0u);
  EXPECT_EQ(c.counters().rto_fired, 1u);
}

TEST(LossProbe, TheTimeOutFollowsAnUnansweredProbe) {  // RFC 8985, 7.3, RTO: "MUST re-arm"; RFC 8985, 7.3, one probe
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

TEST(LossProbe, NoneInRecovery) {  // RFC 8985, 7.2, recovery; RK-05
  TestConnection c = ten_in_flight(0);
  sacks(c, 0, {{1, 4}});
  EXPECT_EQ(sent(c), (Segments{0}));
  c.sleep(c.rto());
  EXPECT_EQ(c.counters().tail_loss_probes, 0u);
  EXPECT_EQ(c.counters().rto_fired, 1u);
}

TEST(LossProbe, NoneBeforeARoundTripWasMeasuredSinceTheLast) {  // RFC 8985, 7.3, measured: the second condition
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

TEST(LossProbe, ALossThatItRepairedReducesTheWindow) {  // RFC 8985, 7.4.2, repaired; RK-04
  TestConnection c = probed();
  c.sleep(kRtt);
  sacks(c, 10, {});
  EXPECT_EQ(ssthresh(c), UINT32_MAX) << "the answer to the first copy may come yet";
  goes_on(c);
  EXPECT_LT(ssthresh(c), UINT32_MAX);
  EXPECT_LE(cwnd(c), ssthresh(c) + kMss);
  EXPECT_EQ(c.counters().rto_fired, 0u);
}

TEST(LossProbe, ADSackForItShowsThatNothingWasLost) {  // RFC 8985, 7.4.2, D-SACK: case 1; RK-04
  TestConnection c = probed();
  sacks(c, 10, {});
  c.sleep(kRtt);
  sacks(c, 10, {{9, 10}});
  goes_on(c);
  EXPECT_EQ(ssthresh(c), UINT32_MAX);
  EXPECT_EQ(c.counters().dsacks_received, 1u);
}

TEST(LossProbe, SoDoesADuplicateAckWithoutBlocks) {  // RFC 8985, 7.4.2, duplicate ACK: case 2
  TestConnection c = probed();
  sacks(c, 10, {});
  c.sleep(kRtt);
  sacks(c, 10, {});
  goes_on(c);
  EXPECT_EQ(ssthresh(c), UINT32_MAX);
}

TEST(LossProbe, OneOfNewTextTellsNothingOfLoss) {  // RFC 8985, 7.4.2, new text: not TLP.is_retrans
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
TEST(LossProbe, ItsSackBringsFastRecovery) {  // RFC 8985, 3.4; RFC 8985, 7.4.1
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
