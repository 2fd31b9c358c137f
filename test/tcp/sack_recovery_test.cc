// Loss recovery by selective acknowledgment: RFC 6675.

#include "base/random.h"
#include "numbered_segments.h"

namespace pollux::tcp::test {
namespace {

TEST(SackRecovery, WhatWasSackedMakesRoomForNewText) {  // RFC 6675, 5, (3): limited transmit by pipe
  TestConnection c = ten_in_flight();
  sacks(c, 0, {{1, 2}});
  EXPECT_EQ(sent(c), (Segments{10}));
  sacks(c, 0, {{1, 3}});
  EXPECT_EQ(sent(c), (Segments{11}));
  EXPECT_EQ(c.counters().fast_retransmits, 0u);
}

// RFC 6675, 5, (2): IsLost(HighACK + 1); RFC 6675, 5, (4.2): both are halved
TEST(SackRecovery, MoreThanTwoSegmentsBeyondAHoleBeginIt) {
  TestConnection c = ten_in_flight();
  sacks(c, 0, {{1, 3}});
  sent(c);
  sacks(c, 0, {{1, 4}});
  EXPECT_EQ(sent(c), (Segments{0}));
  EXPECT_EQ(c.counters().fast_retransmits, 1u);
  EXPECT_EQ(ssthresh(c), 5u * kMss);
}

TEST(SackRecovery, OneAckThatTellsOfThreeSegmentsIsEnough) {  // RFC 6675, 5, (2): ACKs may be lost; RFC 6675, 5, (4.3)
  TestConnection c = ten_in_flight();
  sacks(c, 0, {{1, 4}});
  EXPECT_EQ(sent(c).front(), 0);
  EXPECT_EQ(c.counters().fast_retransmits, 1u);
}

TEST(SackRecovery, ThreeDuplicatesOfSmallPiecesBeginIt) {  // RFC 6675, 5, (1): DupAcks >= DupThresh
  TestConnection c = ten_in_flight();
  for (std::int64_t i = 1; i <= 3; ++i) {
    EXPECT_EQ(c.counters().fast_retransmits, 0u);
    c.peer_sends(ack(1).seq(1).sack({{at(1), at(1) + 10 * i}}));
  }
  EXPECT_EQ(c.counters().fast_retransmits, 1u);
  EXPECT_EQ(sent(c).back(), 0);
}

// RFC 6675, 2: "identifies previously unacknowledged and un-SACKed octets"
TEST(SackRecovery, ADuplicateIsAnAckWithNews) {
  TestConnection c = ten_in_flight();
  for (int i = 0; i < 10; ++i) c.peer_sends(ack(1).seq(1));
  for (int i = 0; i < 10; ++i) sacks(c, 0, {{1, 2}});
  EXPECT_EQ(c.counters().fast_retransmits, 0u);
  EXPECT_EQ(c.counters().duplicate_acks, 1u);
}

// RFC 6675, 2: "even if the ACK carries new data or changes the window"
TEST(SackRecovery, TextAndAWindowOnTheAckDoNotMatter) {
  TestConnection c = ten_in_flight();
  for (std::int64_t i = 1; i <= 3; ++i) {
    c.peer_sends(data("x").seq(i).ack(1).wnd(static_cast<std::uint16_t>(60000 + i)).sack({{at(1), at(1 + i)}}));
  }
  EXPECT_EQ(c.counters().fast_retransmits, 1u);
}

// RFC 6675, 4, NextSeg() (1): the holes that are lost, in order; RFC 6675, 4, NextSeg() (2): new text;
// RFC 6675, 5, (C): as far as cwnd is above pipe, which is what RFC 6675, 4, SetPipe() says.
TEST(SackRecovery, HolesGoFirstAndThenNewText) {
  TestConnection c = ten_in_flight();
  sacks(c, 0, {{5, 9}, {3, 4}, {1, 2}});
  // cwnd is 5; 9 is in the network, 0, 2 and 4 come to it, and one that is new.
  EXPECT_EQ(sent(c), (Segments{0, 2, 4, 10}));
}

TEST(SackRecovery, WhatWasSackedIsNotSentAgain) {
  TestConnection c = ten_in_flight(0);
  c.sleep(100ms);
  sacks(c, 0, {{5, 10}, {3, 4}, {1, 2}});
  EXPECT_EQ(sent(c), (Segments{0, 2, 4}));
  c.sleep(100ms);
  sacks(c, 2, {{5, 10}, {3, 4}});
  sacks(c, 4, {{5, 10}});
  c.expect_nothing_sent();
  sacks(c, 10, {});
  c.expect_nothing_sent();
  EXPECT_EQ(c.counters().rto_fired, 0u);
}

// RFC 8985, 6.2: all that was sent before the last that has come, if reordering was never seen.
TEST(SackRecovery, AHoleBehindWhichLittleHasComeIsLostAsWell) {
  TestConnection c = ten_in_flight(0);
  c.sleep(100ms);
  sacks(c, 0, {{8, 9}, {1, 7}});
  EXPECT_EQ(sent(c), (Segments{0, 7}));
}

TEST(SackRecovery, TheLastSegmentIsFoundLostByTheRetransmissionBeforeIt) {
  TestConnection c = ten_in_flight(0);
  c.sleep(100ms);
  sacks(c, 0, {{1, 9}});
  EXPECT_EQ(sent(c), (Segments{0}));
  c.sleep(100ms);
  sacks(c, 9, {});
  EXPECT_EQ(sent(c), (Segments{9}));
  c.peer_sends(data("x").seq(1).ack(at(9)));
  EXPECT_EQ(c.counters().retransmitted_segments, 2u);
  sacks(c, 10, {});
  EXPECT_EQ(c.counters().rto_fired, 0u);
}

TEST(SackRecovery, OneRecoveryReducesOnce) {  // RFC 6675, 5, (4.1); RFC 6675, 5, (4.2); SS-09
  TestConnection c = ten_in_flight();
  sacks(c, 0, {{1, 4}});
  sacks(c, 0, {{1, 4}, {5, 8}});
  sacks(c, 4, {{5, 8}});
  sacks(c, 8, {{9, 10}});
  EXPECT_EQ(c.counters().fast_retransmits, 1u);
  EXPECT_EQ(ssthresh(c), 5u * kMss);
}

TEST(SackRecovery, EndsWhenAllThatWasOutstandingIsAcknowledged) {  // RFC 6675, 5, (4.1); RFC 6675, 5, (A)
  TestConnection c = ten_in_flight();
  sacks(c, 0, {{1, 4}});
  sacks(c, 10, {});
  EXPECT_EQ(cwnd(c), ssthresh(c));
  sent(c);
  const std::uint32_t before = cwnd(c);
  for (std::int64_t n = 11; n <= 15; ++n) sacks(c, n, {});
  EXPECT_GT(cwnd(c), before) << "congestion avoidance";
}

// Were it not, one segment beyond a hole would be enough after the first recovery.
TEST(SackRecovery, ANewAckResetsTheCountOfDuplicates) {  // RFC 6675, 5, DupAcks
  TestConnection c = ten_in_flight();
  for (std::int64_t n = 2; n <= 4; ++n) sacks(c, 0, {{1, n}});
  EXPECT_EQ(c.counters().fast_retransmits, 1u);
  c.sleep(100ms);
  sacks(c, (c.snd_nxt() - 1) / kMss, {});
  EXPECT_GE(sent(c).size(), 2u);
  c.sleep(100ms);
  const std::int64_t next = (c.snd_una() - 1) / kMss;
  sacks(c, next, {{next + 1, next + 2}});
  EXPECT_EQ(c.counters().fast_retransmits, 1u);
}

TEST(SackRecovery, ALossInTheNextWindowBeginsAnother) {  // RFC 5681, 4.3, successive windows
  TestConnection c = ten_in_flight();
  sacks(c, 0, {{1, 4}});
  sacks(c, 10, {});
  sent(c);
  const std::int64_t next = (c.snd_una() - 1) / kMss;
  sacks(c, next, {{next + 1, next + 4}});
  EXPECT_EQ(c.counters().fast_retransmits, 2u);
}

TEST(SackRecovery, ALostRetransmissionLowersCwndOnceMore) {  // RFC 5681, 4.3, lost retransmission
  TestConnection c = ten_in_flight();
  c.sleep(100ms);
  sacks(c, 0, {{1, 9}});
  EXPECT_EQ(sent(c), (Segments{0, 10, 11, 12}));
  EXPECT_EQ(ssthresh(c), 5u * kMss);
  c.sleep(100ms);
  sacks(c, 0, {{10, 11}, {1, 9}});  // what was sent behind it has come
  EXPECT_EQ(sent(c).front(), 0);
  EXPECT_EQ(ssthresh(c), 5u * kMss / 2);
  EXPECT_EQ(c.counters().fast_retransmits, 1u) << "it is the same recovery";
}

TEST(SackRecovery, LostRetransmissionsOfOneRoundTripLowerItOnce) {  // RFC 5681, 4.3: one indication of congestion
  TestConnection c = ten_in_flight();
  c.sleep(100ms);
  sacks(c, 0, {{1, 4}});
  EXPECT_EQ(sent(c), (Segments{0}));
  c.sleep(10ms);
  sacks(c, 0, {{6, 10}, {1, 4}});
  EXPECT_EQ(sent(c), (Segments{4, 5, 10, 11}));
  c.sleep(100ms);
  sacks(c, 0, {{1, 5}, {6, 10}});
  EXPECT_EQ(ssthresh(c), 5u * kMss / 2) << "0 is lost once more";
  c.sleep(10ms);
  sacks(c, 0, {{10, 11}, {1, 5}, {6, 10}});
  EXPECT_EQ(ssthresh(c), 5u * kMss / 2) << "so is 5, which was sent before";
}

TEST(SackRecovery, WhatATimeOutSentAgainAndIsLostOnceMoreLowersItToo) {  // RFC 5681, 4.3
  TestConnection c = ten_in_flight(0);
  c.sleep_until_time_out();
  EXPECT_EQ(sent(c), (Segments{0}));
  sacks(c, 1, {});
  EXPECT_EQ(sent(c), (Segments{1, 2}));
  EXPECT_EQ(ssthresh(c), 5u * kMss);
  c.sleep(100ms);
  sacks(c, 1, {{2, 3}});
  EXPECT_EQ(sent(c).front(), 1);
  EXPECT_EQ(ssthresh(c), 5u * kMss / 2) << "half of half";
  EXPECT_EQ(c.counters().rto_fired, 1u);
}

TEST(SackRecovery, AnOldAckStillTells) {  // SS-07
  TestConnection c = ten_in_flight();
  sacks(c, 1, {});
  sent(c);
  c.peer_sends(ack(1).seq(1).sack({{at(2), at(5)}}));
  EXPECT_EQ(sent(c).front(), 1);
}

// RFC 2018, 8: after a time-out the sender forgets what was SACKed, for the peer may have. RFC 6675, 4, kept: it can.
TEST(SackRecovery, APeerThatRenegesGetsEverything) {
  TestConnection c = ten_in_flight(0);
  sacks(c, 0, {{1, 10}});
  EXPECT_EQ(sent(c), (Segments{0}));
  c.sleep(c.rto());
  EXPECT_EQ(sent(c), (Segments{0}));
  for (std::int64_t n = 1; n <= 10; ++n) sacks(c, n, {});  // it has thrown all away
  const Segments again = sent(c);
  for (std::int64_t n = 1; n < 10; ++n) EXPECT_EQ(std::count(again.begin(), again.end(), n), 1) << n;
}

TEST(SackRecovery, APeerThatRenegesInARecoveryOpensNoWindow) {  // RFC 2018, 8; RFC 6937, 3: DeliveredData
  TestConnection c = ten_in_flight();
  c.sleep(50ms);
  sacks(c, 0, {{1, 4}});
  sent(c);
  sacks(c, 1, {});  // of what it had it knows nothing more
  EXPECT_LE(cwnd(c), 10 * kMss);
}

TEST(SackRecovery, APeerThatDoesNotIsSparedWhatItTellsOf) {  // RFC 6675, 5.1, SACK information
  TestConnection c = ten_in_flight(0);
  c.sleep_until_time_out();
  EXPECT_EQ(sent(c), (Segments{0}));
  sacks(c, 1, {{2, 9}});
  EXPECT_EQ(sent(c), (Segments{1, 9}));
}

TEST(SackRecovery, AfterATimeOutNoFastRetransmitBelowRecover) {  // RFC 6675, 5.1, RecoveryPoint
  TestConnection c = ten_in_flight();
  c.sleep_until_time_out();
  sent(c);
  sacks(c, 0, {{1, 6}});
  EXPECT_EQ(c.counters().fast_retransmits, 0u);
}

TEST(SackRecovery, StaysWithinThePeersWindow) {  // the harness sees that nothing goes beyond its edge
  Conditions given = with_sack();
  given.peer.wnd = static_cast<std::uint16_t>(11 * kMss);
  TestConnection c = ten_in_flight(20, given);
  sacks(c, 0, {{1, 9}});
  EXPECT_EQ(c.snd_nxt(), at(11));
}

// What was in the window when it was sent may lie up to a unit behind its edge now, because the field was rounded down.
TEST(SackRecovery, ARoundedWindowHoldsNoRetransmissionBack) {  // RFC 7323, 2.4, (4)
  Conditions given = with_sack();
  given.peer.wscale = 7;
  given.options.nodelay = true;
  TestConnection c = established(given);
  c.peer_sends(ack(1).seq(1).wnd(114));
  c.user_sends(pattern(114 * 128));  // exactly what the window takes: ten segments, the last a little short
  ASSERT_EQ(sent(c).size(), 10u);
  c.sleep(100ms);
  c.peer_sends(ack(1).seq(1).wnd(114).sack({{at(1), at(8)}}));
  EXPECT_EQ(sent(c), (Segments{0}));
  c.sleep(100ms);
  c.peer_sends(ack(at(8)).seq(1).wnd((114 * 128 - 8 * kMss) / 128));
  EXPECT_EQ(sent(c), (Segments{8, 9}));
}

TEST(SackRecovery, PeersWithoutSackHaveNewReno) {
  TestConnection c = ten_in_flight(20, {});
  for (std::int64_t i = 1; i <= 3; ++i) c.peer_sends(ack(1).seq(1).sack({{at(1), at(1 + i)}}));
  EXPECT_EQ(c.counters().fast_retransmits, 1u);
  EXPECT_EQ(cwnd(c), 8u * kMss) << "RFC 5681, 3.2: ssthresh plus three";
}

// Blocks that cannot be: below SND.UNA, around it, beyond SND.NXT, inverted, empty.
TEST(SackRecovery, ImpossibleBlocksAreIgnored) {
  TestConnection c = ten_in_flight();
  sacks(c, 3, {});
  sent(c);
  const std::int64_t nxt = c.snd_nxt();
  for (const SegmentSpec::Block& block : std::vector<SegmentSpec::Block>{{at(0), at(3)},
                                                                         {at(0), at(8)},
                                                                         {at(3), at(8)},
                                                                         {at(5), nxt + 1},
                                                                         {nxt, nxt + 5000},
                                                                         {at(9), at(5)},
                                                                         {at(5), at(5)},
                                                                         {at(5), at(5) + (1ll << 31)}}) {
    for (int i = 0; i < 4; ++i) c.peer_sends(ack(at(3)).seq(1).sack({block}));
  }
  c.expect_nothing_sent();
  EXPECT_EQ(c.counters().duplicate_acks, 0u);
}

// CVE-2019-11477, 11478: an MSS of 48, and a peer that invents blocks. After each segment the
// harness sees that the invariants hold.
TEST(SackRecovery, SurvivesAHostilePeerWithATinyMss) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Random random{seed};
    TestConnection c = established({.peer = {.mss = 48, .sack_permitted = true}});
    c.user_sends(pattern(100'000));
    for (int i = 0; i < 400 && c.state() == State::kEstablished; ++i) {
      const std::int64_t una = c.snd_una();
      const std::int64_t nxt = c.snd_nxt();
      const auto place = [&] { return una - 100 + static_cast<std::int64_t>(random.below(nxt - una + 200)); };
      std::vector<SegmentSpec::Block> blocks;
      for (std::uint64_t n = random.below(5); n > 0; --n) {
        const std::int64_t left = place();
        blocks.emplace_back(left, random.chance(0.2) ? place() : left + static_cast<std::int64_t>(random.below(100)));
      }
      const std::int64_t acked =
          random.chance(0.2) ? std::min(nxt, una + static_cast<std::int64_t>(random.below(100))) : una;
      c.peer_sends(ack(std::max<std::int64_t>(acked, 1)).seq(1).sack(blocks));
      if (random.chance(0.02)) c.sleep(c.rto());
    }
    c.take_all_sent();
    c.user_aborts();
    c.take_all_sent();
  }
}

}  // namespace
}  // namespace pollux::tcp::test
