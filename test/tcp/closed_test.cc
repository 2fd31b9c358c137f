// RFC 9293, 3.10.7.1, and the user calls of 3.10 in CLOSED.

#include "test_connection.h"

namespace pollux::tcp::test {
namespace {

Segment segment(std::string_view flags, std::uint32_t seq, std::uint32_t ack_number, std::span<const std::byte> text) {
  const auto has = [&](char c) { return flags.find(c) != std::string_view::npos; };
  Segment s;
  s.seq = SeqNum{seq};
  s.ack = SeqNum{ack_number};
  s.flags = {.fin = has('F'), .syn = has('S'), .psh = has('P'), .ack = has('.'), .urg = has('U')};
  s.text = text;
  return s;
}

// RFC 9293, 3.5.2, group 1, and 3.10.7.1: <SEQ=0><ACK=SEG.SEQ+SEG.LEN><CTL=RST,ACK> where the ACK bit
// is off, <SEQ=SEG.ACK><CTL=RST> where it is on.
TEST(Closed, ResetIsMadeFromTheSegmentAlone) {
  struct Row {
    std::string_view flags;
    std::size_t text;
    std::uint32_t ack;  // of the reset; where it has none, 0
  };
  constexpr std::uint32_t kSeq = 0xfffffffe;
  static constexpr std::array<std::byte, 100> kText{};
  for (const Row& row : {
           Row{"S", 0, kSeq + 1},
           Row{"S", 100, kSeq + 101},
           Row{"SF", 0, kSeq + 2},
           Row{"SF", 3, kSeq + 5},
           Row{"F", 0, kSeq + 1},
           Row{"FPU", 0, kSeq + 1},
           Row{"F", 5, kSeq + 6},
           Row{"", 0, kSeq},
           Row{"P", 7, kSeq + 7},
           Row{".", 0, 0},
           Row{".", 10, 0},
           Row{"P.", 10, 0},
           Row{"F.", 0, 0},
           Row{"S.", 0, 0},
           Row{"SF.", 0, 0},
       }) {
    SCOPED_TRACE(std::string{row.flags} + " with " + std::to_string(row.text));
    const Segment s = segment(row.flags, kSeq, 0x80000001, std::span{kText}.first(row.text));
    const ResetReply reply = reset_for(s);
    EXPECT_EQ(reply.with_ack, !s.flags.ack);
    if (s.flags.ack) {
      EXPECT_EQ(reply.seq, s.ack);
    } else {
      EXPECT_EQ(reply.seq, SeqNum{0});
      EXPECT_EQ(reply.ack, SeqNum{row.ack});
    }
  }
}

TEST(Closed, EverySegmentButARstIsReset) {
  for (const SegmentSpec& spec :
       {syn(), syn().ack(1), syn().fin(), ack(1), data("x").ack(1), data("x"), fin(), fin().ack(1), no_flags()}) {
    TestConnection c = closed();
    EXPECT_EQ(c.peer_sends(spec), Verdict::kReset);
    EXPECT_EQ(c.sent_count(), 1u);
    EXPECT_EQ(c.state(), State::kClosed);
  }
}

TEST(Closed, RstIsDroppedSilently) {
  for (const SegmentSpec& spec : {rst(), rst().ack(1), data("x").flags("R"), syn().flags("SR")}) {
    TestConnection c = closed();
    EXPECT_NE(c.peer_sends(spec), Verdict::kReset);
    c.expect_nothing_sent();
  }
}

TEST(Closed, UserCallsSayThatTheConnectionDoesNotExist) {  // 3.10.2 to 3.10.5
  TestConnection c = closed();
  EXPECT_EQ(c.user_tries_to_send("x").error(), UserError::kConnectionDoesNotExist);
  EXPECT_EQ(c.user_shuts_down().error(), UserError::kConnectionDoesNotExist);
  c.user_closes();
  c.user_aborts();
  c.expect_nothing_sent();
  EXPECT_EQ(c.state(), State::kClosed);
  EXPECT_EQ(c.read(10), "");
}

TEST(Closed, NoTimerRuns) {
  TestConnection c = closed();
  EXPECT_EQ(c.next_deadline(), std::nullopt);
}

TEST(Closed, AfterTheEndOfAConnectionSegmentsAreReset) {  // 3.5.2, group 1
  TestConnection c = last_ack();
  c.peer_sends(ack(2).seq(2));
  ASSERT_EQ(c.state(), State::kClosed);
  EXPECT_EQ(c.peer_sends(ack(2).seq(2)), Verdict::kReset);
  c.expect_sent(rst().seq(2));
  EXPECT_EQ(c.peer_sends(fin().seq(1)), Verdict::kReset);
}

TEST(Closed, LateIcmpErrorsAndTimeChangeNothing) {
  TestConnection c = last_ack();
  c.peer_sends(ack(2).seq(2));
  c.events();
  c.icmp_error(IcmpError::kPortUnreachable, 1);
  c.sleep(1h);
  c.expect_nothing_sent();
  EXPECT_FALSE(c.events().any());
  EXPECT_EQ(c.reason(), Reason::kFinished);
}

}  // namespace
}  // namespace pollux::tcp::test
