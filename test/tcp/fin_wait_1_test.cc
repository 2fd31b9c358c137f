// RFC 9293, 3.10.7.4, in FIN-WAIT-1: our FIN is sent and not acknowledged.

#include "synchronized_checks.h"

namespace pollux::tcp::test {
namespace {

constexpr Place kPlace{fin_wait_1, State::kFinWait1, 1, 2, 1};
POLLUX_SYNCHRONIZED_CHECKS(FinWait1, kPlace);

TEST(FinWait1, AbortSendsAReset) { abort_sends_a_reset(kPlace); }  // 3.10.5

TEST(FinWait1, FifthAckOfOurFinLeadsToFinWait2) {
  TestConnection c = fin_wait_1();
  EXPECT_EQ(c.peer_sends(ack(2).seq(1)), Verdict::kAccepted);
  EXPECT_EQ(c.state(), State::kFinWait2);
  EXPECT_TRUE(c.holds_no_memory());
  c.expect_nothing_sent();
}

TEST(FinWait1, FifthAckOfTextButNotOfTheFinStays) {
  TestConnection c = established();
  c.user_sends("hello");
  EXPECT_TRUE(c.user_shuts_down().has_value());
  c.expect_sent(data("hello").seq(1).ack(1));
  c.expect_sent(fin().seq(6).ack(1));
  c.peer_sends(ack(6).seq(1));
  EXPECT_EQ(c.state(), State::kFinWait1);
  c.peer_sends(ack(7).seq(1));
  EXPECT_EQ(c.state(), State::kFinWait2);
}

TEST(FinWait1, SeventhTextIsStillDelivered) {  // half close
  TestConnection c = fin_wait_1();
  c.peer_sends(data("hello").seq(1).ack(1));
  EXPECT_EQ(c.received(), "hello");
  EXPECT_EQ(c.state(), State::kFinWait1);
  c.sleep(500ms);
  EXPECT_EQ(c.rcv_nxt(), 6);
}

TEST(FinWait1, SeventhTextWithTheAckOfOurFin) {
  TestConnection c = fin_wait_1();
  c.peer_sends(data("hello").seq(1).ack(2));
  EXPECT_EQ(c.received(), "hello");
  EXPECT_EQ(c.state(), State::kFinWait2);
  c.sleep(500ms);
  c.expect_sent(ack(6).seq(2));
}

TEST(FinWait1, EighthFinThatDoesNotAcknowledgeOursLeadsToClosing) {  // simultaneous close, figure 13
  TestConnection c = fin_wait_1();
  c.peer_sends(fin().seq(1).ack(1));
  EXPECT_EQ(c.state(), State::kClosing);
  c.expect_sent(ack(2).seq(2));
  EXPECT_TRUE(c.events().eof);
}

TEST(FinWait1, EighthFinThatAcknowledgesOursLeadsToTimeWait) {
  TestConnection c = fin_wait_1();
  c.peer_sends(fin().seq(1).ack(2));
  EXPECT_EQ(c.state(), State::kTimeWait);
  c.expect_sent(ack(2).seq(2));
  EXPECT_TRUE(c.events().eof);
}

TEST(FinWait1, EighthFinWithText) {
  TestConnection c = fin_wait_1();
  c.peer_sends(data("bye").fin().seq(1).ack(2));
  EXPECT_EQ(c.received(), "bye");
  EXPECT_EQ(c.state(), State::kTimeWait);
  c.expect_sent(ack(5).seq(2));
}

TEST(FinWait1, AckOfOurFinAndThenAnOlderFinWithAnOlderAck) {  // reordered on the way
  TestConnection c = fin_wait_1();
  c.peer_sends(ack(2).seq(2));  // sent by the peer after its FIN
  c.peer_sends(fin().seq(1).ack(1));
  EXPECT_EQ(c.state(), State::kTimeWait);
}

TEST(FinWait1, FinIsRetransmittedWithBackOff) {
  TestConnection c = fin_wait_1();
  const Duration rto = c.rto();
  c.sleep(rto - 1ms);
  c.expect_nothing_sent();
  c.sleep(1ms);
  c.expect_sent(fin().seq(1).ack(1));
  c.sleep(2 * rto - 1ms);
  c.expect_nothing_sent();
  c.sleep(1ms);
  c.expect_sent(fin().seq(1).ack(1));
}

TEST(FinWait1, FinThatIsNeverAcknowledgedEndsAtR2) {  // MUST-20
  TestConnection c = fin_wait_1();
  c.sleep(c.counters().timed_out == 0 ? 7min : 0s);
  EXPECT_EQ(c.state(), State::kClosed);
  EXPECT_EQ(c.reason(), Reason::kTimedOut);
}

// --- User calls ---

TEST(FinWait1, SendIsRefused) {  // 3.10.2: "connection closing"
  TestConnection c = fin_wait_1();
  EXPECT_EQ(c.user_tries_to_send("x").error(), UserError::kConnectionClosing);
  c.expect_nothing_sent();
}

TEST(FinWait1, CloseAgainSendsNothing) {
  TestConnection c = fin_wait_1();
  c.user_shuts_down();
  c.user_closes();
  c.expect_nothing_sent();
  EXPECT_EQ(c.state(), State::kFinWait1);
}

TEST(FinWait1, TextAfterCloseOfBothDirectionsIsReset) {  // 3.6.1; RFC 1122, 4.2.2.13
  TestConnection c = established();
  c.user_closes();
  c.expect_sent(fin().seq(1).ack(1));
  EXPECT_EQ(c.peer_sends(data("too late").seq(1).ack(1)), Verdict::kDataAfterClose);
  const Sent reset = c.take_sent().value();
  EXPECT_TRUE(reset.flags.rst);
  EXPECT_EQ(reset.seq, 2) << "SND.NXT, or the peer would only challenge it";
  EXPECT_EQ(c.state(), State::kClosed);
  EXPECT_EQ(c.received(), "");
}

TEST(FinWait1, CloseAfterShutdownWithUnreadTextResets) {  // SHLD-3, also when the FIN has been sent
  TestConnection c = fin_wait_1({.application_reads = false});
  c.peer_sends(data("unread").seq(1).ack(1));
  c.user_closes();
  EXPECT_EQ(c.state(), State::kClosed);
  EXPECT_TRUE(c.take_all_sent().back().flags.rst);
}

}  // namespace
}  // namespace pollux::tcp::test
