// F-RTO: RFC 5682. Between peers without timestamps, of whom no echo tells which copy has arrived.

#include "numbered_segments.h"

namespace pollux::tcp::test {
namespace {

Conditions peer(bool sack) { return {.peer = {.sack_permitted = sack}}; }

// Ten segments are outstanding, `more` wait, and the first has gone again after a time-out.
TestConnection timed_out(bool sack, std::int64_t more = 20) {
  TestConnection c = ten_in_flight(more, peer(sack));
  c.sleep_until_time_out();
  EXPECT_EQ(sent(c), (Segments{0}));
  return c;
}

// What was outstanding at the time-out ends here: with SACK a loss probe of new text came before it.
std::int64_t outstanding(const TestConnection& c) { return (c.snd_nxt() - 1) / kMss; }

TEST(ForwardRecovery, ATimeOutAfterWhichAllComesWasSpurious) {  // RFC 5682, 2.1, (1); RFC 5682, 2.1, (3b)
  for (const bool sack : {false, true}) {
    TestConnection c = timed_out(sack);
    const std::int64_t next = outstanding(c);
    EXPECT_LT(ssthresh(c), UINT32_MAX);
    sacks(c, 1, {});
    EXPECT_EQ(sent(c), (Segments{next, next + 1})) << "RFC 5682, 2.1, (2b)";
    EXPECT_EQ(c.counters().spurious_time_outs, 0u);
    sacks(c, 2, {});
    EXPECT_EQ(c.counters().spurious_time_outs, 1u);
    EXPECT_EQ(ssthresh(c), UINT32_MAX) << "RFC 4015, 3.2";
    for (std::int64_t n = 3; n <= next; ++n) sacks(c, n, {});
    for (const std::int64_t n : sent(c)) EXPECT_GE(n, next + 2);
    EXPECT_EQ(c.counters().retransmitted_segments, 1u);
  }
}

TEST(ForwardRecovery, WithSackTheRestMayComeOutOfOrder) {  // RFC 5682, 3.1, (3b)
  TestConnection c = timed_out(true);
  sacks(c, 1, {});
  sent(c);
  sacks(c, 1, {{3, 4}});
  EXPECT_EQ(c.counters().spurious_time_outs, 1u);
}

TEST(ForwardRecovery, ADuplicateBehindTheNewTextShowsALoss) {  // RFC 5682, 2.1, (3a)
  TestConnection c = timed_out(false);
  const std::uint32_t lowered = ssthresh(c);
  sacks(c, 1, {});
  EXPECT_EQ(sent(c), (Segments{10, 11}));
  sacks(c, 1, {});
  EXPECT_EQ(sent(c), (Segments{1, 2}));
  EXPECT_LE(cwnd(c), 3u * kMss);
  sacks(c, 12, {});
  EXPECT_EQ(c.counters().spurious_time_outs, 0u);
  EXPECT_EQ(ssthresh(c), lowered);
}

TEST(ForwardRecovery, WithSackALossIsWhatTellsOfNewTextAlone) {  // RFC 5682, 3.1, (3a)
  TestConnection c = timed_out(true);
  const std::int64_t next = outstanding(c);
  sacks(c, 1, {});
  EXPECT_EQ(sent(c), (Segments{next, next + 1}));
  c.sleep(100ms);
  sacks(c, 1, {{next, next + 1}});
  EXPECT_EQ(sent(c).front(), 1);
  EXPECT_LE(cwnd(c), 3u * kMss);
  EXPECT_EQ(c.counters().spurious_time_outs, 0u);
}

TEST(ForwardRecovery, ADuplicateFirstShowsALoss) {  // RFC 5682, 2.1, (2a)
  TestConnection c = timed_out(false);
  sacks(c, 0, {});
  sacks(c, 1, {});
  EXPECT_EQ(sent(c), (Segments{1, 2}));
}

TEST(ForwardRecovery, WithSackADuplicateFirstIsWaitedThrough) {  // RFC 5682, 3.1, (2)
  TestConnection c = timed_out(true);
  const std::int64_t next = outstanding(c);
  sacks(c, 0, {{3, 4}});
  EXPECT_EQ(c.counters().spurious_time_outs, 0u) << "the first may be lost all the same";
  sent(c);
  sacks(c, 1, {{3, 4}});
  for (const std::int64_t n : sent(c)) EXPECT_GE(n, next);
  sacks(c, 2, {{3, 4}});
  EXPECT_EQ(c.counters().spurious_time_outs, 1u);
}

TEST(ForwardRecovery, WhatAcknowledgesEverythingTellsNothing) {  // RFC 5682, 2.1, (2a)
  for (const bool sack : {false, true}) {
    TestConnection c = timed_out(sack);
    const std::uint32_t lowered = ssthresh(c);
    sacks(c, outstanding(c), {});
    sent(c);
    sacks(c, outstanding(c), {});
    EXPECT_EQ(c.counters().spurious_time_outs, 0u);
    EXPECT_EQ(ssthresh(c), lowered);
    sent(c);
  }
}

TEST(ForwardRecovery, WithoutNewTextTheLostGoesAgain) {  // RFC 5682, 2.1, (2b)
  for (const bool sack : {false, true}) {
    TestConnection c = timed_out(sack, 0);
    sacks(c, 1, {});
    EXPECT_EQ(sent(c), (Segments{1, 2}));
  }
}

TEST(ForwardRecovery, SoItDoesWhereThePeersWindowIsFull) {  // RFC 5682, 2.1, (2b)
  Conditions given = peer(false);
  given.peer.wnd = static_cast<std::uint16_t>(10 * kMss);
  TestConnection c = ten_in_flight(20, given);
  c.sleep_until_time_out();
  sent(c);
  c.peer_sends(ack(at(1)).seq(1).wnd(static_cast<std::uint16_t>(9 * kMss)));
  EXPECT_EQ(sent(c), (Segments{1, 2}));
}

TEST(ForwardRecovery, ASecondTimeOutIsRecoveredFromConventionally) {  // RFC 5682, 2.1, (1)
  TestConnection c = timed_out(false);
  c.sleep_until_time_out();
  EXPECT_EQ(sent(c), (Segments{0}));
  sacks(c, 1, {});
  EXPECT_EQ(sent(c), (Segments{1, 2}));
}

TEST(ForwardRecovery, APartOfWhatWasSentAgainIsNotEnough) {  // RFC 5682, 2.1, (3b): "that were not retransmitted"
  TestConnection c = timed_out(false);
  c.peer_sends(ack(at(0) + 100).seq(1));
  c.peer_sends(ack(at(1)).seq(1));
  EXPECT_EQ(c.counters().spurious_time_outs, 0u);
  EXPECT_EQ(sent(c), (Segments{10, 11}));
}

}  // namespace
}  // namespace pollux::tcp::test
