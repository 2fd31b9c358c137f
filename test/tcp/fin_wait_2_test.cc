// RFC 9293, 3.10.7.4, in FIN-WAIT-2: our FIN is acknowledged, the peer's has not come.

#include "synchronized_checks.h"

namespace pollux::tcp::test {
namespace {

constexpr Place kPlace{fin_wait_2, State::kFinWait2, 2, 2, 1};
POLLUX_SYNCHRONIZED_CHECKS(FinWait2, kPlace);

TEST(FinWait2, AbortSendsAReset) { abort_sends_a_reset(kPlace); }  // 3.10.5

TestConnection orphan(const Conditions& given = {}) {
  TestConnection c = established(given);
  c.user_closes();
  c.expect_sent(fin().seq(1).ack(1));
  c.peer_sends(ack(2).seq(1));
  EXPECT_EQ(c.state(), State::kFinWait2);
  return c;
}

TEST(FinWait2, SeventhTextIsStillDelivered) {  // half close, MAY-1
  TestConnection c = fin_wait_2();
  c.peer_sends(data("hello").seq(1).ack(2));
  EXPECT_EQ(c.received(), "hello");
  c.sleep(500ms);
  c.expect_sent(ack(6).seq(2));
  EXPECT_EQ(c.state(), State::kFinWait2);
}

TEST(FinWait2, SeventhReadingOpensTheWindow) {
  TestConnection c =
      fin_wait_2({.config = {.receive_buffer = 4000, .window_scaling = false}, .application_reads = false});
  const std::int64_t edge = c.right_edge();
  for (std::int64_t seq = 1; seq < edge; seq += 1000) {
    const auto size = static_cast<std::size_t>(std::min<std::int64_t>(1000, edge - seq));
    c.peer_sends(data(pattern(size)).seq(seq).ack(2));
  }
  c.take_all_sent();
  c.read(100000);
  ASSERT_EQ(c.sent_count(), 1u) << "a window update";
  EXPECT_GT(c.take_sent().value().wnd, 2000);
}

TEST(FinWait2, EighthFinLeadsToTimeWait) {
  TestConnection c = fin_wait_2();
  EXPECT_EQ(c.peer_sends(fin().seq(1).ack(2)), Verdict::kAccepted);
  EXPECT_EQ(c.state(), State::kTimeWait);
  c.expect_sent(ack(2).seq(2));
  EXPECT_TRUE(c.events().eof);
}

TEST(FinWait2, EighthFinWithText) {
  TestConnection c = fin_wait_2();
  c.peer_sends(data("bye").fin().seq(1).ack(2));
  EXPECT_EQ(c.received(), "bye");
  EXPECT_EQ(c.state(), State::kTimeWait);
  c.expect_sent(ack(5).seq(2));
}

TEST(FinWait2, EighthFinBeforeTextIsHeldBack) {
  TestConnection c = fin_wait_2();
  c.peer_sends(fin().seq(6).ack(2));
  EXPECT_EQ(c.state(), State::kFinWait2);
  c.peer_sends(data("hello").seq(1).ack(2));
  EXPECT_EQ(c.received(), "hello");
  EXPECT_EQ(c.state(), State::kTimeWait);
}

TEST(FinWait2, WaitsForEverWhileTheApplicationReads) {
  TestConnection c = fin_wait_2();
  c.sleep(48h);
  EXPECT_EQ(c.state(), State::kFinWait2);
  c.peer_sends(data("at last").seq(1).ack(2));
  EXPECT_EQ(c.received(), "at last");
}

TEST(FinWait2, TimesOutOnceTheApplicationHasClosed) {
  TestConnection c = orphan();
  c.sleep(59s);
  EXPECT_EQ(c.state(), State::kFinWait2);
  c.sleep(2s);
  EXPECT_EQ(c.state(), State::kClosed);
  EXPECT_EQ(c.peer_sends(fin().seq(1).ack(2)), Verdict::kReset) << "what comes later finds no connection";
}

TEST(FinWait2, TimesOutWhenTheApplicationClosesAfterShutdown) {
  TestConnection c = fin_wait_2();
  c.sleep(1h);
  c.user_closes();
  c.expect_nothing_sent();
  c.sleep(61s);
  EXPECT_EQ(c.state(), State::kClosed);
}

TEST(FinWait2, TimeOutIsConfigurable) {
  TestConnection c = orphan({.config = {.fin_wait_2 = 5s}});
  c.sleep(6s);
  EXPECT_EQ(c.state(), State::kClosed);
}

TEST(FinWait2, FinBeforeTheTimeOutLeadsToAWholeTimeWait) {
  TestConnection c = orphan();
  c.sleep(50s);
  c.peer_sends(fin().seq(1).ack(2));
  EXPECT_EQ(c.state(), State::kTimeWait);
  c.sleep(59s);
  EXPECT_EQ(c.state(), State::kTimeWait);
}

TEST(FinWait2, TextAfterCloseIsReset) {  // RFC 9293, 3.6.1
  TestConnection c = orphan();
  EXPECT_EQ(c.peer_sends(data("too late").seq(1).ack(2)), Verdict::kDataAfterClose);
  EXPECT_TRUE(c.take_sent().value().flags.rst);
  EXPECT_EQ(c.state(), State::kClosed);
}

TEST(FinWait2, OldTextAfterCloseIsOnlyAcknowledged) {  // it had been read: no reset for a duplicate
  TestConnection c = established();
  c.peer_sends(data("hello").seq(1).ack(1));
  c.sleep(500ms);
  c.take_all_sent();
  c.user_closes();
  c.expect_sent(fin().seq(1).ack(6));
  c.peer_sends(ack(2).seq(6));
  EXPECT_EQ(c.peer_sends(data("hello").seq(1).ack(1)), Verdict::kDuplicate);
  c.expect_sent(ack(6).seq(2));
  EXPECT_EQ(c.state(), State::kFinWait2);
}

// --- User calls ---

TEST(FinWait2, SendIsRefused) {
  TestConnection c = fin_wait_2();
  EXPECT_EQ(c.user_tries_to_send("x").error(), UserError::kConnectionClosing);
}

TEST(FinWait2, CloseAgainSendsNothing) {
  TestConnection c = fin_wait_2();
  c.user_shuts_down();
  c.user_closes();
  c.expect_nothing_sent();
  EXPECT_EQ(c.state(), State::kFinWait2);
}

}  // namespace
}  // namespace pollux::tcp::test
