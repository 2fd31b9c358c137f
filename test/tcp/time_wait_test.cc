// RFC 9293, 3.10.7.4, in TIME-WAIT; RFC 1337; RFC 6191.

#include "test_connection.h"

namespace pollux::tcp::test {
namespace {

constexpr Duration kTwoMsl = 60s;

TEST(TimeWait, LastsTwoMsl) {  // MUST-13
  TestConnection c = time_wait();
  c.sleep(kTwoMsl - 1ms);
  EXPECT_EQ(c.state(), State::kTimeWait);
  EXPECT_EQ(c.peer_sends(fin().seq(1).ack(2)), Verdict::kDuplicate);
  c.expect_sent(ack(2).seq(2));

  TestConnection undisturbed = time_wait();
  undisturbed.sleep(kTwoMsl + 1ms);
  EXPECT_EQ(undisturbed.state(), State::kClosed);
  EXPECT_EQ(undisturbed.reason(), Reason::kFinished);
  EXPECT_TRUE(undisturbed.events().closed);
  EXPECT_EQ(undisturbed.peer_sends(fin().seq(1).ack(2)), Verdict::kReset);
}

TEST(TimeWait, MslIsConfigurable) {
  TestConnection c = time_wait({.config = {.msl = 2min}});
  c.sleep(239s);
  EXPECT_EQ(c.state(), State::kTimeWait);
  c.sleep(2s);
  EXPECT_EQ(c.state(), State::kClosed);
}

TEST(TimeWait, IsEnteredFromFinWait1) {
  TestConnection c = fin_wait_1();
  c.peer_sends(fin().seq(1).ack(2));
  EXPECT_EQ(c.state(), State::kTimeWait);
  c.sleep(kTwoMsl + 1ms);
  EXPECT_EQ(c.state(), State::kClosed);
}

TEST(TimeWait, IsEnteredFromClosing) {
  TestConnection c = closing();
  c.peer_sends(ack(2).seq(2));
  EXPECT_EQ(c.state(), State::kTimeWait);
  c.sleep(kTwoMsl + 1ms);
  EXPECT_EQ(c.state(), State::kClosed);
}

TEST(TimeWait, HoldsNoMemory) {
  TestConnection c = time_wait();
  EXPECT_TRUE(c.holds_no_memory());
}

TEST(TimeWait, FinAgainIsAcknowledgedAndRestartsTwoMsl) {
  TestConnection c = time_wait();
  c.sleep(kTwoMsl - 1s);
  c.peer_sends(fin().seq(1).ack(2));
  c.expect_sent(ack(2).seq(2));
  c.sleep(kTwoMsl - 1s);
  EXPECT_EQ(c.state(), State::kTimeWait);
  c.sleep(1s + 1ms);
  EXPECT_EQ(c.state(), State::kClosed);
}

TEST(TimeWait, EachFinAgainIsAcknowledged) {  // its sender waits in LAST-ACK: no limit
  TestConnection c = time_wait();
  for (int i = 0; i < 5; ++i) {
    c.peer_sends(fin().seq(1).ack(2));
    c.expect_sent(ack(2).seq(2));
  }
}

TEST(TimeWait, OldSegmentsAreAcknowledgedAndDoNotRestartTwoMsl) {
  TestConnection c = time_wait();
  c.sleep(kTwoMsl - 1s);
  c.peer_sends(data("old").seq(-10).ack(2));
  c.expect_sent(ack(2).seq(2));
  c.peer_sends(ack(2).seq(2));
  c.sleep(1s + 1ms);
  EXPECT_EQ(c.state(), State::kClosed);
}

TEST(TimeWait, SegmentsInTheWindowAreAcknowledgedAndNotDelivered) {
  TestConnection c = time_wait();
  c.peer_sends(data("ghost").seq(2).ack(2));
  c.expect_sent(ack(2).seq(2));
  EXPECT_EQ(c.received(), "");
  EXPECT_EQ(c.rcv_nxt(), 2);
}

TEST(TimeWait, SecondRstIsIgnored) {  // RFC 1337, fix 1
  TestConnection c = time_wait();
  EXPECT_EQ(c.peer_sends(rst().seq(2)), Verdict::kRstIgnored);
  EXPECT_EQ(c.peer_sends(rst().seq(2).ack(2)), Verdict::kRstIgnored);
  c.peer_sends(rst().seq(1));
  c.peer_sends(rst().seq(3));
  EXPECT_EQ(c.state(), State::kTimeWait);
  c.expect_nothing_sent();
}

TEST(TimeWait, SecondRstEndsItIfConfigured) {  // RFC 9293, 3.10.7.4, to the letter
  TestConnection c = time_wait({.config = {.rst_ends_time_wait = true}});
  c.peer_sends(rst().seq(1));
  EXPECT_EQ(c.state(), State::kTimeWait) << "outside of the window";
  c.peer_sends(rst().seq(2));
  EXPECT_EQ(c.state(), State::kClosed);
}

// Fourth: RFC 6191, 2, never; MAY-2; SHLD-4.
TEST(TimeWait, FourthSynWithHigherSequenceNumberReopens) {
  TestConnection c = time_wait();
  EXPECT_EQ(c.peer_sends(syn().seq(2)), Verdict::kChallengedSyn) << "not beyond RCV.NXT";
  EXPECT_EQ(c.peer_sends(syn().seq(3)), Verdict::kReopen);
  EXPECT_EQ(c.peer_sends(syn().seq(1000000)), Verdict::kReopen);
}

TEST(TimeWait, FourthOldDuplicateSynIsAcknowledged) {
  for (const std::int64_t seq : {0, 1, 2, -100000}) {
    TestConnection c = time_wait();
    EXPECT_NE(c.peer_sends(syn().seq(seq)), Verdict::kReopen) << seq;
    c.expect_sent(ack(2).seq(2));
    EXPECT_EQ(c.state(), State::kTimeWait);
  }
}

TEST(TimeWait, FourthSynWithAckNeverReopens) {
  TestConnection c = time_wait();
  EXPECT_NE(c.peer_sends(syn().seq(100000).ack(2)), Verdict::kReopen);
  EXPECT_NE(c.peer_sends(syn().seq(100000).fin()), Verdict::kReopen);
  EXPECT_NE(c.peer_sends(syn().seq(100000).flags("SR")), Verdict::kReopen);
  EXPECT_EQ(c.state(), State::kTimeWait);
}

TEST(TimeWait, FourthSynWithNewerTimestampReopensWhateverItsNumber) {  // RFC 6191, 2, newer
  TestConnection c = time_wait({.peer = {.ts = 1000u}});
  const std::uint32_t recent = c.tcb().ts().recent;
  EXPECT_EQ(c.peer_sends(syn().seq(-1000).ts(recent + 1, 0)), Verdict::kReopen);
  EXPECT_EQ(c.peer_sends(syn().seq(1000).ts(recent + 1, 0)), Verdict::kReopen);
}

TEST(TimeWait, FourthSynWithTheSameTimestampNeedsAHigherNumber) {  // RFC 6191, 2, the same
  TestConnection c = time_wait({.peer = {.ts = 1000u}});
  const std::uint32_t recent = c.tcb().ts().recent;
  EXPECT_NE(c.peer_sends(syn().seq(-1000).ts(recent, 0)), Verdict::kReopen);
  EXPECT_EQ(c.peer_sends(syn().seq(1000).ts(recent, 0)), Verdict::kReopen);
}

// RFC 6191, 2, older: "silently drop", or an ACK: it is a duplicate
TEST(TimeWait, FourthSynWithOlderTimestampIsAcknowledged) {
  TestConnection c = time_wait({.peer = {.ts = 1000u}});
  const std::uint32_t recent = c.tcb().ts().recent;
  EXPECT_NE(c.peer_sends(syn().seq(1000).ts(recent - 1, 0)), Verdict::kReopen);
  c.expect_sent(ack(2).seq(2));
  EXPECT_EQ(c.state(), State::kTimeWait);
}

TEST(TimeWait, FourthSynWithoutTimestampAfterAConnectionWithThemNeedsAHigherNumber) {  // RFC 6191, 2, no more
  TestConnection c = time_wait({.peer = {.ts = 1000u}});
  EXPECT_NE(c.peer_sends(syn().seq(-1000).no_ts()), Verdict::kReopen);
  EXPECT_EQ(c.peer_sends(syn().seq(1000).no_ts()), Verdict::kReopen);
}

TEST(TimeWait, FourthSynWithTimestampAfterAConnectionWithoutReopens) {  // RFC 6191, 2, for the first time
  TestConnection c = time_wait();
  EXPECT_EQ(c.peer_sends(syn().seq(1000).ts(77, 0)), Verdict::kReopen);
}

TEST(TimeWait, TimestampsGoOnGrowing) {
  TestConnection c = time_wait({.peer = {.ts = 1000u}});
  const std::uint32_t before = c.last_tsval();
  c.sleep(10s);
  c.peer_sends(fin().seq(1).ack(2));
  const Sent answer = c.expect_sent(ack(2).seq(2));
  EXPECT_GE(answer.options.ts.value().val - before, 10u) << "RFC 7323: a tick lasts at most a second";
}

TEST(TimeWait, ChallengesAreLimited) {
  TestConnection c = time_wait();
  for (int i = 0; i < 200; ++i) c.peer_sends(syn().seq(-1000));
  EXPECT_EQ(c.sent_count(), 1u);
}

TEST(TimeWait, UserCallsAreOver) {  // 3.10.2, 3.10.4, 3.10.5
  TestConnection c = time_wait();
  EXPECT_EQ(c.user_tries_to_send("x").error(), UserError::kConnectionClosing);
  c.user_shuts_down();
  c.user_closes();
  c.expect_nothing_sent();
  EXPECT_EQ(c.state(), State::kTimeWait);
  c.user_aborts();
  c.expect_nothing_sent();  // "respond with ok and delete the TCB, enter CLOSED"
  EXPECT_EQ(c.state(), State::kClosed);
}

TEST(TimeWait, ReadOfUnreadTextStillWorks) {
  TestConnection c = fin_wait_2({.application_reads = false});
  c.peer_sends(data("tail").fin().seq(1).ack(2));
  EXPECT_EQ(c.state(), State::kTimeWait);
  EXPECT_EQ(c.read(10), "tail");
  EXPECT_TRUE(c.events().eof);
  EXPECT_TRUE(c.holds_no_memory());
}

}  // namespace
}  // namespace pollux::tcp::test
