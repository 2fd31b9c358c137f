// RFC 9293, 3.5, figure 7, and 3.10.7.3: both ends open at once (MUST-10).

#include "test_connection.h"

namespace pollux::tcp::test {
namespace {

TEST(SimultaneousOpen, SynCrossesSynAndSynAckCrossesSynAck) {  // MUST-10, figure 7
  TestConnection c = syn_received_active();
  c.peer_sends(c.peer_syn().ack(1));
  EXPECT_EQ(c.state(), State::kEstablished);
  EXPECT_TRUE(c.events().opened);
  c.take_all_sent();  // an ACK does no harm here: the peer's SYN-ACK stands before RCV.NXT
  c.user_sends("hello");
  c.expect_sent(data("hello").seq(1).ack(1));
}

TEST(SimultaneousOpen, AckOfOurSynCompletes) {  // MUST-10: our SYN-ACK came first
  TestConnection c = syn_received_active();
  EXPECT_EQ(c.peer_sends(ack(1)), Verdict::kAccepted);
  EXPECT_EQ(c.state(), State::kEstablished);
  c.expect_nothing_sent();
}

TEST(SimultaneousOpen, SynAckHasOurIssAndTheOptionsOfTheSyn) {
  TestConnection c{{.peer = {.wscale = std::uint8_t{2}, .ts = 500u}, .active = true}};
  c.user_opens();
  const Sent first = c.expect_sent(syn());
  c.peer_sends(c.peer_syn());
  const Sent second = c.expect_sent(syn().ack(1));
  EXPECT_EQ(second.options.mss, first.options.mss);
  EXPECT_EQ(second.options.wind_shift, first.options.wind_shift);
  EXPECT_EQ(second.options.ts->ecr, 500u);
}

TEST(SimultaneousOpen, OptionsThatTheirSynLacksAreOff) {
  TestConnection c = syn_received_active();
  EXPECT_FALSE(c.tcb().timestamps());
  EXPECT_FALSE(c.tcb().window_scaled());
}

TEST(SimultaneousOpen, RstRefusesTheActiveOpener) {  // MUST-11
  TestConnection c = syn_received_active();
  EXPECT_EQ(c.peer_sends(rst().seq(1)), Verdict::kConnectionRefused);
  EXPECT_EQ(c.state(), State::kClosed);
  EXPECT_EQ(c.reason(), Reason::kRefused);
  EXPECT_TRUE(c.events().closed);
}

TEST(SimultaneousOpen, SynAgainIsAnsweredAgain) {  // our SYN-ACK was lost
  TestConnection c = syn_received_active();
  c.peer_sends(c.peer_syn());
  c.expect_sent(syn().ack(1));
  EXPECT_EQ(c.state(), State::kSynReceived);
}

TEST(SimultaneousOpen, SynAckIsRetransmitted) {
  TestConnection c = syn_received_active();
  c.sleep(1s);
  c.expect_sent(syn().ack(1));
}

TEST(SimultaneousOpen, TextQueuedBeforeItIsSentAfterIt) {
  TestConnection c = syn_sent();
  c.user_sends("hello");
  c.peer_sends(c.peer_syn());
  c.expect_sent(syn().ack(1));
  c.expect_nothing_sent();
  c.peer_sends(ack(1));
  c.expect_sent(data("hello").seq(1).ack(1));
}

TEST(SimultaneousOpen, CrossingSynWithTextIsNotAcknowledgedBeyondTheSyn) {
  TestConnection c = syn_sent();
  c.peer_sends(c.peer_syn().text("early"));
  const Sent answer = c.take_sent().value();
  EXPECT_TRUE(answer.flags.syn && answer.flags.ack);
  c.peer_sends(data("early").seq(1).ack(1));
  EXPECT_EQ(c.received(), "early");
  EXPECT_EQ(c.state(), State::kEstablished);
}

TEST(SimultaneousOpen, SynAckThatAcknowledgesTooMuchIsNotBelieved) {  // A.2: it must not deadlock either
  TestConnection c = syn_received_active();
  c.peer_sends(c.peer_syn().ack(100));
  EXPECT_EQ(c.state(), State::kSynReceived);
  c.take_all_sent();
  c.peer_sends(ack(1));
  EXPECT_EQ(c.state(), State::kEstablished);
}

TEST(SimultaneousOpen, SimultaneousCloseFollows) {
  TestConnection c = established({.active = true});
  EXPECT_TRUE(c.user_shuts_down().has_value());
  c.expect_sent(fin().seq(1).ack(1));
  c.peer_sends(fin().seq(1).ack(1));
  c.expect_sent(ack(2).seq(2));
  EXPECT_EQ(c.state(), State::kClosing);
  c.peer_sends(ack(2).seq(2));
  EXPECT_EQ(c.state(), State::kTimeWait);
}

}  // namespace
}  // namespace pollux::tcp::test
