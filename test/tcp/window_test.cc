// Windows, both ways: RFC 9293, 3.8.6; RFC 7323, 2.

#include "test_connection.h"

namespace pollux::tcp::test {
namespace {

constexpr std::int64_t kMss = 1460;
constexpr Duration kRto = 300ms;

Conditions small_buffer(std::uint32_t size) {
  return {.config = {.receive_buffer = size, .window_scaling = false}, .application_reads = false};
}

// Sends full segments until the window is closed; what was sent.
std::string fill(TestConnection& c) {
  std::string all;
  while (c.tcb().rcv_wnd() > 0) {
    const std::string text = pattern(std::min<std::size_t>(1000, c.tcb().rcv_wnd()), all.size());
    c.peer_sends(data(text).seq(c.rcv_nxt()).ack(1));
    all += text;
    c.sleep(50ms);
  }
  c.take_all_sent();
  return all;
}

// --- What the peer offers ---

TEST(Window, NothingGoesBeyondTheRightEdge) {  // RFC 7323, 2.4, (3)
  TestConnection c = established({.peer = {.wnd = 2 * kMss}});
  c.user_sends(pattern(10 * kMss));
  EXPECT_EQ(c.take_all_sent().size(), 2u);
  c.peer_sends(ack(1 + kMss).seq(1).wnd(2 * kMss));
  EXPECT_EQ(c.take_all_sent().size(), 1u);
}

TEST(Window, FieldIsUnsigned) {  // MUST-1
  TestConnection c = established({.peer = {.wnd = 0x9000}});
  EXPECT_EQ(c.tcb().snd().wnd, 0x9000u);
  c.user_sends(pattern(60 * kMss));
  for (int i = 0; i < 20; ++i) c.peer_sends(ack(c.snd_una() + kMss).seq(1));
  EXPECT_GT(c.tcb().flight_size(), 0x8000u);
}

TEST(Window, IsScaledOnceBothHaveAgreed) {  // RFC 7323, 2.2, both; RFC 7323, 2.3, SND.WND; REC-1
  TestConnection c = established({.peer = {.wscale = std::uint8_t{14}}});
  EXPECT_EQ(c.tcb().snd().wnd, 65535u << 14);
}

TEST(Window, ShiftAboveFourteenCountsAsFourteen) {  // RFC 7323, 2.3, 14
  TestConnection c = established({.peer = {.wscale = std::uint8_t{200}, .wnd = 1000}});
  EXPECT_EQ(c.tcb().snd_shift(), 14);
  EXPECT_EQ(c.tcb().snd().wnd, 1000u << 14);
}

// Whoever has filled the window has no other SEQ for an ACK; Linux and FreeBSD take it.
TEST(Window, AnAckAloneAtTheRightEdgeCounts) {
  TestConnection c = established();
  c.user_sends(pattern(2 * kMss));
  const SeqNum edge = c.tcb().rcv().edge;
  const std::uint32_t beyond = distance(c.tcb().rcv().irs, edge);
  EXPECT_EQ(c.peer_sends(ack(1 + kMss).seq(beyond).wnd(5000)), Verdict::kAccepted);
  EXPECT_EQ(c.tcb().snd().wnd, 5000u);
  EXPECT_EQ(c.peer_sends(data("x").seq(beyond).ack(1 + 2 * kMss)), Verdict::kOutOfWindow);
  EXPECT_EQ(c.peer_sends(ack(1 + 2 * kMss).seq(beyond + 1)), Verdict::kOutOfWindow);
  EXPECT_EQ(c.peer_sends(rst().seq(beyond)), Verdict::kRstOutOfWindow);
}

TEST(Window, OldSegmentsDoNotSetIt) {  // SND.WL1, SND.WL2
  TestConnection c = established();
  c.user_sends(pattern(2 * kMss));
  c.peer_sends(data("hello").seq(1).ack(1 + kMss).wnd(5000));
  EXPECT_EQ(c.tcb().snd().wnd, 5000u);
  c.peer_sends(ack(1).seq(6).wnd(50));  // an older ACK
  EXPECT_EQ(c.tcb().snd().wnd, 5000u);
  c.peer_sends(ack(1 + kMss).seq(6).wnd(6000));
  EXPECT_EQ(c.tcb().snd().wnd, 6000u);
}

TEST(Window, OlderSequenceNumberDoesNotSetIt) {
  TestConnection c = established();
  c.peer_sends(data("b").seq(2).ack(1).wnd(5000));  // overtook the next
  c.peer_sends(data("a").seq(1).ack(1).wnd(70));
  EXPECT_EQ(c.tcb().snd().wnd, 5000u);
}

TEST(Window, DuplicateAckMaySetIt) {  // 3.10.7.4: SND.UNA =< SEG.ACK
  TestConnection c = established();
  c.peer_sends(ack(1).seq(1).wnd(4321));
  EXPECT_EQ(c.tcb().snd().wnd, 4321u);
}

TEST(Window, OpeningLetsQueuedTextGo) {
  TestConnection c = established({.peer = {.wnd = 0}});
  c.user_sends("hello");
  c.expect_nothing_sent();
  c.peer_sends(ack(1).seq(1).wnd(1000));
  c.expect_sent(data("hello").seq(1).ack(1));
}

TEST(Window, QueuedTextRidesOnTheAckOfTheSegmentThatOpenedIt) {
  TestConnection c = established({.peer = {.wnd = 0}});
  c.user_sends("hello");
  c.peer_sends(data("open").seq(1).ack(1).wnd(1000));
  c.expect_sent(data("hello").seq(1).ack(5));
  c.sleep(200ms);
  c.expect_nothing_sent();
}

// --- A peer that shrinks its window (3.8.6) ---

TEST(Window, ShrinkingBelowSndNxtStopsNewText) {  // MUST-34, SHLD-15; RFC 7323, 2.4, (3)
  TestConnection c = established();
  c.user_sends(pattern(20 * kMss));
  ASSERT_EQ(c.take_all_sent().size(), 10u);
  c.peer_sends(ack(1 + kMss).seq(1).wnd(3 * kMss));  // the edge moved six segments to the left
  c.expect_nothing_sent();
  EXPECT_EQ(c.snd_una(), 1 + kMss);
  c.peer_sends(ack(1 + 4 * kMss).seq(1).wnd(3 * kMss));
  c.expect_nothing_sent();
  c.peer_sends(ack(1 + 10 * kMss).seq(1).wnd(3 * kMss));
  EXPECT_EQ(c.take_all_sent().size(), 3u);
}

TEST(Window, ShrinkingDoesNotStopRetransmission) {  // SHLD-16, MAY-7; RFC 7323, 2.4, (4)
  TestConnection c = established();
  c.user_sends(pattern(10 * kMss));
  c.take_all_sent();
  c.peer_sends(ack(1 + kMss).seq(1).wnd(2 * kMss));
  c.sleep(c.rto() + 1ms);  // deadlines are whole milliseconds
  EXPECT_EQ(c.take_sent().value().seq, 1 + kMss);
}

TEST(Window, ShrinkingToZeroIsNoTimeOutWhileThePeerAnswers) {  // SHLD-17
  TestConnection c = established();
  c.user_sends(pattern(5 * kMss));
  for (int i = 0; i < 60; ++i) {
    c.sleep(1min);
    c.peer_sends(ack(1).seq(1).wnd(0));
  }
  EXPECT_EQ(c.state(), State::kEstablished);
  c.peer_sends(ack(1).seq(1).wnd(65535));
  c.take_all_sent();
  c.sleep(2min);
  EXPECT_EQ(c.take_sent().value().seq, 1);
}

// --- Zero-window probing (3.8.6.1) ---

TEST(Window, ZeroWindowIsProbedAfterRtoThenAfterTwice) {  // MUST-35, MUST-36, SHLD-29, SHLD-30
  TestConnection c = established({.peer = {.wnd = 0}});
  c.user_sends("hello");
  c.expect_nothing_sent();
  Duration wait = kRto;
  for (int i = 0; i < 5; ++i) {
    c.sleep(wait - 1ms);
    c.expect_nothing_sent();
    c.sleep(1ms);
    const auto probe = c.take_all_sent();
    ASSERT_EQ(probe.size(), 1u);
    EXPECT_LE(probe[0].text.size(), 1u);
    c.peer_sends(ack(1).seq(1).wnd(0));
    wait *= 2;
  }
  EXPECT_EQ(c.counters().zero_window_probes, 5u);
}

TEST(Window, ProbeBringsOutAnAck) {  // one before SND.UNA: unacceptable, so it must be answered
  TestConnection c = established({.peer = {.wnd = 0}});
  c.user_sends("hello");
  c.sleep(kRto);
  c.expect_sent(ack(1).seq(0));
}

// 3.10.7.4, first: the peer drops what is not acceptable, the acknowledgment in it too.
TEST(Window, ProbePaysNoAcknowledgmentThatIsOwed) {
  TestConnection c = established({.peer = {.wnd = 0}});
  c.user_sends("hello");
  c.sleep(kRto - 10ms);
  c.peer_sends(data("x").seq(1).ack(1).wnd(0));
  c.expect_nothing_sent();
  c.sleep(10ms);
  c.expect_sent(ack(2).seq(0));  // the probe
  c.sleep(30ms);
  c.expect_sent(ack(2).seq(1));  // the delayed ACK
}

TEST(Window, ProbeIntervalHasALimit) {
  TestConnection c = established({.peer = {.wnd = 0}});
  c.user_sends("hello");
  for (int i = 0; i < 12; ++i) {
    c.sleep(c.next_deadline().value());
    c.peer_sends(ack(1).seq(1).wnd(0));
  }
  EXPECT_LE(c.next_deadline().value(), 60s);
  EXPECT_GE(c.next_deadline().value(), 30s);
}

TEST(Window, StaysOpenAsLongAsProbesAreAnswered) {  // MUST-37
  TestConnection c = established({.peer = {.wnd = 0}});
  c.user_sends("hello");
  for (int i = 0; i < 1000; ++i) {
    c.sleep(c.next_deadline().value());
    c.peer_sends(ack(1).seq(1).wnd(0));
  }
  EXPECT_EQ(c.state(), State::kEstablished);
  c.take_all_sent();
  c.peer_sends(ack(1).seq(1).wnd(65535));
  c.expect_sent(data("hello").seq(1).ack(1));
}

TEST(Window, UnansweredProbesEndTheConnectionAtR2) {
  TestConnection c = established({.peer = {.wnd = 0}});
  c.user_sends("hello");
  c.sleep(4min);
  EXPECT_EQ(c.state(), State::kEstablished);
  c.sleep(2min);
  EXPECT_EQ(c.state(), State::kClosed);
  EXPECT_EQ(c.reason(), Reason::kTimedOut);
}

TEST(Window, UserTimeoutBoundsUnansweredProbes) {
  TestConnection c = established({.options = {.user_timeout = 5s}, .peer = {.wnd = 0}});
  c.user_sends("hello");
  c.sleep(5s);
  EXPECT_EQ(c.state(), State::kClosed);
}

TEST(Window, LostOpeningIsFoundByTheProbe) {  // MUST-36
  TestConnection c = established({.peer = {.wnd = 0}});
  c.user_sends("hello");
  c.sleep(kRto);
  c.take_all_sent();
  c.peer_sends(ack(1).seq(1).wnd(1000));  // the answer to the probe
  c.expect_sent(data("hello").seq(1).ack(1));
}

TEST(Window, PersistBeginsWhenTheWindowClosesWithTextQueued) {
  TestConnection c = established({.peer = {.wnd = kMss}});
  c.user_sends(pattern(3 * kMss));
  ASSERT_EQ(c.take_all_sent().size(), 1u);
  c.peer_sends(ack(1 + kMss).seq(1).wnd(0));
  c.expect_nothing_sent();
  ASSERT_TRUE(c.next_deadline().has_value());
  c.sleep(c.next_deadline().value());
  EXPECT_EQ(c.sent_count(), 1u);
  EXPECT_EQ(c.counters().zero_window_probes, 1u);
}

TEST(Window, ProbesLeaveCwndAlone) {
  TestConnection c = established({.peer = {.wnd = 0}});
  const std::uint32_t cwnd = c.tcb().congestion().cwnd;
  c.user_sends(pattern(4 * kMss));
  for (int i = 0; i < 8; ++i) {
    c.sleep(c.next_deadline().value());
    c.peer_sends(ack(1).seq(1).wnd(0));
  }
  EXPECT_EQ(c.tcb().congestion().cwnd, cwnd);
  EXPECT_EQ(c.counters().fast_retransmits, 0u) << "answers to probes are no duplicate ACKs";
  EXPECT_EQ(c.counters().duplicate_acks, 0u);
}

TEST(Window, FinBehindAZeroWindowIsProbedFor) {
  TestConnection c = established({.peer = {.wnd = 0}});
  c.user_sends("bye");
  c.user_shuts_down();
  EXPECT_EQ(c.state(), State::kFinWait1);
  c.sleep(kRto);
  EXPECT_EQ(c.counters().zero_window_probes, 1u);
  c.take_all_sent();
  c.peer_sends(ack(1).seq(1).wnd(1000));
  c.expect_sent(data("bye").fin().seq(1).ack(1));
}

TEST(Window, FinAloneMeetsAZeroWindow) {
  TestConnection c = established({.peer = {.wnd = 0}});
  c.user_shuts_down();
  c.sleep(5s);
  EXPECT_GT(c.sent_count(), 0u) << "the FIN, or probes: it must not be silent for ever";
  c.take_all_sent();
  c.peer_sends(ack(1).seq(1).wnd(1000));
  c.sleep(5s);
  EXPECT_TRUE(c.take_all_sent().back().flags.fin);
}

TEST(Window, ZeroInTheSynIsOpenedByTheThirdSegment) {
  TestConnection c = syn_received({.peer = {.wnd = 0}});
  c.user_sends("hello");
  c.peer_sends(ack(1).wnd(1000));
  c.expect_sent(data("hello").seq(1).ack(1));
}

// --- Silly windows, sender (3.8.6.2.1) ---

TEST(Window, SmallWindowIsNotDribbledInto) {  // MUST-38
  TestConnection c = established();
  c.user_sends(pattern(10 * kMss));
  c.user_sends(pattern(10 * kMss, 10 * kMss));
  c.take_all_sent();
  c.peer_sends(ack(1 + 10 * kMss).seq(1).wnd(100));
  c.expect_nothing_sent();
  c.sleep(99ms);
  c.expect_nothing_sent();  // "the override timeout should be in the range 0.1 - 1.0 seconds"
  c.sleep(901ms);
  EXPECT_EQ(c.take_sent().value().text.size(), 100u);
}

TEST(Window, OverrideHoldsForOneSegment) {  // 3.8.6.2.1, (4)
  TestConnection c = established();
  c.user_sends(pattern(10 * kMss));
  c.user_sends(pattern(10 * kMss, 10 * kMss));
  c.take_all_sent();
  c.peer_sends(ack(1 + 10 * kMss).seq(1).wnd(100));
  c.sleep(1s);
  EXPECT_EQ(c.take_sent().value().text.size(), 100u);
  c.take_all_sent();
  c.peer_sends(ack(101 + 10 * kMss).seq(1).wnd(100));
  c.expect_nothing_sent();
  c.sleep(1s);
  EXPECT_EQ(c.take_sent().value().text.size(), 100u);
}

TEST(Window, HalfOfTheLargestWindowIsWorthSending) {  // 3.8.6.2.1, (3)
  TestConnection c = established({.peer = {.wnd = 1000}});
  c.user_sends(pattern(5000));
  EXPECT_EQ(c.take_sent().value().text.size(), 1000u) << "all of a small window";
  c.peer_sends(ack(1001).seq(1).wnd(500));
  EXPECT_EQ(c.take_sent().value().text.size(), 500u);
}

TEST(Window, SegmentIsFullOrTheLast) {  // SHLD-28
  TestConnection c = established();
  for (int i = 0; i < 100; ++i) c.user_sends(pattern(100, static_cast<std::size_t>(i) * 100));
  c.take_all_sent();  // the first went alone; the rest waits for its ACK
  c.peer_sends(ack(101).seq(1));
  for (const Sent& sent : c.take_all_sent()) EXPECT_EQ(sent.text.size(), static_cast<std::size_t>(kMss));
}

// --- What we offer ---

TEST(Window, ShiftIsTheSmallestThatOffersTheBuffer) {  // RFC 7323, 2.3
  struct Row {
    std::uint32_t buffer;
    std::uint8_t shift;
  };
  for (const Row& row : {Row{65535, 0}, Row{65536, 1}, Row{1u << 20, 5}, Row{1u << 30, 14}}) {
    TestConnection c = established({.config = {.receive_buffer = row.buffer}, .peer = {.wscale = std::uint8_t{0}}});
    EXPECT_EQ(c.tcb().rcv_shift(), row.shift) << row.buffer;
  }
}

TEST(Window, FieldOfASynIsNeverScaled) {  // RFC 7323, 2.2, field of a SYN
  TestConnection c{{.config = {.receive_buffer = 1 << 20}, .peer = {.wscale = std::uint8_t{0}}}};
  c.peer_opens(c.peer_syn());
  c.expect_sent(syn().ack(1).wnd(65535).wscale(5));
}

TEST(Window, FieldIsTheWindowScaledDown) {  // RFC 7323, 2.3, SEG.WND
  TestConnection c = established({.config = {.receive_buffer = 1 << 20}, .peer = {.wscale = std::uint8_t{0}}});
  c.peer_sends(data(pattern(1000)).seq(1).ack(1));
  c.sleep(500ms);
  const Sent answer = c.expect_sent(ack(1001).seq(1));
  EXPECT_GT(c.tcb().rcv_wnd(), 65535u);
  EXPECT_EQ(std::uint32_t{answer.wnd} << 5, c.tcb().rcv_wnd());
}

TEST(Window, ReachesTheWholeBuffer) {
  TestConnection c = established({.config = {.receive_buffer = 1 << 20}, .peer = {.wscale = std::uint8_t{0}}});
  for (int i = 0; i < 4; ++i) {
    c.peer_sends(data(pattern(1000)).seq(c.rcv_nxt()).ack(1));
  }
  c.sleep(500ms);
  EXPECT_LE(c.tcb().rcv_wnd(), 1u << 20);
  EXPECT_GE(c.tcb().rcv_wnd(), (1u << 20) - 2 * kMss);
}

TEST(Window, ClosesWhenTheApplicationDoesNotReadAndLosesNothing) {  // MAY-8
  TestConnection c = established(small_buffer(8000));
  const std::string sent = fill(c);
  EXPECT_EQ(c.tcb().rcv_wnd(), 0u);
  EXPECT_EQ(c.unread(), sent.size());
  c.sleep(24h);
  EXPECT_EQ(c.read(100000), sent);
}

TEST(Window, EveryProbeOfAClosedWindowIsAnswered) {  // MAY-8; never limited
  TestConnection c = established(small_buffer(8000));
  fill(c);
  for (int i = 0; i < 100; ++i) {
    c.peer_sends(data("p").seq(c.rcv_nxt()).ack(1));
    c.expect_sent(ack(c.rcv_nxt()).seq(1).wnd(0));
    c.peer_sends(ack(1).seq(c.rcv_nxt() - 1));
    c.expect_sent(ack(c.rcv_nxt()).seq(1).wnd(0));
  }
}

TEST(Window, RstCountsInAClosedWindow) {  // MUST-66
  TestConnection c = established(small_buffer(8000));
  fill(c);
  EXPECT_EQ(c.peer_sends(rst().seq(c.rcv_nxt())), Verdict::kConnectionReset);
}

TEST(Window, AckCountsInAClosedWindow) {  // 3.10.7.4: "special allowance"
  TestConnection c = established(small_buffer(8000));
  c.user_sends("hello");
  fill(c);
  c.peer_sends(ack(6).seq(c.rcv_nxt()));
  EXPECT_EQ(c.snd_una(), 6);
}

TEST(Window, AckRidingOnAProbeCountsToo) {  // text that cannot be taken must not hide its ACK
  TestConnection c = established(small_buffer(8000));
  c.user_sends("hello");
  fill(c);
  c.peer_sends(data("p").seq(c.rcv_nxt()).ack(6));
  EXPECT_EQ(c.snd_una(), 6);
}

TEST(Window, OpensOnlyByWhatIsWorthASegment) {  // MUST-39
  TestConnection c = established(small_buffer(8000));
  fill(c);
  std::int64_t edge = c.right_edge();
  std::size_t read = 0;
  for (; read < 8000; ++read) {
    c.read(1);
    for (const Sent& sent : c.take_all_sent()) {
      const std::int64_t now = sent.ack + sent.wnd;
      EXPECT_GE(now - edge, kMss) << "after " << read;
      edge = now;
    }
  }
  EXPECT_GT(edge, c.rcv_nxt());
}

TEST(Window, ReadingAClosedWindowSendsOneUpdate) {
  TestConnection c = established(small_buffer(8000));
  fill(c);
  c.read(100000);
  ASSERT_EQ(c.sent_count(), 1u);
  EXPECT_EQ(c.take_sent().value().wnd, 8000);
}

TEST(Window, ReadingWithPlentyOfWindowSendsNothing) {
  TestConnection c = established({.application_reads = false});
  c.peer_sends(data(pattern(1000)).seq(1).ack(1));
  c.sleep(100ms);
  c.take_all_sent();
  c.read(1000);
  c.expect_nothing_sent();
}

TEST(Window, ManySmallSegmentsCloseItWithoutLoss) {  // SHLD-14 is checked on each ACK
  TestConnection c = established(small_buffer(4000));
  std::string sent;
  for (std::size_t i = 0; i < 500; ++i) {
    const std::string text = pattern(3, 3 * i);
    c.peer_sends(data(text).seq(1 + static_cast<std::int64_t>(3 * i)).ack(1));
    if (c.rcv_nxt() == 1 + static_cast<std::int64_t>(3 * i + 3)) sent += text;
  }
  EXPECT_EQ(sent.size(), 1500u);
  EXPECT_EQ(c.read(100000), sent);
}

TEST(Window, OutOfOrderTextDoesNotShrinkIt) {  // SHLD-14
  TestConnection c = established(small_buffer(20000));
  const std::int64_t edge = c.right_edge();
  for (std::int64_t i = 1; i < 12; ++i) c.peer_sends(data(pattern(1000)).seq(1 + i * 1500).ack(1));
  EXPECT_GE(c.right_edge(), edge);
}

// SHLD-14; RFC 7323, 2.4, (1); RFC 7323, 2.4, (2); the harness watches each ACK
TEST(Window, ScaledWindowNeverLeavesItsRightEdgeForRounding) {
  TestConnection c = established(
      {.config = {.receive_buffer = 1 << 24}, .peer = {.wscale = std::uint8_t{0}}, .application_reads = false});
  ASSERT_GE(c.tcb().rcv_shift(), 8);
  for (int i = 0; i < 300; ++i) {
    c.peer_sends(data(pattern(static_cast<std::size_t>(1 + i % 7))).seq(c.rcv_nxt()).ack(1));
    c.sleep(50ms);
    if (i % 10 == 0) c.read(3);
  }
}

// The edge is rounded up to what a scaled field can say; again with each ACK, that must not add up (WM-02).
TEST(Window, RoundingUpTakesNoMoreThanAQuarterMoreThanTheBuffer) {
  constexpr std::uint32_t kBuffer = 256 * 1024;
  constexpr std::uint32_t kUnit = 8;
  TestConnection c = established(
      {.config = {.receive_buffer = kBuffer}, .peer = {.wscale = std::uint8_t{7}}, .application_reads = false});
  for (int i = 0; i < 200 && c.unread() < kBuffer; ++i) {
    c.peer_sends(data(pattern(1460)).seq(c.rcv_nxt()).ack(1));
  }
  for (int i = 0; i < 20'000; ++i) {  // in pieces that are no multiple of the unit
    c.peer_sends(data("abc").seq(c.rcv_nxt()).ack(1));
    c.peer_sends(data("def").seq(c.rcv_nxt()).ack(1));
  }
  EXPECT_LE(c.unread(), kBuffer + kBuffer / 4 + kUnit);  // I-10
  c.take_all_sent();
}

// 3.8.6.2.1, (4): the time-out runs on although the peer keeps talking with the same small window.
TEST(Window, SegmentsOfThePeerDoNotPutOffTheOverride) {
  TestConnection c = established({.peer = {.wnd = 2000}});
  c.peer_sends(ack(1).seq(1).wnd(100));
  c.user_sends(pattern(1000));
  for (int i = 0; i < 10 && c.snd_nxt() == 1; ++i) {
    c.sleep(50ms);
    c.peer_sends(data("x").seq(c.rcv_nxt()).ack(1).wnd(100));
  }
  EXPECT_GT(c.snd_nxt(), 1);
  c.take_all_sent();
}

}  // namespace
}  // namespace pollux::tcp::test
