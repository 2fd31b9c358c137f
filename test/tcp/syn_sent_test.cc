// RFC 9293, 3.10.7.3: SEGMENT ARRIVES in SYN-SENT, and the user calls there.

#include "test_connection.h"

namespace pollux::tcp::test {
namespace {

TEST(SynSent, OpenSendsASynWithOurOptions) {  // 3.10.1; MUST-14; RFC 7323
  TestConnection c{{.active = true}};
  c.user_opens();
  const Sent sent = c.expect_sent(syn());
  EXPECT_FALSE(sent.flags.ack);
  EXPECT_TRUE(sent.options.mss && sent.options.wind_shift && sent.options.ts);
  EXPECT_EQ(sent.options.ts->ecr, 0u) << "RFC 7323, 3.2, TSecr: zero where the ACK bit is off";
  EXPECT_GT(sent.wnd, 0u);
  EXPECT_EQ(c.state(), State::kSynSent);
  EXPECT_EQ(c.snd_una(), 0);
  EXPECT_EQ(c.snd_nxt(), 1);
  EXPECT_FALSE(c.tcb().passive());
  c.expect_nothing_sent();
}

TEST(SynSent, SynAckCompletesTheHandshake) {
  TestConnection c = syn_sent();
  EXPECT_EQ(c.peer_sends(c.peer_syn().ack(1)), Verdict::kAccepted);
  c.expect_sent(ack(1).seq(1));
  EXPECT_EQ(c.state(), State::kEstablished);
  EXPECT_TRUE(c.events().opened);
  EXPECT_EQ(c.snd_una(), 1);
  c.expect_nothing_sent();
}

// First, check the ACK bit: SEG.ACK =< ISS or SEG.ACK > SND.NXT -> <SEQ=SEG.ACK><CTL=RST>, stay.
// 3.5.2, group 2.
TEST(SynSent, FirstUnacceptableAckIsReset) {
  for (const std::int64_t n :
       {std::int64_t{0}, std::int64_t{-1}, std::int64_t{2}, std::int64_t{100000}, std::int64_t{0x7fffffff}}) {
    for (const SegmentSpec& spec : {ack(n).seq(0), syn().ack(n), fin().ack(n).seq(0), data("x").ack(n).seq(0)}) {
      TestConnection c = syn_sent();
      EXPECT_EQ(c.peer_sends(spec), Verdict::kReset) << n;
      c.expect_sent(rst().seq(n));
      c.expect_nothing_sent();
      EXPECT_EQ(c.state(), State::kSynSent);
    }
  }
}

TEST(SynSent, FirstUnacceptableAckWithRstIsDropped) {
  for (const std::int64_t n : {0, -1, 2, 100000}) {
    TestConnection c = syn_sent();
    EXPECT_EQ(c.peer_sends(rst().seq(0).ack(n)), Verdict::kRstIgnored) << n;
    c.expect_nothing_sent();
    EXPECT_EQ(c.state(), State::kSynSent);
  }
}

// Second, check the RST bit.
TEST(SynSent, SecondRstWithGoodAckRefuses) {
  TestConnection c = syn_sent();
  EXPECT_EQ(c.peer_sends(rst().seq(0).ack(1).wnd(0)), Verdict::kConnectionRefused);
  EXPECT_EQ(c.state(), State::kClosed);
  EXPECT_EQ(c.reason(), Reason::kRefused);
  EXPECT_TRUE(c.events().closed);
  c.expect_nothing_sent();
  EXPECT_TRUE(c.holds_no_memory());
}

TEST(SynSent, SecondRstWithTextAndGoodAckRefuses) {  // SHLD-2
  TestConnection c = syn_sent();
  EXPECT_EQ(c.peer_sends(data("connection refused").flags("R.").seq(0).ack(1)), Verdict::kConnectionRefused);
  EXPECT_EQ(c.state(), State::kClosed);
}

TEST(SynSent, SecondRstWithoutAckIsDropped) {
  TestConnection c = syn_sent();
  EXPECT_EQ(c.peer_sends(rst().seq(0)), Verdict::kRstIgnored);
  c.expect_nothing_sent();
  EXPECT_EQ(c.state(), State::kSynSent);
}

TEST(SynSent, SecondRstWithSynAndGoodAckRefuses) {
  TestConnection c = syn_sent();
  c.peer_sends(syn().flags("SR.").ack(1));
  EXPECT_EQ(c.state(), State::kClosed);
}

// Fifth: neither SYN nor RST.
TEST(SynSent, FifthAcceptableAckAloneIsDropped) {
  for (const SegmentSpec& spec : {ack(1).seq(0), ack(1).seq(1), data("overtakes").ack(1).seq(1), fin().ack(1).seq(1)}) {
    TestConnection c = syn_sent();
    EXPECT_EQ(c.peer_sends(spec), Verdict::kSynSentIgnored);
    c.expect_nothing_sent();
    EXPECT_EQ(c.state(), State::kSynSent);
    EXPECT_EQ(c.received(), "");
  }
}

TEST(SynSent, FifthSegmentWithoutSynRstAckIsDropped) {
  for (const SegmentSpec& spec : {no_flags(), fin().seq(1), data("x").seq(1)}) {
    TestConnection c = syn_sent();
    EXPECT_EQ(c.peer_sends(spec), Verdict::kSynSentIgnored);
    c.expect_nothing_sent();
    EXPECT_EQ(c.state(), State::kSynSent);
  }
}

TEST(SynSent, SynIsRetransmittedThoughTextOvertookTheSynAck) {
  TestConnection c = syn_sent();
  c.peer_sends(data("overtakes").ack(1).seq(1));
  c.sleep(1s);
  c.expect_sent(syn());
}

// Fourth, check the SYN bit.
TEST(SynSent, FourthSynAckWithTextDeliversIt) {  // "if there are other controls or text ... continue at the sixth step"
  TestConnection c = syn_sent();
  c.peer_sends(c.peer_syn().ack(1).text("hello"));
  EXPECT_EQ(c.state(), State::kEstablished);
  EXPECT_EQ(c.received(), "hello");
  c.expect_sent(ack(6).seq(1));
  c.expect_nothing_sent();
}

TEST(SynSent, FourthSynAckWithTextAndFinLeadsToCloseWait) {  // as on Linux: SYN|ACK|FIN is answered with an ACK
  TestConnection c = syn_sent();
  c.peer_sends(c.peer_syn().ack(1).text("hello").fin());
  EXPECT_EQ(c.state(), State::kCloseWait);
  EXPECT_EQ(c.received(), "hello");
  c.expect_sent(ack(7).seq(1));
  const Events events = c.events();
  EXPECT_TRUE(events.opened);
  EXPECT_TRUE(events.eof);
}

TEST(SynSent, FourthSynAckSetsTheSendWindowUnscaled) {  // RFC 7323, 2.2, field of a SYN
  TestConnection c = syn_sent({.peer = {.wscale = std::uint8_t{8}, .wnd = 5000}});
  c.peer_sends(c.peer_syn().ack(1));
  EXPECT_EQ(c.tcb().snd().wnd, 5000u);
  EXPECT_EQ(c.tcb().snd_shift(), 8);
}

TEST(SynSent, FourthSynAckWithoutOurOptionsTurnsThemOff) {  // RFC 7323, 2.2, both; RFC 7323, 3.2
  for (const bool ts : {false, true}) {
    for (const bool scale : {false, true}) {
      Conditions given;
      if (ts) given.peer.ts = 7000;
      if (scale) given.peer.wscale = 3;
      TestConnection c = syn_sent(given);
      c.peer_sends(c.peer_syn().ack(1));
      EXPECT_EQ(c.tcb().timestamps(), ts);
      EXPECT_EQ(c.tcb().window_scaled(), scale);
      if (!scale) {
        EXPECT_EQ(c.tcb().rcv_shift(), 0);
        EXPECT_EQ(c.tcb().snd_shift(), 0);
      }
    }
  }
}

TEST(SynSent, FourthSynWithoutAckLeadsToSynReceived) {  // MUST-10; more in simultaneous_open_test.cc
  TestConnection c = syn_sent();
  EXPECT_EQ(c.peer_sends(c.peer_syn()), Verdict::kAccepted);
  EXPECT_EQ(c.state(), State::kSynReceived);
  c.expect_sent(syn().ack(1));
  EXPECT_FALSE(c.tcb().passive());
}

TEST(SynSent, WindowOfASegmentThatIsDroppedIsNotTaken) {
  TestConnection c = syn_sent();
  c.peer_sends(ack(1).seq(0).wnd(77));
  EXPECT_NE(c.tcb().snd().wnd, 77u);
}

// --- User calls ---

TEST(SynSent, TextIsQueuedAndSentOnceOpen) {  // 3.10.2
  TestConnection c = syn_sent();
  EXPECT_EQ(c.user_sends("hello"), 5u);
  c.expect_nothing_sent();
  c.peer_sends(c.peer_syn().ack(1));
  c.expect_sent(data("hello").seq(1).ack(1));
  c.expect_nothing_sent();
}

TEST(SynSent, CloseDeletesTheConnectionSilently) {  // 3.10.4
  TestConnection c = syn_sent();
  c.user_closes();
  EXPECT_EQ(c.state(), State::kClosed);
  c.expect_nothing_sent();
  EXPECT_EQ(c.next_deadline(), std::nullopt);
  EXPECT_EQ(c.peer_sends(c.peer_syn().ack(1)), Verdict::kReset) << "a late SYN-ACK";
  c.expect_sent(rst().seq(1));
}

TEST(SynSent, AbortDeletesTheConnectionSilently) {  // 3.10.5
  TestConnection c = syn_sent();
  c.user_sends("never sent");
  c.user_aborts();
  EXPECT_EQ(c.state(), State::kClosed);
  EXPECT_EQ(c.reason(), Reason::kAborted);
  c.expect_nothing_sent();
}

TEST(SynSent, QueuedTextIsGivenUpWhenRefused) {
  TestConnection c = syn_sent();
  c.user_sends("never sent");
  c.peer_sends(rst().seq(0).ack(1));
  EXPECT_EQ(c.state(), State::kClosed);
  c.expect_nothing_sent();
}

TEST(SynSent, ThereIsNothingToRead) {
  TestConnection c = syn_sent();
  EXPECT_EQ(c.read(100), "");
}

TEST(SynSent, FourthSynAckWithUrgIsTold) {  // "processing continues at the sixth step": MUST-32
  TestConnection c = syn_sent();
  c.peer_sends(syn().ack(1).urg(4).text("now!"));
  EXPECT_EQ(c.state(), State::kEstablished);
  EXPECT_EQ(c.urgent_events(), 1);
  c.take_all_sent();
}

}  // namespace
}  // namespace pollux::tcp::test
