// Selective acknowledgment as a receiver sends it: RFC 2018, 4, and D-SACK, RFC 2883, 4.

#include "test_connection.h"

namespace pollux::tcp::test {
namespace {

Conditions with_sack(std::optional<std::uint32_t> ts = {}) { return {.peer = {.ts = ts, .sack_permitted = true}}; }
TestConnection sacking() { return established(with_sack()); }

TEST(SackReceiver, IsAgreedOnInTheHandshake) {  // RFC 2018, 2
  TestConnection c{with_sack()};
  c.peer_opens(c.peer_syn());
  EXPECT_TRUE(c.expect_sent(syn().ack(1)).options.sack_permitted);

  TestConnection active{{.active = true}};
  active.user_opens();
  EXPECT_TRUE(active.expect_sent(syn()).options.sack_permitted);
}

TEST(SackReceiver, CanBeSwitchedOff) {
  Conditions given = with_sack();
  given.config.sack_permitted = false;
  TestConnection c{given};
  c.peer_opens(c.peer_syn());
  EXPECT_FALSE(c.expect_sent(syn().ack(1)).options.sack_permitted);
  EXPECT_FALSE(c.tcb().sack_permitted());
}

TEST(SackReceiver, NoBlocksWithoutAgreement) {  // RFC 2018, 4: "If the data receiver has not received a SACK-Permitted"
  TestConnection c = established();
  c.peer_sends(data("b").seq(2).ack(1));
  c.expect_sent(ack(1).seq(1).sack({}));
}

TEST(SackReceiver, NoBlocksWhileAllIsInOrder) {
  TestConnection c = sacking();
  c.peer_sends(data(pattern(1460)).seq(1).ack(1));
  c.peer_sends(data(pattern(1460)).seq(1461).ack(1));
  c.expect_sent(ack(2921).seq(1).sack({}));
}

TEST(SackReceiver, FirstBlockHoldsTheSegmentThatCausedTheAck) {  // RFC 2018, 4
  TestConnection c = sacking();
  c.peer_sends(data("xx").seq(11).ack(1));
  c.expect_sent(ack(1).seq(1).sack({{11, 13}}));
  c.peer_sends(data("xx").seq(31).ack(1));
  c.expect_sent(ack(1).seq(1).sack({{31, 33}, {11, 13}}));
  c.peer_sends(data("xx").seq(21).ack(1));
  c.expect_sent(ack(1).seq(1).sack({{21, 23}, {31, 33}, {11, 13}}));
  c.peer_sends(data("xx").seq(13).ack(1));
  c.expect_sent(ack(1).seq(1).sack({{11, 15}, {21, 23}, {31, 33}}));
}

TEST(SackReceiver, FourBlocksFitAndThreeBesideTimestamps) {  // RFC 2018, 3
  for (const bool ts : {false, true}) {
    TestConnection c = established(with_sack(ts ? std::optional{7u} : std::nullopt));
    for (int i = 0; i < 6; ++i) c.peer_sends(data("x").seq(11 + 10 * i).ack(1));
    EXPECT_EQ(TestConnection::blocks_of(c.take_all_sent().back()).size(), ts ? 3u : 4u);
  }
}

TEST(SackReceiver, WindowUpdatesTellToo) {  // RFC 2018, 4: "in all ACKs which do not ACK the highest number"
  TestConnection c =
      established({.config = {.receive_buffer = 8000}, .peer = {.sack_permitted = true}, .application_reads = false});
  c.peer_sends(data(pattern(6000)).seq(1).ack(1));
  c.peer_sends(data("x").seq(7001).ack(1));
  c.take_all_sent();
  c.read(6000);
  c.expect_sent(ack(6001).seq(1).sack({{7001, 7002}}));
}

TEST(SackReceiver, BlocksEndWithTheHole) {  // RFC 2018, 4
  TestConnection c = sacking();
  c.peer_sends(data("b").seq(2).ack(1));
  c.peer_sends(data("d").seq(4).ack(1));
  c.take_all_sent();
  c.peer_sends(data("a").seq(1).ack(1));
  c.expect_sent(ack(3).seq(1).sack({{4, 5}}));
  c.peer_sends(data("c").seq(3).ack(1));
  c.expect_sent(ack(5).seq(1).sack({}));
  EXPECT_EQ(c.received(), "abcd");
  EXPECT_TRUE(c.holds_no_memory());
}

// One ACK has room for four; a burst that leaves more gets as many ACKs as it takes.
TEST(SackReceiver, ABurstIsToldOfInAsFewAcksAsHoldIt) {
  TestConnection c = sacking();
  c.peer_sends_burst({data("x").seq(11).ack(1), data("y").seq(12).ack(1), data("z").seq(13).ack(1)});
  c.expect_sent(ack(1).seq(1).sack({{11, 14}}));
  c.expect_nothing_sent();

  TestConnection many = sacking();
  std::vector<SegmentSpec> burst;
  for (int i = 0; i < 6; ++i) burst.push_back(data("x").seq(11 + 10 * i).ack(1));
  many.peer_sends_burst(burst);
  many.expect_sent(ack(1).seq(1).sack({{41, 42}, {31, 32}, {21, 22}, {11, 12}}));
  many.expect_sent(ack(1).seq(1).sack({{61, 62}, {51, 52}, {41, 42}, {31, 32}}));
  many.expect_nothing_sent();
}

TEST(SackReceiver, TextOfOursCarriesNoBlocksSoThatAnAckFollows) {  // a full segment has no room for them
  TestConnection c = sacking();
  c.peer_sends_burst({data("x").seq(11).ack(1)});
  c.take_all_sent();
  c.user_sends("hello");
  c.expect_sent(data("hello").seq(1).ack(1).sack({}));
  c.expect_nothing_sent();
}

TEST(SackReceiver, NumbersThatWrapAreTold) {  // IRS is 2^32 - 2
  TestConnection c = sacking();
  c.peer_sends(data("bcd").seq(2).ack(1));  // 2^32 is the third of them
  c.expect_sent(ack(1).seq(1).sack({{2, 5}}));
}

// --- RFC 2883 ---

TEST(DSack, ASegmentThatCameTwiceIsToldOnce) {  // 4.1.1
  TestConnection c = sacking();
  c.peer_sends(data("hello").seq(1).ack(1));
  c.sleep(100ms);
  c.take_all_sent();
  c.peer_sends(data("hello").seq(1).ack(1));
  c.expect_sent(ack(6).seq(1).sack({{1, 6}}));
  c.peer_sends(data("x").seq(7).ack(1));
  c.expect_sent(ack(6).seq(1).sack({{7, 8}}));
  EXPECT_EQ(c.received(), "hello");
}

TEST(DSack, AndThenWhatLiesBeyondAHole) {  // 4.1.2
  TestConnection c = sacking();
  c.peer_sends(data("hello").seq(1).ack(1));
  c.peer_sends(data("xx").seq(11).ack(1));
  c.take_all_sent();
  c.peer_sends(data("hello").seq(1).ack(1));
  c.expect_sent(ack(6).seq(1).sack({{1, 6}, {11, 13}}));
}

TEST(DSack, OfTextBeyondAHoleTheBlockAroundItFollows) {  // 4.1.3, 4.2.2
  TestConnection c = sacking();
  c.peer_sends(data("xx").seq(31).ack(1));
  c.peer_sends(data(pattern(10)).seq(11).ack(1));
  c.take_all_sent();
  c.peer_sends(data("xx").seq(31).ack(1));
  c.expect_sent(ack(1).seq(1).sack({{31, 33}, {31, 33}, {11, 21}}));
  c.peer_sends(data(pattern(3, 2)).seq(13).ack(1));
  c.expect_sent(ack(1).seq(1).sack({{13, 16}, {11, 21}, {31, 33}}));
}

TEST(DSack, OfAPartTheOverlapIsTold) {  // 4.2.1
  TestConnection c = sacking();
  c.peer_sends(data("abcde").seq(1).ack(1));
  c.sleep(100ms);
  c.take_all_sent();
  c.peer_sends(data("defgh").seq(4).ack(1));
  c.sleep(100ms);
  c.expect_sent(ack(9).seq(1).sack({{4, 6}}));
  EXPECT_EQ(c.received(), "abcdefgh");
}

TEST(DSack, OfTextThatFillsTheHoleAndMore) {
  TestConnection c = sacking();
  c.peer_sends(data("cd").seq(3).ack(1));
  c.take_all_sent();
  c.peer_sends(data("abcd").seq(1).ack(1));
  c.expect_sent(ack(5).seq(1).sack({{3, 5}}));
  EXPECT_TRUE(c.holds_no_memory());
}

TEST(DSack, OfAFinThatCameAgainToo) {  // 4: the sequence numbers that the segment occupies
  TestConnection c = sacking();
  c.peer_sends(data("hello").seq(1).ack(1).fin());
  c.take_all_sent();
  ASSERT_EQ(c.state(), State::kCloseWait);
  EXPECT_EQ(c.peer_sends(data("llo").seq(3).ack(1).fin()), Verdict::kDuplicate);
  c.expect_sent(ack(7).seq(1).sack({{3, 7}}));
  EXPECT_EQ(c.peer_sends(fin().seq(6).ack(1)), Verdict::kDuplicate);
  c.expect_sent(ack(7).seq(1).sack({{6, 7}}));
  EXPECT_TRUE(c.holds_no_memory());
}

TEST(DSack, OfWhatCameAgainWithANewFin) {  // 4.2.1
  TestConnection c = sacking();
  c.peer_sends(data("hello").seq(1).ack(1));
  c.sleep(500ms);
  c.take_all_sent();
  c.peer_sends(data("llo").seq(3).ack(1).fin());
  EXPECT_EQ(c.state(), State::kCloseWait);
  EXPECT_TRUE(c.events().eof);
  c.expect_sent(ack(7).seq(1).sack({{3, 6}}));
  EXPECT_TRUE(c.holds_no_memory());
}

TEST(DSack, OfAFinThatComesAgainWhileTextIsUnread) {
  Conditions given = with_sack();
  given.application_reads = false;
  TestConnection c = established(given);
  c.peer_sends(data("hello").seq(1).ack(1).fin());
  c.take_all_sent();
  c.peer_sends(fin().seq(6).ack(1));
  c.expect_sent(ack(7).seq(1).sack({{6, 7}}));
  EXPECT_FALSE(c.events().eof);
  EXPECT_EQ(c.read(5), "hello");
  EXPECT_TRUE(c.events().eof);
  EXPECT_TRUE(c.holds_no_memory());
}

TEST(DSack, IsSentWhileOurFinIsOutstandingAndNotInTimeWait) {
  TestConnection c = sacking();
  c.peer_sends(data("hello").seq(1).ack(1).fin());
  c.take_all_sent();
  c.user_closes();
  c.take_all_sent();
  ASSERT_EQ(c.state(), State::kLastAck);
  c.peer_sends(fin().seq(6).ack(1));
  c.expect_sent(ack(7).seq(2).sack({{6, 7}}));

  TestConnection first = sacking();
  first.user_closes();
  first.take_all_sent();
  first.peer_sends(fin().seq(1).ack(2));
  first.take_all_sent();
  ASSERT_EQ(first.state(), State::kTimeWait);
  first.peer_sends(fin().seq(1).ack(2));
  first.expect_sent(ack(2).seq(2).sack({}));
}

TEST(DSack, IsNotSentOfNumbersThatThisConnectionNeverUsed) {
  for (const std::int64_t seq : {std::int64_t{-70000}, std::int64_t{-1}, std::int64_t{0x7fffffff} + 1}) {
    TestConnection c = sacking();
    EXPECT_EQ(c.peer_sends(data("x").seq(seq).ack(1)), Verdict::kOutOfWindow) << seq;
    c.expect_sent(ack(1).seq(1).sack({}));
    EXPECT_EQ(c.counters().duplicate_segments, 0u) << seq;
    EXPECT_TRUE(c.holds_no_memory());
  }
}

TEST(DSack, OfWhatReachesBeyondAClosedWindowThePartThatCameBefore) {
  Conditions given = with_sack();
  given.application_reads = false;
  given.config.window_scaling = false;
  given.config.receive_buffer = 100;
  TestConnection c = established(given);
  c.peer_sends(data(pattern(static_cast<std::size_t>(c.right_edge() - 1))).seq(1).ack(1));
  c.sleep(500ms);
  c.take_all_sent();
  ASSERT_EQ(c.tcb().rcv_wnd(), 0u);
  const std::int64_t nxt = c.rcv_nxt();
  EXPECT_EQ(c.peer_sends(data("xxy").seq(nxt - 2).ack(1)), Verdict::kOutOfWindow);
  c.expect_sent(ack(nxt).seq(1).wnd(0).sack({{nxt - 2, nxt}}));
  EXPECT_EQ(c.counters().duplicate_segments, 0u);
}

TEST(DSack, IsNotSentWithoutAgreement) {
  TestConnection c = established();
  c.peer_sends(data("hello").seq(1).ack(1));
  c.sleep(100ms);
  c.take_all_sent();
  c.peer_sends(data("hello").seq(1).ack(1));
  c.expect_sent(ack(6).seq(1).sack({}));
  EXPECT_TRUE(c.holds_no_memory());
}

TEST(DSack, LeavesNothingBehindWhenTheFinComesInTheSameBurst) {
  TestConnection c = sacking();
  c.peer_sends(data("hello").seq(1).ack(1));
  c.peer_sends_burst({data("hello").seq(1).ack(1), fin().seq(6).ack(1)});
  EXPECT_EQ(c.state(), State::kCloseWait);
  EXPECT_TRUE(c.events().eof);
  EXPECT_TRUE(c.holds_no_memory());
}

}  // namespace
}  // namespace pollux::tcp::test
