// RFC 7323: timestamps, PAWS.

#include "test_connection.h"

namespace pollux::tcp::test {
namespace {

const Conditions kWithTimestamps{.peer = {.ts = 1000u}};

TestConnection with_timestamps() { return established(kWithTimestamps); }

TEST(Timestamps, AreOnEverySegmentIfBothOffered) {  // RFC 7323, 3.2, every segment; the harness checks each one
  TestConnection c = with_timestamps();
  EXPECT_TRUE(c.tcb().timestamps());
  c.user_sends("hello");
  EXPECT_TRUE(c.take_sent().value().options.ts.has_value());
  c.peer_sends(data("hello").seq(1).ack(6));
  c.sleep(100ms);
  EXPECT_TRUE(c.take_sent().value().options.ts.has_value());
  c.user_shuts_down();
  EXPECT_TRUE(c.take_sent().value().options.ts.has_value());
}

TEST(Timestamps, AreOnAResetOfOurs) {  // RFC 7323, 3.2, RST: "SHOULD"
  TestConnection c = with_timestamps();
  c.user_aborts();
  EXPECT_TRUE(c.take_sent().value().options.ts.has_value());
}

TEST(Timestamps, OptionWithoutAgreementIsIgnored) {  // RFC 7323, 3.2, not agreed on
  TestConnection c = established();
  c.peer_sends(data("hello").seq(1).ack(1).ts(5, 5));
  EXPECT_EQ(c.received(), "hello");
  EXPECT_FALSE(c.tcb().timestamps());
}

TEST(Timestamps, ReduceTheTextOfASegmentByTwelve) {  // MUST-16
  TestConnection c = with_timestamps();
  c.user_sends(pattern(5000));
  EXPECT_EQ(c.take_sent().value().text.size(), 1448u);
}

TEST(Timestamps, TickLastsBetweenAMillisecondAndASecond) {  // RFC 7323, 5.4
  TestConnection c = with_timestamps();
  c.user_sends("a");
  const std::uint32_t first = c.take_sent().value().options.ts->val;
  c.peer_sends(ack(2).seq(1));
  c.sleep(10s);
  c.user_sends("b");
  const std::uint32_t ticks = c.take_sent().value().options.ts->val - first;
  EXPECT_GE(ticks, 10u);
  EXPECT_LE(ticks, 10'000u);
}

TEST(Timestamps, StartAtTheOffsetOfTheConnection) {  // RFC 7323, 7.1
  const auto first = [](std::uint32_t offset) {
    TestConnection c{{.active = true, .timestamp_offset = offset}};
    c.user_opens();
    return c.take_sent().value().options.ts->val;
  };
  EXPECT_EQ(first(5000) - first(0), 5000u);
}

TEST(Timestamps, SurviveTheirWrap) {  // 5.2: the harness checks that TSval never goes back
  TestConnection c = established({.peer = {.ts = 0xffffff00u}, .timestamp_offset = 700});
  for (std::int64_t i = 0; i < 20; ++i) {
    c.peer_sends(data("x").seq(1 + i).ack(c.snd_nxt()));
    c.user_sends("y");
    c.sleep(100ms);
  }
  EXPECT_EQ(c.received(), std::string(20, 'x'));
}

// --- TS.Recent (4.3) ---

TEST(Timestamps, EchoIsTheOneOfTheSegmentThatIsAcknowledged) {  // RFC 7323, 4.3, (3)
  TestConnection c = with_timestamps();
  c.peer_sends(data("hello").seq(1).ack(1).ts(2000, c.last_tsval()));
  c.sleep(100ms);
  EXPECT_EQ(c.take_sent().value().options.ts->ecr, 2000u);
}

TEST(Timestamps, DelayedAckEchoesTheFirstOfTheTwo) {  // 4.3, case (A)
  TestConnection c = with_timestamps();
  c.peer_sends(data(pattern(1448)).seq(1).ack(1).ts(2000, c.last_tsval()));
  c.peer_sends(data(pattern(1448)).seq(1449).ack(1).ts(2005, c.last_tsval()));
  const Sent answer = c.expect_sent(ack(2897).seq(1));
  EXPECT_EQ(answer.options.ts->ecr, 2000u);
}

TEST(Timestamps, HoleEchoesTheLastSegmentThatAdvancedTheLeftEdge) {  // RFC 7323, 4.3, (2): case (B); RFC 7323, 5.3, R3
  TestConnection c = with_timestamps();
  c.peer_sends(data("A").seq(1).ack(1).ts(2000, c.last_tsval()));
  c.sleep(100ms);
  c.take_all_sent();
  c.peer_sends(data("C").seq(3).ack(1).ts(2020, c.last_tsval()));
  EXPECT_EQ(c.take_sent().value().options.ts->ecr, 2000u);
  c.peer_sends(data("B").seq(2).ack(1).ts(2010, c.last_tsval()));  // case (C): the hole is filled
  EXPECT_EQ(c.take_sent().value().options.ts->ecr, 2010u);
}

TEST(Timestamps, OfUnacceptableSegmentsAreNotTaken) {
  TestConnection c = with_timestamps();
  const std::uint32_t before = c.tcb().ts().recent;
  c.peer_sends(data("x").seq(-100).ack(1).ts(5000, c.last_tsval()));
  c.peer_sends(data("x").seq(1).ack(100000).ts(5000, c.last_tsval()));  // an ACK of what was not sent
  c.peer_sends(data("x").seq(100000000).ack(1).ts(5000, c.last_tsval()));
  c.peer_sends(syn().seq(50).ts(5000, c.last_tsval()));
  EXPECT_EQ(c.tcb().ts().recent, before);
}

TEST(Timestamps, OfResetsAreNotTaken) {  // RFC 7323, 5.2, TSval of a RST
  TestConnection c = with_timestamps();
  const std::uint32_t before = c.tcb().ts().recent;
  EXPECT_EQ(c.peer_sends(rst().seq(0).ts(before + 1000, c.last_tsval())), Verdict::kRstOutOfWindow);
  EXPECT_EQ(c.tcb().ts().recent, before);
}

// --- PAWS (5) ---

TEST(Paws, OlderTimestampIsAcknowledgedAndDropped) {  // RFC 7323, 5.3, R1; RFC 7323, 5.3, R4
  TestConnection c = with_timestamps();
  const std::uint32_t recent = c.tcb().ts().recent;
  EXPECT_EQ(c.peer_sends(data("old").seq(1).ack(1).ts(recent - 1, c.last_tsval())), Verdict::kPaws);
  c.expect_sent(ack(1).seq(1));
  EXPECT_EQ(c.received(), "");
  EXPECT_EQ(c.peer_sends(data("new").seq(1).ack(1).ts(recent, c.last_tsval())), Verdict::kAccepted);
  EXPECT_EQ(c.received(), "new");
}

TEST(Paws, IsModulo) {  // RFC 7323, 5.2, modulo
  TestConnection c = established({.peer = {.ts = 0x7fffffffu}});
  const std::uint32_t recent = c.tcb().ts().recent;
  EXPECT_EQ(c.peer_sends(data("x").seq(1).ack(1).ts(recent + 0x7fffffff, 0)), Verdict::kAccepted);
  EXPECT_EQ(c.peer_sends(data("x").seq(2).ack(1).ts(recent, 0)), Verdict::kPaws);
}

TEST(Paws, DoesNotApplyToResets) {  // RFC 7323, 5.2, RST: "MUST NOT be subjected to the PAWS check"
  TestConnection c = with_timestamps();
  EXPECT_EQ(c.peer_sends(rst().seq(1).ts(c.tcb().ts().recent - 1000, 0)), Verdict::kConnectionReset);
}

TEST(Paws, LetsAConnectionThatWasIdleForWeeksGoOn) {  // RFC 7323, 5.5: after 24 days TS.Recent says nothing
  for (const auto idle : {25 * 24h, 30 * 24h, 40 * 24h, 49 * 24h}) {
    TestConnection c = with_timestamps();
    c.sleep(idle);
    EXPECT_EQ(c.peer_sends(data("hello").seq(1).ack(1)), Verdict::kAccepted) << idle.count() / 24 << " days";
    EXPECT_EQ(c.received(), "hello");
    EXPECT_EQ(c.tcb().ts().recent, c.peer_clock());
  }
}

TEST(Paws, StillHoldsAfterTwentyThreeDays) {
  TestConnection c = with_timestamps();
  const std::uint32_t recent = c.tcb().ts().recent;
  c.sleep(23 * 24h);
  EXPECT_EQ(c.peer_sends(data("old").seq(1).ack(1).ts(recent - 1, 0)), Verdict::kPaws);
}

TEST(Paws, SegmentWithoutTheOptionIsAccepted) {  // RFC 7323, 3.2, lacking; like Linux, though "SHOULD" says drop
  TestConnection c = with_timestamps();
  EXPECT_EQ(c.peer_sends(data("hello").seq(1).ack(1).no_ts()), Verdict::kAccepted);
  EXPECT_EQ(c.received(), "hello");
}

TEST(Paws, ResetWithoutTheOptionIsAccepted) {
  TestConnection c = with_timestamps();
  EXPECT_EQ(c.peer_sends(rst().seq(1).no_ts()), Verdict::kConnectionReset);
}

// --- Handshake ---

TEST(Timestamps, EchoOfNoSynOfOursIsReset) {  // a SYN-ACK for somebody else's SYN
  TestConnection c = syn_sent({.peer = {.ts = 1000u}});
  EXPECT_EQ(c.peer_sends(c.peer_syn().ack(1).ts(1000, c.last_tsval() + 1'000'000)), Verdict::kReset);
  EXPECT_EQ(c.state(), State::kSynSent);
  c.take_all_sent();
  c.peer_sends(c.peer_syn().ack(1));
  EXPECT_EQ(c.state(), State::kEstablished);
}

TEST(Timestamps, EchoOfARetransmittedSynIsGood) {
  TestConnection c = syn_sent({.peer = {.ts = 1000u}});
  const std::uint32_t first = c.last_tsval();
  c.sleep(1s);
  c.take_all_sent();
  c.peer_sends(c.peer_syn().ack(1).ts(1000, first));
  EXPECT_EQ(c.state(), State::kEstablished);
}

TEST(Timestamps, RoundTripIsMeasuredByThemWhenTheSynWasSentTwice) {  // 4.1; Karn is answered
  TestConnection c = syn_sent({.peer = {.ts = 1000u}});
  c.sleep(1100ms);
  c.peer_sends(c.peer_syn().ack(1));
  EXPECT_EQ(c.rto(), 300ms);
}

TEST(Timestamps, AnAckThatAdvancesNothingMeasuresNothing) {  // RFC 7323, 4.1, RTTM rule
  TestConnection c = with_timestamps();
  c.user_sends("hello");
  c.sleep(c.rto() + 50ms);  // what was sent twice only timestamps can measure
  const Duration before = c.tcb().rtt().srtt();
  c.peer_sends(ack(1).seq(1));
  EXPECT_EQ(c.tcb().rtt().srtt(), before);
  c.peer_sends(ack(6).seq(1));
  EXPECT_LT(c.tcb().rtt().srtt(), before);
}

TEST(Timestamps, EchoOfZeroMeasuresNothing) {  // 3.2: only valid if the ACK bit is set, and some peers send 0
  TestConnection c = with_timestamps();
  const Duration before = c.rto();
  c.user_sends("hello");
  c.sleep(c.rto() + 10ms);
  c.peer_sends(ack(6).seq(1).ts(c.peer_clock(), 0));
  EXPECT_EQ(c.rto(), before);
}

}  // namespace
}  // namespace pollux::tcp::test
