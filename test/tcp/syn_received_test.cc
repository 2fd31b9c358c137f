// RFC 9293, 3.10.7.4, in SYN-RECEIVED: from LISTEN, and by a simultaneous open.

#include "test_connection.h"

namespace pollux::tcp::test {
namespace {

TEST(SynReceived, AckOfOurSynOpens) {
  TestConnection c = syn_received();
  EXPECT_EQ(c.peer_sends(ack(1)), Verdict::kAccepted);
  EXPECT_EQ(c.state(), State::kEstablished);
  EXPECT_TRUE(c.events().opened);
  EXPECT_EQ(c.snd_una(), 1);
  c.expect_nothing_sent();
}

// First, check sequence number.
TEST(SynReceived, FirstUnacceptableSegmentIsAnsweredWithAnAck) {
  for (const std::int64_t seq : {std::int64_t{0}, std::int64_t{-1000}, std::int64_t{65536}, std::int64_t{0x7fffffff}}) {
    TestConnection c = syn_received();
    EXPECT_EQ(c.peer_sends(data("x").seq(seq).ack(1)), seq == 0 ? Verdict::kDuplicate : Verdict::kOutOfWindow) << seq;
    c.expect_sent(ack(1).seq(1));
    EXPECT_EQ(c.state(), State::kSynReceived);
    EXPECT_EQ(c.received(), "");
  }
}

TEST(SynReceived, SynAgainIsAnsweredAgain) {  // our SYN-ACK was lost
  TestConnection c = syn_received();
  EXPECT_EQ(c.peer_sends(c.peer_syn()), Verdict::kDuplicateSyn);
  c.expect_sent(syn().ack(1));
  EXPECT_EQ(c.state(), State::kSynReceived);
  c.peer_sends(ack(1));
  EXPECT_EQ(c.state(), State::kEstablished);
}

// Second, check the RST bit.
TEST(SynReceived, SecondRstAtRcvNxtReturnsToListen) {  // MUST-11: came from LISTEN
  TestConnection c = syn_received();
  c.peer_sends(rst().seq(1));
  EXPECT_EQ(c.state(), State::kClosed);
  EXPECT_NE(c.reason(), Reason::kRefused);
  c.expect_nothing_sent();
}

TEST(SynReceived, SecondRstAtRcvNxtRefusesAnActiveOpen) {  // MUST-11: came from SYN-SENT
  TestConnection c = syn_received_active();
  EXPECT_EQ(c.peer_sends(rst().seq(1).ack(1)), Verdict::kConnectionRefused);
  EXPECT_EQ(c.state(), State::kClosed);
  EXPECT_EQ(c.reason(), Reason::kRefused);
}

TEST(SynReceived, SecondRstElsewhereInTheWindowIsChallenged) {  // RFC 5961, 3.2
  for (const std::int64_t seq : {2, 1000, 65535}) {
    for (const bool active : {false, true}) {
      TestConnection c = active ? syn_received_active() : syn_received();
      EXPECT_EQ(c.peer_sends(rst().seq(seq)), Verdict::kChallengedRst) << seq;
      c.expect_sent(ack(1).seq(1));
      EXPECT_EQ(c.state(), State::kSynReceived);
    }
  }
}

TEST(SynReceived, SecondRstOutsideTheWindowIsDropped) {
  for (const std::int64_t seq : {0, -1, 65536, 0x7fffffff}) {
    TestConnection c = syn_received();
    EXPECT_EQ(c.peer_sends(rst().seq(seq)), Verdict::kRstOutOfWindow) << seq;
    c.expect_nothing_sent();
    EXPECT_EQ(c.state(), State::kSynReceived);
  }
}

// Fourth, check the SYN bit.
TEST(SynReceived, FourthSynInTheWindowReturnsToListen) {
  TestConnection c = syn_received();
  c.peer_sends(syn().seq(2));
  EXPECT_EQ(c.state(), State::kClosed);
}

TEST(SynReceived, FourthSynInTheWindowIsChallengedAfterAnActiveOpen) {
  TestConnection c = syn_received_active();
  EXPECT_EQ(c.peer_sends(syn().seq(2)), Verdict::kChallengedSyn);
  c.expect_sent(ack(1).seq(1));
  EXPECT_EQ(c.state(), State::kSynReceived);
}

// Fifth, check the ACK field.
TEST(SynReceived, FifthWithoutAckIsDropped) {
  TestConnection c = syn_received();
  EXPECT_EQ(c.peer_sends(data("x").seq(1)), Verdict::kNoAck);
  EXPECT_EQ(c.peer_sends(fin().seq(1)), Verdict::kNoAck);
  c.expect_nothing_sent();
  EXPECT_EQ(c.state(), State::kSynReceived);
  EXPECT_EQ(c.received(), "");
}

TEST(SynReceived, FifthUnacceptableAckIsReset) {  // <SEQ=SEG.ACK><CTL=RST>; the connection stays
  for (const std::int64_t n :
       {std::int64_t{0}, std::int64_t{-1}, std::int64_t{2}, std::int64_t{100000}, std::int64_t{0x7fffffff}}) {
    for (const SegmentSpec& spec : {ack(n), data("x").ack(n), fin().ack(n)}) {
      TestConnection c = syn_received();
      EXPECT_EQ(c.peer_sends(spec), Verdict::kReset) << n;
      c.expect_sent(rst().seq(n));
      c.expect_nothing_sent();
      EXPECT_EQ(c.state(), State::kSynReceived);
      EXPECT_EQ(c.received(), "");
    }
  }
}

TEST(SynReceived, FifthAckSetsTheSendWindowScaled) {  // "SND.WND <- SEG.WND, SND.WL1 <- SEG.SEQ, SND.WL2 <- SEG.ACK"
  TestConnection c = syn_received({.peer = {.wscale = std::uint8_t{3}}});
  c.peer_sends(ack(1).wnd(500));
  EXPECT_EQ(c.tcb().snd().wnd, 4000u);
}

TEST(SynReceived, SeventhTextOfTheThirdSegmentIsDelivered) {
  TestConnection c = syn_received();
  c.peer_sends(data("hello").seq(1).ack(1));
  EXPECT_EQ(c.state(), State::kEstablished);
  EXPECT_EQ(c.received(), "hello");
  c.sleep(500ms);
  c.expect_sent(ack(6).seq(1));
}

TEST(SynReceived, SeventhTextOutOfOrderOpensAndIsHeld) {
  TestConnection c = syn_received();
  c.peer_sends(data("world").seq(6).ack(1));
  EXPECT_EQ(c.state(), State::kEstablished);
  EXPECT_EQ(c.received(), "");
  c.peer_sends(data("hello").seq(1).ack(1));
  EXPECT_EQ(c.received(), "helloworld");
}

TEST(SynReceived, EighthFinOfTheThirdSegmentLeadsToCloseWait) {
  TestConnection c = syn_received();
  c.peer_sends(fin().seq(1).ack(1));
  EXPECT_EQ(c.state(), State::kCloseWait);
  c.expect_sent(ack(2).seq(1));
  const Events events = c.events();
  EXPECT_TRUE(events.opened);
  EXPECT_TRUE(events.eof);
}

TEST(SynReceived, EighthTextAndFinOfTheThirdSegment) {
  TestConnection c = syn_received();
  c.peer_sends(data("bye").fin().seq(1).ack(1));
  EXPECT_EQ(c.state(), State::kCloseWait);
  EXPECT_EQ(c.received(), "bye");
  c.expect_sent(ack(5).seq(1));
}

// --- User calls ---

TEST(SynReceived, TextIsQueuedUntilEstablished) {  // 3.10.2
  TestConnection c = syn_received();
  EXPECT_EQ(c.user_sends("hello"), 5u);
  c.expect_nothing_sent();
  c.peer_sends(ack(1));
  c.expect_sent(data("hello").seq(1).ack(1));
}

TEST(SynReceived, CloseSendsAFinOnceTheHandshakeIsDone) {  // 3.10.4
  TestConnection c = syn_received();
  EXPECT_TRUE(c.user_shuts_down().has_value());
  c.peer_sends(ack(1));
  c.expect_sent(fin().seq(1).ack(1));
  EXPECT_EQ(c.state(), State::kFinWait1);
  c.expect_nothing_sent();
}

TEST(SynReceived, CloseWithQueuedTextSendsItFirst) {
  TestConnection c = syn_received();
  c.user_sends("hello");
  EXPECT_TRUE(c.user_shuts_down().has_value());
  EXPECT_EQ(c.user_tries_to_send("more").error(), UserError::kConnectionClosing);
  c.peer_sends(ack(1));
  c.expect_sent(data("hello").fin().seq(1).ack(1));
  EXPECT_EQ(c.state(), State::kFinWait1);
}

TEST(SynReceived, AbortSendsAReset) {  // 3.10.5
  TestConnection c = syn_received();
  c.user_aborts();
  c.expect_sent(rst().seq(1).ack(1));
  EXPECT_EQ(c.state(), State::kClosed);
  EXPECT_EQ(c.reason(), Reason::kAborted);
}

TEST(SynReceived, RoundTripOfTheSynAckSeedsTheRto) {  // RFC 6298, 2.2
  TestConnection c = syn_received();
  c.sleep(100ms);
  c.peer_sends(ack(1));
  EXPECT_EQ(c.rto(), 300ms);
}

}  // namespace
}  // namespace pollux::tcp::test
