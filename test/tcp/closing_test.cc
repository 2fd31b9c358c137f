// RFC 9293, 3.10.7.4, in CLOSING: both FINs are sent, ours is not acknowledged.

#include "synchronized_checks.h"

namespace pollux::tcp::test {
namespace {

constexpr Place kPlace{closing, State::kClosing, 1, 2, 2};
POLLUX_SYNCHRONIZED_CHECKS(Closing, kPlace);

TEST(Closing, AbortIsSilent) { abort_is_silent(kPlace); }  // 3.10.5

TEST(Closing, FifthAckOfOurFinLeadsToTimeWait) {
  TestConnection c = closing();
  EXPECT_EQ(c.peer_sends(ack(2).seq(2)), Verdict::kAccepted);
  EXPECT_EQ(c.state(), State::kTimeWait);
  c.expect_nothing_sent();
}

TEST(Closing, FifthOtherAckStays) {
  TestConnection c = closing();
  c.peer_sends(ack(1).seq(2));
  EXPECT_EQ(c.state(), State::kClosing);
}

TEST(Closing, FifthAckOfTextButNotOfTheFinStays) {
  TestConnection c = established();
  c.user_sends("hello");
  EXPECT_TRUE(c.user_shuts_down().has_value());
  c.peer_sends(fin().seq(1).ack(1));
  ASSERT_EQ(c.state(), State::kClosing);
  c.peer_sends(ack(6).seq(2));
  EXPECT_EQ(c.state(), State::kClosing);
  c.peer_sends(ack(7).seq(2));
  EXPECT_EQ(c.state(), State::kTimeWait);
}

TEST(Closing, SeventhTextIsIgnored) {
  TestConnection c = closing();
  c.peer_sends(data("ghost").seq(2).ack(1));
  EXPECT_EQ(c.received(), "");
  EXPECT_EQ(c.rcv_nxt(), 2);
}

TEST(Closing, EighthFinAtAnotherPlaceIsAcknowledgedAndDoesNotCount) {
  TestConnection c = closing();
  c.peer_sends(fin().seq(2).ack(1));
  c.expect_sent(ack(2).seq(2));
  EXPECT_EQ(c.rcv_nxt(), 2);
  EXPECT_EQ(c.state(), State::kClosing);
}

TEST(Closing, EighthFinAgainIsAcknowledged) {
  TestConnection c = closing();
  c.peer_sends(fin().seq(1).ack(1));
  c.expect_sent(ack(2).seq(2));
  EXPECT_EQ(c.state(), State::kClosing);
}

TEST(Closing, FinIsRetransmitted) {
  TestConnection c = closing();
  c.sleep(c.rto());
  c.expect_sent(fin().seq(1).ack(2));
}

TEST(Closing, PeerThatVanishesEndsItAtR2) {  // MUST-20
  TestConnection c = closing();
  c.sleep(7min);
  EXPECT_EQ(c.state(), State::kClosed);
  EXPECT_EQ(c.reason(), Reason::kTimedOut);
}

TEST(Closing, LostTextIsRetransmittedWithTheFinBehindIt) {
  TestConnection c = established();
  c.user_sends("hello");
  EXPECT_TRUE(c.user_shuts_down().has_value());
  c.peer_sends(fin().seq(1).ack(1));
  c.take_all_sent();
  c.sleep(c.rto());
  const Sent again = c.take_sent().value();
  EXPECT_EQ(again.seq, 1);
  EXPECT_EQ(again.text, "hello");
}

TEST(Closing, SendAndCloseAreOver) {
  TestConnection c = closing();
  EXPECT_EQ(c.user_tries_to_send("x").error(), UserError::kConnectionClosing);
  c.user_shuts_down();
  c.user_closes();
  c.expect_nothing_sent();
  EXPECT_EQ(c.state(), State::kClosing);
}

}  // namespace
}  // namespace pollux::tcp::test
