// RFC 9293, 3.10.7.4, in LAST-ACK: only the ACK of our FIN is missing.

#include "synchronized_checks.h"

namespace pollux::tcp::test {
namespace {

constexpr Place kPlace{last_ack, State::kLastAck, 1, 2, 2};
POLLUX_SYNCHRONIZED_CHECKS(LastAck, kPlace);

TEST(LastAck, AbortIsSilent) { abort_is_silent(kPlace); }  // 3.10.5

TEST(LastAck, FifthAckOfOurFinCloses) {
  TestConnection c = last_ack();
  EXPECT_EQ(c.peer_sends(ack(2).seq(2)), Verdict::kAccepted);
  EXPECT_EQ(c.state(), State::kClosed);
  EXPECT_EQ(c.reason(), Reason::kFinished);
  EXPECT_TRUE(c.events().closed);
  EXPECT_EQ(c.next_deadline(), std::nullopt);
  EXPECT_TRUE(c.holds_no_memory());
  c.expect_nothing_sent();
}

TEST(LastAck, FifthAckOfTextButNotOfTheFinAdvances) {
  TestConnection c = close_wait();
  c.user_sends("hello");
  EXPECT_TRUE(c.user_shuts_down().has_value());
  c.take_all_sent();
  EXPECT_EQ(c.peer_sends(ack(6).seq(2)), Verdict::kAccepted);
  EXPECT_EQ(c.snd_una(), 6);
  EXPECT_EQ(c.state(), State::kLastAck);
  c.expect_nothing_sent();
}

TEST(LastAck, SeventhTextIsIgnored) {
  TestConnection c = last_ack();
  c.peer_sends(data("ghost").seq(2).ack(1));
  EXPECT_EQ(c.received(), "");
  EXPECT_EQ(c.state(), State::kLastAck);
}

TEST(LastAck, EighthFinAtAnotherPlaceIsAcknowledgedAndDoesNotCount) {
  TestConnection c = last_ack();
  c.peer_sends(fin().seq(2).ack(1));
  c.expect_sent(ack(2).seq(2));
  EXPECT_EQ(c.rcv_nxt(), 2);
  EXPECT_EQ(c.state(), State::kLastAck);
}

TEST(LastAck, EighthFinAgainIsAcknowledged) {
  TestConnection c = last_ack();
  c.peer_sends(fin().seq(1).ack(1));
  c.expect_sent(ack(2).seq(2));
  EXPECT_EQ(c.state(), State::kLastAck);
}

TEST(LastAck, EighthFinAgainWithTheAckOfOursCloses) {  // both were lost, both come in one segment
  TestConnection c = last_ack();
  c.peer_sends(fin().seq(1).ack(2));
  c.take_all_sent();
  c.peer_sends(ack(2).seq(2));
  EXPECT_EQ(c.state(), State::kClosed);
}

TEST(LastAck, FinIsRetransmittedWithBackOff) {
  TestConnection c = last_ack();
  c.sleep(c.rto() - 1ms);
  c.expect_nothing_sent();
  c.sleep(1ms);
  c.expect_sent(fin().seq(1).ack(2));
  c.sleep(2 * c.rto());
  c.expect_sent(fin().seq(1).ack(2));
}

TEST(LastAck, PeerThatVanishesEndsItAtR2) {  // MUST-20
  TestConnection c = last_ack();
  c.sleep(7min);
  EXPECT_EQ(c.state(), State::kClosed);
  EXPECT_EQ(c.reason(), Reason::kTimedOut);
}

TEST(LastAck, SendAndCloseAreOver) {
  TestConnection c = last_ack();
  EXPECT_EQ(c.user_tries_to_send("x").error(), UserError::kConnectionClosing);
  c.user_shuts_down();
  c.user_closes();
  c.expect_nothing_sent();
  EXPECT_EQ(c.state(), State::kLastAck);
}

TEST(LastAck, SegmentAfterTheEndIsReset) {
  TestConnection c = last_ack();
  c.peer_sends(ack(2).seq(2));
  EXPECT_EQ(c.peer_sends(ack(2).seq(2)), Verdict::kReset);
  c.expect_sent(rst().seq(2));
}

}  // namespace
}  // namespace pollux::tcp::test
