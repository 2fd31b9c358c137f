// How large the receive buffer is, and what is offered of it: RFC 9293, 3.8.6.2.2, and dynamic right-sizing
// (Fisk and Feng, "Dynamic Right-Sizing in TCP", 2001).

#include "test_connection.h"

namespace pollux::tcp::test {
namespace {

constexpr std::uint32_t kStart = 64 * 1024;
constexpr std::uint32_t kMost = 1024 * 1024;

Conditions growing(std::optional<std::uint32_t> ts = 1000u) {
  return {.config = {.receive_buffer = kStart, .receive_buffer_max = kMost},
          .peer = {.wscale = std::uint8_t{7}, .ts = ts, .sack_permitted = true}};
}

// A round trip in which the peer sends `size` bytes, in full segments, that echo what we sent before it began.
void round_trip(TestConnection& c, std::uint32_t size, Duration rtt = 100ms) {
  c.sleep(rtt);
  c.take_all_sent();
  for (std::uint32_t at = 0; at < size; at += 1400) {
    c.peer_sends(data(pattern(std::min(1400u, size - at))).seq(c.rcv_nxt()).ack(1));
  }
}

std::uint32_t offered(const TestConnection& c) { return c.tcb().rcv_wnd(); }

TEST(ReceiveTuning, ScaleIsThatOfTheLargestBuffer) {  // RFC 7323, 2.3: it cannot be changed afterwards
  TestConnection c{growing()};
  c.peer_opens(c.peer_syn());
  const Sent sent = c.expect_sent(syn().ack(1));
  EXPECT_GE(std::uint64_t{65535} << sent.options.wind_shift.value(), kMost);
}

// What 16 bits can say must not be much more than the buffer that the connection begins with.
TEST(ReceiveTuning, ASmallBufferHasSmallUnitsHoweverLargeItMayBecome) {
  TestConnection c = established({.config = {.receive_buffer = 8192, .receive_buffer_max = 1u << 30},
                                  .peer = {.wscale = std::uint8_t{7}, .ts = 1000u, .sack_permitted = true}});
  c.application_reads(false);
  for (int i = 0; i < 8; ++i) {
    c.peer_sends(data(pattern(1000)).seq(c.rcv_nxt()).ack(1));
    c.take_all_sent();
  }
  EXPECT_LE(offered(c), 8192u / 4 + 256) << "by rounding up";
  c.application_reads(true);
  EXPECT_GT(offered(c), 8192u / 2);
}

TEST(ReceiveTuning, BeginsWithTheSmallBuffer) {
  TestConnection c = established(growing());
  round_trip(c, 2800);
  EXPECT_LE(offered(c), kStart);
}

TEST(ReceiveTuning, DoublesWhereMoreThanAQuarterIsReadInARoundTripUntilTheLargest) {
  TestConnection c = established(growing());
  std::uint32_t expected = kStart;
  round_trip(c, offered(c));
  for (int i = 0; i < 5; ++i) {
    round_trip(c, offered(c));  // what comes in it fills the smaller window, which is half of the buffer from now on
    expected = std::min(2 * expected, kMost);
    EXPECT_EQ(c.tcb().receive_limit(growing().config), expected) << i;
  }
  round_trip(c, 2800);
  EXPECT_GT(offered(c), kMost - 2 * 1460);
  EXPECT_LE(offered(c), kMost);
}

TEST(ReceiveTuning, DoublesWhereALittleMoreThanAQuarterIsReadInARoundTrip) {
  TestConnection c = established(growing());
  for (int i = 0; i < 6; ++i) round_trip(c, kStart / 4 + 2800);
  EXPECT_EQ(c.tcb().receive_limit(growing().config), 2 * kStart);
}

TEST(ReceiveTuning, StaysWhereNoMoreThanAQuarterIsReadInARoundTrip) {
  TestConnection c = established(growing());
  for (int i = 0; i < 20; ++i) round_trip(c, kStart / 4 - 1400);
  EXPECT_EQ(c.tcb().receive_limit(growing().config), kStart);
}

// What the peer sends tells nothing: what is read does.
TEST(ReceiveTuning, StaysForAnApplicationThatReadsSlowly) {
  Conditions given = growing();
  given.application_reads = false;
  TestConnection c = established(given);
  for (int i = 0; i < 20; ++i) {
    round_trip(c, offered(c));
    c.read(kStart / 5);
  }
  EXPECT_EQ(c.tcb().receive_limit(given.config), kStart);
  EXPECT_LE(c.unread() + offered(c), kStart + kStart / 4);
}

TEST(ReceiveTuning, GoesByTheRoundTripOfTheHandshakeWithoutTimestamps) {
  TestConnection c = established(growing(std::nullopt));
  for (int i = 0; i < 12; ++i) round_trip(c, offered(c), 120ms);  // the handshake took 100 ms
  EXPECT_EQ(c.tcb().receive_limit(growing().config), kMost);
  TestConnection slow = established(growing(std::nullopt));
  for (int i = 0; i < 20; ++i) round_trip(slow, offered(slow), 1s);  // a tenth of that much in 100 ms
  EXPECT_EQ(slow.tcb().receive_limit(growing().config), kStart);
}

// On a path shorter than a tick of the timestamps' clock what comes in a tick is many windows.
TEST(ReceiveTuning, CountsNoMoreThanARoundTripWhereThatIsShorterThanATick) {
  Conditions given = growing();
  given.rtt = 50us;
  TestConnection c = established(given);
  for (int i = 0; i < 40; ++i) round_trip(c, kStart / 2, 500us);  // 3 KB in 50 us
  EXPECT_EQ(c.tcb().receive_limit(given.config), kStart);
}

TEST(ReceiveTuning, StaysWithinWhatAnUnscaledWindowCanSay) {
  Conditions given = growing();
  given.peer.wscale.reset();
  TestConnection c = established(given);
  for (int i = 0; i < 12; ++i) round_trip(c, offered(c));
  EXPECT_LE(c.tcb().receive_limit(given.config), 2 * kStart);
}

TEST(ReceiveTuning, IsOffWhereTheLargestBufferIsNoLarger) {
  Conditions given = growing();
  given.config.receive_buffer_max = 0;
  TestConnection c = established(given);
  for (int i = 0; i < 12; ++i) round_trip(c, offered(c));
  EXPECT_EQ(c.tcb().receive_limit(given.config), kStart);
}

}  // namespace
}  // namespace pollux::tcp::test
