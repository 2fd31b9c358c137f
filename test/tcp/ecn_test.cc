// Explicit Congestion Notification: RFC 3168, 6.1. What holds of every segment that is sent (6.1.4 to 6.1.6)
// TestConnection::check_ecn sees to.

#include "numbered_segments.h"
#include "tcp/handshake_record.h"

namespace pollux::tcp::test {
namespace {

Conditions willing(CongestionControl control = CongestionControl::kNewReno) {
  return {.config = {.congestion = control, .ecn = true}, .peer = {.sack_permitted = true}};
}

SegmentSpec ecn_setup_syn(const TestConnection& c) { return c.peer_syn().ece().cwr(); }
SegmentSpec ecn_setup_syn_ack(const TestConnection& c) { return c.peer_syn().ack(1).ece(); }

// From LISTEN; both want it.
TestConnection agreed(const Conditions& given = willing()) {
  TestConnection c{given};
  c.peer_opens(ecn_setup_syn(c));
  c.expect_sent(syn().ack(1).ece());
  c.sleep(given.rtt);
  c.peer_sends(ack(1));
  EXPECT_TRUE(c.tcb().ecn());
  return c;
}

// Ten segments are on their way, and many wait.
TestConnection agreed_ten_in_flight(const Conditions& given = willing()) {
  TestConnection c = agreed(given);
  c.user_sends(pattern(40 * kMss));
  EXPECT_EQ(c.take_all_sent().size(), 10u);
  return c;
}

// --- 6.1.1 ---

TEST(Ecn, IsOffWhereNobodyWantsIt) {  // RFC 3168, 6.1.1, not willing
  TestConnection c = closed();
  c.user_opens();
  c.expect_sent(syn());
  c.peer_sends(ecn_setup_syn_ack(c));
  EXPECT_FALSE(c.tcb().ecn());
  EXPECT_EQ(c.counters().ecn_opened, 0u);
}

TEST(Ecn, OurSynAsksAndTheSynAckAgrees) {  // RFC 3168, 6.1.1, ECN-setup SYN; RFC 3168, 6.1.1, no ECT
  TestConnection c{willing()};
  c.user_opens();
  EXPECT_EQ(c.expect_sent(syn().ece().cwr()).ecn, Ecn::kNotEct);
  EXPECT_FALSE(c.tcb().ecn());
  c.peer_sends(ecn_setup_syn_ack(c));
  EXPECT_EQ(c.expect_sent(ack(1).seq(1)).ecn, Ecn::kNotEct);
  EXPECT_TRUE(c.tcb().ecn());
  EXPECT_EQ(c.counters().ecn_opened, 1u);
  c.user_sends("x");
  EXPECT_EQ(c.expect_sent(data("x").seq(1).ack(1)).ecn, Ecn::kEct0);
}

TEST(Ecn, OurSynAckAgreesWithWhoAsks) {  // RFC 3168, 6.1.1, agreement; RFC 3168, 6.1.1, no ECT
  TestConnection c{willing()};
  c.peer_opens(ecn_setup_syn(c));
  EXPECT_EQ(c.expect_sent(syn().ack(1).ece()).ecn, Ecn::kNotEct);
  EXPECT_EQ(c.counters().ecn_opened, 0u);
  c.peer_sends(ack(1));
  EXPECT_EQ(c.counters().ecn_opened, 1u);
  c.user_sends("x");
  EXPECT_EQ(c.expect_sent(data("x").seq(1).ack(1)).ecn, Ecn::kEct0);
}

TEST(Ecn, FlagsOfANonEcnSetupSynOrSynAckAgreeOnNothing) {  // RFC 3168, 6.1.1, agreement
  for (const bool ece : {false, true}) {
    TestConnection c{willing()};
    SegmentSpec its_syn = c.peer_syn();
    c.peer_opens(ece ? its_syn.ece() : its_syn.cwr());
    c.expect_sent(syn().ack(1));
    EXPECT_FALSE(c.tcb().ecn());
  }
  TestConnection c{willing()};  // who sends back what came has not understood it
  c.user_opens();
  c.expect_sent(syn().ece().cwr());
  c.peer_sends(ecn_setup_syn_ack(c).cwr());
  EXPECT_FALSE(c.tcb().ecn());
}

TEST(Ecn, CrossingSynsAgreeToo) {  // RFC 3168, 6.1.1, agreement
  TestConnection c{willing()};
  c.user_opens();
  c.expect_sent(syn().ece().cwr());
  c.peer_sends(ecn_setup_syn(c));
  c.expect_sent(syn().ack(1).ece());
  c.peer_sends(ecn_setup_syn_ack(c));
  EXPECT_EQ(c.state(), State::kEstablished);
  EXPECT_TRUE(c.tcb().ecn());
}

TEST(Ecn, AConnectionMayWantItAlone) {
  Conditions given;
  given.options.ecn = true;
  EXPECT_TRUE(agreed(given).tcb().ecn());
  given = willing();
  given.options.ecn = false;
  TestConnection c{given};
  c.peer_opens(ecn_setup_syn(c));
  c.expect_sent(syn().ack(1));
}

TEST(Ecn, SurvivesAHandshakeRecord) {
  TestConnection c{willing()};
  c.peer_opens(ecn_setup_syn(c));
  c.expect_sent(syn().ack(1).ece());
  const auto pack = [&](const Tcb& from, Tcb& to, Env& env) {
    HandshakeRecord::pack(from, 0).unpack(from.key(), c.opening(), c.options(), to, env);
  };
  c.replace_tcb(pack);
  EXPECT_TRUE(c.tcb().ecn());
}

// --- 6.1.1.1 ---

TEST(Ecn, ASynThatIsLostGoesAgainWithout) {  // RFC 3168, 6.1.1.1, lost
  TestConnection c{willing()};
  c.user_opens();
  c.expect_sent(syn().ece().cwr());
  c.sleep_until_time_out();
  c.expect_sent(syn());
  c.peer_sends(ecn_setup_syn_ack(c));
  EXPECT_FALSE(c.tcb().ecn()) << "what did not ask cannot be agreed with";
}

// The SYN-ACK was lost, or is late: it answers our first SYN, and the peer sends what is ECN-capable.
TEST(Ecn, ButMarksOfAPeerThatAgreedToTheFirstAreHeeded) {  // RFC 3168, 6.1.1, heed
  TestConnection c{willing()};
  c.user_opens();
  c.expect_sent(syn().ece().cwr());
  c.sleep_until_time_out();
  c.expect_sent(syn());
  c.peer_sends(ecn_setup_syn_ack(c));
  c.expect_sent(ack(1).seq(1));
  c.peer_sends(data("ab").seq(1).ack(1).ce());
  c.sleep(500ms);
  c.expect_sent(ack(3).seq(1).ece());
  c.user_sends("x");
  EXPECT_EQ(c.expect_sent(data("x").seq(1).ack(3).ece()).ecn, Ecn::kNotEct) << "our second SYN said no";
  c.peer_sends(ack(2).ece());
  EXPECT_EQ(c.counters().ecn_reductions, 0u);
}

TEST(Ecn, NotThoseOfAPeerThatDidNot) {  // RFC 3168, 6.1.1, heed
  TestConnection c{willing()};
  c.user_opens();
  c.expect_sent(syn().ece().cwr());
  c.peer_sends(c.peer_syn().ack(1));
  c.expect_sent(ack(1).seq(1));
  c.peer_sends(data("ab").seq(1).ack(1).ce());
  c.sleep(500ms);
  c.expect_sent(ack(3).seq(1));
}

TEST(Ecn, APeerWhoseSynWasLostIsAnsweredWithout) {  // RFC 3168, 6.1.1.1, lost
  TestConnection c{willing()};
  c.peer_opens(ecn_setup_syn(c));
  c.expect_sent(syn().ack(1).ece());
  c.peer_sends(c.peer_syn());
  c.expect_sent(syn().ack(1));
  c.peer_sends(ack(1));
  EXPECT_FALSE(c.tcb().ecn());
}

// --- 6.1.2: the sender ---

TEST(Ecn, AnEchoIsAnsweredAsALossIs) {  // RFC 3168, 6.1.2, ECE
  TestConnection c = agreed_ten_in_flight();
  c.peer_sends(ack(at(2)).ece());
  EXPECT_EQ(ssthresh(c), 5u * kMss);
  EXPECT_EQ(cwnd(c), 5u * kMss);
  EXPECT_EQ(c.counters().retransmitted_segments, 0u);
  EXPECT_EQ(c.counters().ecn_reductions, 1u);
  c.expect_nothing_sent();
}

TEST(Ecn, CubicAnswersWithItsOwnFactor) {  // RFC 3168, 6.1.2, ECE; RFC 9438, 4.6
  TestConnection c = agreed_ten_in_flight(willing(CongestionControl::kCubic));
  c.peer_sends(ack(at(2)).ece());
  EXPECT_EQ(ssthresh(c), 7u * kMss);
}

TEST(Ecn, OneWindowIsAnsweredOnce) {  // RFC 3168, 6.1.2, once
  TestConnection c = agreed_ten_in_flight();
  for (std::int64_t n = 1; n <= 10; ++n) c.peer_sends(ack(at(n)).ece());
  EXPECT_EQ(cwnd(c), 5u * kMss) << "nor does cwnd grow by what bears an echo";
  EXPECT_EQ(c.counters().ecn_reductions, 1u);
  c.peer_sends(ack(at(11)).ece());  // sent after the answer
  EXPECT_EQ(c.counters().ecn_reductions, 2u);
}

TEST(Ecn, ALossInTheSameWindowIsAnsweredWithIt) {  // RFC 3168, 6.1.2, once
  TestConnection c = agreed_ten_in_flight();
  c.peer_sends(ack(at(1)).ece());
  ASSERT_EQ(ssthresh(c), 5u * kMss);
  c.peer_sends(ack(at(1)).ece().sack({{at(2), at(5)}}));
  EXPECT_EQ(c.counters().fast_retransmits, 1u);
  EXPECT_EQ(ssthresh(c), 5u * kMss);
}

TEST(Ecn, ButWhatIsLostAfterItIsAnotherSign) {  // RFC 3168, 6.1.2, once; RFC 5681, 4.3
  TestConnection c = agreed_ten_in_flight();
  c.peer_sends(ack(at(1)).ece());
  c.peer_sends(ack(at(1)).ece().sack({{at(2), at(5)}}));
  c.take_all_sent();  // segment 1 again
  c.peer_sends(ack(at(1)).ece().sack({{at(2), at(10)}}));
  const auto more = c.take_all_sent();
  ASSERT_FALSE(more.empty());
  ASSERT_EQ(ssthresh(c), 5u * kMss);
  c.sleep(100ms);
  c.peer_sends(ack(at(1)).ece().sack({{at(2), at(10) + kMss}}));  // what was sent after it has arrived
  c.sleep(100ms);
  EXPECT_GT(c.counters().retransmitted_segments, 1u);
  EXPECT_LT(ssthresh(c), 5u * kMss);
  c.take_all_sent();
}

TEST(Ecn, WhatCwrHasNotReachedYetIsNotAnsweredAgain) {  // RFC 3168, 6.1.2, once
  TestConnection c = agreed();
  c.user_sends("x");
  c.peer_sends(ack(2).ece());
  ASSERT_EQ(c.counters().ecn_reductions, 1u);
  c.take_all_sent();
  c.user_sends(pattern(5 * kMss, 1));
  EXPECT_TRUE(c.take_all_sent().front().flags.cwr);
  c.peer_sends(data("ab").seq(1).ack(2).ece());  // on its way since before that
  EXPECT_EQ(c.counters().ecn_reductions, 1u);
  c.sleep(500ms);
  c.take_all_sent();
}

TEST(Ecn, CwrThatWasTooLargeForThePathGoesAgain) {  // RFC 3168, 6.1.2, CWR
  TestConnection c = agreed_ten_in_flight();
  c.peer_sends(ack(at(2)).ece());
  c.peer_sends(ack(at(7)).ece());
  const auto sent = c.take_all_sent();
  ASSERT_TRUE(sent.front().flags.cwr);
  EXPECT_TRUE(c.packet_too_big(sent.front().seq, static_cast<std::uint32_t>(c.tcb().path_mtu() - 100)));
  c.peer_sends(ack(at(10)).ece());  // CWR has not come there
  int with_cwr = 0;
  for (const Sent& s : c.take_all_sent()) {
    if (!s.flags.cwr) continue;
    ++with_cwr;
    EXPECT_EQ(s.seq, at(12)) << "it is new";
  }
  EXPECT_EQ(with_cwr, 1);
  c.peer_sends(ack(at(12)).ece());
  EXPECT_EQ(c.counters().ecn_reductions, 1u);
  c.take_all_sent();
}

TEST(Ecn, AnEchoDuringARecoveryIsNoNews) {  // RFC 3168, 6.1.2, once
  TestConnection c = agreed_ten_in_flight();
  c.peer_sends(ack(at(0)).sack({{at(1), at(4)}}));
  ASSERT_EQ(c.counters().fast_retransmits, 1u);
  const std::uint32_t before = ssthresh(c);
  c.peer_sends(ack(at(4)).ece());
  EXPECT_EQ(ssthresh(c), before);
  EXPECT_EQ(c.counters().ecn_reductions, 0u);
}

TEST(Ecn, TheFirstNewSegmentAfterAnAnswerBearsCwr) {  // RFC 3168, 6.1.2, CWR
  TestConnection c = agreed_ten_in_flight();
  c.peer_sends(ack(at(2)).ece());
  c.expect_nothing_sent();
  c.peer_sends(ack(at(7)).ece());
  const auto sent = c.take_all_sent();
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_TRUE(sent[0].flags.cwr);
  EXPECT_FALSE(sent[1].flags.cwr);
}

TEST(Ecn, SoItDoesAfterALoss) {  // RFC 3168, 6.1.2, CWR: "for any reason"
  TestConnection c = agreed_ten_in_flight();
  c.peer_sends(ack(at(0)).sack({{at(1), at(4)}}));
  c.peer_sends(ack(at(10)));
  int with_cwr = 0;
  for (const Sent& s : c.take_all_sent()) {
    if (!s.flags.cwr) continue;
    ++with_cwr;
    EXPECT_EQ(s.seq, at(10));
  }
  EXPECT_EQ(with_cwr, 1);
}

TEST(Ecn, WithoutAgreementAnEchoMeansNothing) {  // RFC 3168, 6.1.1, not willing
  TestConnection c = ten_in_flight();
  c.peer_sends(ack(at(2)).ece());
  EXPECT_EQ(c.counters().ecn_reductions, 0u);
  EXPECT_GT(cwnd(c), 10u * kMss);
}

// --- 6.1.3: the receiver ---

TEST(Ecn, AMarkIsEchoedUntilCwrComes) {  // RFC 3168, 6.1.3
  TestConnection c = agreed();
  c.peer_sends_burst({data("ab").seq(1).ack(1).ce(), data("cd").seq(3).ack(1)});
  c.sleep(500ms);
  c.expect_sent(ack(5).seq(1).ece());
  c.user_sends("x");
  c.expect_sent(data("x").seq(1).ack(5).ece());
  c.peer_sends(data("ef").seq(5).ack(2).cwr());
  c.sleep(500ms);
  c.expect_sent(ack(7).seq(2));
  EXPECT_EQ(c.counters().ce_marks_received, 1u);
}

TEST(Ecn, AMarkOnWhatBearsCwrIsEchoed) {  // RFC 3168, 6.1.3
  TestConnection c = agreed();
  c.peer_sends(data("ab").seq(1).ack(1).ce());
  c.peer_sends(data("cd").seq(3).ack(1).ce().cwr());
  c.sleep(500ms);
  c.expect_sent(ack(5).seq(1).ece());
}

TEST(Ecn, AMarkOutsideOfTheWindowIsIgnored) {  // RFC 3168, 6.1.5
  TestConnection c = agreed();
  c.peer_sends(data("ab").seq(1).ack(1));
  c.sleep(500ms);
  c.take_all_sent();
  c.peer_sends(data("ab").seq(1).ack(1).ce());  // it came before
  c.expect_sent(ack(3).seq(1));
  c.peer_sends(data("zz").seq(3 + 300'000).ack(1).ce());
  c.expect_sent(ack(3).seq(1));
}

TEST(Ecn, AMarkOnWhatHasNoTextIsIgnored) {  // RFC 3168, 6.1.4
  TestConnection c = agreed();
  c.user_sends("x");
  c.take_all_sent();
  c.peer_sends(ack(2).ce());
  c.user_sends("y");
  c.expect_sent(data("y").seq(2).ack(1));
}

// --- 6.1.4 to 6.1.6; check_ecn looks at each segment ---

TEST(Ecn, WhatIsSentAgainIsNotEcnCapable) {  // RFC 3168, 6.1.5
  TestConnection c = agreed_ten_in_flight();
  c.sleep_until_time_out();
  EXPECT_EQ(c.take_sent()->ecn, Ecn::kNotEct);
  c.peer_sends(ack(at(0)).sack({{at(1), at(4)}}));
}

TEST(Ecn, NorAreAcksNorProbes) {  // RFC 3168, 6.1.4; RFC 3168, 6.1.6
  TestConnection c = agreed();
  c.peer_sends(data("ab").seq(1).ack(1).wnd(0));
  c.user_sends("x");
  c.sleep(5s);
  const auto sent = c.take_all_sent();
  EXPECT_GT(c.counters().zero_window_probes, 0u);
  for (const Sent& s : sent) EXPECT_EQ(s.ecn, Ecn::kNotEct) << s;
}

}  // namespace
}  // namespace pollux::tcp::test
