// DCTCP (RFC 8257) in a connection, and its estimate alone.

#include <cmath>

#include "numbered_segments.h"

namespace pollux::tcp::test {
namespace {

TestConnection dctcp(const Conditions& given = {.config = {.congestion = CongestionControl::kDctcp},
                                                .peer = {.sack_permitted = true}}) {
  TestConnection c{given};
  c.peer_opens(c.peer_syn().ece().cwr());
  c.expect_sent(syn().ack(1).ece());  // it needs ECN, and so asks for it
  c.sleep(given.rtt);
  c.peer_sends(ack(1));
  return c;
}

TEST(Dctcp, AlphaIsOneAtFirst) {  // RFC 8257, 3.3, initial alpha
  EXPECT_EQ(dctcp().tcb().congestion().alpha(), 1);
}

// An independent computation beside it, window by window.
TEST(Dctcp, AlphaFollowsThePartThatWasMarked) {  // RFC 8257, 3.3, alpha; RFC 8257, 4.2, g
  Congestion c{.cwnd = 100};
  MarkedBytes window{.window_end = SeqNum{1000}, .open = true};
  double alpha = 1;
  SeqNum una{1000};
  for (const double part : {0.0, 0.5, 0.5, 1.0, 0.1, 0.0, 0.0, 0.9}) {
    const SeqNum nxt = una + 1000;
    const SeqNum end = window.window_end;
    // Ten segments of a hundred bytes, and then the first of the next window closes this one.
    for (std::uint32_t i = 1; i <= 10; ++i) {
      c.estimate_alpha(window, 100, i <= part * 10, end + 100 * i - 1000 + 0, nxt);
    }
    EXPECT_EQ(window.window_end, end) << "SEG.ACK is not beyond DCTCP.WindowEnd";
    c.estimate_alpha(window, 1, false, end + 1, nxt + 500);
    alpha = alpha * (1 - 1.0 / 16) + 1.0 / 16 * (part * 1000 / 1001);
    EXPECT_NEAR(c.alpha(), alpha, 1e-5);
    una = nxt;
  }
}

TEST(Dctcp, CwndIsLoweredByHalfOfAlpha) {  // RFC 8257, 3.4, (9)
  Congestion c{.cwnd = 100 * 1448, .ssthresh = 100 * 1448};
  Stage stage;
  c.reduce_for_mark(CongestionControl::kDctcp, stage, c.cwnd, 1448);
  EXPECT_EQ(c.ssthresh, 50u * 1448) << "alpha is 1";
  MarkedBytes window;
  for (std::uint32_t n = 1; n < 40; ++n) c.estimate_alpha(window, 1, false, SeqNum{n * 10}, SeqNum{n * 10});
  const double alpha = c.alpha();
  EXPECT_NEAR(alpha, std::pow(15.0 / 16, 39), 1e-3);
  c.reduce_for_mark(CongestionControl::kDctcp, stage, c.cwnd, 1448);
  EXPECT_NEAR(c.ssthresh, c.cwnd * (1 - alpha / 2), 1);
}

TEST(Dctcp, OneWindowIsAnsweredOnceAndALossAsElsewhere) {  // RFC 8257, 3.4, once; RFC 8257, 3.5
  TestConnection c = dctcp();
  c.user_sends(pattern(40 * kMss));
  c.take_all_sent();
  for (std::int64_t n = 1; n <= 4; ++n) c.peer_sends(ack(at(n)).ece());
  EXPECT_EQ(c.counters().ecn_reductions, 1u);
  c.peer_sends(ack(at(4)).sack({{at(5), at(9)}}));
  EXPECT_EQ(c.counters().fast_retransmits, 1u);
  EXPECT_EQ(ssthresh(c), 5u * kMss);
}

TEST(Dctcp, WhatIsAcknowledgedLastCountsToo) {  // RFC 8257, 3.3, alpha: what follows may be long in coming
  TestConnection c = dctcp();
  c.user_sends(pattern(10 * kMss));
  c.take_all_sent();
  c.peer_sends(ack(at(2)));
  c.peer_sends(ack(at(10)).ece());
  EXPECT_NEAR(c.tcb().congestion().alpha(), 15.0 / 16 + 8.0 / 10 / 16, 1e-5);
}

TEST(Dctcp, AMarkAndALossOfOneWindowAreOneReduction) {  // RFC 8257, 3.5
  TestConnection c = dctcp();
  std::int64_t n = 0;
  for (; n < 8; ++n) {  // alpha is lowered
    c.user_sends(pattern(kMss, static_cast<std::size_t>(n * kMss)));
    c.peer_sends(ack(at(n + 1)));
  }
  c.take_all_sent();
  c.user_sends(pattern(40 * kMss, 8 * kMss));
  ASSERT_EQ(c.take_all_sent().size(), 10u);
  c.peer_sends(ack(at(n + 1)).ece());
  EXPECT_GT(ssthresh(c), 6u * kMss);
  c.peer_sends(ack(at(n + 1)).ece().sack({{at(n + 2), at(n + 8)}}));
  EXPECT_EQ(c.counters().fast_retransmits, 1u);
  EXPECT_EQ(ssthresh(c), 10u * kMss / 2) << "of what was in flight at the mark";
  c.take_all_sent();
}

TEST(Dctcp, AnUndoKeepsAlpha) {  // RFC 4015, 3.2: what was measured since is no part of what is taken back
  TestConnection c =
      dctcp({.config = {.congestion = CongestionControl::kDctcp}, .peer = {.ts = 7u, .sack_permitted = true}});
  c.user_sends(pattern(40 * 1448));
  const std::uint32_t first_ts = c.last_tsval();
  c.take_all_sent();
  c.peer_sends(ack(1 + 2 * 1448).seq(1).ts(c.peer_clock(), first_ts));  // the first window ends with the tenth segment
  c.take_all_sent();
  c.sleep_until_time_out();
  c.take_all_sent();
  const std::uint32_t before = ssthresh(c);
  c.peer_sends(ack(1 + 11 * 1448).seq(1).ts(c.peer_clock(), first_ts));
  EXPECT_EQ(c.counters().spurious_time_outs, 1u);
  EXPECT_GT(ssthresh(c), before);
  EXPECT_NEAR(c.tcb().congestion().alpha(), 15.0 / 16, 1e-5) << "the ACK that undoes it was not marked";
  c.take_all_sent();
}

// --- The receiver ---

TEST(Dctcp, AnAckDoesNotWaitWhereMarksBeginOrEnd) {  // RFC 8257, 3.2, (1); RFC 8257, 3.2, (2); RFC 8257, 3.2, (3)
  TestConnection c = dctcp();
  c.peer_sends(data(pattern(kMss)).seq(at(0)).ack(1));
  c.peer_sends(data(pattern(kMss)).seq(at(1)).ack(1));
  c.expect_sent(ack(at(2)).seq(1));
  c.peer_sends(data(pattern(kMss)).seq(at(2)).ack(1));
  c.expect_nothing_sent();
  c.peer_sends(data(pattern(kMss)).seq(at(3)).ack(1).ce());
  c.expect_sent(ack(at(4)).seq(1).ece());
  c.peer_sends(data(pattern(kMss)).seq(at(4)).ack(1).ce());
  c.expect_nothing_sent();
  c.peer_sends(data(pattern(kMss)).seq(at(5)).ack(1).ce());
  c.expect_sent(ack(at(6)).seq(1).ece());
  c.peer_sends(data(pattern(kMss)).seq(at(6)).ack(1));
  c.expect_sent(ack(at(7)).seq(1));
  c.peer_sends(data("x").seq(at(7)).ack(1).ce());
  c.expect_sent(ack(at(7) + 1).seq(1).ece());
}

TEST(Dctcp, TheAckOfABurstEchoesAMarkInIt) {  // RFC 8257, 3.2, (3)
  TestConnection c = dctcp();
  c.peer_sends_burst({data("a").seq(1).ack(1), data("b").seq(2).ack(1).ce(), data("c").seq(3).ack(1)});
  c.expect_sent(ack(4).seq(1).ece());
  c.peer_sends(data("d").seq(4).ack(1));
  c.sleep(500ms);
  c.expect_sent(ack(5).seq(1));
}

TEST(Dctcp, SoDoesThatOfABurstBehindAHole) {  // RFC 8257, 3.2, (3)
  TestConnection c = dctcp();
  c.peer_sends_burst({data("b").seq(2).ack(1).ce(), data("c").seq(3).ack(1)});
  c.expect_sent(ack(1).seq(1).ece());
  c.take_all_sent();
}

TEST(Dctcp, CwrIsNoReasonToStop) {  // RFC 8257, 3.2: the echo is of what came, not of what was answered
  TestConnection c = dctcp();
  c.peer_sends(data("a").seq(1).ack(1).ce());
  c.expect_sent(ack(2).seq(1).ece());
  c.peer_sends(data("b").seq(2).ack(1).ce().cwr());
  c.sleep(500ms);
  c.expect_sent(ack(3).seq(1).ece());
}

}  // namespace
}  // namespace pollux::tcp::test
