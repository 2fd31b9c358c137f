// RFC 9293, 3.8.5, and RFC 6093: urgent data stays in line, and the application is told where it ends.

#include "test_connection.h"

namespace pollux::tcp::test {
namespace {

// --- Receiving ---

TEST(Urgent, IsDeliveredInLineAndTold) {  // MUST-30, MUST-32; RFC 6093, 3.1
  TestConnection c = established({.application_reads = false});
  c.peer_sends(data("abcdef").urg(3).seq(1).ack(1));
  EXPECT_TRUE(c.events().urgent);
  EXPECT_EQ(c.urgent_ahead(), 3u);
  EXPECT_EQ(c.read(100), "abcdef");
}

TEST(Urgent, HowMuchIsLeftCanBeAsked) {  // MUST-33
  TestConnection c = established({.application_reads = false});
  EXPECT_EQ(c.urgent_ahead(), 0u);
  c.peer_sends(data("abcdef").urg(4).seq(1).ack(1));
  EXPECT_EQ(c.urgent_ahead(), 4u);
  c.read(1);
  EXPECT_EQ(c.urgent_ahead(), 3u);
  c.read(3);
  EXPECT_EQ(c.urgent_ahead(), 0u) << "at the mark";
  c.read(2);
  EXPECT_EQ(c.urgent_ahead(), 0u);
}

TEST(Urgent, IsToldWithoutText) {  // MUST-32: asynchronously
  TestConnection c = established();
  c.peer_sends(ack(1).seq(1).urg(100));
  EXPECT_TRUE(c.events().urgent);
  EXPECT_EQ(c.urgent_ahead(), 100u) << "the text is still to come";
}

TEST(Urgent, IsToldOncePerAdvance) {  // MUST-32
  TestConnection c = established();
  c.peer_sends(ack(1).seq(1).urg(100));
  c.peer_sends(ack(1).seq(1).urg(100));
  c.peer_sends(data("ab").seq(1).urg(100).ack(1));
  EXPECT_LE(c.urgent_events(), 2);
  c.events();
  c.peer_sends(ack(1).seq(3).urg(50));  // further to the left: RCV.UP <- max(RCV.UP, SEG.UP)
  EXPECT_FALSE(c.events().urgent);
  c.peer_sends(ack(1).seq(3).urg(500));
  EXPECT_TRUE(c.events().urgent);
}

TEST(Urgent, AnyLength) {  // MUST-31: over 64 KB, by pointers that advance
  TestConnection c = established({.application_reads = false});
  c.peer_sends(ack(1).seq(1).urg(60000));
  std::int64_t seq = 1;
  for (int i = 0; i < 40; ++i, seq += 1000) {
    c.peer_sends(data(pattern(1000)).seq(seq).ack(1).urg(60000));
  }
  EXPECT_EQ(c.urgent_ahead(), 99000u);
}

TEST(Urgent, PointerBeyondTheSegmentAndPointerZero) {
  TestConnection beyond = established();
  beyond.peer_sends(data("x").urg(5000).seq(1).ack(1));
  EXPECT_EQ(beyond.received(), "x");
  EXPECT_TRUE(beyond.events().urgent);
  TestConnection zero = established();
  zero.peer_sends(data("x").urg(0).seq(1).ack(1));
  EXPECT_EQ(zero.received(), "x");
  EXPECT_EQ(zero.state(), State::kEstablished);
}

TEST(Urgent, IsToldInAZeroWindow) {  // MUST-66
  TestConnection c =
      established({.config = {.receive_buffer = 4000, .window_scaling = false}, .application_reads = false});
  while (c.tcb().rcv_wnd() > 0) {
    c.peer_sends(data(pattern(std::min<std::size_t>(1000, c.tcb().rcv_wnd()))).seq(c.rcv_nxt()).ack(1));
    c.sleep(50ms);
  }
  c.peer_sends(ack(1).seq(c.rcv_nxt()).urg(10));
  EXPECT_TRUE(c.events().urgent);
  TestConnection with_text =
      established({.config = {.receive_buffer = 1000, .window_scaling = false}, .application_reads = false});
  with_text.peer_sends(data(pattern(1000)).seq(1).ack(1));
  with_text.sleep(50ms);
  ASSERT_EQ(with_text.tcb().rcv_wnd(), 0u);
  with_text.peer_sends(data("u").seq(1001).ack(1).urg(1));
  EXPECT_TRUE(with_text.events().urgent);
  EXPECT_EQ(with_text.rcv_nxt(), 1001);
}

TEST(Urgent, OldPointerIsIgnored) {
  TestConnection c = established();
  c.peer_sends(data("hello").seq(1).ack(1));
  c.events();
  c.peer_sends(data("hello").urg(2).seq(1).ack(1));
  c.peer_sends(data("hello!").urg(2).seq(1).ack(1));  // acceptable for its last byte
  EXPECT_FALSE(c.events().urgent);
  EXPECT_EQ(c.urgent_ahead(), 0u);
}

TEST(Urgent, IsIgnoredBehindTheFin) {  // 3.10.7.4, sixth: CLOSE-WAIT and later
  TestConnection c = close_wait();
  c.peer_sends(ack(1).seq(2).urg(10));
  EXPECT_FALSE(c.events().urgent);
}

TEST(Urgent, PointerIsIgnoredWithoutTheBit) {
  TestConnection c = established();
  c.peer_sends(data("x").urg(100).flags(".").seq(1).ack(1));
  EXPECT_FALSE(c.events().urgent);
}

// --- Sending ---

TEST(Urgent, PointerNamesTheByteAfterTheUrgentOnes) {  // MUST-30, MUST-62
  TestConnection c = established();
  c.user_sends_urgent("stop");
  const Sent sent = c.take_sent().value();
  EXPECT_TRUE(sent.flags.urg);
  EXPECT_EQ(sent.up, 4);
  EXPECT_EQ(sent.text, "stop");
}

TEST(Urgent, PointerCountsFromEachSegment) {  // MUST-62
  TestConnection c = established();
  c.user_sends_urgent(pattern(4000));
  const auto sent = c.take_all_sent();
  ASSERT_EQ(sent.size(), 3u);
  for (const Sent& s : sent) {
    EXPECT_TRUE(s.flags.urg);
    EXPECT_EQ(s.seq + s.up, 4001);
  }
}

TEST(Urgent, OrdinaryTextBehindItIsNotUrgent) {
  TestConnection c = established({.options = {.nodelay = true}});
  c.user_sends_urgent("stop");
  c.user_sends("and go on");
  EXPECT_TRUE(c.take_sent().value().flags.urg);
  EXPECT_FALSE(c.take_sent().value().flags.urg);
}

TEST(Urgent, PointerIsRightInARetransmission) {
  TestConnection c = established();
  c.user_sends_urgent("stop");
  c.take_all_sent();
  c.sleep(c.rto());
  const Sent again = c.take_sent().value();
  EXPECT_TRUE(again.flags.urg);
  EXPECT_EQ(again.seq + again.up, 5);
}

TEST(Urgent, SecondWriteExtendsTheFirst) {  // MUST-31
  TestConnection c = established({.peer = {.wnd = 0}});
  c.user_sends_urgent(pattern(1000));
  c.user_sends_urgent(pattern(1000, 1000));
  c.peer_sends(ack(1).seq(1).wnd(65535));
  const auto sent = c.take_all_sent();
  ASSERT_FALSE(sent.empty());
  for (const Sent& s : sent) EXPECT_EQ(s.seq + s.up, 2001);
}

TEST(Urgent, LongerThanThePointerReaches) {  // MUST-31: 100 KB
  TestConnection c = established({.config = {.send_buffer = 200'000}});
  c.user_sends_urgent(pattern(100'000));
  const auto first = c.take_all_sent();
  ASSERT_FALSE(first.empty());
  EXPECT_TRUE(first[0].flags.urg);
  EXPECT_EQ(first[0].up, 65535);
  while (c.snd_una() < 100'001) c.peer_sends(ack(c.snd_nxt()).seq(1));
  const auto rest = c.take_all_sent();
  EXPECT_EQ(rest.back().seq + rest.back().up, 100'001);
}

TEST(Urgent, IsToldWithAProbeThoughTheWindowIsClosed) {  // 3.8.5: the receiver must learn of it
  TestConnection c = established({.peer = {.wnd = 0}});
  c.user_sends_urgent("stop");
  c.sleep(1s);
  const auto sent = c.take_all_sent();
  ASSERT_FALSE(sent.empty());
  EXPECT_TRUE(sent[0].flags.urg);
  EXPECT_EQ(sent[0].seq + sent[0].up, 5);
}

}  // namespace
}  // namespace pollux::tcp::test
