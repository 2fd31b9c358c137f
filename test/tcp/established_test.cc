// RFC 9293, 3.10.7.4, and the user calls of 3.10, in ESTABLISHED.
//
// Numbers are relative, as packetdrill prints them: ours count from ISS, the
// peer's from IRS. Both start just below the wrap, so every test crosses it.

#include "synchronized_checks.h"

namespace pollux::tcp::test {
namespace {

constexpr Place kPlace{established, State::kEstablished, 1, 1, 1};
POLLUX_SYNCHRONIZED_CHECKS(Established, kPlace);

TEST(Established, AbortSendsAReset) { abort_sends_a_reset(kPlace); }  // 3.10.5

// First: the acceptability table of 3.10.7.4 at the edges that pass.
TEST(Established, FirstSegmentsAtTheEdgesOfTheWindowAreAcceptable) {
  TestConnection c = established();
  const std::int64_t edge = c.right_edge();
  EXPECT_EQ(c.peer_sends(ack(1).seq(1)), Verdict::kAccepted);
  EXPECT_EQ(c.peer_sends(ack(1).seq(edge - 1)), Verdict::kAccepted);
  EXPECT_EQ(c.peer_sends(data("z").seq(edge - 1).ack(1)), Verdict::kAccepted);
  c.expect_sent(ack(1).seq(1));
  EXPECT_EQ(c.peer_sends(data("oa").seq(0).ack(1)), Verdict::kAccepted) << "its last byte is new";
  EXPECT_EQ(c.received(), "a");
}

TEST(Established, FirstTextBeforeTheWindowIsCutOff) {
  TestConnection c = established();
  c.peer_sends(data("hello").seq(1).ack(1));
  c.peer_sends(data("loworld").seq(4).ack(1));
  EXPECT_EQ(c.received(), "helloworld");
  EXPECT_EQ(c.rcv_nxt(), 11);
}

TEST(Established, FirstTextBeyondTheWindowIsCutOff) {
  TestConnection c = established({.config = {.receive_buffer = 100, .window_scaling = false}});
  const auto window = static_cast<std::size_t>(c.right_edge() - 1);
  const std::string text = pattern(window + 50);
  c.peer_sends(data(text).seq(1).ack(1));
  EXPECT_EQ(c.received(), text.substr(0, window));
  EXPECT_EQ(c.rcv_nxt(), static_cast<std::int64_t>(window) + 1);
}

TEST(Established, FirstFinBeyondTheWindowIsCutOffWithTheText) {
  TestConnection c = established({.config = {.receive_buffer = 100, .window_scaling = false}});
  const auto window = static_cast<std::size_t>(c.right_edge() - 1);
  c.peer_sends(data(pattern(window + 1)).fin().seq(1).ack(1));
  EXPECT_EQ(c.state(), State::kEstablished);
  EXPECT_FALSE(c.events().eof);
}

TEST(Established, FirstInAZeroWindowOnlyRcvNxtWithoutTextIsAcceptable) {
  TestConnection c =
      established({.config = {.receive_buffer = 100, .window_scaling = false}, .application_reads = false});
  c.peer_sends(data(pattern(static_cast<std::size_t>(c.right_edge() - 1))).seq(1).ack(1));
  c.sleep(500ms);
  c.take_all_sent();
  ASSERT_EQ(c.tcb().rcv_wnd(), 0u);
  const std::int64_t nxt = c.rcv_nxt();

  EXPECT_EQ(c.peer_sends(ack(1).seq(nxt)), Verdict::kAccepted);
  c.expect_nothing_sent();
  c.peer_sends(data("x").seq(nxt).ack(1));  // a probe: answered, not taken
  c.expect_sent(ack(nxt).seq(1).wnd(0));
  EXPECT_EQ(c.rcv_nxt(), nxt);
  EXPECT_EQ(c.peer_sends(ack(1).seq(nxt + 1)), Verdict::kOutOfWindow);
}

TEST(Established, FirstOnlyTheDuplicateSynAckIsAnsweredAfterAnActiveOpen) {  // our ACK was lost
  TestConnection c = established({.active = true});
  EXPECT_EQ(c.peer_sends(c.peer_syn().ack(1)), Verdict::kChallengedSyn);
  c.expect_sent(ack(1).seq(1));
  EXPECT_EQ(c.state(), State::kEstablished);
}

// Second.
TEST(Established, SecondReasonOfAResetIsToldToTheUser) {
  TestConnection c = established();
  c.user_sends("unacknowledged");
  c.peer_sends(rst().seq(1));
  EXPECT_EQ(c.reason(), Reason::kReset);
  EXPECT_EQ(c.user_tries_to_send("more").error(), UserError::kConnectionReset);
}

TEST(Established, SecondRstBelievedAfterTheRightNumberFollowsTheChallenge) {  // RFC 5961, 3.2
  TestConnection c = established();
  c.peer_sends(rst().seq(100));
  c.expect_sent(ack(1).seq(1));
  EXPECT_EQ(c.peer_sends(rst().seq(1)), Verdict::kConnectionReset);
}

// Fourth.
TEST(Established, FourthPeerThatRestartedResetsUsAfterTheChallenge) {
  TestConnection c = established();
  c.user_sends("for the one before");
  c.expect_sent(data("for the one before").seq(1).ack(1));
  EXPECT_EQ(c.peer_sends(syn().seq(500000).mss(1460)), Verdict::kChallengedSyn);
  const Sent challenge = c.expect_sent(ack(1).seq(19));
  EXPECT_EQ(c.peer_sends(rst().seq(challenge.ack)), Verdict::kConnectionReset);
}

// Fifth.
TEST(Established, FifthAckAdvancesSndUna) {
  TestConnection c = established();
  c.user_sends("hello");
  EXPECT_EQ(c.snd_nxt(), 6);
  c.peer_sends(ack(3).seq(1));
  EXPECT_EQ(c.snd_una(), 3);
  c.peer_sends(ack(6).seq(1));
  EXPECT_EQ(c.snd_una(), 6);
  EXPECT_EQ(c.next_deadline(), std::nullopt) << "RFC 6298, 5.2: nothing outstanding, no timer";
}

TEST(Established, FifthOldAckWithTextDeliversTheText) {  // between SND.UNA - MAX.SND.WND and SND.UNA
  TestConnection c = established();
  c.user_sends(pattern(1000));
  c.peer_sends(ack(1001).seq(1));
  EXPECT_EQ(c.peer_sends(data("late").seq(1).ack(1)), Verdict::kAccepted);
  EXPECT_EQ(c.received(), "late");
  EXPECT_EQ(c.snd_una(), 1001);
}

TEST(Established, FifthOldPureAckIsIgnored) {
  TestConnection c = established();
  c.user_sends(pattern(1000));
  c.peer_sends(ack(1001).seq(1));
  c.take_all_sent();
  EXPECT_EQ(c.peer_sends(ack(1000).seq(1)), Verdict::kAccepted);
  EXPECT_EQ(c.peer_sends(ack(1).seq(1)), Verdict::kAccepted);
  c.expect_nothing_sent();
  EXPECT_EQ(c.snd_una(), 1001);
}

TEST(Established, FifthChallengeCarriesTheCurrentNumbers) {
  TestConnection c = established();
  c.peer_sends(data("hello").seq(1).ack(1));
  c.peer_sends(rst().seq(100));
  c.expect_sent(ack(6).seq(1));
  c.sleep(500ms);
  c.expect_nothing_sent();  // the challenge paid for the text too
}

// Seventh.
TEST(Established, SeventhTextInOrderIsDeliveredAndAcknowledged) {
  TestConnection c = established();
  EXPECT_EQ(c.peer_sends(data("hello").seq(1).ack(1)), Verdict::kAccepted);
  EXPECT_EQ(c.received(), "hello");
  c.sleep(500ms);
  c.expect_sent(ack(6).seq(1));
  c.expect_nothing_sent();
}

TEST(Established, SeventhPureDuplicateIsAcknowledgedAtOnce) {
  TestConnection c = established();
  c.peer_sends(data("hello").seq(1).ack(1));
  c.sleep(500ms);
  c.expect_sent(ack(6).seq(1));
  EXPECT_EQ(c.peer_sends(data("hello").seq(1).ack(1)), Verdict::kDuplicate);
  c.expect_sent(ack(6).seq(1));
  EXPECT_EQ(c.received(), "hello");
}

TEST(Established, SeventhUnreadTextIsKeptInOrder) {
  TestConnection c = established({.application_reads = false});
  c.peer_sends(data("hello").seq(1).ack(1));
  c.peer_sends(data(" world").seq(6).ack(1));
  EXPECT_EQ(c.received(), "");
  EXPECT_EQ(c.unread(), 11u);
  EXPECT_EQ(c.read(3), "hel");
  EXPECT_EQ(c.read(100), "lo world");
  EXPECT_EQ(c.read(100), "");
}

TEST(Established, SeventhTextLeavesNothingBehindOnceRead) {
  TestConnection c = established({.application_reads = false});
  c.peer_sends(data(pattern(3000).substr(0, 1460)).seq(1).ack(1));
  EXPECT_FALSE(c.holds_no_memory());
  c.read(1460);
  EXPECT_TRUE(c.holds_no_memory());
}

// Eighth.
TEST(Established, EighthFinLeadsToCloseWaitAndIsAcknowledged) {
  TestConnection c = established();
  EXPECT_EQ(c.peer_sends(fin().seq(1).ack(1)), Verdict::kAccepted);
  EXPECT_EQ(c.state(), State::kCloseWait);
  EXPECT_TRUE(c.events().eof);
  c.expect_sent(ack(2).seq(1));
}

TEST(Established, EighthFinWithTextDeliversItFirst) {
  TestConnection c = established({.application_reads = false});
  c.peer_sends(data("bye").fin().seq(1).ack(1));
  EXPECT_EQ(c.state(), State::kCloseWait);
  c.expect_sent(ack(5).seq(1));
  EXPECT_FALSE(c.events().eof) << "text before the FIN is unread";
  EXPECT_EQ(c.read(10), "bye");
  EXPECT_TRUE(c.events().eof);
}

TEST(Established, EighthFinBeforeTextIsHeldBack) {
  TestConnection c = established();
  c.peer_sends(fin().seq(6).ack(1));
  EXPECT_EQ(c.state(), State::kEstablished);
  c.expect_sent(ack(1).seq(1));
  EXPECT_FALSE(c.events().eof);
  c.peer_sends(data("hello").seq(1).ack(1));
  EXPECT_EQ(c.received(), "hello");
  EXPECT_EQ(c.state(), State::kCloseWait);
  EXPECT_TRUE(c.events().eof);
  c.expect_sent(ack(7).seq(1));
}

TEST(Established, EighthTextBehindTheFinIsIgnored) {
  TestConnection c = established();
  c.peer_sends(fin().seq(1).ack(1));
  c.peer_sends(data("ghost").seq(2).ack(1));
  EXPECT_EQ(c.received(), "");
  EXPECT_EQ(c.rcv_nxt(), 2);
}

// --- User calls ---

TEST(Established, SendLeavesAtOnce) {  // 3.10.2
  TestConnection c = established();
  EXPECT_EQ(c.user_sends("hello"), 5u);
  c.expect_sent(data("hello").flags("P.").seq(1).ack(1));
  c.expect_nothing_sent();
}

TEST(Established, SendByReferenceSendsTheSameBytes) {
  static const std::string text = pattern(5000);
  TestConnection c = established({.options = {.nodelay = true}});
  EXPECT_EQ(c.user_sends_reference(text), 5000u);
  EXPECT_EQ(c.sent_count(), 4u);
  c.take_all_sent();
  c.peer_sends(ack(5001).seq(1));
  EXPECT_TRUE(c.holds_no_memory());
}

TEST(Established, SendTakesWhatThereIsRoomFor) {
  TestConnection c = established({.config = {.send_buffer = 10000}, .peer = {.wnd = 0}});
  EXPECT_EQ(c.send_room(), 10000u);
  EXPECT_EQ(c.user_sends(pattern(12000)), 10000u);
  EXPECT_EQ(c.user_sends("x"), 0u);
  EXPECT_FALSE(c.events().writable);
  c.peer_sends(ack(1).seq(1).wnd(65535));
  c.peer_sends(ack(8761).seq(1).wnd(65535));  // Nagle held the rest till now
  c.peer_sends(ack(10001).seq(1).wnd(65535));
  EXPECT_TRUE(c.events().writable);
  EXPECT_EQ(c.send_room(), 10000u);
}

TEST(Established, CloseSendsAFin) {  // 3.10.4
  TestConnection c = established();
  EXPECT_TRUE(c.user_shuts_down().has_value());
  c.expect_sent(fin().seq(1).ack(1));
  EXPECT_EQ(c.state(), State::kFinWait1);
  c.expect_nothing_sent();
}

TEST(Established, CloseWithQueuedTextPutsTheFinOnTheLastSegment) {
  TestConnection c = established({.peer = {.wnd = 0}});
  c.user_sends(pattern(2000));
  EXPECT_TRUE(c.user_shuts_down().has_value());
  EXPECT_EQ(c.state(), State::kFinWait1);
  c.expect_nothing_sent();
  c.peer_sends(ack(1).seq(1).wnd(65535));
  c.expect_sent(data(pattern(2000).substr(0, 1460)).seq(1).ack(1));
  c.expect_sent(data(pattern(2000).substr(1460)).fin().seq(1461).ack(1));
  c.expect_nothing_sent();
}

TEST(Established, CloseWithUnreadTextResets) {  // SHLD-3; RFC 2525, 2.17
  TestConnection c = established({.application_reads = false});
  c.peer_sends(data("unread").seq(1).ack(1));
  c.user_closes();
  EXPECT_EQ(c.state(), State::kClosed);
  c.expect_sent(rst().seq(1).ack(7));
  c.expect_nothing_sent();
}

TEST(Established, ShutdownWithUnreadTextDoesNotReset) {  // MAY-1: half close
  TestConnection c = established({.application_reads = false});
  c.peer_sends(data("unread").seq(1).ack(1));
  EXPECT_TRUE(c.user_shuts_down().has_value());
  c.expect_sent(fin().seq(1).ack(7));
  EXPECT_EQ(c.read(10), "unread");
}

TEST(Established, AbortForgetsUnsentAndUnacknowledgedText) {
  TestConnection c = established({.peer = {.wnd = 3}});
  c.user_sends("hello");
  c.user_aborts();
  EXPECT_EQ(c.state(), State::kClosed);
  const auto sent = c.take_all_sent();
  ASSERT_FALSE(sent.empty());
  EXPECT_TRUE(sent.back().flags.rst);
  EXPECT_EQ(sent.back().seq, 4) << "SND.NXT";
  EXPECT_TRUE(c.holds_no_memory());
}

TEST(Established, IdleConnectionHasNoTimerAndNoMemory) {  // MUST-25: no keep-alive by default
  TestConnection c = established();
  EXPECT_EQ(c.next_deadline(), std::nullopt);
  EXPECT_TRUE(c.holds_no_memory());
  c.sleep(24h);
  c.expect_nothing_sent();
  EXPECT_EQ(c.state(), State::kEstablished);
}

TEST(Established, BurstIsAcknowledgedOnce) {  // MUST-58, MUST-59
  TestConnection c = established();
  const std::string text = pattern(10 * 1460);
  c.peer_sends_burst({data(text.substr(0, 1460)).seq(1).ack(1), data(text.substr(1460, 1460)).seq(1461).ack(1),
                      data(text.substr(2920, 1460)).seq(2921).ack(1), data(text.substr(4380, 1460)).seq(4381).ack(1),
                      data(text.substr(5840, 1460)).seq(5841).ack(1), data(text.substr(7300, 1460)).seq(7301).ack(1)});
  EXPECT_EQ(c.received(), text.substr(0, 8760));
  c.expect_sent(ack(8761).seq(1));
  c.expect_nothing_sent();
}

}  // namespace
}  // namespace pollux::tcp::test
