// RFC 6298 (the timer), RFC 5681, 3.1 (what a time-out does to cwnd), RFC 9293, 3.8.1 and 3.8.3 (R1, R2).

#include "test_connection.h"

namespace pollux::tcp::test {
namespace {

constexpr Duration kRto = 300ms;  // three times the round trip of the handshake (RFC 6298, 2.2)
constexpr std::int64_t kMss = 1460;

// Sleeps until the next segment; how long that was.
Duration time_to_next(TestConnection& c, Duration at_most = 10min) {
  Duration slept{};
  while (c.sent_count() == 0 && slept < at_most) {
    const Duration step = std::clamp<Duration>(c.next_deadline().value_or(at_most), 1ms, at_most);
    c.sleep(step);
    slept += step;
  }
  return slept;
}

// RFC 6298, 5, too early; RFC 6298, 5.4; RFC 6298, 5.5; RFC 6298, 5.6
TEST(Retransmission, UnacknowledgedTextIsSentAgainAfterRtoThenAfterTwice) {
  TestConnection c = established();
  ASSERT_EQ(c.rto(), kRto);
  c.user_sends("hello");
  c.expect_sent(data("hello").seq(1).ack(1));

  c.sleep(kRto - 1ms);
  c.expect_nothing_sent();
  c.sleep(1ms);
  c.expect_sent(data("hello").seq(1).ack(1));

  c.sleep(2 * kRto - 1ms);
  c.expect_nothing_sent();
  c.sleep(1ms);
  c.expect_sent(data("hello").seq(1).ack(1));
}

TEST(Retransmission, LastSegmentIsPushedAgainToo) {  // MUST-61 knows no exception
  TestConnection c = established();
  c.user_sends("hello");
  c.expect_sent(data("hello").flags("P.").seq(1).ack(1));
  c.sleep(kRto);
  c.expect_sent(data("hello").flags("P.").seq(1).ack(1));
}

TEST(Retransmission, IntervalDoublesUpToItsLimit) {  // MUST-19; RFC 6298, 2.5
  TestConnection c = established({.config = {.r2 = 1h}});
  c.user_sends("hello");
  c.take_all_sent();
  Duration expected = kRto;
  for (int i = 0; i < 12; ++i) {
    EXPECT_EQ(time_to_next(c), expected) << i;
    c.take_all_sent();
    expected = std::min<Duration>(2 * expected, 60s);
  }
}

TEST(Retransmission, RtoHasAFloor) {  // RFC 6298, 2.4, at Linux's 200 ms
  TestConnection c = established({.rtt = 1ms});
  c.user_sends("hello");
  c.take_all_sent();
  EXPECT_EQ(time_to_next(c), 200ms);
}

TEST(Retransmission, TimerStopsWhenAllIsAcknowledged) {  // RFC 6298, 5.2
  TestConnection c = established();
  c.user_sends("hello");
  c.take_all_sent();
  c.peer_sends(ack(6).seq(1));
  c.sleep(1h);
  c.expect_nothing_sent();
}

TEST(Retransmission, TimerRestartsWhenSomethingIsAcknowledged) {  // RFC 6298, 5.3
  TestConnection c = established();
  c.user_sends(pattern(5 * kMss));
  c.take_all_sent();
  c.sleep(100ms);
  c.peer_sends(ack(1 + kMss).seq(1));
  EXPECT_EQ(time_to_next(c), c.rto());
  EXPECT_EQ(c.take_sent().value().seq, 1 + kMss);
}

// Fewer than can bring three duplicates: what they have waited already counts, to a sixteenth of a round trip.
TEST(Retransmission, FewSegmentsWaitForOneRtoAndNotLonger) {  // RFC 7765, 4, (2); RFC 7765, 4, (3)
  for (const std::int64_t segments : {2, 4}) {
    TestConnection c = established();
    c.user_sends(pattern(static_cast<std::size_t>(segments * kMss)));
    c.take_all_sent();
    c.sleep(100ms);
    c.peer_sends(ack(1 + kMss).seq(1));
    const Duration waited = 100ms + time_to_next(c);
    EXPECT_GE(waited, c.rto()) << "RFC 6298, 5, too early";
    EXPECT_LE(waited, c.rto() + 100ms / 16 + 1ms);
  }
}

TEST(Retransmission, WhatIsStillToBeSentCountsAmongThem) {  // RFC 7765, 4, (2): prevUnsnt
  TestConnection c = established();
  c.user_sends(pattern(13 * kMss));  // three of them behind cwnd
  c.take_all_sent();
  c.sleep(100ms);
  c.peer_sends(ack(1 + 9 * kMss).seq(1));
  EXPECT_EQ(c.take_all_sent().size(), 3u);
  EXPECT_EQ(time_to_next(c), c.rto());
}

TEST(Retransmission, DuplicateAckDoesNotRestartTheTimer) {
  TestConnection c = established();
  c.user_sends("hello");
  c.take_all_sent();
  c.sleep(200ms);
  c.peer_sends(ack(1).seq(1));
  EXPECT_EQ(time_to_next(c), kRto - 200ms);
}

TEST(Retransmission, NewTextDoesNotRestartTheTimer) {  // RFC 6298, 5.1
  TestConnection c = established({.options = {.nodelay = true}});
  c.user_sends("hello");
  c.sleep(200ms);
  c.user_sends(" world");
  c.take_all_sent();
  EXPECT_EQ(time_to_next(c), kRto - 200ms);
}

TEST(Retransmission, AckOfARetransmittedSegmentMeasuresNothing) {  // MUST-18; RFC 6298, 3, Karn
  TestConnection c = established();
  c.user_sends("hello");
  c.sleep(kRto + 50ms);
  c.peer_sends(ack(6).seq(1));
  EXPECT_EQ(c.rto(), kRto);
}

TEST(Retransmission, TimestampTellsWhichTransmissionWasAcknowledged) {  // RFC 7323, 4.1
  TestConnection c = established({.peer = {.ts = 1000u}});
  c.user_sends("hello");
  c.sleep(kRto + 100ms);  // the second one is answered after 100 ms
  const Duration before = c.rto();
  c.peer_sends(ack(6).seq(1));
  EXPECT_LE(c.rto(), before) << "a sample of 100 ms";
}

TEST(Retransmission, EveryFreshAckIsASample) {  // RFC 6298, 3, each round trip; RFC 6298, 2.3
  TestConnection c = established();
  c.user_sends("hello");
  c.sleep(100ms);
  c.peer_sends(ack(6).seq(1));
  EXPECT_EQ(c.tcb().rtt().srtt(), 100ms);
  EXPECT_EQ(c.tcb().rtt().rttvar(), 37500us);
  EXPECT_EQ(c.rto(), 250ms);
}

// RFC 6298, 5.5 and the note behind 5.7. The round trip has become longer than the RTO: no message is measured, for
// each is sent twice; were the back-off forgotten with each, the RTO would never learn.
TEST(Retransmission, BackOffOutlivesWhatWasAcknowledgedUntilARoundTripIsMeasured) {
  for (const bool timestamps : {false, true}) {
    Conditions given;
    if (timestamps) given.peer.ts = 1000;
    TestConnection c = established(given);
    c.user_sends("hello");
    const std::uint32_t first_copy = c.last_tsval();
    c.take_all_sent();
    c.sleep(kRto * 3 / 2);
    EXPECT_EQ(c.take_all_sent().size(), 1u);
    SegmentSpec answer = ack(6).seq(1);
    if (timestamps) answer.ts(c.peer_clock(), first_copy);
    c.peer_sends(answer);
    c.take_all_sent();
    c.user_sends("world");
    c.take_all_sent();
    c.sleep(kRto * 3 / 2);
    EXPECT_EQ(c.take_all_sent().size(), 0u) << "the RTO is twice as long now";
    c.peer_sends(ack(11).seq(1));
    c.take_all_sent();
    EXPECT_GT(c.rto(), kRto * 3 / 2);
  }
}

TEST(Retransmission, BackOffStaysUntilSomethingIsMeasured) {  // RFC 6298, 5.5 and the note behind 5.7; Karn
  TestConnection c = established();
  c.user_sends(pattern(3 * kMss + 5));  // the last five bytes wait for Nagle
  c.sleep(10 * kRto);                   // three time-outs
  c.peer_sends(ack(1 + 3 * kMss).seq(1));
  c.take_all_sent();
  EXPECT_EQ(time_to_next(c), 8 * kRto) << "the ACK was for what was sent again";
  c.take_all_sent();
  c.peer_sends(ack(6 + 3 * kMss).seq(1));

  TestConnection measured = established();
  measured.user_sends(pattern(3 * kMss + 5));
  measured.sleep(10 * kRto);
  measured.peer_sends(ack(1 + 3 * kMss).seq(1));  // the five bytes go, for the first time
  measured.user_sends("more");
  measured.sleep(100ms);
  measured.peer_sends(ack(6 + 3 * kMss).seq(1));
  measured.take_all_sent();
  EXPECT_LE(time_to_next(measured), kRto);
}

// RFC 5681, 3.1, loss window; RFC 5681, 3.1, after a time-out; MUST-19
TEST(Retransmission, OneSegmentGoesAndThenAsManyAsSlowStartAllows) {
  TestConnection c = established();
  c.user_sends(pattern(10 * kMss));
  ASSERT_EQ(c.take_all_sent().size(), 10u);
  c.sleep(kRto);
  EXPECT_EQ(c.take_all_sent().size(), 1u);
  EXPECT_EQ(c.tcb().congestion().cwnd, static_cast<std::uint32_t>(kMss));
  EXPECT_EQ(c.tcb().congestion().ssthresh, 5u * kMss);
  c.peer_sends(ack(1 + kMss).seq(1));
  const auto two = c.take_all_sent();
  ASSERT_EQ(two.size(), 2u);
  EXPECT_EQ(two[0].seq, 1 + kMss);
  EXPECT_EQ(two[1].seq, 1 + 2 * kMss);
  c.peer_sends(ack(1 + 2 * kMss).seq(1));
  c.peer_sends(ack(1 + 3 * kMss).seq(1));
  EXPECT_EQ(c.take_all_sent().size(), 4u);
}

TEST(Retransmission, SecondTimeOutInARowDoesNotHalveSsthreshAgain) {  // RFC 5681, 3.1, held constant
  TestConnection c = established();
  c.user_sends(pattern(10 * kMss));
  c.sleep(10 * kRto);
  EXPECT_EQ(c.tcb().congestion().ssthresh, 5u * kMss);
}

TEST(Retransmission, AckOfEverythingEndsIt) {  // only one segment of ten was lost
  TestConnection c = established();
  c.user_sends(pattern(12 * kMss));
  c.take_all_sent();
  c.sleep(kRto);
  EXPECT_EQ(c.take_all_sent().size(), 1u);
  c.peer_sends(ack(1 + 10 * kMss).seq(1));
  for (const Sent& sent : c.take_all_sent()) EXPECT_GT(sent.seq, 10 * kMss) << "already acknowledged";
  EXPECT_EQ(c.snd_una(), 1 + 10 * kMss);
}

TEST(Retransmission, AckWithinASegmentIsTaken) {  // the peer took only a part
  TestConnection c = established();
  c.user_sends(pattern(1000));
  c.take_all_sent();
  c.peer_sends(ack(400).seq(1));
  time_to_next(c);
  EXPECT_EQ(c.take_sent().value().seq, 400);
}

TEST(Retransmission, FinGoesWithTheTextAgain) {
  TestConnection c = established({.peer = {.wnd = 0}});
  c.user_sends("bye");
  c.user_shuts_down();
  c.peer_sends(ack(1).seq(1).wnd(65535));
  c.expect_sent(data("bye").fin().seq(1).ack(1));
  time_to_next(c);
  c.expect_sent(data("bye").fin().seq(1).ack(1));
  c.peer_sends(ack(4).seq(1));
  time_to_next(c);
  c.expect_sent(fin().seq(4).ack(1));
}

TEST(Retransmission, CarriesTheCurrentAck) {
  TestConnection c = established();
  c.user_sends("hello");
  c.take_all_sent();
  c.peer_sends(data("news").seq(1).ack(1));
  c.sleep(kRto);
  c.expect_sent(ack(5).seq(6));  // the delayed ACK
  c.expect_sent(data("hello").seq(1).ack(5));
}

TEST(Retransmission, EmptySendLeavesNothingToSendAgain) {
  TestConnection c = established();
  EXPECT_EQ(c.user_sends(""), 0u);
  c.sleep(1h);
  c.expect_nothing_sent();
  EXPECT_TRUE(c.holds_no_memory());
}

// --- R1 and R2 (RFC 9293, 3.8.3) ---

TEST(Retransmission, AtR1TheApplicationIsToldAndAtR2TheConnectionEnds) {  // MUST-20, SHLD-9, SHLD-10, SHLD-11
  TestConnection c = established();
  c.user_sends("hello");
  c.take_all_sent();
  for (int i = 0; i < 2; ++i) time_to_next(c), c.take_all_sent();
  EXPECT_FALSE(c.events().soft_error) << "SHLD-10: R1 is at least three retransmissions";
  time_to_next(c), c.take_all_sent();
  EXPECT_TRUE(c.events().soft_error);
  c.sleep(100s);
  EXPECT_EQ(c.state(), State::kEstablished) << "SHLD-11: R2 is at least 100 s";
  c.sleep(5min);
  EXPECT_EQ(c.state(), State::kClosed);
  EXPECT_EQ(c.reason(), Reason::kTimedOut);
  EXPECT_TRUE(c.events().closed);
  EXPECT_EQ(c.next_deadline(), std::nullopt);
}

TEST(Retransmission, R2CountsFromTheLastProgress) {
  TestConnection c = established();
  c.user_sends(pattern(2 * kMss));
  c.sleep(4min);
  c.peer_sends(ack(1 + kMss).seq(1));
  c.sleep(5min - 1s);
  EXPECT_EQ(c.state(), State::kEstablished);
  c.sleep(2s);
  EXPECT_EQ(c.state(), State::kClosed);
}

TEST(Retransmission, R2DoesNotCountIdleTime) {
  TestConnection c = established();
  c.sleep(1h);
  c.user_sends("hello");
  c.sleep(4min);
  EXPECT_EQ(c.state(), State::kEstablished);
}

TEST(Retransmission, UserTimeoutIsKeptExactly) {  // MUST-21
  TestConnection c = established({.options = {.user_timeout = 10s}});
  c.user_sends("hello");
  c.sleep(10s - 1ms);
  EXPECT_EQ(c.state(), State::kEstablished);
  c.sleep(1ms);
  EXPECT_EQ(c.state(), State::kClosed);
  EXPECT_EQ(c.reason(), Reason::kTimedOut);
}

TEST(Retransmission, UserTimeoutCanBeChangedAndZeroMeansTheDefault) {  // MUST-21
  TestConnection c = established({.options = {.user_timeout = 10s}});
  c.user_sets_timeout(0s);
  c.user_sends("hello");
  c.sleep(4min);
  EXPECT_EQ(c.state(), State::kEstablished);
  c.peer_sends(ack(6).seq(1));
  c.user_sets_timeout(2s);
  c.user_sends("world");
  c.sleep(2s);
  EXPECT_EQ(c.state(), State::kClosed);
}

TEST(Retransmission, UserTimeoutBoundsOurFinToo) {
  TestConnection c = fin_wait_1({.options = {.user_timeout = 10s}});
  c.sleep(10s);
  EXPECT_EQ(c.state(), State::kClosed);
  EXPECT_EQ(c.reason(), Reason::kTimedOut);
}

// --- SYN and SYN-ACK ---

TEST(Retransmission, SynIsSentAgainAfterOneSecondThenTwice) {  // RFC 6298, 2.1; MUST-22
  TestConnection c = syn_sent();
  for (const Duration wait : {1s, 2s, 4s, 8s, 16s, 32s}) {
    EXPECT_EQ(time_to_next(c), wait);
    c.expect_sent(syn());
  }
}

TEST(Retransmission, SynIsGivenUpAfterThreeMinutes) {  // MUST-22, MUST-23
  TestConnection c = syn_sent();
  c.sleep(3min - 1s);
  EXPECT_EQ(c.state(), State::kSynSent);
  EXPECT_TRUE(c.events().soft_error) << "R1 holds for a SYN too";
  c.sleep(2min);
  EXPECT_EQ(c.state(), State::kClosed);
  EXPECT_EQ(c.reason(), Reason::kTimedOut);
  EXPECT_TRUE(c.events().closed);
}

TEST(Retransmission, SynAckIsSentAgainAfterOneSecondThenTwice) {
  TestConnection c = syn_received();
  for (const Duration wait : {1s, 2s, 4s, 8s}) {
    EXPECT_EQ(time_to_next(c), wait);
    c.expect_sent(syn().ack(1));
  }
}

TEST(Retransmission, SynAckIsGivenUp) {
  TestConnection c = syn_received();
  c.sleep(10min);
  EXPECT_EQ(c.state(), State::kClosed);
  EXPECT_TRUE(c.holds_no_memory());
}

TEST(Retransmission, RtoIsThreeSecondsAfterALostSyn) {  // RFC 6298, 5.7
  for (const bool active : {false, true}) {
    TestConnection c = active ? syn_sent() : syn_received();
    c.sleep(1100ms);
    c.peer_sends(active ? c.peer_syn().ack(1) : ack(1));
    c.take_all_sent();
    c.user_sends("hello");
    c.take_all_sent();
    EXPECT_EQ(time_to_next(c), 3s) << active;
  }
}

TEST(Retransmission, InitialWindowIsOneSegmentAfterALostSyn) {  // RFC 5681, 3.1, lost SYN
  TestConnection c = syn_received();
  c.sleep(1100ms);
  c.peer_sends(ack(1));
  c.take_all_sent();
  c.user_sends(pattern(10 * kMss));
  EXPECT_EQ(c.take_all_sent().size(), 1u);
}

TEST(Retransmission, InitialWindowIsTenSegments) {  // RFC 6928
  TestConnection c = established();
  c.user_sends(pattern(20 * kMss));
  EXPECT_EQ(c.take_all_sent().size(), 10u);
}

TEST(Retransmission, TheHandshakeDoesNotOpenCwnd) {  // RFC 5681, 3.1, SYN/ACK
  for (const bool active : {false, true}) {
    TestConnection c = established({.active = active});
    EXPECT_EQ(c.tcb().congestion().cwnd, 10u * kMss) << active;
  }
}

TEST(Retransmission, SlowStartGrowsByWhatIsAcknowledged) {  // MUST-19; RFC 5681, 3.1
  TestConnection c = established();
  c.user_sends(pattern(60 * kMss));
  c.take_all_sent();
  c.peer_sends(ack(1 + 2 * kMss).seq(1));
  EXPECT_EQ(c.take_all_sent().size(), 4u) << "two that left, two by which cwnd grew";
}

TEST(Retransmission, DividedAcksGainNothing) {  // RFC 5681, 3.1, equation (2); RFC 3465
  TestConnection c = established();
  c.user_sends(pattern(60 * kMss));
  const std::uint32_t before = c.tcb().congestion().cwnd;
  for (std::int64_t n = 2; n <= 1461; n += 10) c.peer_sends(ack(n).seq(1));
  EXPECT_LE(c.tcb().congestion().cwnd, before + kMss);
}

TEST(Retransmission, CongestionAvoidanceGrowsOneSegmentARound) {  // MUST-19; RFC 5681, 3.1, congestion avoidance
  TestConnection c = established();
  c.user_sends(pattern(80 * kMss));
  c.sleep(kRto);  // ssthresh is five segments now, cwnd one
  c.peer_sends(ack(c.snd_nxt()).seq(1));
  while (c.tcb().congestion().in_slow_start()) c.peer_sends(ack(c.snd_una() + kMss).seq(1));
  const std::uint32_t cwnd = c.tcb().congestion().cwnd;
  std::uint32_t acked = 0;
  while (acked < cwnd) {
    c.peer_sends(ack(c.snd_una() + kMss).seq(1));
    acked += kMss;
  }
  EXPECT_EQ(c.tcb().congestion().cwnd, cwnd + kMss);
}

TEST(Retransmission, IdleConnectionRestartsFromTheInitialWindow) {  // RFC 5681, 4.1
  TestConnection c = established();
  c.user_sends(pattern(60 * kMss));
  while (c.snd_una() < 60 * kMss) c.peer_sends(ack(c.snd_nxt()).seq(1));
  c.take_all_sent();
  ASSERT_GT(c.tcb().congestion().cwnd, 10u * kMss);
  c.sleep(1h);
  c.user_sends(pattern(60 * kMss, 60 * kMss));
  EXPECT_EQ(c.take_all_sent().size(), 10u);
}

// An established connection whose cwnd is forty segments and more, ssthresh half of that, and all is acknowledged.
TestConnection with_large_window() {
  TestConnection c = established();
  const auto grow = [&c] {
    while (c.tcb().congestion().cwnd < 40u * kMss) {
      c.user_sends(pattern(60 * kMss));
      c.sleep(50ms);
      c.peer_sends(ack(c.snd_nxt()).seq(1));
    }
  };
  grow();
  c.user_sends(pattern(60 * kMss));
  for (int duplicate = 0; duplicate < 3; ++duplicate) c.peer_sends(ack(c.snd_una()).seq(1));
  grow();
  while (c.snd_una() < c.snd_nxt()) c.peer_sends(ack(c.snd_nxt()).seq(1));
  c.take_all_sent();
  return c;
}

TEST(Retransmission, WhatWasFoundOutAboutThePathOutlivesAnIdleTime) {  // RFC 2861: ssthresh
  TestConnection c = with_large_window();
  const std::uint32_t before = c.tcb().congestion().cwnd;
  ASSERT_GT(before, 12u * kMss);
  c.sleep(1h);
  c.user_sends("x");
  EXPECT_EQ(c.tcb().congestion().cwnd, 10u * kMss);
  EXPECT_GE(c.tcb().congestion().ssthresh, before - before / 4);
  c.take_all_sent();
}

// For one RTO it is kept, and then half of what was not used goes, again and again down to the initial window.
TEST(Retransmission, AWindowThatIsNotUsedShrinksByHalvesOfTheRest) {  // RFC 2861
  TestConnection c = with_large_window();
  const auto say_little = [&c] {
    c.user_sends("x");
    c.sleep(50ms);
    c.peer_sends(ack(c.snd_nxt()).seq(1));
    c.take_all_sent();
  };
  std::uint32_t cwnd = c.tcb().congestion().cwnd;
  const std::uint32_t most = cwnd;
  Instant changed = c.now();
  for (int halves = 0; halves < 4; ++halves) {
    while (c.tcb().congestion().cwnd == cwnd) say_little();
    EXPECT_GE(c.now() - changed + 16ms, c.rto());
    EXPECT_LE(c.now() - changed, c.rto() + 100ms);
    EXPECT_EQ(c.tcb().congestion().cwnd, (cwnd + 10 * kMss) / 2);
    EXPECT_GE(c.tcb().congestion().ssthresh, most - most / 4);
    cwnd = c.tcb().congestion().cwnd;
    changed = c.now();
  }
}

TEST(Retransmission, AWindowThatIsUsedOnceInAnRtoStays) {  // RFC 2861
  TestConnection c = with_large_window();
  const auto before = static_cast<std::uint32_t>(c.tcb().congestion().cwnd / kMss * kMss);
  for (int i = 0; i < 20; ++i) {
    c.user_sends(pattern(i % 2 == 0 ? before : 10));
    c.sleep(50ms);
    c.peer_sends(ack(c.snd_nxt()).seq(1));
    while (c.snd_una() < c.snd_nxt()) c.peer_sends(ack(c.snd_nxt()).seq(1));
    c.take_all_sent();
  }
  EXPECT_GE(c.tcb().congestion().cwnd, before);
}

// Sends `segments` and acknowledges each by itself, but the last `keep`; so does the next call with those.
void send_and_acknowledge(TestConnection& c, std::uint32_t segments, std::uint32_t keep) {
  const auto una = c.snd_una();
  c.user_sends(pattern(segments * kMss));
  const auto outstanding = (c.snd_nxt() - una) / kMss;
  for (int i = 1; i <= outstanding - keep; ++i) c.peer_sends(ack(una + i * kMss).seq(1));
  c.take_all_sent();
}

// A device hands them over before anything can be sent: less than cwnd is in flight for all but the first.
TEST(Retransmission, EachAckOfAFullWindowLetsCwndGrowThoughTheyComeInOneBurst) {  // RFC 5681, 3.1; RFC 2861
  TestConnection c = established({.config = {.congestion = CongestionControl::kNewReno}});
  const Congestion& congestion = c.tcb().congestion();
  const auto acknowledge_a_window = [&c] {
    std::vector<SegmentSpec> burst;
    for (auto up_to = c.snd_una() + kMss; up_to <= c.snd_nxt(); up_to += kMss) burst.push_back(ack(up_to).seq(1));
    c.peer_sends_burst(burst);
    c.take_all_sent();
  };
  c.user_sends(pattern(44 * kMss));
  acknowledge_a_window();
  EXPECT_EQ(congestion.cwnd, 20u * kMss) << "slow start doubles it";

  for (int duplicate = 0; duplicate < 3; ++duplicate) c.peer_sends(ack(c.snd_una()).seq(1));
  for (int round_trip = 0; round_trip < 4 || congestion.in_slow_start(); ++round_trip) {
    ASSERT_LT(round_trip, 10);
    c.user_sends(pattern(30 * kMss));
    acknowledge_a_window();
  }
  const std::uint32_t before = congestion.cwnd;
  for (int round_trip = 0; round_trip < 3; ++round_trip) {
    c.user_sends(pattern(30 * kMss));
    acknowledge_a_window();
  }
  EXPECT_GE(congestion.cwnd, before + 2 * kMss);
  EXPECT_LE(congestion.cwnd, before + 3 * kMss);
}

// In slow start it stops where half of it is not used any more, behind that where more than two segments are not.
TEST(Retransmission, CwndGrowsNoFurtherThanItIsUsed) {  // RFC 2861; RFC 7661, 1
  for (const std::uint32_t segments : {4u, 5u, 6u, 7u}) {
    TestConnection c = established();
    for (int round_trip = 0; round_trip < 20; ++round_trip) send_and_acknowledge(c, segments, 0);
    EXPECT_LE(c.tcb().congestion().cwnd, std::max(2 * segments + 1, 10u) * kMss) << segments;
  }
  TestConnection c = with_large_window();
  const std::uint32_t before = c.tcb().congestion().cwnd;
  for (int round_trip = 0; round_trip < 20; ++round_trip) send_and_acknowledge(c, 20, 1);
  EXPECT_EQ(c.tcb().congestion().cwnd, before) << "half of it was used";
}

TEST(Retransmission, CwndDoesNotGrowUnused) {  // RFC 7661's reason
  TestConnection c = established();
  const std::uint32_t before = c.tcb().congestion().cwnd;
  for (int i = 0; i < 50; ++i) {
    c.user_sends("x");
    c.peer_sends(ack(c.snd_nxt()).seq(1));
  }
  EXPECT_EQ(c.tcb().congestion().cwnd, before);
}

}  // namespace
}  // namespace pollux::tcp::test
