// RFC 5681, 3.2, RFC 6582 (NewReno) and RFC 3042 (limited transmit).

#include "test_connection.h"

namespace pollux::tcp::test {
namespace {

constexpr std::int64_t kMss = 1460;

std::int64_t at(std::int64_t segment) { return 1 + segment * kMss; }  // where the n-th segment begins

std::vector<std::int64_t> seqs(TestConnection& c) {
  std::vector<std::int64_t> all;
  for (const Sent& sent : c.take_all_sent()) all.push_back(sent.seq);
  return all;
}

// Ten segments of thirty are on their way.
TestConnection ten_in_flight(const Conditions& given = {}) {
  TestConnection c = established(given);
  c.user_sends(pattern(30 * kMss));
  EXPECT_EQ(c.take_all_sent().size(), 10u);
  return c;
}

void duplicates(TestConnection& c, int n, std::int64_t una = 1) {
  for (int i = 0; i < n; ++i) c.peer_sends(ack(una).seq(1));
}

TEST(FastRetransmit, FirstTwoDuplicatesEachLetANewSegmentGo) {  // RFC 5681, 3.2, (1); RFC 3042
  TestConnection c = ten_in_flight();
  duplicates(c, 1);
  EXPECT_EQ(seqs(c), std::vector{at(10)});
  duplicates(c, 1);
  EXPECT_EQ(seqs(c), std::vector{at(11)});
}

TEST(FastRetransmit, ThirdDuplicateSendsTheFirstSegmentAgain) {  // RFC 5681, 3.2, (3)
  TestConnection c = ten_in_flight();
  duplicates(c, 2);
  c.take_all_sent();
  duplicates(c, 1);
  EXPECT_EQ(seqs(c), std::vector{at(0)});
  EXPECT_EQ(c.counters().fast_retransmits, 1u);
}

TEST(FastRetransmit, SsthreshLeavesLimitedTransmitOut) {  // RFC 5681, 3.2, (2): "MUST NOT be included"
  TestConnection c = ten_in_flight();
  duplicates(c, 3);
  EXPECT_EQ(c.tcb().congestion().ssthresh, 5u * kMss);
  EXPECT_EQ(c.tcb().congestion().cwnd, 8u * kMss) << "RFC 5681, 3.2, (3): ssthresh plus three segments";
}

TEST(FastRetransmit, EachFurtherDuplicateInflatesTheWindow) {  // RFC 5681, 3.2, (4); RFC 5681, 3.2, (5)
  TestConnection c = ten_in_flight();
  duplicates(c, 3);
  c.take_all_sent();
  const std::uint32_t cwnd = c.tcb().congestion().cwnd;
  duplicates(c, 2);
  EXPECT_EQ(c.tcb().congestion().cwnd, cwnd + 2 * kMss);
  duplicates(c, 3);
  EXPECT_EQ(seqs(c), std::vector{at(12)}) << "twelve are in flight; now cwnd is thirteen";
}

TEST(FastRetransmit, FullAckEndsRecoveryWithTheWindowDeflated) {  // RFC 5681, 3.2, (6); RFC 6582, 3.2, (3)
  TestConnection c = ten_in_flight();
  duplicates(c, 3);
  c.peer_sends(ack(at(12)).seq(1));
  EXPECT_LE(c.tcb().congestion().cwnd, c.tcb().congestion().ssthresh);
  EXPECT_GE(c.tcb().congestion().cwnd, static_cast<std::uint32_t>(kMss));
  duplicates(c, 1, at(12));
  EXPECT_EQ(c.counters().fast_retransmits, 1u);
}

TEST(FastRetransmit, PartialAckSendsTheNextHoleAtOnce) {  // RFC 6582, 3.2, (3)
  TestConnection c = ten_in_flight();
  duplicates(c, 3);
  c.take_all_sent();
  c.peer_sends(ack(at(4)).seq(1));
  const auto sent = seqs(c);
  ASSERT_FALSE(sent.empty());
  EXPECT_EQ(sent.front(), at(4));
  c.peer_sends(ack(at(7)).seq(1));
  EXPECT_EQ(seqs(c).front(), at(7));
  EXPECT_EQ(c.counters().fast_retransmits, 1u) << "one recovery, one reduction";
  EXPECT_EQ(c.tcb().congestion().ssthresh, 5u * kMss);
}

TEST(FastRetransmit, SecondLossInTheSameWindowDoesNotHalveAgain) {
  TestConnection c = ten_in_flight();
  duplicates(c, 3);
  c.peer_sends(ack(at(4)).seq(1));
  duplicates(c, 5, at(4));
  EXPECT_EQ(c.tcb().congestion().ssthresh, 5u * kMss);
}

TEST(FastRetransmit, TextAndAnotherWindowAreNoDuplicates) {  // RFC 5681, 2, (b); RFC 5681, 2, (e)
  TestConnection with_text = ten_in_flight();
  for (std::int64_t i = 0; i < 5; ++i) with_text.peer_sends(data("x").seq(1 + i).ack(1));
  EXPECT_EQ(with_text.counters().fast_retransmits, 0u);

  TestConnection with_window = ten_in_flight();
  for (std::uint16_t i = 0; i < 5; ++i) {
    with_window.peer_sends(ack(1).seq(1).wnd(static_cast<std::uint16_t>(60000 + i)));
  }
  EXPECT_EQ(with_window.counters().fast_retransmits, 0u);
}

TEST(FastRetransmit, AFinIsNoDuplicate) {  // RFC 5681, 2, (c)
  TestConnection c = ten_in_flight();
  duplicates(c, 2);
  c.peer_sends(fin().seq(1).ack(1));
  EXPECT_EQ(c.state(), State::kCloseWait);
  EXPECT_EQ(c.counters().duplicate_acks, 2u);
  EXPECT_EQ(c.counters().fast_retransmits, 0u);
}

TEST(FastRetransmit, AnOldAckIsNoDuplicate) {  // RFC 5681, 2, (d)
  TestConnection c = ten_in_flight();
  c.peer_sends(ack(at(1)).seq(1));
  duplicates(c, 5, 1);
  EXPECT_EQ(c.counters().duplicate_acks, 0u);
  EXPECT_EQ(c.counters().fast_retransmits, 0u);
}

TEST(FastRetransmit, NothingOutstandingIsNoDuplicate) {  // RFC 5681, 2, (a)
  TestConnection c = established();
  duplicates(c, 10);
  EXPECT_EQ(c.counters().duplicate_acks, 0u);
  c.expect_nothing_sent();
}

TEST(FastRetransmit, NewAckResetsTheCount) {
  TestConnection c = ten_in_flight();
  duplicates(c, 2);
  c.peer_sends(ack(at(1)).seq(1));
  duplicates(c, 2, at(1));
  EXPECT_EQ(c.counters().fast_retransmits, 0u);
}

TEST(FastRetransmit, CountSaturates) {
  TestConnection c = ten_in_flight({.peer = {.wnd = 20000}});
  duplicates(c, 1000);
  EXPECT_EQ(c.counters().fast_retransmits, 1u);
  int again = 0;
  for (const std::int64_t seq : seqs(c)) again += seq == at(0) ? 1 : 0;
  EXPECT_EQ(again, 1);
}

TEST(FastRetransmit, NotBelowRecoverAfterATimeOut) {  // RFC 6582, 3.2, (2): our own go-back causes duplicates
  TestConnection c = ten_in_flight();
  c.sleep(c.rto());
  c.take_all_sent();
  duplicates(c, 5);
  EXPECT_EQ(c.counters().fast_retransmits, 0u);
}

TEST(FastRetransmit, InflatedWindowStaysWithinThePeers) {
  TestConnection c = ten_in_flight({.peer = {.wnd = static_cast<std::uint16_t>(11 * kMss)}});
  duplicates(c, 50);  // the harness sees that nothing goes beyond the peer's edge
  EXPECT_EQ(c.snd_nxt(), at(11));
}

TEST(FastRetransmit, TimerStillGuardsRecovery) {
  TestConnection c = ten_in_flight();
  duplicates(c, 3);
  c.take_all_sent();
  c.sleep(c.rto());
  EXPECT_EQ(seqs(c).front(), at(0));
  EXPECT_EQ(c.tcb().congestion().cwnd, static_cast<std::uint32_t>(kMss));
}

TEST(FastRetransmit, WindowLostFromTheHeadIsRepairedWithoutATimeOut) {
  TestConnection c = ten_in_flight();
  duplicates(c, 7);  // three of ten were lost: 0, 1, 2
  std::int64_t repaired = 0;
  for (std::int64_t hole = 1; hole <= 3; ++hole) {
    for (const std::int64_t seq : seqs(c)) repaired += seq < at(3) ? 1 : 0;
    c.peer_sends(ack(hole < 3 ? at(hole) : at(10)).seq(1));
  }
  EXPECT_EQ(repaired, 3);
  EXPECT_EQ(c.counters().rto_fired, 0u);
}

TEST(FastRetransmit, MeasuresNoRoundTrip) {  // MUST-18
  TestConnection c = ten_in_flight();
  const Duration rto = c.rto();
  c.sleep(200ms);
  duplicates(c, 3);
  c.peer_sends(ack(at(12)).seq(1));
  EXPECT_EQ(c.rto(), rto);
}

// CC-08: each duplicate stands for a segment that has left, and there are no more than are in flight.
TEST(FastRetransmit, FloodOfDuplicatesInflatesNoFurtherThanTheFlight) {
  TestConnection c = established();
  c.user_sends(pattern(20 * kMss));
  for (int i = 0; i < 1000; ++i) c.peer_sends(ack(1).seq(1));
  EXPECT_LE(c.tcb().congestion().cwnd, c.tcb().congestion().ssthresh + c.tcb().flight_size() + kMss);
  c.take_all_sent();
}

// RFC 5681, 3.1: only what the timer itself has sent again is exempt from halving.
TEST(FastRetransmit, TimeOutInFastRecoveryHalvesWhatIsInFlight) {
  TestConnection c = established();
  c.user_sends(pattern(10 * kMss));
  for (int i = 0; i < 3; ++i) c.peer_sends(ack(1).seq(1));
  c.take_all_sent();
  const std::uint32_t flight = c.tcb().flight_size();
  c.sleep(2s);
  EXPECT_EQ(c.tcb().congestion().ssthresh, std::max<std::uint32_t>(flight / 2, 2 * kMss));
  c.take_all_sent();
}

}  // namespace
}  // namespace pollux::tcp::test
