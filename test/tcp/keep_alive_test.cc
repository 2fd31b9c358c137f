// RFC 9293, 3.8.4: keep-alives (MAY-5).

#include "synchronized_checks.h"

namespace pollux::tcp::test {
namespace {

constexpr KeepAlive kQuick{.on = true, .idle_s = 100, .interval_s = 10, .count = 3};

Conditions quick() { return {.options = {.keep_alive = kQuick}}; }

TEST(KeepAlives, AreOffByDefault) {  // MUST-25
  TestConnection c = established();
  c.sleep(24h);
  c.expect_nothing_sent();
  EXPECT_EQ(c.state(), State::kEstablished);
}

TEST(KeepAlives, DefaultIntervalIsTwoHours) {  // MUST-28
  TestConnection c = established({.options = {.keep_alive = {.on = true}}});
  c.sleep(2h - 1s);
  c.expect_nothing_sent();
  c.sleep(1s);
  EXPECT_EQ(c.sent_count(), 1u);
}

TEST(KeepAlives, ProbeHasNoTextAndTheNumberBeforeSndNxt) {  // SHLD-12
  TestConnection c = established(quick());
  c.sleep(100s);
  c.expect_sent(ack(1).seq(0));
  EXPECT_EQ(c.counters().keep_alive_probes, 1u);
}

TEST(KeepAlives, AnswerStartsTheIntervalAgain) {  // MUST-26, MUST-27
  TestConnection c = established(quick());
  c.sleep(100s);
  c.take_all_sent();
  c.peer_sends(ack(1).seq(1));
  c.sleep(99s);
  c.expect_nothing_sent();
  c.sleep(1s);
  EXPECT_EQ(c.sent_count(), 1u);
}

TEST(KeepAlives, AnyTrafficOfThePeerStartsTheIntervalAgain) {  // MUST-26
  TestConnection c = established(quick());
  c.sleep(60s);
  c.peer_sends(data("hello").seq(1).ack(1));
  c.sleep(1s);
  c.take_all_sent();
  c.sleep(98s);
  c.expect_nothing_sent();
  c.sleep(2s);
  EXPECT_EQ(c.sent_count(), 1u);
}

TEST(KeepAlives, OneUnansweredProbeIsNotDeath) {  // MUST-29
  TestConnection c = established(quick());
  c.sleep(100s + 2 * 10s);
  EXPECT_EQ(c.take_all_sent().size(), 3u);
  EXPECT_EQ(c.state(), State::kEstablished);
  c.peer_sends(ack(1).seq(1));
  c.sleep(60s);
  EXPECT_EQ(c.state(), State::kEstablished);
}

TEST(KeepAlives, AsManyAsConfiguredUnansweredAreDeath) {
  TestConnection c = established(quick());
  c.sleep(100s + 3 * 10s);
  EXPECT_EQ(c.state(), State::kClosed);
  EXPECT_EQ(c.reason(), Reason::kTimedOut);
  EXPECT_TRUE(c.events().closed);
  const auto sent = c.take_all_sent();
  ASSERT_EQ(sent.size(), 4u);
  EXPECT_TRUE(sent.back().flags.rst) << "the peer may be there after all";
}

TEST(KeepAlives, ResetInAnswerEndsTheConnection) {  // the peer has restarted
  TestConnection c = established(quick());
  c.sleep(100s);
  c.peer_sends(rst().seq(1));
  EXPECT_EQ(c.reason(), Reason::kReset);
}

TEST(KeepAlives, NoneWhileTextIsOutstanding) {  // MUST-26: retransmission tells as much
  TestConnection c = established({.options = {.keep_alive = {.on = true, .idle_s = 2, .interval_s = 1, .count = 2}}});
  c.user_sends("hello");
  c.sleep(20s);
  for (const Sent& sent : c.take_all_sent()) EXPECT_EQ(sent.text, "hello");
  EXPECT_EQ(c.state(), State::kEstablished);
  EXPECT_EQ(c.counters().keep_alive_probes, 0u);
}

TEST(KeepAlives, CanBeSwitchedOnAndOffAtAnyTime) {  // MUST-24
  TestConnection c = established();
  c.sleep(1h);
  c.user_sets_keep_alive(kQuick);
  EXPECT_TRUE(c.tcb().keep_alive_on());
  c.sleep(100s);
  EXPECT_EQ(c.take_all_sent().size(), 1u);
  c.peer_sends(ack(1).seq(1));
  c.user_sets_keep_alive({});
  c.sleep(24h);
  c.expect_nothing_sent();
}

TEST(KeepAlives, SwitchedOnAfterAMonthOfSilenceWork) {  // more than the clock's milliseconds can compare
  TestConnection c = established();
  c.sleep(30 * 24h);
  c.user_sets_keep_alive(kQuick);
  c.sleep(100s);
  EXPECT_EQ(c.take_all_sent().size(), 1u);
}

TEST(KeepAlives, SwitchedOnBeforeTheHandshakeWork) {
  TestConnection c = syn_sent();
  c.user_sets_keep_alive(kQuick);
  c.peer_sends(c.peer_syn().ack(1));
  c.take_all_sent();
  c.sleep(101s);
  EXPECT_EQ(c.take_all_sent().size(), 1u);
}

TEST(KeepAlives, GoOnWhenHalfClosed) {
  for (const Fixture make : {Fixture{close_wait}, Fixture{fin_wait_2}}) {
    TestConnection c = make(quick());
    c.sleep(100s + 4 * 10s);
    EXPECT_EQ(c.state(), State::kClosed);
    EXPECT_EQ(c.reason(), Reason::kTimedOut);
  }
}

TEST(KeepAlives, StopWithTheConnection) {
  TestConnection c = time_wait(quick());
  c.sleep(24h);
  c.expect_nothing_sent();
  EXPECT_EQ(c.state(), State::kClosed);
}

TEST(KeepAlives, SurviveTheReadingSideBeingSlow) {  // a peer that only answers with a closed window lives
  TestConnection c = established(quick());
  for (int i = 0; i < 10; ++i) {
    c.sleep(100s);
    c.peer_sends(ack(1).seq(1).wnd(0));
  }
  EXPECT_EQ(c.state(), State::kEstablished);
}

}  // namespace
}  // namespace pollux::tcp::test
