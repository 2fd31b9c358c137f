// What was done for nothing is taken back: RFC 3522 (Eifel), RFC 4015 (its response), RFC 3708 (D-SACK).

#include "test_connection.h"

namespace pollux::tcp::test {
namespace {

constexpr std::int64_t kMss = 1448;  // beside timestamps

std::int64_t at(std::int64_t segment) { return 1 + segment * kMss; }

using Segments = std::vector<std::int64_t>;
Segments sent(TestConnection& c) {
  Segments all;
  for (const Sent& s : c.take_all_sent()) all.push_back((s.seq - 1) / kMss);
  return all;
}

// Ten segments of thirty are on their way; `first_ts` is the timestamp they bear.
struct Flight {
  explicit Flight(bool sack = true, CongestionControl control = CongestionControl::kNewReno)
      : c{established({.config = {.congestion = control}, .peer = {.ts = 7u, .sack_permitted = sack}})} {
    c.user_sends(pattern(30 * kMss));
    EXPECT_EQ(sent(c).size(), 10u);
    first_ts = c.last_tsval();
    cwnd = c.tcb().congestion().cwnd;
    ssthresh = c.tcb().congestion().ssthresh;
  }
  void acks(std::int64_t una, std::uint32_t echo, const std::vector<SegmentSpec::Block>& blocks = {}) {
    c.peer_sends(ack(at(una)).seq(1).ts(c.peer_clock(), echo).sack(blocks));
  }
  TestConnection c;
  std::uint32_t first_ts = 0;
  std::uint32_t cwnd = 0;
  std::uint32_t ssthresh = 0;
};

TEST(Spurious, ATimeOutWhoseFirstAckEchoesTheFirstCopyIsUndone) {  // RFC 3522, 3.2; RFC 4015, 3.2
  for (const bool sack : {false, true}) {
    Flight f{sack};
    f.c.sleep_until_time_out();
    EXPECT_EQ(sent(f.c), (Segments{0}));
    f.acks(1, f.first_ts);
    EXPECT_EQ(f.c.counters().spurious_time_outs, 1u);
    EXPECT_EQ(f.c.tcb().congestion().ssthresh, f.ssthresh);
    EXPECT_GE(f.c.tcb().congestion().cwnd, f.cwnd);
    EXPECT_LE(f.c.tcb().congestion().cwnd, f.cwnd + kMss) << "and slow start goes on";
    for (const std::int64_t n : sent(f.c)) EXPECT_GE(n, 10) << "only what is new";
    f.acks(10, f.first_ts);
    EXPECT_EQ(f.c.counters().retransmitted_segments, 1u);
  }
}

TEST(Spurious, TheThresholdIsThenNoLessThanWhatWasOutstanding) {  // RFC 4015, 3.2: pipe_prev
  Flight f;
  f.c.user_sends(pattern(60 * kMss, 30 * kMss));
  f.c.sleep(10ms);
  f.acks(0, f.first_ts, {{at(1), at(4)}});
  const auto all_acknowledged = [&f] {
    sent(f.c);
    f.c.sleep(100ms);
    f.acks((f.c.snd_nxt() - 1) / kMss, f.c.last_tsval());
  };
  all_acknowledged();
  const std::uint32_t threshold = f.c.tcb().congestion().ssthresh;
  while (f.c.tcb().flight_size() < threshold + kMss) all_acknowledged();
  sent(f.c);
  const std::uint32_t first_copy = f.c.last_tsval();
  f.c.sleep_until_time_out();
  sent(f.c);
  const std::uint32_t flight = f.c.tcb().flight_size();
  f.acks((f.c.snd_una() - 1) / kMss + 1, first_copy);
  EXPECT_EQ(f.c.counters().spurious_time_outs, 1u);
  EXPECT_EQ(f.c.tcb().congestion().ssthresh, flight);
  sent(f.c);
}

TEST(Spurious, TheNextRoundTripOfNewTextThenMakesTheRtoLonger) {  // RFC 4015, 3.2: SRTT, RTTVAR and RTO
  for (const bool sack : {false, true}) {
    Flight f{sack};
    f.c.sleep_until_time_out();
    sent(f.c);
    f.acks(1, f.first_ts);
    EXPECT_EQ(f.c.tcb().rtt().srtt(), 100ms);
    EXPECT_EQ(f.c.tcb().rtt().rttvar(), 50ms);
    const std::int64_t all = (f.c.snd_nxt() - 1) / kMss;
    sent(f.c);
    f.c.sleep(150ms);
    f.acks(all, f.c.last_tsval());
    EXPECT_EQ(f.c.tcb().rtt().srtt(), 150ms);
    EXPECT_EQ(f.c.tcb().rtt().rttvar(), 75ms);
    f.c.sleep(100ms);
    f.acks((f.c.snd_nxt() - 1) / kMss, f.c.last_tsval());
    EXPECT_LT(f.c.tcb().rtt().srtt(), 150ms) << "once";
    sent(f.c);
  }
}

TEST(Spurious, SoItDoesWhereNothingWasOutstandingMeanwhile) {  // RFC 4015, 3.2
  TestConnection c = established({.peer = {.ts = 7u, .sack_permitted = true}});
  c.user_sends(pattern(10 * kMss));
  const std::uint32_t first_ts = c.last_tsval();
  c.sleep_until_time_out();
  for (const std::int64_t una : {1, 10}) c.peer_sends(ack(at(una)).seq(1).ts(c.peer_clock(), first_ts));
  ASSERT_EQ(c.counters().spurious_time_outs, 1u);
  ASSERT_EQ(c.tcb().flight_size(), 0u);
  c.take_all_sent();
  c.user_sends(pattern(kMss, 10 * kMss));
  c.sleep(150ms);
  c.peer_sends(ack(at(11)).seq(1).ts(c.peer_clock(), c.last_tsval()));
  EXPECT_EQ(c.tcb().rtt().srtt(), 150ms);
  EXPECT_EQ(c.tcb().rtt().rttvar(), 75ms);
  c.take_all_sent();
}

TEST(Spurious, ATimeOutWhoseFirstAckEchoesTheSecondCopyStands) {  // RFC 3522, 3.2, (4)
  Flight f;
  f.c.sleep_until_time_out();
  sent(f.c);
  f.acks(1, f.c.last_tsval());
  EXPECT_EQ(f.c.counters().spurious_time_outs, 0u);
  EXPECT_EQ(sent(f.c), (Segments{1, 2}));
}

TEST(Spurious, OnlyTheFirstAckMayTell) {  // RFC 3522, 3.2: "the first acceptable ACK"
  Flight f;
  f.c.sleep_until_time_out();
  sent(f.c);
  f.acks(1, f.c.last_tsval());
  f.acks(2, f.first_ts);
  EXPECT_EQ(f.c.counters().spurious_time_outs, 0u);
}

// What acknowledges the oldest segment echoes the copy that an earlier recovery made of it, which is older than what
// this one has sent again first.
TEST(Spurious, OnlyWhereTheOldestWasTheFirstToGoAgain) {  // RFC 3522, 3.2, (2): "the retransmit"
  Flight f;
  f.c.user_sends(pattern(60 * kMss, 30 * kMss));
  f.c.sleep(100ms);
  f.acks(0, f.first_ts, {{at(1), at(8)}});
  EXPECT_EQ(sent(f.c), (Segments{0, 10, 11}));
  const std::uint32_t repeated_0 = f.c.last_tsval();
  f.c.sleep(10ms);
  f.acks(0, f.first_ts, {{at(9), at(10)}, {at(1), at(8)}});
  EXPECT_EQ(sent(f.c).front(), 8);
  const std::uint32_t repeated_8 = f.c.last_tsval();
  f.c.sleep(90ms);
  f.acks(8, repeated_0, {{at(9), at(10)}});
  sent(f.c);
  f.acks(8, repeated_0, {{at(11), at(12)}, {at(9), at(10)}});
  EXPECT_EQ(sent(f.c).front(), 10) << "in the same recovery, though sent after it had begun";
  const std::uint32_t repeated_10 = f.c.last_tsval();
  f.c.sleep(10ms);
  f.acks(10, repeated_8, {{at(11), at(12)}});
  sent(f.c);
  f.acks(10, repeated_8, {{at(13), at(14)}, {at(11), at(12)}});
  EXPECT_EQ(sent(f.c).front(), 12);
  ASSERT_EQ(f.c.counters().fast_retransmits, 2u);
  f.c.sleep(90ms);
  f.acks(12, repeated_10, {{at(13), at(14)}});
  EXPECT_EQ(f.c.counters().spurious_recoveries, 0u);
}

TEST(Spurious, AFastRetransmitOfASegmentThatWasLateIsUndone) {  // RFC 3522; RFC 4015, 3.2
  Flight f;
  f.c.sleep(10ms);
  f.acks(0, f.first_ts, {{at(1), at(4)}});
  EXPECT_EQ(sent(f.c).front(), 0);
  EXPECT_LT(f.c.tcb().congestion().ssthresh, f.ssthresh);
  f.acks(4, f.first_ts);
  EXPECT_EQ(f.c.counters().spurious_recoveries, 1u);
  EXPECT_GE(f.c.tcb().congestion().cwnd, f.cwnd);
  EXPECT_EQ(f.c.tcb().congestion().ssthresh, f.ssthresh);
}

TEST(Spurious, AWindowThatIsBackAndNotFullDoesNotGrow) {  // RFC 9438, 5.8; RFC 4015, 3.2
  TestConnection c =
      established({.config = {.congestion = CongestionControl::kNewReno}, .peer = {.ts = 7u, .sack_permitted = true}});
  c.user_sends(pattern(4 * kMss));
  EXPECT_EQ(sent(c).size(), 4u);
  const std::uint32_t first_ts = c.last_tsval();
  const std::uint32_t cwnd = c.tcb().congestion().cwnd;
  c.sleep(10ms);
  c.peer_sends(ack(at(0)).seq(1).ts(c.peer_clock(), first_ts).sack({{at(1), at(4)}}));
  EXPECT_LT(c.tcb().congestion().ssthresh, UINT32_MAX);
  c.peer_sends(ack(at(4)).seq(1).ts(c.peer_clock(), first_ts));
  EXPECT_EQ(c.counters().spurious_recoveries, 1u);
  EXPECT_EQ(c.tcb().congestion().cwnd, cwnd);
}

// In the recovery cwnd was full with it; that says nothing of the cwnd that is back.
TEST(Spurious, TextThatWentInTheRecoveryDoesNotLetItGrowEither) {  // RFC 9438, 5.8; RFC 4015, 3.2
  TestConnection c =
      established({.config = {.congestion = CongestionControl::kNewReno}, .peer = {.ts = 7u, .sack_permitted = true}});
  c.user_sends(pattern(10 * kMss));
  c.take_all_sent();
  for (int i = 1; i <= 10; ++i) c.peer_sends(ack(at(i)).seq(1).ts(c.peer_clock(), c.last_tsval()));
  const std::uint32_t cwnd = c.tcb().congestion().cwnd;
  ASSERT_GE(cwnd, 15u * kMss);
  c.user_sends(pattern(4 * kMss));
  c.take_all_sent();
  const std::uint32_t first_ts = c.last_tsval();
  c.sleep(10ms);
  c.peer_sends(ack(at(10)).seq(1).ts(c.peer_clock(), first_ts).sack({{at(11), at(14)}}));
  EXPECT_EQ(sent(c).front(), 10);
  c.user_sends(pattern(kMss));
  EXPECT_EQ(sent(c), (Segments{14}));
  c.peer_sends(ack(at(14)).seq(1).ts(c.peer_clock(), first_ts));
  EXPECT_EQ(c.counters().spurious_recoveries, 1u);
  c.peer_sends(ack(at(15)).seq(1).ts(c.peer_clock(), c.last_tsval()));
  EXPECT_EQ(c.tcb().congestion().cwnd, cwnd);
}

TEST(Spurious, CubicHasItsWMaxBack) {  // RFC 9438, 4.9.1: after a time-out; RFC 9438, 4.9.2: after a fast retransmit
  for (const bool time_out : {true, false}) {
    Flight f{true, CongestionControl::kCubic};
    if (time_out) {
      f.c.sleep_until_time_out();
    } else {
      f.c.sleep(10ms);
      f.acks(0, f.first_ts, {{at(1), at(4)}});
    }
    EXPECT_GT(f.c.tcb().congestion().w_max, 0u);
    f.acks(time_out ? 1 : 4, f.first_ts);
    EXPECT_EQ(f.c.tcb().congestion().w_max, 0u) << "nothing was lost yet";
    EXPECT_EQ(f.c.tcb().congestion().ssthresh, f.ssthresh);
    EXPECT_GE(f.c.tcb().congestion().cwnd, f.cwnd);
    sent(f.c);
  }
}

// Were that the second copy's answer, all that was sent before it and is still outstanding would be lost.
TEST(Spurious, AnAckThatEchoesTheFirstCopyTellsRackNothingOfTheSecond) {  // RFC 8985, 6.2, step 2, TSecr
  Flight f;
  f.c.sleep(100ms);
  f.acks(0, f.first_ts, {{at(1), at(4)}});
  EXPECT_EQ(sent(f.c).front(), 0);
  f.c.sleep(100ms);  // no sooner than any answer was
  f.acks(4, f.first_ts);
  EXPECT_EQ(f.c.counters().retransmitted_segments, 1u);
  sent(f.c);
}

TEST(Spurious, ADSackForAllThatWasSentAgainUndoesIt) {  // RFC 3708, 3
  Flight f;
  f.c.sleep(10ms);
  f.acks(0, f.first_ts, {{at(1), at(4)}});
  f.acks(4, f.c.last_tsval());  // no help from the timestamp
  EXPECT_EQ(f.c.counters().spurious_recoveries, 0u);
  f.acks(4, f.c.last_tsval(), {{at(0), at(1)}});
  EXPECT_EQ(f.c.counters().dsacks_received, 1u);
  EXPECT_EQ(f.c.counters().spurious_recoveries, 1u);
  EXPECT_GE(f.c.tcb().congestion().cwnd, f.cwnd);
}

TEST(Spurious, ADSackForAPartOfItDoesNot) {
  Flight f;
  f.c.sleep(10ms);
  f.acks(0, f.first_ts, {{at(5), at(9)}, {at(3), at(4)}, {at(1), at(2)}});
  EXPECT_EQ(f.c.counters().retransmitted_segments, 3u);
  const std::int64_t all = (f.c.snd_nxt() - 1) / kMss;
  f.acks(all, f.c.last_tsval());
  f.acks(all, f.c.last_tsval(), {{at(0), at(1)}});
  f.acks(all, f.c.last_tsval(), {{at(2), at(3)}});
  EXPECT_EQ(f.c.counters().spurious_recoveries, 0u);
  f.acks(all, f.c.last_tsval(), {{at(4), at(5)}});
  EXPECT_EQ(f.c.counters().spurious_recoveries, 1u);
}

// It is the network that brought it twice.
TEST(Spurious, ADSackForWhatWasSentOnlyOnceTellsNothing) {  // RFC 3708, 3
  Flight f;
  f.c.sleep(10ms);
  f.acks(0, f.first_ts, {{at(1), at(4)}});
  f.acks(10, f.c.last_tsval());
  const std::uint32_t reduced = f.c.tcb().congestion().ssthresh;
  ASSERT_LT(reduced, f.ssthresh);
  f.acks(11, f.c.last_tsval(), {{at(10), at(11)}});
  EXPECT_EQ(f.c.counters().dsacks_received, 1u);
  EXPECT_EQ(f.c.counters().spurious_recoveries, 0u);
  EXPECT_EQ(f.c.tcb().congestion().ssthresh, reduced);
}

TEST(Spurious, WhatNewRenoAddedForDuplicatesIsNotKept) {  // RFC 4015, 3.2; RFC 6582, 3.2
  Flight f{false};
  f.c.sleep(10ms);
  for (int duplicate = 0; duplicate < 9; ++duplicate) f.acks(0, f.first_ts);
  ASSERT_GT(f.c.tcb().congestion().cwnd, f.cwnd);
  f.acks(10, f.first_ts);
  EXPECT_EQ(f.c.counters().spurious_recoveries, 1u);
  EXPECT_LE(f.c.tcb().congestion().cwnd, f.cwnd + 2 * kMss) << "and slow start goes on (RFC 3465)";
}

TEST(Spurious, ADSackInsideTheSecondBlockIsOne) {  // RFC 2883, 5
  Flight f;
  f.acks(0, f.first_ts, {{at(3), at(4)}, {at(2), at(6)}});
  EXPECT_EQ(f.c.counters().dsacks_received, 1u);
  EXPECT_EQ(f.c.counters().fast_retransmits, 1u) << "and the second counts";
}

}  // namespace
}  // namespace pollux::tcp::test
