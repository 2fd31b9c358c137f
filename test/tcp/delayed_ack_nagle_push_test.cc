// RFC 9293, 3.8.6.3 and RFC 5681, 4.2 (delayed ACKs); 3.7.4 (Nagle); 3.9.1.2 and 3.9.1.3 (PUSH).

#include "test_connection.h"

namespace pollux::tcp::test {
namespace {

constexpr std::size_t kMss = 1460;

// --- Delayed ACKs ---

TEST(DelayedAck, WaitsForFortyMilliseconds) {  // RFC 5681, 4.2, 500 ms; MUST-40; SHLD-18
  TestConnection c = established();
  c.peer_sends(data(pattern(kMss)).seq(1).ack(1));
  c.expect_nothing_sent();
  c.sleep(39ms);
  c.expect_nothing_sent();
  c.sleep(1ms);
  c.expect_sent(ack(1461).seq(1));
  c.sleep(1h);
  c.expect_nothing_sent();
}

// RFC 5681, 4.2, every second; RFC 5681, 4.2, one ACK; SHLD-19
TEST(DelayedAck, EverySecondFullSizedSegmentIsAcknowledgedAtOnce) {
  TestConnection c = established();
  std::int64_t seq = 1;
  for (int i = 0; i < 10; ++i) {
    c.peer_sends(data(pattern(kMss)).seq(seq).ack(1));
    seq += kMss;
    if (i % 2 == 0) {
      c.expect_nothing_sent();
    } else {
      c.expect_sent(ack(seq).seq(1));
    }
  }
}

TEST(DelayedAck, TwoSegmentsWorthOfSmallOnesIsAcknowledgedAtOnce) {  // SHLD-19: 2 * RMSS bytes
  TestConnection c = established();
  c.peer_sends(data(pattern(kMss)).seq(1).ack(1));
  c.sleep(100ms);
  c.take_all_sent();
  std::int64_t seq = 1461;
  while (seq - 1461 < static_cast<std::int64_t>(2 * kMss)) {
    c.expect_nothing_sent();
    c.peer_sends(data(pattern(365)).seq(seq).ack(1));
    seq += 365;
  }
  c.expect_sent(ack(seq).seq(1));
}

TEST(DelayedAck, TimerStartsWithTheFirstUnacknowledgedSegment) {
  TestConnection c = established();
  c.peer_sends(data(pattern(kMss)).seq(1).ack(1));
  c.sleep(30ms);
  c.peer_sends(data("small").seq(1461).ack(1));
  c.take_all_sent();
  c.sleep(10ms);
  c.sleep(500ms);
  EXPECT_EQ(c.tcb().rcv().last_ack_sent, c.tcb().rcv().nxt);
}

TEST(DelayedAck, RidesOnText) {
  TestConnection c = established();
  c.peer_sends(data("question").seq(1).ack(1));
  c.user_sends("answer");
  c.expect_sent(data("answer").seq(1).ack(9));
  c.sleep(200ms);
  c.expect_nothing_sent();
}

TEST(DelayedAck, RidesOnAFin) {
  TestConnection c = established();
  c.peer_sends(data("question").seq(1).ack(1));
  c.user_shuts_down();
  c.expect_sent(fin().seq(1).ack(9));
  c.sleep(200ms);
  c.expect_nothing_sent();
}

TEST(DelayedAck, OutOfOrderTextIsAcknowledgedAtOnce) {  // RFC 5681, 4.2, out of order; MAY-13
  TestConnection c = established();
  c.peer_sends(data("later").seq(6).ack(1));
  c.expect_sent(ack(1).seq(1));
  c.peer_sends(data("even later").seq(20).ack(1));
  c.expect_sent(ack(1).seq(1));
}

TEST(DelayedAck, TextThatFillsAHoleIsAcknowledgedAtOnce) {  // RFC 5681, 4.2, gap
  TestConnection c = established();
  c.peer_sends(data("world").seq(6).ack(1));
  c.peer_sends(data("!").seq(20).ack(1));
  c.take_all_sent();
  c.peer_sends(data("hel").seq(1).ack(1));  // a part of the hole
  c.expect_sent(ack(4).seq(1));
  c.peer_sends(data("lo").seq(4).ack(1));
  c.expect_sent(ack(11).seq(1));
}

TEST(DelayedAck, FinIsAcknowledgedAtOnce) {
  TestConnection c = established();
  c.peer_sends(data("bye").fin().seq(1).ack(1));
  c.expect_sent(ack(5).seq(1));
}

TEST(DelayedAck, IsConfigurable) {
  TestConnection c = established({.config = {.delayed_ack = 200ms}});
  c.peer_sends(data("hello").seq(1).ack(1));
  c.sleep(199ms);
  c.expect_nothing_sent();
  c.sleep(1ms);
  c.expect_sent(ack(6).seq(1));
}

TEST(DelayedAck, PureAckIsNotAcknowledged) {  // or two ends would never be silent
  TestConnection c = established();
  c.user_sends("hello");
  c.take_all_sent();
  c.peer_sends(ack(6).seq(1));
  c.sleep(1h);
  c.expect_nothing_sent();
}

// --- Nagle ---

TEST(Nagle, SmallTextWaitsWhileOtherIsUnacknowledged) {  // SHLD-7
  TestConnection c = established();
  c.user_sends("a");
  c.expect_sent(data("a").seq(1).ack(1));
  c.user_sends("b");
  c.user_sends("c");
  c.expect_nothing_sent();
  c.peer_sends(ack(2).seq(1));
  c.expect_sent(data("bc").flags("P.").seq(2).ack(1));
  c.expect_nothing_sent();
}

TEST(Nagle, FullSegmentDoesNotWait) {
  TestConnection c = established();
  c.user_sends("a");
  c.take_all_sent();
  c.user_sends(pattern(kMss + 10));
  EXPECT_EQ(c.take_sent().value().text.size(), kMss);
  c.expect_nothing_sent();
}

TEST(Nagle, FullMeansWithTheOptionsDeducted) {  // MUST-16
  TestConnection c = established({.peer = {.ts = 1u}});
  c.user_sends("a");
  c.take_all_sent();
  c.user_sends(pattern(1448));
  EXPECT_EQ(c.take_sent().value().text.size(), 1448u);
}

TEST(Nagle, CanBeSwitchedOff) {  // MUST-17
  TestConnection c = established({.options = {.nodelay = true}});
  c.user_sends("a");
  c.user_sends("b");
  c.expect_sent(data("a").seq(1).ack(1));
  c.expect_sent(data("b").seq(2).ack(1));
}

TEST(Nagle, SwitchingOffSendsWhatWasHeld) {  // MUST-17
  TestConnection c = established();
  c.user_sends("a");
  c.user_sends("b");
  c.take_all_sent();
  c.user_sets_nodelay(true);
  c.expect_sent(data("b").seq(2).ack(1));
}

TEST(Nagle, LastTextBeforeTheFinDoesNotWait) {
  TestConnection c = established();
  c.user_sends("a");
  c.user_sends("b");
  c.take_all_sent();
  c.user_shuts_down();
  c.expect_sent(data("b").fin().seq(2).ack(1));
}

TEST(Nagle, AnswerToADelayedAckComesInTime) {  // write-write-read: the peer's delayed ACK lets the second go
  TestConnection c = established();
  c.user_sends("header");
  c.user_sends("body");
  c.take_all_sent();
  c.sleep(40ms);
  c.peer_sends(ack(7).seq(1));
  c.expect_sent(data("body").seq(7).ack(1));
}

TEST(Nagle, HeldTextGoesWithARetransmissionTimeOutLater) {  // nothing is held for ever (MUST-60)
  TestConnection c = established();
  c.user_sends("a");
  c.user_sends("b");
  c.take_all_sent();
  c.sleep(c.rto());
  EXPECT_GE(c.sent_count(), 1u);
  c.peer_sends(ack(2).seq(1));
  c.sleep(1s);
  EXPECT_EQ(c.snd_nxt(), 3);
}

// --- PUSH ---

TEST(Push, IsSetOnTheLastOfWhatIsQueuedOnly) {  // MUST-61, SHLD-27
  TestConnection c = established();
  c.user_sends(pattern(3 * kMss));
  c.expect_sent(data(pattern(3 * kMss).substr(0, kMss)).flags(".").seq(1).ack(1));
  c.expect_sent(data(pattern(3 * kMss).substr(kMss, kMss)).flags(".").seq(1461).ack(1));
  c.expect_sent(data(pattern(3 * kMss).substr(2 * kMss)).flags("P.").seq(2921).ack(1));
}

TEST(Push, CollapsesWhenWritesAreMerged) {  // SHLD-27
  TestConnection c = established({.peer = {.wnd = 0}});
  for (int i = 0; i < 10; ++i) c.user_sends("x");
  c.peer_sends(ack(1).seq(1).wnd(65535));
  c.expect_sent(data("xxxxxxxxxx").flags("P.").seq(1).ack(1));
  c.expect_nothing_sent();
}

TEST(Push, UnsentTextIsNotHeldForEver) {  // MUST-60
  TestConnection c = established();
  c.user_sends("x");
  EXPECT_EQ(c.sent_count(), 1u);
}

TEST(Push, OfThePeerDoesNotMatter) {  // a byte stream has no records
  for (const char* flags : {".", "P."}) {
    TestConnection c = established();
    c.peer_sends(data("hello").flags(flags).seq(1).ack(1));
    EXPECT_EQ(c.received(), "hello");
  }
}

}  // namespace
}  // namespace pollux::tcp::test
