// MUST-12: the application can tell a normal close from an abort, and why it came.

#include "test_connection.h"

namespace pollux::tcp::test {
namespace {

TEST(CloseReasons, NoneWhileItLives) {
  EXPECT_EQ(established().reason(), Reason::kNone);
  EXPECT_EQ(close_wait().reason(), Reason::kNone);
  EXPECT_EQ(fin_wait_2().reason(), Reason::kNone);
}

TEST(CloseReasons, FinOfThePeerIsAnEndOfFileAndNoClose) {  // MUST-12
  TestConnection c = established();
  c.peer_sends(fin().seq(1).ack(1));
  const Events events = c.events();
  EXPECT_TRUE(events.eof);
  EXPECT_FALSE(events.closed);
}

TEST(CloseReasons, BothFinsAreFinished) {  // MUST-12
  TestConnection passive = last_ack();
  passive.peer_sends(ack(2).seq(2));
  EXPECT_EQ(passive.reason(), Reason::kFinished);
  EXPECT_TRUE(passive.events().closed);

  TestConnection active = time_wait();
  active.sleep(61s);
  EXPECT_EQ(active.reason(), Reason::kFinished);
  EXPECT_TRUE(active.events().closed);
}

TEST(CloseReasons, RstIsReset) {  // MUST-12
  TestConnection c = established();
  c.peer_sends(rst().seq(1));
  EXPECT_EQ(c.reason(), Reason::kReset);
  const Events events = c.events();
  EXPECT_TRUE(events.closed);
  EXPECT_FALSE(events.eof) << "a reset is no end of file";
}

TEST(CloseReasons, RstToOurSynIsRefused) {
  TestConnection c = syn_sent();
  c.peer_sends(rst().seq(0).ack(1));
  EXPECT_EQ(c.reason(), Reason::kRefused);
}

TEST(CloseReasons, SilenceIsTimedOut) {
  TestConnection c = established();
  c.user_sends("hello");
  c.sleep(10min);
  EXPECT_EQ(c.reason(), Reason::kTimedOut);
  EXPECT_TRUE(c.events().closed);
}

TEST(CloseReasons, OurAbortIsAborted) {
  TestConnection c = established();
  c.user_aborts();
  EXPECT_EQ(c.reason(), Reason::kAborted);
  EXPECT_TRUE(c.events().closed);
}

TEST(CloseReasons, ResetAfterTheFinIsReset) {
  TestConnection c = close_wait();
  c.peer_sends(rst().seq(2));
  EXPECT_EQ(c.reason(), Reason::kReset);
}

TEST(CloseReasons, ResetOfAConnectionThatWeClosedIsReset) {
  TestConnection c = fin_wait_1();
  c.peer_sends(rst().seq(1));
  EXPECT_EQ(c.reason(), Reason::kReset);
}

TEST(CloseReasons, ClosedComesOnceAndLast) {  // the harness counts it
  TestConnection c = established();
  c.peer_sends(rst().seq(1));
  EXPECT_TRUE(c.events().closed);
  c.user_closes();
  c.user_aborts();
  c.sleep(1h);
  EXPECT_FALSE(c.events().any());
}

TEST(CloseReasons, TextOutOfOrderIsGoneWithAReset) {
  TestConnection c = established({.application_reads = false});
  c.peer_sends(data("world").seq(6).ack(1));
  c.peer_sends(rst().seq(1));
  EXPECT_EQ(c.read(100), "");
  EXPECT_TRUE(c.holds_no_memory());
}

TEST(CloseReasons, UnreadTextBeforeBothFinsCanBeReadToTheEnd) {  // the close is told after the last byte
  TestConnection c = established({.application_reads = false});
  c.user_shuts_down();
  c.take_all_sent();
  c.peer_sends(data("tail").fin().seq(1).ack(2));
  EXPECT_FALSE(c.events().closed);
  EXPECT_EQ(c.read(100), "tail");
  const Events events = c.events();
  EXPECT_TRUE(events.eof);
}

TEST(CloseReasons, UnreadTextInLastAckCanBeReadToTheEnd) {
  TestConnection c = established({.application_reads = false});
  c.peer_sends(data("tail").fin().seq(1).ack(1));
  EXPECT_TRUE(c.user_shuts_down().has_value());
  c.take_all_sent();
  c.peer_sends(ack(2).seq(6));
  EXPECT_EQ(c.state(), State::kClosed);
  EXPECT_FALSE(c.events().closed) << "not before the end of file";
  EXPECT_EQ(c.read(100), "tail");
  const Events events = c.events();
  EXPECT_TRUE(events.eof);
  EXPECT_TRUE(events.closed);
}

// 3.10.7.4, second: in CLOSING and LAST-ACK no queue is flushed; all that the peer had to say is here.
TEST(CloseReasons, UnreadTextOutlivesAResetWhereBothHaveClosed) {
  for (const bool peer_first : {false, true}) {
    TestConnection c = established({.application_reads = false});
    if (!peer_first) c.user_shuts_down();
    c.peer_sends(data("tail").fin().seq(1).ack(1));
    if (peer_first) c.user_shuts_down();
    c.take_all_sent();
    ASSERT_EQ(c.state(), peer_first ? State::kLastAck : State::kClosing);
    EXPECT_EQ(c.peer_sends(rst().seq(6)), Verdict::kConnectionReset);
    EXPECT_EQ(c.state(), State::kClosed);
    EXPECT_FALSE(c.events().closed) << "not before the end of file";
    EXPECT_EQ(c.read(100), "tail");
    const Events events = c.events();
    EXPECT_TRUE(events.eof);
    EXPECT_TRUE(events.closed);
    EXPECT_EQ(c.reason(), Reason::kReset) << "our FIN was never acknowledged";
    EXPECT_TRUE(c.holds_no_memory());
  }
}

// 3.10.7.4, second: "All segment queues should be flushed."
TEST(CloseReasons, UnreadTextIsGoneWithAResetInCloseWait) {
  TestConnection c = established({.application_reads = false});
  c.peer_sends(data("tail").fin().seq(1).ack(1));
  c.peer_sends(rst().seq(6));
  EXPECT_TRUE(c.events().closed);
  EXPECT_EQ(c.read(100), "");
  EXPECT_TRUE(c.holds_no_memory());
}

// 3.10.4 and 3.10.5, in CLOSED: there is nothing left to close, and nobody who reads.
TEST(CloseReasons, UnreadTextIsGoneOnceTheUserClosesWhatIsOver) {
  for (const bool abort : {false, true}) {
    TestConnection c = established({.application_reads = false});
    c.peer_sends(data("tail").fin().seq(1).ack(1));
    EXPECT_TRUE(c.user_shuts_down().has_value());
    c.take_all_sent();
    c.peer_sends(ack(2).seq(6));
    ASSERT_EQ(c.state(), State::kClosed);
    abort ? c.user_aborts() : c.user_closes();
    EXPECT_TRUE(c.events().closed);
    EXPECT_EQ(c.reason(), Reason::kFinished);
    EXPECT_TRUE(c.holds_no_memory());
    c.expect_nothing_sent();
  }
}

}  // namespace
}  // namespace pollux::tcp::test
