// RFC 9293, 3.10.7.4, in CLOSE-WAIT: the peer's FIN has been taken, ours is not asked for.

#include "synchronized_checks.h"

namespace pollux::tcp::test {
namespace {

constexpr Place kPlace{close_wait, State::kCloseWait, 1, 1, 2};
POLLUX_SYNCHRONIZED_CHECKS(CloseWait, kPlace);

TEST(CloseWait, AbortSendsAReset) { abort_sends_a_reset(kPlace); }  // 3.10.5

TEST(CloseWait, TextCanStillBeSentAndIsAcknowledged) {
  TestConnection c = close_wait();
  c.user_sends("answer");
  c.expect_sent(data("answer").seq(1).ack(2));
  c.peer_sends(ack(7).seq(2));
  EXPECT_EQ(c.snd_una(), 7);
  EXPECT_EQ(c.state(), State::kCloseWait);
}

TEST(CloseWait, TextIsRetransmitted) {
  TestConnection c = close_wait();
  c.user_sends("answer");
  c.expect_sent(data("answer").seq(1).ack(2));
  c.sleep(c.rto());
  c.expect_sent(data("answer").seq(1).ack(2));
}

TEST(CloseWait, SeventhTextIsIgnored) {  // "this should not occur"
  TestConnection c = close_wait();
  c.peer_sends(data("ghost").seq(2).ack(1));
  EXPECT_EQ(c.received(), "");
  EXPECT_EQ(c.rcv_nxt(), 2);
  EXPECT_EQ(c.state(), State::kCloseWait);
}

TEST(CloseWait, EighthFinAgainIsAcknowledged) {
  TestConnection c = close_wait();
  EXPECT_EQ(c.peer_sends(fin().seq(1).ack(1)), Verdict::kDuplicate);
  c.expect_sent(ack(2).seq(1));
  EXPECT_EQ(c.state(), State::kCloseWait);
  EXPECT_FALSE(c.events().eof && c.tcb().has_events());
}

TEST(CloseWait, EighthFinAtAnotherPlaceIsAcknowledgedAndDoesNotCount) {
  TestConnection c = close_wait();
  c.peer_sends(fin().seq(2).ack(1));
  c.expect_sent(ack(2).seq(1));
  c.peer_sends(fin().seq(10).ack(1));
  c.expect_sent(ack(2).seq(1));
  EXPECT_EQ(c.rcv_nxt(), 2);
  EXPECT_EQ(c.state(), State::kCloseWait);
}

TEST(CloseWait, UnreadTextCanStillBeRead) {
  TestConnection c = established({.application_reads = false});
  c.peer_sends(data("hello").fin().seq(1).ack(1));
  EXPECT_EQ(c.state(), State::kCloseWait);
  EXPECT_EQ(c.read(2), "he");
  EXPECT_FALSE(c.events().eof);
  EXPECT_EQ(c.read(10), "llo");
  EXPECT_TRUE(c.events().eof);
}

TEST(CloseWait, ReadingSendsNoWindowUpdate) {  // nobody is left to send into it
  TestConnection c =
      established({.config = {.receive_buffer = 4000, .window_scaling = false}, .application_reads = false});
  const std::string text = pattern(static_cast<std::size_t>(c.right_edge()) - 1);
  c.peer_sends(data(text.substr(0, 1400)).seq(1).ack(1));
  c.peer_sends(data(text.substr(1400, 1400)).fin().seq(1401).ack(1));
  c.take_all_sent();
  ASSERT_EQ(c.state(), State::kCloseWait);
  c.read(100000);
  c.expect_nothing_sent();
}

TEST(CloseWait, StaysForEver) {
  TestConnection c = close_wait();
  c.sleep(48h);
  EXPECT_EQ(c.state(), State::kCloseWait);
  c.expect_nothing_sent();
}

// --- User calls ---

TEST(CloseWait, CloseSendsAFinAndLeadsToLastAck) {  // 3.10.4
  TestConnection c = close_wait();
  c.user_closes();
  c.expect_sent(fin().seq(1).ack(2));
  EXPECT_EQ(c.state(), State::kLastAck);
}

TEST(CloseWait, CloseWithQueuedTextSendsItFirst) {
  TestConnection c = close_wait({.peer = {.wnd = 3000}});
  c.user_sends(pattern(4000));
  EXPECT_TRUE(c.user_shuts_down().has_value());
  c.peer_sends(ack(2921).seq(2).wnd(65535));
  const auto sent = c.take_all_sent();
  EXPECT_TRUE(sent.back().flags.fin);
  EXPECT_EQ(sent.back().seq + static_cast<std::int64_t>(sent.back().text.size()), 4001);
  EXPECT_EQ(c.state(), State::kLastAck);
}

TEST(CloseWait, CloseWithUnreadTextResets) {  // SHLD-3
  TestConnection c = established({.application_reads = false});
  c.peer_sends(data("unread").fin().seq(1).ack(1));
  c.take_all_sent();
  c.user_closes();
  c.expect_sent(rst().seq(1).ack(8));
  EXPECT_EQ(c.state(), State::kClosed);
}

TEST(CloseWait, CloseInTheTurnOfTheFinSharesItsAck) {  // four segments of a close become three
  TestConnection c = established();
  c.user_sends("last words");
  c.take_all_sent();
  c.peer_sends(fin().seq(1).ack(11));
  c.expect_sent(ack(2).seq(11));
  c.user_closes();
  c.expect_sent(fin().seq(11).ack(2));
  c.expect_nothing_sent();
}

}  // namespace
}  // namespace pollux::tcp::test
