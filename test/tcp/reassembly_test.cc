// Text that comes in any order, at the level of a TCB: RFC 9293, 3.10.7.4, seventh and eighth; SHLD-31.

#include <gtest/gtest.h>  // before the next, which needs it
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <vector>

#include "test_connection.h"

namespace pollux::tcp::test {
namespace {

TEST(Reassembly, AllOrdersOfFiveSegmentsGiveTheSameStream) {  // sizes 1, 2, 4, 8, 16
  const std::string stream = pattern(31);
  std::array<std::size_t, 5> order{0, 1, 2, 3, 4};
  do {
    TestConnection c = established();
    std::array<bool, 5> arrived{};
    for (const std::size_t i : order) {
      const std::size_t from = (std::size_t{1} << i) - 1;
      const std::size_t size = std::size_t{1} << i;
      c.peer_sends(data(stream.substr(from, size)).seq(1 + static_cast<std::int64_t>(from)).ack(1));
      arrived[i] = true;
      const auto gap = static_cast<std::size_t>(std::find(arrived.begin(), arrived.end(), false) - arrived.begin());
      ASSERT_EQ(c.received(), stream.substr(0, (std::size_t{1} << gap) - 1));
      ASSERT_EQ(c.rcv_nxt(), std::int64_t{1} << gap);
    }
    ASSERT_EQ(c.received(), stream);
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST(Reassembly, OverlapsOfAllKindsGiveTheStream) {  // two islands, and one segment from every point to every other
  const std::string stream = pattern(13);
  for (std::size_t from = 0; from < 13; ++from) {
    for (std::size_t to = from + 1; to <= 13; ++to) {
      TestConnection c = established();
      c.peer_sends(data(stream.substr(3, 3)).seq(4).ack(1));
      c.peer_sends(data(stream.substr(8, 3)).seq(9).ack(1));
      c.peer_sends(data(stream.substr(from, to - from)).seq(1 + static_cast<std::int64_t>(from)).ack(1));
      c.peer_sends(data(stream).seq(1).ack(1));
      ASSERT_EQ(c.received(), stream) << from << " to " << to;
    }
  }
}

TEST(Reassembly, BytesThatCameFirstStay) {  // one policy; what was delivered never changes
  TestConnection c = established();
  c.peer_sends(data("WORLD").seq(6).ack(1));
  c.peer_sends(data("helloworld").seq(1).ack(1));
  EXPECT_EQ(c.received(), "helloWORLD");
}

TEST(Reassembly, OutOfOrderTextIsHeldWithoutBeingDelivered) {  // SHLD-31
  TestConnection c = established();
  c.peer_sends(data("world").seq(6).ack(1));
  EXPECT_EQ(c.received(), "");
  EXPECT_EQ(c.unread(), 0u);
  EXPECT_EQ(c.counters().out_of_order, 1u);
  c.peer_sends(data("hello").seq(1).ack(1));
  EXPECT_EQ(c.received(), "helloworld");
  EXPECT_TRUE(c.holds_no_memory());
}

TEST(Reassembly, EachSegmentBeyondAHoleIsAcknowledgedAlsoWithinOneBurst) {  // MAY-13; RFC 5681, 4.2
  TestConnection c = established();
  c.peer_sends_burst({data("b").seq(2).ack(1), data("c").seq(3).ack(1), data("d").seq(4).ack(1)});
  for (int i = 0; i < 3; ++i) c.expect_sent(ack(1).seq(1));
  c.expect_nothing_sent();
}

TEST(Reassembly, WhatFillsTheHoleWithinTheBurstEndsTheDuplicates) {
  TestConnection c = established();
  c.peer_sends_burst({data("b").seq(2).ack(1), data("c").seq(3).ack(1), data("a").seq(1).ack(1)});
  c.expect_sent(ack(4).seq(1));
  c.expect_nothing_sent();
}

TEST(Reassembly, DuplicateAcksOfOneBurstAreBounded) {
  TestConnection c = established();
  std::vector<SegmentSpec> burst;
  for (int i = 0; i < 200; ++i) burst.push_back(data("x").seq(3 + i).ack(1));
  c.peer_sends_burst(burst);
  for (int i = 0; i < 8; ++i) c.expect_sent(ack(1).seq(1));
  c.expect_nothing_sent();
}

TEST(Reassembly, OneSegmentOverHolesAndWhatLiesBetweenIsAcknowledgedAtOnce) {  // RFC 5681, 4.2
  TestConnection c = established();
  c.peer_sends(data("ll").seq(3).ack(1));
  c.expect_sent(ack(1).seq(1));
  c.peer_sends(data("hello").seq(1).ack(1));
  c.expect_sent(ack(6).seq(1));
  EXPECT_EQ(c.received(), "hello");
}

TEST(Reassembly, HoleFilledWhileTheApplicationDoesNotRead) {
  TestConnection c = established({.application_reads = false});
  c.peer_sends(data("c").seq(3).ack(1));
  c.peer_sends(data("a").seq(1).ack(1));
  c.peer_sends(data("b").seq(2).ack(1));
  EXPECT_EQ(c.unread(), 3u);
  EXPECT_EQ(c.read(100), "abc");
}

TEST(Reassembly, FinOutOfOrderCountsWhenItsTurnComes) {
  TestConnection c = established();
  c.peer_sends(data("world").fin().seq(6).ack(1));
  EXPECT_EQ(c.state(), State::kEstablished);
  c.expect_sent(ack(1).seq(1));
  c.peer_sends(data("hello").seq(1).ack(1));
  EXPECT_EQ(c.received(), "helloworld");
  EXPECT_EQ(c.state(), State::kCloseWait);
  EXPECT_TRUE(c.events().eof);
  c.expect_sent(ack(12).seq(1));
}

TEST(Reassembly, SecondFinElsewhereIsIgnored) {
  TestConnection c = established();
  c.peer_sends(fin().seq(6).ack(1));
  c.peer_sends(fin().seq(4).ack(1));
  c.peer_sends(data("hello").seq(1).ack(1));
  EXPECT_EQ(c.state(), State::kCloseWait);
  EXPECT_EQ(c.rcv_nxt(), 7);
}

TEST(Reassembly, DuplicatesOfAFutureSegmentCostNothing) {
  TestConnection c = established();
  for (int i = 0; i < 500; ++i) c.peer_sends(data("future").seq(10).ack(1));
  EXPECT_EQ(c.counters().out_of_order, 1u);
  c.peer_sends(data("123456789").seq(1).ack(1));
  EXPECT_EQ(c.received(), "123456789future");
}

TEST(Reassembly, TooManyHolesDoNotKeepOutWhatIsInOrder) {
  TestConnection c = established({.config = {.max_ranges = 16}});
  for (std::int64_t i = 0; i < 100; ++i) c.peer_sends(data("x").seq(3 + 2 * i).ack(1));
  c.take_all_sent();
  c.peer_sends(data("ab").seq(1).ack(1));
  EXPECT_EQ(c.received(), "abx");
}

TEST(Reassembly, WindowFullOfTinyHolesStillTakesTheTextInOrder) {  // CVE-2018-5390, and F-Stack's stall
  TestConnection c =
      established({.config = {.receive_buffer = 60000, .window_scaling = false}, .application_reads = false});
  for (std::int64_t i = 0; i < 1200; ++i) c.peer_sends(data("x").seq(3 + 2 * i).ack(1));
  c.take_all_sent();
  for (std::int64_t seq = 1; seq < 14600; seq += 1460) {
    c.peer_sends(data(pattern(1460)).seq(seq).ack(1));
    EXPECT_GE(c.rcv_nxt(), seq + 1460);
    c.read(100000);
  }
}

TEST(Reassembly, TextAtTheEdgeOfTheWindowIsHeldAndBeyondItIsNot) {
  TestConnection c = established({.config = {.receive_buffer = 1000, .window_scaling = false}});
  const std::int64_t edge = c.right_edge();
  c.peer_sends(data("z").seq(edge - 1).ack(1));
  EXPECT_EQ(c.counters().out_of_order, 1u);
  EXPECT_EQ(c.peer_sends(data("z").seq(edge).ack(1)), Verdict::kOutOfWindow);
  EXPECT_EQ(c.counters().out_of_order, 1u);
}

TEST(Reassembly, HeldTextIsGivenBackWhenTheConnectionEnds) {
  for (const bool abort : {false, true}) {
    TestConnection c = established();
    c.peer_sends(data("world").seq(6).ack(1));
    if (abort) {
      c.user_aborts();
    } else {
      c.peer_sends(rst().seq(1));
    }
    EXPECT_TRUE(c.holds_no_memory());
  }
}

// Any cuts, orders, overlaps and repetitions of a stream give the stream.
RC_GTEST_PROP(Reassembly, AnyArrivalGivesTheStream, ()) {
  const std::size_t size = *rc::gen::inRange<std::size_t>(1, 400);
  const std::string stream = pattern(size);
  const bool reads = *rc::gen::arbitrary<bool>();
  const auto pieces = *rc::gen::container<std::vector<std::pair<std::size_t, std::size_t>>>(
      rc::gen::pair(rc::gen::inRange<std::size_t>(0, size), rc::gen::inRange<std::size_t>(1, 60)));
  TestConnection c = established({.application_reads = reads});
  for (const auto& [from, length] : pieces) {
    const std::string text = stream.substr(from, length);
    SegmentSpec segment = data(text).seq(1 + static_cast<std::int64_t>(from)).ack(1);
    if (from + text.size() == size) segment.fin();
    c.peer_sends(segment);
    if (!reads && length % 3 == 0) c.read(length);
    RC_ASSERT(stream.compare(0, c.received().size(), c.received()) == 0);
  }
  c.peer_sends(data(stream).fin().seq(1).ack(1));
  c.read(1000);
  RC_ASSERT(c.received() == stream);
  RC_ASSERT(c.state() == State::kCloseWait);
  RC_ASSERT(c.events().eof);
  RC_ASSERT(c.holds_no_memory());
}

}  // namespace
}  // namespace pollux::tcp::test
